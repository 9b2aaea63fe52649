//! A collection of everything on request, in bounded steps.
//!
//! 1. A marking that is under way when it begins may leave alive what has died since: it has to end first.
//! 2. The marking that counts is one that began afterwards, whoever began it; it begins when all is swept.
//! 3. What it found dead is swept. A further marking that has begun says that it was.

use super::StoreOpaque;

/// How far a collection is that an [`Inspection`](crate::Inspection) does step by step
/// ([`Inspection::collect_step`](crate::Inspection::collect_step)).
#[derive(Clone, Debug)]
pub struct CollectionSteps(Stage);

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    /// A marking that began before is under way, after so many collections.
    Earlier(u64),
    /// A marking may begin as soon as all is swept.
    Ready,
    /// The marking that counts is under way, after so many collections.
    Marking(u64),
    Sweeping,
    Over,
}

impl CollectionSteps {
    /// A collection that has not begun.
    pub fn new() -> CollectionSteps {
        CollectionSteps(Stage::New)
    }
}

impl Default for CollectionSteps {
    fn default() -> CollectionSteps {
        CollectionSteps::new()
    }
}

impl StoreOpaque {
    /// Does a step of it, and says whether there is another one.
    pub fn collect_step(&mut self, collection: &mut CollectionSteps) -> bool {
        if self.is_unusable() {
            return false;
        }
        collection.0 = self.next_stage(collection.0);
        let is_over = matches!(collection.0, Stage::Over);
        if is_over {
            self.reap_host_values();
        }
        !is_over
    }

    fn next_stage(&mut self, stage: Stage) -> Stage {
        let (guest, heap) = self.guest_and_heap();
        let collections = heap.stats().majors;
        match stage {
            Stage::New if heap.is_marking() => Stage::Earlier(collections),
            // One that was given up meanwhile, as by a reset, has collected nothing.
            Stage::Earlier(before) | Stage::Marking(before) if collections == before && heap.is_marking() => {
                heap.step(guest);
                stage
            }
            Stage::New | Stage::Earlier(_) | Stage::Ready => {
                if heap.is_marking() {
                    return Stage::Marking(collections);
                }
                if heap.step(guest) {
                    return Stage::Ready;
                }
                heap.start_major(guest);
                // A heap without a collector has none, nor has one to which the system refuses what it needs.
                if heap.is_marking() { Stage::Marking(heap.stats().majors) } else { Stage::Over }
            }
            Stage::Marking(_) | Stage::Sweeping if !heap.is_marking() && heap.step(guest) => Stage::Sweeping,
            Stage::Marking(_) | Stage::Sweeping | Stage::Over => Stage::Over,
        }
    }
}
