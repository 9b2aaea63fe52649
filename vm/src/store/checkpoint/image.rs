//! A store without the host's data, as it was, and how a store becomes that.

use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rt::host::HostCode;
use crate::store::StoreOpaque;
use crate::store::entities::EntitiesImage;
use crate::store::held_types::HeldTypes;
use crate::store::host_values::HostValues;
use crate::store::lineage::{Counts, Lineage};
use crate::store::roots::RootsImage;
use heapwood_gc::{FreezeError, Heap, HeapConfig, HeapError, HeapImage};
use std::sync::Arc;

/// What the handles of a checkpoint keep.
pub(crate) struct Kept {
    /// Shared with the stores that were made of it.
    image: Arc<StoreImage>,
    /// Values of the host. Stores that were made of the checkpoint have lists of their own, so these go with the last
    /// handle.
    host_values: HostValues,
}

impl Kept {
    /// What was made or read.
    pub(super) fn new(image: StoreImage, host_values: HostValues) -> Kept {
        Kept { image: Arc::new(image), host_values }
    }

    /// The store without values of the host.
    pub(super) fn image(&self) -> &StoreImage {
        &self.image
    }

    /// Values of the host.
    pub(super) fn host_values(&self) -> &HostValues {
        &self.host_values
    }
}

/// A store without the host's data and values, as it was when the checkpoint was made.
pub(crate) struct StoreImage {
    engine: Engine,
    /// Configuration of the store's heap.
    config: HeapConfig,
    heap: HeapImage,
    /// Base of the heap of the store, from which addresses in the lists count.
    base: usize,
    entities: EntitiesImage,
    roots: RootsImage,
    /// Types that the store held then, and with them those of all that lies in the heap.
    types: HeldTypes,
    lineage: Lineage,
    counts: Counts,
    /// The number of the next exception.
    next_trace: u32,
}

impl StoreImage {
    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What was read of a file. Its heap has no base yet: addresses count from 0.
    pub(super) fn of_saved(
        engine: &Engine,
        heap: HeapImage,
        entities: EntitiesImage,
        types: HeldTypes,
        next_trace: u32,
    ) -> StoreImage {
        let (counts, roots) = (entities.counts(heap.immortal_end()), RootsImage::none());
        StoreImage {
            engine: engine.clone(),
            config: engine.heap_config(entities.quota().heap_bytes),
            heap,
            base: 0,
            entities,
            lineage: Lineage::new(roots.store()).image(counts),
            roots,
            types,
            counts,
            next_trace,
        }
    }

    /// The number that the next exception gets.
    pub(super) fn next_trace(&self) -> u32 {
        self.next_trace
    }

    /// The heap.
    pub(super) fn heap(&self) -> &HeapImage {
        &self.heap
    }

    /// Where the cage of its heap had its base.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// What the store consists of.
    pub(super) fn entities(&self) -> &EntitiesImage {
        &self.entities
    }

    /// Handles of the host.
    pub(super) fn roots(&self) -> &RootsImage {
        &self.roots
    }

    /// Types that it holds beside those of modules.
    pub(super) fn types(&self) -> &HeldTypes {
        &self.types
    }

    /// Bytes of the heap that it holds.
    pub fn heap_bytes(&self) -> u64 {
        self.heap.bytes()
    }
}

fn refused(error: FreezeError) -> Error {
    match error {
        FreezeError::NoCollector => Error::usage(error.to_string()),
        FreezeError::Limit | FreezeError::Backing(_) => Error::limit(error.to_string()),
    }
}

impl StoreOpaque {
    /// No guest runs, since the host has the whole store: what is left of calls whose futures were forgotten goes.
    fn come_to_rest(&mut self) {
        #[cfg(feature = "async")]
        {
            let (guest, heap) = self.guest_and_heap();
            guest.execution_mut().give_up_forgotten(heap);
            guest.temporaries_mut().truncate(0);
        }
        debug_assert_eq!(self.guest().execution().frames().depth(), 0, "a guest runs");
    }

    /// What the store is now. The caller has the whole store.
    ///
    /// # Errors
    /// It cannot have checkpoints, or the system refuses; it is as it was.
    pub(super) fn freeze(&mut self) -> Result<Kept> {
        self.check_usable()?;
        self.guest().entities().check_frozen()?;
        self.come_to_rest();
        self.reclaim_roots();
        let (guest, heap) = self.guest_and_heap();
        let frozen = heap.freeze(guest).map_err(refused);
        self.reap_host_values();
        let frozen = frozen?;
        let entities = self.guest_mut().entities_mut().freeze()?;
        let counts = self.guest().entities().counts(frozen.immortal_end());
        let config = self.engine().heap_config(entities.quota().heap_bytes);
        let image = StoreImage {
            engine: self.engine().clone(),
            config,
            base: self.heap().base(),
            entities,
            roots: self.guest_mut().roots_mut().image(),
            types: self.guest().types().image(),
            lineage: self.lineage().image(counts),
            counts,
            next_trace: self.guest().execution().frames().next_trace(),
            heap: frozen,
        };
        Ok(Kept::new(image, self.guest().host_values().clone()))
    }

    /// A store that is what another one was.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn of_image(kept: &Kept) -> Result<StoreOpaque> {
        let image = &kept.image;
        let (quota, config) = (image.entities.quota(), &image.config);
        let heap = Heap::of_image(config, &image.heap).map_err(|error: HeapError| Error::limit(error.to_string()))?;
        let mut store = StoreOpaque::with_heap(&image.engine, quota, heap, config.verify)?;
        store.set_origin(image.clone());
        *store.guest_mut().types_mut() = image.types.image();
        store.guest_mut().roots_mut().inherit(&image.roots);
        store.become_image(image, kept.host_values.without_notices())?;
        Ok(store)
    }

    /// Whether the store was made of a checkpoint.
    pub(super) fn is_made_of(&self, kept: &Kept) -> bool {
        self.origin().is_some_and(|origin| Arc::ptr_eq(origin, &kept.image))
    }

    /// Becomes what it was. The caller has the whole store.
    ///
    /// # Errors
    /// It is a checkpoint of another store; the system refuses, and the store is unusable until a rollback succeeds.
    pub(super) fn roll_back(&mut self, kept: &Kept) -> Result<()> {
        let (image, is_origin) = (&kept.image, self.is_made_of(kept));
        if !is_origin && !self.guest().roots().is_of(&image.roots) {
            return Err(Error::usage("a checkpoint of another store"));
        }
        self.come_to_rest();
        let now = self.guest().entities().counts(self.heap().immortal_end());
        if !self.is_unusable() {
            self.reclaim_roots();
        }
        self.set_unusable(true);
        let values = if is_origin { kept.host_values.without_notices() } else { kept.host_values.clone() };
        let left = match self.roll_back_heap(image).and_then(|()| self.become_image(image, values)) {
            Ok(left) => left,
            Err(error) => {
                self.forget_all();
                return Err(error);
            }
        };
        self.guest_mut().roots_mut().restore(&image.roots);
        match is_origin {
            true => {
                let lineage = Lineage::of_origin(self.first_id(), image.counts);
                self.lineage_mut().roll_back(&lineage, now);
            }
            false => self.lineage_mut().roll_back(&image.lineage, now),
        }
        self.set_unusable(false);
        let (guest, heap) = self.guest_and_heap();
        heap.check_rolled_back(guest);
        // What the host gave may panic when it is dropped: the store is whole by then.
        drop(left);
        Ok(())
    }

    /// The store is of no use: nothing is left that names objects.
    fn forget_all(&mut self) {
        self.lineage_mut().forget_all();
        let guest = self.guest_mut();
        guest.roots_mut().forget_all();
        guest.execution_mut().truncate_reservations(0);
        guest.execution_mut().frames_mut().truncate_codes(0);
        guest.entities_mut().forget_all();
    }

    fn roll_back_heap(&mut self, image: &StoreImage) -> Result<()> {
        let (guest, heap) = self.guest_and_heap();
        heap.rollback(&image.heap, guest).map_err(refused)
    }

    /// Everything but heap and handles becomes what it was; the heap is that already. What the host gave that the store
    /// has no longer is the caller's to drop.
    fn become_image(&mut self, image: &StoreImage, values: HostValues) -> Result<(HostValues, Vec<HostCode>)> {
        let bases = (image.base, self.heap().base());
        let guards = self.engine().config().guards();
        let guest = self.guest_mut();
        let functions = guest.entities_mut().restore(&image.entities, bases, guards)?;
        let values = std::mem::replace(guest.host_values_mut(), values);
        guest.temporaries_mut().truncate(0);
        guest.execution_mut().frames_mut().begin_traces_at(image.next_trace);
        self.list_restored();
        let entities = self.guest().entities();
        entities.instances().iter().for_each(|instance| self.write_words(instance));
        self.execution_update_guard();
        Ok((values, functions))
    }

    /// Tells the execution where memories and code are.
    fn list_restored(&mut self) {
        let entities = self.guest().entities();
        let reservations: Vec<_> = entities.memories().iter().map(|memory| memory.reservation()).collect();
        let codes: Vec<_> = entities.instances().iter().map(|instance| instance.module().code().clone()).collect();
        let execution = self.guest_mut().execution_mut();
        execution.truncate_reservations(0);
        reservations.into_iter().for_each(|range| execution.add_reservation(range));
        execution.frames_mut().truncate_codes(0);
        for (code, owner) in codes.iter().zip(0..) {
            execution.frames_mut().add_code(code, owner);
        }
    }

    /// No collection is due any more.
    fn execution_update_guard(&self) {
        let execution = self.guest().execution();
        if execution.has_stack() {
            execution.update_guard(false);
        }
    }
}
