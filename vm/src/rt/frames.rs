//! The frames of a store's guest: entering, leaving, and what walks of them answer.
//!
//! 1. An entry in a host function that a guest called puts that guest's [`Activation`] aside: its words. The hot words
//!    are those of the innermost activation. Where there is none, they mean nothing; so an outermost entry saves none.
//! 2. Walks ([`Walker`]) go through all activations; the watermark (`watermark`) bounds those of minor collections.

use super::activation::{self, Activation, Exit, Suspendable};
use super::code::CodeImage;
use super::hot::Hot;
use super::parts::Bodies;
use super::sites::Sites;
use super::state::Height;
use super::traces::{Thrown, Trace, Traces};
use super::walk::{Frame, Walker};
use super::watermark::Watermark;
use heapwood_gc::Heap;
use heapwood_gc_abi::hot::ENTRY_FP;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::{CALLEE_SAVED, FRAME_CONTEXT, RESUME_SAVED, SafePoint, TrapKind};
use std::sync::Arc;

/// A frame on the stack: its exit, and the number of its activation (from 1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub exit: Exit,
    pub level: usize,
}

/// Code that may be on the stack, by address.
#[derive(Debug)]
pub(super) struct LoadedCode {
    start: usize,
    end: usize,
    image: Arc<CodeImage>,
    owner: u32,
}

impl LoadedCode {
    /// First address of the code.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Address behind the code.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The code.
    pub fn image(&self) -> &CodeImage {
        &self.image
    }

    /// The number under which the store added it.
    pub fn owner(&self) -> u32 {
        self.owner
    }
}

/// What is known of the guest's stack.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(super) hot: Hot,
    /// Entries that have not returned.
    depth: usize,
    /// How the innermost guest was entered.
    innermost: Suspendable,
    /// The guests that wait for it, the outermost one first: all but the innermost.
    waiting: Vec<Activation>,
    /// Code of the modules of the store, by ascending address.
    codes: Vec<LoadedCode>,
    /// Where the tables of these codes tell of return addresses.
    pub(super) sites: Sites,
    /// The return barrier's address: what a replaced return address holds.
    pub(super) barrier: usize,
    pub(super) watermark: Option<Watermark>,
    /// Where the frames begin that the marking under way has not seen: at or below the watermark's.
    pub(super) pending: Option<Position>,
    /// The collection that is running asked for the frames that it settles.
    pub(super) settling: bool,
    /// Where exceptions were thrown; none before the first one.
    traces: Option<Box<Traces>>,
    /// The number of the first exception.
    first_trace: u32,
}

/// Where an exception continues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handler {
    /// Address of the landing pad.
    pub pc: usize,
    /// rbp of the frame.
    pub fp: usize,
    /// Values of `CALLEE_SAVED` in the frame.
    pub saved: [u64; CALLEE_SAVED.len()],
    /// The frame as a walk finds it.
    pub(super) exit: Exit,
}

/// What an exception meets that is thrown at the exit.
pub(crate) struct Unwound {
    /// The innermost handler of the innermost activation.
    pub handler: Option<Handler>,
    /// Where its frames were noted.
    pub trace: u32,
    /// How many frames of the activation there are before the handler, or altogether.
    pub frames: usize,
}

/// A word of a frame.
///
/// # Safety
/// A walk found a frame there that has such a word (R6).
#[inline]
pub(super) unsafe fn frame_word(address: usize) -> usize {
    // SAFETY: R6 by the caller's promise.
    unsafe { *(address as *const usize) }
}

impl Frames {
    /// No frames yet; `barrier` is the address of the return barrier.
    pub fn new(hot: Hot, barrier: usize) -> Frames {
        Frames {
            hot,
            depth: 0,
            innermost: Suspendable::default(),
            waiting: Vec::new(),
            codes: Vec::new(),
            sites: Sites::new(),
            barrier,
            watermark: None,
            pending: None,
            settling: false,
            traces: None,
            first_trace: 1,
        }
    }

    /// Number of entries that have not returned.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// An entry begins, of a guest that may be suspended or not.
    #[inline]
    pub fn push(&mut self, can_suspend: bool) {
        debug_assert!(cfg!(feature = "async") || !can_suspend, "the feature is off");
        let with_others = match self.depth {
            0 => can_suspend,
            _ => {
                let (hot, innermost) = (self.hot, self.innermost);
                // Made in its place: a copy would wait for the words that were written a moment before.
                self.waiting.extend(std::iter::once_with(|| Activation::save(hot, innermost)));
                can_suspend && self.innermost.with_others
            }
        };
        self.innermost = Suspendable { itself: can_suspend, with_others };
        self.depth += 1;
        activation::poison_dead(self.hot);
    }

    /// Whether the innermost guest may be suspended.
    #[cfg(feature = "async")]
    pub fn can_suspend(&self) -> bool {
        self.depth != 0 && self.innermost.itself
    }

    /// Whether the innermost guest may let others run: it may be suspended, and so may all below it.
    #[cfg(feature = "async")]
    pub fn can_yield(&self) -> bool {
        self.depth != 0 && self.innermost.with_others
    }

    /// An entry is over, by return or by leaving its frames.
    #[inline]
    pub fn pop(&mut self, heap: &mut Heap) {
        let entry_fp = self.hot.get(ENTRY_FP).narrow();
        match self.depth {
            0 => panic!("entries and returns are balanced"),
            1 => activation::poison_kept(self.hot),
            _ => self.innermost = self.waiting.pop().expect("all but the innermost wait").restore(self.hot),
        }
        self.depth -= 1;
        activation::poison_dead(self.hot);
        self.activation_left(entry_fp, heap);
    }

    /// Where the guest of the activation `level` (counted from 1) waits for the one above it.
    pub(super) fn waits_at(&self, level: usize) -> Exit {
        self.waiting[level - 1].exit()
    }

    /// Code of this image may be on the stack from now on; its frames name it by `owner`, unless it is known already.
    pub fn add_code(&mut self, image: &Arc<CodeImage>, owner: u32) {
        let (start, end) = (image.start(), image.later_end());
        let at = self.codes.partition_point(|code| code.start < start);
        if self.codes.get(at).is_none_or(|code| code.start != start) {
            self.codes.insert(at, LoadedCode { start, end, image: image.clone(), owner });
        }
    }

    /// Forgets code that was added for owners from `owners` on. No frames are there.
    pub fn truncate_codes(&mut self, owners: u32) {
        if let Some(traces) = &mut self.traces {
            traces.forget();
        }
        self.codes.retain(|code| code.owner < owners);
    }

    pub(super) fn code_at(&self, pc: usize) -> Option<&LoadedCode> {
        let after = self.codes.partition_point(|code| code.start <= pc);
        self.codes.get(after.checked_sub(1)?).filter(|code| pc < code.end)
    }

    /// Whether an instruction may trap. Called by the signal handler (R9).
    pub fn may_trap(&self, pc: usize) -> bool {
        let Some(code) = self.code_at(pc) else {
            return false;
        };
        let offset = (pc - code.start).narrow();
        code.image.part(offset).trap_site(offset).is_some() || active(Mutant::FaultOfAnyInstruction)
    }

    pub(super) fn exit(&self) -> Exit {
        activation::current_exit(self.hot)
    }

    /// All frames, innermost first, of all activations.
    pub fn walk(&self) -> Walker<'_> {
        Walker::new(self, self.exit(), self.depth)
    }

    /// All frames, innermost first, of all activations, if a trap is what made the guest leave.
    pub fn walk_from_trap(&self) -> Walker<'_> {
        Walker::at_trap(self, self.exit(), self.depth)
    }

    /// The context of the innermost frame, if its function keeps one.
    pub fn calling_context(&self) -> Option<usize> {
        let frame = self.walk().next_of_activation()?;
        let saves = frame.record.saves_context && !frame.frameless;
        // SAFETY: R6: the record says that the frame holds its context.
        saves.then(|| unsafe { frame_word(frame.fp.wrapping_add_signed(FRAME_CONTEXT as isize)) })
    }

    /// The trap kind of the instruction at EXIT_PC.
    pub fn trap_kind(&self) -> TrapKind {
        let pc = self.exit().pc;
        let code = self.code_at(pc).expect("the signal handler found the code");
        let offset = (pc - code.start).narrow();
        code.image.part(offset).trap_site(offset).expect("the signal handler found the site").kind
    }

    /// Finds the innermost handler of the innermost activation for an exception thrown at the exit, and notes the
    /// frames up to there, behind those of an earlier throw. `word` is where the exception has the number of its trace.
    pub fn find_handler(&mut self, word: u32, thrown: Thrown) -> Unwound {
        let mut traces = self.traces.take().unwrap_or_else(|| self.new_traces());
        let mut noting = traces.noting(word, thrown);
        let mut frames = 0;
        let handler = self.handler(|frame| {
            noting.note(frame.passed());
            frames += 1;
        });
        let trace = noting.finish();
        self.traces = Some(traces);
        Unwound { handler, trace, frames }
    }

    #[cold]
    fn new_traces(&self) -> Box<Traces> {
        let mut traces = Box::<Traces>::default();
        traces.begin_at(self.first_trace);
        traces
    }

    /// What was noted of an exception.
    pub fn trace(&self, number: u32) -> Option<&Trace> {
        self.traces.as_ref()?.get(number)
    }

    /// The number of the next exception.
    pub fn next_trace(&self) -> u32 {
        self.traces.as_ref().map_or(self.first_trace, |traces| traces.next())
    }

    /// Gives no exception a number below this one.
    pub fn begin_traces_at(&mut self, next: u32) {
        self.first_trace = self.first_trace.max(next);
        if let Some(traces) = &mut self.traces {
            traces.begin_at(next);
        }
    }

    /// The owner of the code that a return address leads to that was noted, and where that comes from.
    pub fn place_of(&self, pc: usize) -> Option<(u32, Bodies<'_>)> {
        let loaded = self.code_at(pc)?;
        let offset = (pc - loaded.start()).narrow::<u32>();
        let part = loaded.image().part(offset);
        let site = self.sites.site(part, offset)?;
        let point = part.safe_point(site);
        Some((loaded.owner(), part.bodies(site.row, point.body, point.wasm_offset)))
    }

    /// The innermost handler, after `pass` has seen each frame up to the one that has it.
    #[inline(always)]
    fn handler(&self, mut pass: impl FnMut(&Frame<'_>)) -> Option<Handler> {
        let mut saved: [u64; CALLEE_SAVED.len()] =
            std::array::from_fn(|k| self.hot.get(RESUME_SAVED + 8 * k.narrow::<i32>()));
        let mut walker = self.walk();
        let mut skips = active(Mutant::HandlerTooFarOut);
        while let Some(frame) = walker.next_of_activation() {
            pass(&frame);
            let point = frame.point.expect("not at a trap");
            if point.handler != SafePoint::NO_HANDLER && !std::mem::take(&mut skips) {
                let pc = frame.code_start + point.handler as usize;
                let exit = Exit { pc: frame.pc, fp: frame.fp, sp: 0, regs: 0, slot: 0 };
                return Some(Handler { pc, fp: frame.fp, saved, exit });
            }
            if !frame.frameless && !active(Mutant::RegistersOfThrower) {
                restore_saved(&frame, &mut saved);
            }
        }
        None
    }

    /// The lowest address that the function at the exit needs. It polls when its frame is there.
    pub fn needed_stack(&self) -> usize {
        self.exit().sp
    }
}

impl Height for Frames {
    fn height(&self) -> usize {
        self.depth()
    }
}

/// What the caller of this frame had in the callee-saved registers, as far as the frame saved them.
pub(super) fn restore_saved(frame: &Frame<'_>, saved: &mut [u64; CALLEE_SAVED.len()]) {
    for (gpr, offset) in frame.record.saved_registers() {
        let k = CALLEE_SAVED.iter().position(|known| *known == gpr).expect("a callee-saved register");
        // SAFETY: R6: the record says that the frame saved the register there, and there is a frame.
        saved[k] = unsafe { frame_word(frame.fp.wrapping_add_signed(offset as isize)) } as u64;
    }
}
