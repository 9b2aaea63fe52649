//! The watermark: frames below it hold old references only and are not scanned by minor collections.
//!
//! 1. A minor promotes what the frames below the topmost [`RECENT`] reference (it *settles* them). Afterwards the
//!    first of them becomes the watermark's frame: the return address to it is replaced by the barrier's.
//! 2. A settled frame cannot change before the guest returns to it, so it stays as it is until the barrier runs: it
//!    lowers the mark by up to [`LOWERED_BY`] frames and goes on at the true return address.
//! 3. An exception that continues at or below the watermark's frame, and a trap that leaves its activation, lower the
//!    mark in the same way; the replaced address lies in frames that are given up.
//! 4. There is one mark at most. Its record holds the true return address, not where the replaced one lies: a tail
//!    call of the frame above may move that.
//! 5. A marking sees the frames above the mark when it begins, the others in slices, but always before the mark is
//!    lowered past them: what they hold is as it was when it began.
//! 6. Beyond [`SOFT_BYTES`] of stack above the mark the poll promotes everything, which settles all frames but the
//!    topmost: so no minor meets more than that.

use super::activation::Exit;
use super::frames::{Frames, Handler};
use super::walk::{Frame, Walker};
use heapwood_gc::{FrameScope, Heap, RootPlace, RootVisitor, RootWork};
use heapwood_gc_abi::{Mutant, active};

/// Frames at the top that a minor does not settle.
const RECENT: usize = 16;
/// Frames by which the mark is lowered at once.
const LOWERED_BY: usize = 32;
/// Most stack above the mark before everything is promoted.
const SOFT_BYTES: usize = 64 << 10;

/// The record of the one replaced return address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watermark {
    /// The true return address.
    pc: usize,
    /// rbp of the frame that it belongs to.
    fp: usize,
}

impl Frames {
    /// The true return address of the watermark's frame.
    pub(super) fn watermark_pc(&self) -> usize {
        self.watermark.expect("a replaced return address has a record").pc
    }

    /// Below this the guest comes to the poll, if a mark is kept; `top` is where the guest's stack begins.
    pub fn soft_limit(&self, top: usize) -> usize {
        self.watermark.map_or(top, |mark| mark.fp).saturating_sub(SOFT_BYTES)
    }

    /// The reference slots of the frames of a scope, for the collector.
    pub fn visit(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        self.settling |= scope == FrameScope::Settling;
        let range = match scope {
            FrameScope::Settling => RECENT..usize::MAX,
            FrameScope::Recent => 0..RECENT,
            FrameScope::All => 0..usize::MAX,
        };
        let mut work = RootWork::default();
        for (index, frame) in self.walk().enumerate() {
            if index >= range.end || (scope != FrameScope::All && frame.is_watermark) {
                break;
            }
            if index >= range.start {
                work.add_frame(&frame, visitor);
            }
        }
        work
    }

    /// A collection is over: frames that it settled (all but the topmost if it promoted everything) go below the
    /// mark.
    pub fn after_collection(&mut self, promoted_all: bool) {
        let settled = std::mem::take(&mut self.settling);
        if promoted_all {
            self.raise(1);
        } else if settled {
            self.raise(RECENT);
        }
    }

    /// Makes the frame at position `first` the watermark's, if it is above the present one.
    fn raise(&mut self, first: usize) {
        let mut target = None;
        let mut present = None;
        for (index, frame) in self.walk().enumerate() {
            if frame.is_watermark {
                present = Some(frame.slot);
                break;
            }
            if index == first {
                target = Some((frame.slot, Watermark { pc: frame.pc, fp: frame.fp }));
                if self.watermark.is_none() {
                    break;
                }
            }
        }
        let Some((slot, mark)) = target else { return };
        if let Some(old) = self.watermark.replace(mark) {
            let present = present.expect("the mark's frame is on the stack");
            // SAFETY: R6: the walk found the barrier's address there, which stands for this one.
            unsafe { write_return_address(present, old.pc) };
        }
        // SAFETY: R6: the walk found a return address there, and the mark's record holds it.
        unsafe { write_return_address(slot, self.barrier) };
    }

    /// The guest returned through the barrier: the address where it goes on.
    pub fn unwound(&mut self, heap: &mut Heap) -> usize {
        let mark = self.watermark.take().expect("a replaced return address has a record");
        self.lower(Exit { pc: mark.pc, fp: mark.fp, sp: 0, regs: 0, slot: 0 }, heap);
        mark.pc
    }

    /// An exception continues at a handler of the innermost activation: the frames above it are given up. Says
    /// whether the mark has changed.
    pub fn unwind_to(&mut self, handler: &Handler, heap: &mut Heap) -> bool {
        let is_given_up = |mark: &Watermark| mark.fp <= handler.fp && !active(Mutant::WatermarkOutlivesThrow);
        let given_up = self.watermark.take_if(|mark| is_given_up(mark)).is_some();
        if given_up {
            self.lower(handler.exit, heap);
        }
        given_up
    }

    /// The activation whose entry frame was at `entry_fp` is no more.
    #[inline]
    pub(super) fn activation_left(&mut self, entry_fp: usize, heap: &mut Heap) {
        if self.watermark.is_some_and(|mark| mark.fp < entry_fp) {
            self.watermark = None;
            self.lower(self.exit(), heap);
        }
    }

    /// Puts the mark [`LOWERED_BY`] frames below a frame of the innermost activation, which runs next; there is none
    /// now. A marking sees the frames between before they run.
    #[cold]
    fn lower(&mut self, from: Exit, heap: &mut Heap) {
        let mut walker = Walker::new(self, from, self.depth());
        let unseen_from = self.pending.map(|pending| pending.exit.fp);
        let mut below = None;
        for (index, frame) in walker.by_ref().enumerate() {
            if index == LOWERED_BY {
                below = Some(frame);
                break;
            }
            if unseen_from.is_some_and(|unseen| frame.fp >= unseen) && !active(Mutant::LoweredFramesNotShaded) {
                frame.each_reference(|reference| heap.shade(reference));
            }
        }
        let Some(Frame { slot, pc, fp, .. }) = below else {
            self.pending = None;
            return;
        };
        let position = below.map(|frame| walker.position_of(&frame));
        if unseen_from.is_some_and(|unseen| unseen <= fp) {
            self.pending = position;
        }
        self.watermark = Some(Watermark { pc, fp });
        // SAFETY: R6: the walk found a return address there, and the mark's record holds it.
        unsafe { write_return_address(slot, self.barrier) };
    }

    /// A marking begins: visits the frames above the mark. The others cannot change before the mark is lowered.
    pub fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = RootWork::default();
        let mut pending = None;
        let mut walker = self.walk();
        while let Some(frame) = walker.next() {
            if frame.is_watermark {
                pending = Some(walker.position_of(&frame));
                break;
            }
            work.add_frame(&frame, visitor);
        }
        self.pending = pending;
        work
    }

    /// Visits more of the frames that the marking under way has not seen.
    pub fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = RootWork::default();
        let Some(pending) = self.pending else { return work };
        let mut walker = Walker::at(self, pending);
        let mut left = None;
        while let Some(frame) = walker.next() {
            if visitor.full() {
                left = Some(walker.position_of(&frame));
                break;
            }
            work.add_frame(&frame, visitor);
        }
        work.more = left.is_some();
        self.pending = left;
        work
    }
}

/// Counts and visits the slots of a frame.
trait AddFrame {
    fn add_frame(&mut self, frame: &Frame<'_>, visitor: &mut dyn RootVisitor);
}

impl AddFrame for RootWork {
    fn add_frame(&mut self, frame: &Frame<'_>, visitor: &mut dyn RootVisitor) {
        self.frames += 1;
        visitor.place(RootPlace::Frame(frame.pc as u64));
        let visit = |slots: &mut [u32]| {
            self.slots += slots.len() as u64;
            visitor.slots(slots);
        };
        // SAFETY: a visitor of the heap walks no frames: it does not know them.
        unsafe { frame.each_slots(visit) };
    }
}

/// Replaces a return address.
///
/// # Safety
/// A walk found a return address there, and who returns to `address` goes on at the true one (R6).
unsafe fn write_return_address(slot: usize, address: usize) {
    // SAFETY: R6 by the caller's promise.
    unsafe { *(slot as *mut usize) = address }
}
