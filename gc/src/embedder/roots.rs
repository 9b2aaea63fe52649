//! What the runtime answers the collector: the only upward calls of this crate.

use heapwood_gc_abi::RawRef;

/// Which frames a collection asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameScope {
    /// Frames above the watermark that will lie below it after this minor: what they reference is promoted at once.
    /// A provider without a watermark visits nothing.
    Settling,
    /// The other frames above the watermark (without one: all frames).
    Recent,
    /// All frames, also those below the watermark.
    All,
}

/// What a root is, for messages of the verifier and for the numbers of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootPlace {
    /// A slot or saved register of a guest frame; the return address.
    Frame(u64),
    /// A global by its index.
    Global(u64),
    /// A table's element (index of the table, then of the element).
    Table(u32, u64),
    /// A handle of the host.
    Handle(u64),
    /// Anything else: the pending exception, an instance's segments; a number of the provider's choice.
    Other(u64),
}

/// Where a budgeted visit goes on. All zero at first; the provider gives the fields their meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RootCursor {
    /// Coarse position.
    pub group: u64,
    /// Fine position.
    pub item: u64,
}

/// What a visit did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RootWork {
    /// Frames walked.
    pub frames: u64,
    /// Slots visited.
    pub slots: u64,
    /// Whether the visitor was full before the end, so that the visit has to go on from the cursor.
    pub more: bool,
}

/// Receives the roots. It may change each slot (objects move).
pub trait RootVisitor {
    /// Says what the following slots are, for messages of the verifier. Providers need not call it; without a verifier
    /// it does nothing.
    fn place(&mut self, _place: RootPlace) {}

    /// One root. It must be the place where the reference lives (not a copy), and hold zero, an i31 or an object.
    fn slot(&mut self, slot: &mut RawRef);

    /// Adjacent roots.
    fn slots(&mut self, slots: &mut [RawRef]) {
        for slot in slots {
            self.slot(slot);
        }
    }

    /// Whether the visit's budget is used up. Providers ask after each frame and after at most 64 other slots, and
    /// then return with [`RootWork::more`]. Never true in a minor.
    fn full(&self) -> bool {
        false
    }
}

/// The runtime's side of a collection. No method may call the heap.
pub trait RootProvider {
    /// Visits the references in guest frames (slots, and saved registers of slow-path stubs), all of them: no visitor
    /// has a budget here.
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork;

    /// Minors: visits the roots outside of frames that may reference young objects: globals and chunks of tables that
    /// were written since the last collection, young host handles, and everything small that keeps no books. What they
    /// reference is promoted at once, so all of them are clean after any collection. A root that is written and not
    /// shown here, since what it holds is old, is told by [`crate::Heap::root_written`].
    fn remembered(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork;

    /// A major in one pause: visits all roots outside of frames from `cursor` on.
    fn all(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork;

    /// A marking begins, the nursery is empty: visits the roots that can change without anybody telling
    /// [`crate::Heap::shade`] of what they held: the frames above the watermark, what the runtime holds for a moment.
    /// From now on, until `snapshot` has visited all others, they are shaded before they are overwritten or dropped,
    /// and frames below the watermark before they run again.
    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork;

    /// Visits more of the other roots, as they were when the marking began or as they are now, until the visitor is
    /// full or (`more` is false) all were visited.
    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork;

    /// A collection is over. `promoted_all`: the nursery is empty, so every frame may go below the watermark;
    /// otherwise the frames that were visited under [`FrameScope::Settling`] may. In both cases the remembered
    /// roots are clean.
    fn after_collection(&mut self, _promoted_all: bool) {}
}

/// A provider without roots, for tests and for stores that have not run yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRoots;

impl RootProvider for NoRoots {
    fn frames(&mut self, _: FrameScope, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn remembered(&mut self, _: &mut RootCursor, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn all(&mut self, _: &mut RootCursor, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn begin_snapshot(&mut self, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn snapshot(&mut self, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }
}
