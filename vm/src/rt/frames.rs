//! The frames of a store's guest: entering, leaving, and walking them by return addresses.
//!
//! 1. Each entry pushes an [`Activation`]: the EXIT words of the guest that called the host function in which the
//!    entry happened (none for the outermost). The hot words are those of the innermost activation.
//! 2. A walk begins at EXIT_PC and EXIT_FP. A return address in compiled code has a [`SafePoint`], which describes
//!    the frame; any other belongs to an entry trampoline: the walk goes on with the activation below.
//! 3. A safe point may be *frameless*: the function has no frame yet, its own return address lies at EXIT_SP.
//! 4. All return addresses are read by [`return_address`], the one place that knows about replaced ones.

use super::hot::Hot;
use crate::module::Module;
use heapwood_gc_abi::hot::{ENTRY_FP, ENTRY_SP, EXIT_FP, EXIT_PC, EXIT_REGS, EXIT_SP, NATIVE_SP};
use heapwood_jit::abi::{CALLEE_SAVED, FRAME_CONTEXT, FunctionRecord, RESUME_SAVED, SafePoint};

/// Words that an entry overwrites and that are put back when it returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activation {
    words: [u64; WORDS.len()],
}

const WORDS: [i32; 7] = [EXIT_FP, EXIT_PC, EXIT_SP, EXIT_REGS, ENTRY_FP, ENTRY_SP, NATIVE_SP];

impl Activation {
    fn save(hot: Hot) -> Activation {
        Activation { words: WORDS.map(|word| hot.get(word)) }
    }

    fn restore(&self, hot: Hot) {
        WORDS.iter().zip(self.words).for_each(|(word, value)| hot.set(*word, value));
    }

    fn exit(&self) -> Exit {
        let [fp, pc, sp, regs, ..] = self.words;
        Exit { pc: pc as usize, fp: fp as usize, sp: sp as usize, regs: regs as usize }
    }
}

/// Where a guest was left.
#[derive(Clone, Copy, Debug)]
struct Exit {
    pc: usize,
    fp: usize,
    sp: usize,
    regs: usize,
}

/// Code that may be on the stack, by address.
#[derive(Debug)]
struct LoadedCode {
    start: usize,
    end: usize,
    module: Module,
}

/// What is known of the guest's stack.
#[derive(Debug)]
pub(crate) struct Frames {
    hot: Hot,
    activations: Vec<Activation>,
    /// By ascending address.
    codes: Vec<LoadedCode>,
}

/// A frame of compiled code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// The module of its function.
    pub module: &'a Module,
    /// The function, by defined index.
    pub defined: u32,
    /// Layout of the frame.
    pub record: &'a FunctionRecord,
    /// What is alive in it; none at a trap.
    pub point: Option<&'a SafePoint>,
    /// Offset of the current instruction in the module's bytes.
    pub wasm_offset: u32,
    /// There is no frame yet: `fp` is the caller's.
    pub frameless: bool,
    /// Its rbp.
    pub fp: usize,
    /// Saved registers of a slow path of this frame, or 0.
    pub regs: usize,
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
}

/// The return address at `address`.
#[inline]
fn return_address(address: usize) -> usize {
    // SAFETY: R6.
    unsafe { *(address as *const usize) }
}

/// A word of a frame.
#[inline]
fn frame_word(address: usize) -> usize {
    // SAFETY: R6.
    unsafe { *(address as *const usize) }
}

impl Frames {
    pub fn new(hot: Hot) -> Frames {
        Frames { hot, activations: Vec::new(), codes: Vec::new() }
    }

    /// Number of entries that have not returned.
    pub fn depth(&self) -> usize {
        self.activations.len()
    }

    /// An entry begins.
    pub fn push(&mut self) {
        self.activations.push(Activation::save(self.hot));
    }

    /// An entry is over.
    pub fn pop(&mut self) {
        self.activations.pop().expect("entries and returns are balanced").restore(self.hot);
    }

    /// Code of this module may be on the stack from now on.
    pub fn add_code(&mut self, module: &Module) {
        let (start, end) = (module.code().start(), module.code().end());
        let at = self.codes.partition_point(|code| code.start < start);
        if self.codes.get(at).is_none_or(|code| code.start != start) {
            self.codes.insert(at, LoadedCode { start, end, module: module.clone() });
        }
    }

    fn code_at(&self, pc: usize) -> Option<&LoadedCode> {
        let after = self.codes.partition_point(|code| code.start <= pc);
        self.codes.get(after.checked_sub(1)?).filter(|code| pc < code.end)
    }

    /// Whether an instruction may trap. Called by the signal handler (R9).
    pub fn may_trap(&self, pc: usize) -> bool {
        let Some(code) = self.code_at(pc) else {
            return false;
        };
        code.module.code().trap_site((pc - code.start) as u32).is_some()
    }

    fn exit(&self) -> Exit {
        Activation::save(self.hot).exit()
    }

    /// All frames, innermost first, of all activations.
    pub fn walk(&self) -> Walker<'_> {
        Walker { frames: self, exit: self.exit(), level: self.activations.len(), at_trap: false }
    }

    /// The same when the guest was left by a trap.
    pub fn walk_from_trap(&self) -> Walker<'_> {
        Walker { at_trap: true, ..self.walk() }
    }

    /// The context of the innermost frame, if its function keeps one.
    pub fn calling_context(&self) -> Option<usize> {
        let frame = self.walk().next()?;
        let saves = frame.record.saves_context && !frame.frameless;
        saves.then(|| frame_word((frame.fp as isize + FRAME_CONTEXT as isize) as usize))
    }

    /// The trap kind of the instruction at EXIT_PC.
    pub fn trap_kind(&self) -> heapwood_jit::abi::TrapKind {
        let pc = self.exit().pc;
        let code = self.code_at(pc).expect("the signal handler found the code");
        code.module.code().trap_site((pc - code.start) as u32).expect("the signal handler found the site").kind
    }

    /// The innermost handler of the innermost activation for an exception thrown at the exit.
    pub fn find_handler(&self) -> Option<Handler> {
        let mut saved: [u64; CALLEE_SAVED.len()] = std::array::from_fn(|k| self.hot.get(RESUME_SAVED + 8 * k as i32));
        let mut walker = self.walk();
        while let Some(frame) = walker.next_of_activation() {
            let point = frame.point.expect("not at a trap");
            if point.handler != SafePoint::NO_HANDLER {
                let pc = frame.module.code().start() + point.handler as usize;
                return Some(Handler { pc, fp: frame.fp, saved });
            }
            if !frame.frameless {
                restore_saved(&frame, &mut saved);
            }
        }
        None
    }

    /// The lowest address that the function at the exit needs: a function without a frame is about to make one.
    pub fn needed_stack(&self) -> usize {
        let sp = self.exit().sp;
        match self.walk().next() {
            Some(frame) if frame.frameless => sp.saturating_sub(frame.record.frame_bytes as usize),
            _ => sp,
        }
    }

    /// Whether the exit is below the soft stack limit.
    pub fn below_soft_limit(&self) -> bool {
        false
    }

    /// The guest returned through the return barrier.
    pub fn unwound(&mut self) {
        panic!("no return address was replaced");
    }

    /// Frames below `fp` (further in) are given up: an exception continues there.
    pub fn unwind_to(&mut self, _fp: usize) {}

    /// Calls `visit` with the reference slots of each frame: those of its area, then one by one the registers of a
    /// slow path. Returns the number of frames. `visit` says whether to stop.
    pub fn each_slots(&self, mut visit: impl FnMut(&Frame<'_>, &mut [u32]) -> bool) -> u64 {
        let mut count = 0;
        for frame in self.walk() {
            count += 1;
            let Some(point) = frame.point else { continue };
            if point.ref_count != 0 && !frame.frameless {
                let start = (frame.fp - frame.record.ref_base as usize) as *mut u32;
                // SAFETY: R6: the area lies in the frame, and the guest does not run.
                let slots = unsafe { std::slice::from_raw_parts_mut(start, point.ref_count as usize) };
                if visit(&frame, slots) {
                    return count;
                }
            }
            for gpr in (0..16).filter(|gpr| frame.regs != 0 && point.gpr_mask & (1 << gpr) != 0) {
                // SAFETY: R6: the stub saved all registers there; the low half of a register is the reference.
                let slot = unsafe { &mut *((frame.regs + gpr * 8) as *mut u32) };
                if visit(&frame, std::slice::from_mut(slot)) {
                    return count;
                }
            }
        }
        count
    }
}

/// What the caller of this frame had in the callee-saved registers, as far as the frame saved them.
fn restore_saved(frame: &Frame<'_>, saved: &mut [u64; CALLEE_SAVED.len()]) {
    for (gpr, offset) in frame.record.saved_registers() {
        let k = CALLEE_SAVED.iter().position(|known| *known == gpr).expect("a callee-saved register");
        saved[k] = frame_word((frame.fp as isize + offset as isize) as usize) as u64;
    }
}

/// Iterates over frames.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    frames: &'a Frames,
    exit: Exit,
    /// Activations that are left below this one.
    level: usize,
    at_trap: bool,
}

impl<'a> Walker<'a> {
    /// The next frame before the entry of this activation.
    fn next_of_activation(&mut self) -> Option<Frame<'a>> {
        if self.level == 0 {
            return None;
        }
        let Exit { pc, fp, sp, regs } = self.exit;
        let loaded = self.frames.code_at(pc)?;
        let code = loaded.module.code();
        let offset = (pc - loaded.start) as u32;
        let at_trap = std::mem::take(&mut self.at_trap);
        let (point, wasm_offset, frameless) = if at_trap {
            let site = code.trap_site(offset).expect("the guest trapped here");
            (None, site.wasm_offset, site.frameless)
        } else {
            let point = code.safe_point(offset);
            let point = point.unwrap_or_else(|| panic!("no safe point at code offset {offset:#x}"));
            (Some(point), point.wasm_offset, point.frameless)
        };
        // A return address may be the first byte behind a function that ends with a call.
        let defined = code.function_at(if at_trap { offset } else { offset - 1 }).expect("code belongs to a function");
        let record = &code.function(defined).record;
        self.exit = if frameless {
            Exit { pc: return_address(sp), fp, sp: 0, regs: 0 }
        } else {
            Exit { pc: return_address(fp + 8), fp: frame_word(fp), sp: 0, regs: 0 }
        };
        Some(Frame { module: &loaded.module, defined, record, point, wasm_offset, frameless, fp, regs })
    }
}

impl<'a> Iterator for Walker<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            if let Some(frame) = self.next_of_activation() {
                return Some(frame);
            }
            self.level = self.level.checked_sub(1)?;
            self.exit = self.frames.activations[self.level].exit();
        }
    }
}
