//! Checkpoints: the heap is frozen, comes back to what it was then, or begins as a copy of what another one was.
//!
//! 1. [`Heap::freeze`] compacts, so that what is alive lies close together, and copies it once.
//! 2. [`Heap::rollback`] throws away whatever came after. Nothing is collected for that: what is young, what was
//!    written, and blocks that were taken into use since go as they are.
//! 3. [`Heap::of_image`] makes a heap that shares the pages until it writes to them.
//!
//! What the embedder's roots hold is the embedder's business: after a rollback they have to be as they were.

use super::Heap;
use crate::checks::verifier::When;
use crate::embedder::config::HeapConfig;
use crate::embedder::errors::{FreezeError, HeapError, Refused};
use crate::embedder::roots::RootProvider;
use crate::frozen::HeapImage;
use crate::raw::cage::CageKind;
use crate::telemetry::event::GcCause;
use std::sync::Arc;

impl Heap {
    /// A heap that is like the one of which `image` was made, with pages in common. What lies in it counts against the
    /// limit as it did there.
    ///
    /// # Errors
    /// As [`Heap::new`]; the limit is too small for what lies in the image, or the system refuses.
    pub fn of_image(config: &HeapConfig, image: &HeapImage) -> Result<Heap, HeapError> {
        let cage = match (image.spaces().is_sparse(), config.cage) {
            (true, _) => CageKind::Sparse,
            (false, CageKind::Sparse) => CageKind::Short,
            (false, kind) => kind,
        };
        let mut heap = Heap::new(&HeapConfig { cage, ..config.clone() }, image.types().clone())?;
        let max_bytes = config.max_bytes;
        let refused = |refused| match refused {
            Refused::System(error) => HeapError::Backing(error),
            Refused::Reach { bytes } => HeapError::ImageReach { bytes },
            Refused::Limit | Refused::NotAllowed | Refused::Cells { .. } => HeapError::ImageTooLarge { max_bytes },
        };
        heap.load(image).map_err(refused)?;
        Ok(heap)
    }

    /// Collects everything, and makes an image of what is alive. From then on this is frozen in this heap as well,
    /// until the next freeze. Objects may move. No guest runs.
    ///
    /// # Errors
    /// There is no collector, or the system refuses. The heap is usable then, and nothing is frozen.
    pub fn freeze(&mut self, roots: &mut dyn RootProvider) -> Result<HeapImage, FreezeError> {
        if !self.is_collected() {
            return Err(FreezeError::NoCollector);
        }
        if self.is_log_lost() {
            self.compact(GcCause::Requested, false, roots);
        }
        self.finish_marking(GcCause::Requested, roots);
        self.thaw();
        self.compact(GcCause::Requested, false, roots);
        let frozen = self.spaces.freeze().map_err(FreezeError::from);
        let frozen = frozen.map(|spaces| HeapImage::new(spaces, self.weak.frozen(), self.types.clone()));
        if let Ok(image) = &frozen {
            self.begin_frozen(image);
        }
        self.charge_side();
        self.telemetry.resume_panic();
        frozen
    }

    /// Throws away what came after `image`, which was made of this heap or of one that this one was made of. The
    /// embedder's roots become what they were before anything may collect. `roots` are those of now.
    ///
    /// # Errors
    /// The system or the limit refuses. Then nothing may be done with the heap but to roll it back, or to drop it.
    pub fn rollback(&mut self, image: &HeapImage, roots: &mut dyn RootProvider) -> Result<(), FreezeError> {
        assert!(Arc::ptr_eq(image.types(), &self.types), "an image of another engine");
        self.finish_marking(GcCause::Requested, roots);
        self.drop_young();
        if self.frozen.holds(image) {
            self.spaces.restore(image.spaces())?;
            self.weak.restore(image.cells());
            self.begin_frozen(image);
        } else {
            self.load(image)?;
        }
        self.charge_side();
        self.telemetry.resume_panic();
        Ok(())
    }

    /// Checks the heap if the configuration asks for it, after a rollback when roots are what they were.
    pub fn check_rolled_back(&mut self, roots: &mut dyn RootProvider) {
        self.verify(When::BeforeCollection, roots);
    }

    /// What is young, and what the log says, is forgotten.
    fn drop_young(&mut self) {
        let memory = self.spaces.memory();
        if self.is_log_lost() {
            self.remembered.forget_all(memory, self.spaces.blocks_high());
        } else {
            self.remembered.forget_entries(memory);
        }
        let to_top = self.spaces.nursery().to_space().cursor();
        self.nursery_emptied(to_top);
        self.promote_all_next = false;
    }

    /// Becomes what the image says. The nursery and the log are empty, and no marking or sweep is under way.
    fn load(&mut self, image: &HeapImage) -> Result<(), Refused> {
        self.frozen.end_discarded();
        self.weak.make_room_for(self.spaces.cage_mut(), image.cells())?;
        self.spaces.load(image.spaces())?;
        self.weak.restore(image.cells());
        self.begin_frozen(image);
        self.charge_side();
        Ok(())
    }

    /// What the image says is frozen from now on: every first store into it has to be seen.
    fn begin_frozen(&mut self, image: &HeapImage) {
        self.frozen.begin(image);
        self.spaces.close_barrier();
    }

    /// Frozen blocks are ordinary ones from now on. No marking is under way.
    pub(super) fn thaw(&mut self) {
        if self.frozen.is_on() {
            self.frozen.end(self.spaces.memory());
            self.spaces.thaw();
        }
    }
}
