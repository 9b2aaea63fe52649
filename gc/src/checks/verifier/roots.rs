//! What the verifier checks of roots.

use super::{Origin, Verifier, When};
use crate::embedder::roots::{FrameScope, RootCursor, RootPlace, RootProvider, RootVisitor};
use crate::raw::object::is_young;
use heapwood_gc_abi::RawRef;
use rustc_hash::FxHashSet;

impl Verifier<'_> {
    /// Steps 3 and 4 for roots.
    pub(super) fn check_roots(&mut self, roots: &mut dyn RootProvider) {
        let mut seen_by_minors = Collect::default();
        roots.frames(FrameScope::Settling, &mut seen_by_minors);
        roots.frames(FrameScope::Recent, &mut seen_by_minors);
        let mut others = Collect::default();
        roots.remembered(&mut RootCursor::default(), &mut others);
        let known: FxHashSet<usize> = seen_by_minors.slots.iter().chain(&others.slots).map(|slot| slot.0).collect();
        let mut frames = Collect::default();
        roots.frames(FrameScope::All, &mut frames);
        let mut all = Collect::default();
        roots.all(&mut RootCursor::default(), &mut all);
        let after = matches!(self.when, When::AfterMinor | When::AfterMajor);
        let frame_slots = frames.slots.iter().map(|slot| (slot, true));
        for (&(address, value, place), in_frame) in frame_slots.chain(all.slots.iter().map(|slot| (slot, false))) {
            let origin = Origin::Root(place);
            self.check_reference(value, origin);
            if self.group_of(value) != 0 {
                self.fail(origin, format_args!("a root references {value:#x}, whose block is to be evacuated"));
            }
            if is_young(value) && !known.contains(&address) {
                self.fail(origin, format_args!("young object {value:#x} in a root that minors do not visit"));
            }
            if is_young(value) && after && !in_frame {
                self.fail(origin, format_args!("young object {value:#x} in a remembered root after a collection"));
            }
        }
    }
}

/// Collects root slots: their addresses, values and places.
#[derive(Default)]
struct Collect {
    slots: Vec<(usize, RawRef, RootPlace)>,
    place: Option<RootPlace>,
}

impl RootVisitor for Collect {
    fn place(&mut self, place: RootPlace) {
        self.place = Some(place);
    }

    fn slot(&mut self, slot: &mut RawRef) {
        let place = self.place.unwrap_or(RootPlace::Other(0));
        self.slots.push((std::ptr::from_mut(slot) as usize, *slot, place));
    }
}
