//! Roots as a marking visits them, until a budget is used.

use super::marker::Marker;
use super::marker_hand_off::SharedMarker;
use super::shaded::Shaded;
use crate::embedder::roots::RootVisitor;
use crate::raw::memory::Memory;
use crate::raw::object::is_old;
use heapwood_gc_abi::RawRef;

/// Shows roots to a marker that the mutator holds.
pub struct Roots<'a> {
    marker: &'a mut Marker,
    left: u64,
}

impl<'a> Roots<'a> {
    /// A visitor of about `slots` slots at most.
    pub fn new(marker: &'a mut Marker, slots: u64) -> Roots<'a> {
        Roots { marker, left: slots }
    }
}

impl RootVisitor for Roots<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        self.marker.shade(*slot);
        self.left = self.left.saturating_sub(1);
    }

    fn full(&self) -> bool {
        self.left == 0
    }
}

/// Shades roots for a marker that is handed off.
pub struct RootsAway<'a> {
    memory: Memory,
    epoch: u8,
    marker: &'a mut SharedMarker,
    shaded: &'a mut Shaded,
    left: u64,
}

impl<'a> RootsAway<'a> {
    /// A visitor of about `slots` slots at most.
    pub fn new(
        memory: Memory,
        epoch: u8,
        marker: &'a mut SharedMarker,
        shaded: &'a mut Shaded,
        slots: u64,
    ) -> RootsAway<'a> {
        RootsAway { memory, epoch, marker, shaded, left: slots }
    }
}

impl RootVisitor for RootsAway<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        let reference = *slot;
        self.left = self.left.saturating_sub(1);
        if is_old(reference)
            && let Some(entry) = self.shaded.add(self.memory, self.epoch, reference)
        {
            // No room was made for so many: the marker is taken back for them.
            self.marker.take_back().take_entry(entry);
        }
    }

    fn full(&self) -> bool {
        self.left == 0
    }
}
