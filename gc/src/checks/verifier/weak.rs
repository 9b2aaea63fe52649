//! What the verifier checks of weak cells, and of words that lead into blocks that are to be evacuated.

use super::{Origin, Verifier, When};
use crate::raw::object::{is_old, is_young};
use crate::spaces::marks::is_marked;
use heapwood_gc_abi::{ObjectKind, RawRef};

impl Verifier<'_> {
    pub(super) fn list_weak_cells(&mut self) {
        let mut twice = None;
        self.parts.weak.cells().each(|cell, young| {
            if self.weak_cells.insert(cell, young).is_some() {
                twice = Some(cell);
            }
        });
        if let Some(cell) = twice {
            self.fail(Origin::Walk, format_args!("the weak cell {cell:#x} is listed twice"));
        }
    }

    /// Step 6. In weak cells and ephemerons, what the first word names decides.
    pub(super) fn check_weak(&mut self, cell: RawRef, kind: ObjectKind) {
        let origin = Origin::Field { host: cell, byte: 4 };
        let referent = self.memory.word(cell + 1);
        let is_weak = kind == ObjectKind::Weak;
        if is_young(referent) || is_old(referent) {
            let must_be_young = is_young(cell) || (is_weak && is_young(referent));
            match self.weak_cells.get(&cell) {
                None => self.fail(origin, format_args!("{cell:#x} names {referent:#x} weakly but is not listed")),
                Some(false) if must_be_young => {
                    self.fail(origin, format_args!("{cell:#x}, which names {referent:#x} weakly, is listed as old"));
                }
                Some(_) => {}
            }
        }
        if is_weak && !self.is_dead(referent) {
            self.check_reference(referent, origin);
            self.check_incoming(cell + 1, referent, origin);
        }
    }

    /// Whether a weak reference reads as null.
    pub(super) fn is_dead(&self, reference: RawRef) -> bool {
        let unmarked = || is_old(reference) && !is_marked(self.memory, self.parts.spaces.epoch(), reference);
        let is_pending = self.parts.weak.is_dead(self.memory, self.parts.spaces.epoch(), reference);
        is_pending || (self.when == When::AfterMarking && unmarked())
    }

    /// The group of blocks that an object is to move with, or 0.
    pub(super) fn group_of(&self, reference: RawRef) -> u8 {
        let window = self.parts.evacuation.window();
        if self.when == When::BeforeEvacuation { window.group_of(self.memory, reference) } else { 0 }
    }

    /// Step 7 for a word of an object.
    pub(super) fn check_incoming(&self, word: u32, value: RawRef, origin: Origin) {
        if self.group_of(value) != 0 && !self.recorded.contains(&word) {
            let what =
                format_args!("the word leads to {value:#x}, whose block is to be evacuated, but is not recorded");
            self.fail(origin, what);
        }
    }
}
