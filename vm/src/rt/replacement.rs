//! On-stack replacement: a frame that polls at the head of a loop goes on in newer code of its function, in the middle
//! of the loop.
//!
//! 1. Both codes have a poll at the head of each loop of the function's own body that is reached, and tell where they
//!    have locals and operands there ([`LoopHead`]). Code that is compiled again tells so at once; the first code of a
//!    function is compiled once more to learn it, when a frame is met there ([`CodeImage::learn_heads`]).
//! 2. The frame keeps its place: rbp, the return address, and the arguments above it, which its caller wrote and which
//!    it pops. What lies below rbp is laid out anew, and the registers that the stub of the poll saved move with it.
//! 3. The stub returns to the poll of the new code, with the registers that this expects. A guest that is suspended in
//!    the stub goes on by other words, which lie below what the stub saved: its frame is not replaced before the next
//!    poll.
//!
//! Nothing is collected in between, and a marking that began has seen what the frame holds: it is above the watermark.

use super::activation::Exit;
use super::code::CodeImage;
use super::frames::{Frames, frame_word, restore_saved};
use super::parts::Part;
use super::walk::Frame;
use heapwood_gc_abi::hot::{EXIT_PC, EXIT_REGS, EXIT_SP, STACK_LIMIT};
use heapwood_gc_abi::{Mutant, Narrow, active, low32};
use heapwood_jit::abi::{
    CALLEE_SAVED, CONTEXT, FRAME_CONTEXT, Gpr, HeadPlace, HeadValue, LoopHead, SAVED_BYTES, SAVED_GPR_BYTES, ValueKind,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// What became of the innermost frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replacement {
    /// There is no newer code of its function.
    Current,
    /// It polls somewhere else than at the head of a loop that both codes know, or has no room.
    NotHere,
    /// Nobody has learned where the first code of its function has what it needs.
    Unlearned,
    /// It goes on in the newer code.
    Done,
}

/// The general and the vector registers that a stub saved.
type Saved = [u64; SAVED_BYTES / 8];

/// Heads of loops, by ascending pc: of later code as the image has them, of a function's first code as they were
/// learned.
enum Heads<'a> {
    Later(&'a [LoopHead]),
    Learned(Arc<[LoopHead]>),
}

/// Where a frame goes on.
struct Target<'a> {
    part: Part<'a>,
    row: u32,
    head: &'a LoopHead,
    /// Address of the poll's return.
    pc: usize,
}

/// What a frame holds, however it is laid out.
struct State {
    /// The values of the head, in its order, in as many bytes as their kinds have.
    values: SmallVec<[u128; 16]>,
    context: u64,
    /// What the caller has in the registers that its callees save.
    callers: [u64; CALLEE_SAVED.len()],
    registers: Saved,
}

impl Frames {
    /// Whether one of the innermost `frames` frames is in code of its function that is not the newest.
    pub fn are_outdated(&self, frames: usize) -> bool {
        self.walk().take(frames).any(|frame| {
            let image = self.code_at(frame.pc).expect("the walk found it").image();
            frame.entry() != image.entry(frame.defined)
        })
    }

    /// Has the innermost frame, which polls, go on in the newest code of its function, if it is at the head of a loop.
    /// The stub of the poll goes on when this poll is over: the guest is not suspended there. `wants` says whether one
    /// at this offset in the module's bytes is wanted.
    pub fn replace_innermost(&mut self, wants: impl Fn(u32) -> bool) -> Replacement {
        let exit = self.exit();
        let Some(frame) = self.walk().next_of_activation() else { return Replacement::Current };
        let image = self.code_at(frame.pc).expect("the walk found it").image();
        let entry = image.entry(frame.defined);
        if frame.entry() == entry {
            return Replacement::Current;
        }
        if frame.frameless || frame.body != 0 || frame.regs == 0 || !wants(frame.wasm_offset) {
            return Replacement::NotHere;
        }
        let Some(heads) = Heads::of(&frame, image) else { return Replacement::Unlearned };
        let Some(from) = heads.at((frame.pc - frame.code_start).narrow()) else { return Replacement::NotHere };
        let Some(to) = Target::find(image, entry, frame.wasm_offset) else { return Replacement::NotHere };
        let sp = frame.fp - to.part.function(to.row).record.frame_bytes as usize;
        if (sp as u64) < self.hot.get(STACK_LIMIT) {
            return Replacement::NotHere;
        }
        // SAFETY: R6, R18: the head is that of the place at which the frame polls, whose stub saved all registers.
        let state = unsafe { State::read(&frame, from, exit) };
        // SAFETY: R6, R18: the new frame has room, and its head is that of the same place in the newer code.
        let regs = unsafe { state.write(frame.fp, sp, &to) };
        image.note_replaced();
        self.hot.set(EXIT_PC, to.pc as u64);
        self.hot.set(EXIT_SP, sp as u64);
        self.hot.set(EXIT_REGS, regs as u64);
        Replacement::Done
    }
}

impl<'a> Heads<'a> {
    /// Those of the code that a frame runs; none if nobody has learned them.
    fn of(frame: &Frame<'a>, image: &CodeImage) -> Option<Heads<'a>> {
        match frame.part.loop_heads() {
            Some(heads) => Some(Heads::Later(heads)),
            None => image.learned_heads(frame.defined).map(Heads::Learned),
        }
    }

    /// The head whose poll returns to this offset from the start of the code.
    fn at(&self, pc: u32) -> Option<&LoopHead> {
        let heads = match self {
            Heads::Later(heads) => heads,
            Heads::Learned(heads) => &heads[..],
        };
        heads.binary_search_by_key(&pc, |head| head.pc).ok().map(|index| &heads[index])
    }
}

impl<'a> Target<'a> {
    /// The head of the loop at an offset in the module's bytes, in the code of a function that begins at an address.
    fn find(image: &'a CodeImage, entry: usize, wasm_offset: u32) -> Option<Target<'a>> {
        let offset = (entry - image.start()).narrow();
        let part = image.part(offset);
        let row = part.row_at(offset)?;
        let (start, end) = (part.function(row).start, part.function(row).end);
        let heads = part.loop_heads()?;
        let is_there = |head: &&LoopHead| (start..end).contains(&head.pc) && head.wasm_offset == wasm_offset;
        let head = heads.iter().find(is_there)?;
        Some(Target { part, row, head, pc: image.start() + head.pc as usize })
    }
}

impl State {
    /// What a frame holds that polls at a head.
    ///
    /// # Safety
    /// The head is that of the frame's place, and the exit that of its poll (R6, R18).
    unsafe fn read(frame: &Frame<'_>, head: &LoopHead, exit: Exit) -> State {
        // SAFETY: R6: the stub saved the registers there.
        let registers = unsafe { *(exit.regs as *const Saved) };
        let mut callers = CALLEE_SAVED.map(|gpr| registers[usize::from(gpr.0)]);
        if !active(Mutant::ReplacedCallersLost) {
            restore_saved(frame, &mut callers);
        }
        let context = match frame.record.saves_context {
            // SAFETY: R6: the record says that the frame holds its context.
            true => unsafe { frame_word(frame.fp.wrapping_add_signed(FRAME_CONTEXT as isize)) as u64 },
            // A function that calls nothing keeps it there throughout.
            false => registers[usize::from(CONTEXT.0)],
        };
        // SAFETY: R18: the head says where the frame has its values.
        let value = |value: &HeadValue| unsafe { read(frame.fp, &registers, value) };
        State { values: head.values.iter().map(value).collect(), context, callers, registers }
    }

    /// Writes the frame that begins at `fp` and ends at `sp` as its new code expects it, and below it what the poll's
    /// stub takes up again. Returns where that has the registers.
    ///
    /// # Safety
    /// The function's frame begins there, is the innermost one, and has so much room; what was read is of the loop
    /// whose head the target is (R6, R18).
    unsafe fn write(mut self, fp: usize, sp: usize, to: &Target<'_>) -> usize {
        let record = &to.part.function(to.row).record;
        let kinds = to.head.values.iter().map(|value| value.kind);
        assert_eq!(kinds.len(), self.values.len(), "the same values are alive at a loop in all codes");
        for (gpr, caller) in CALLEE_SAVED.iter().zip(self.callers) {
            self.registers[usize::from(gpr.0)] = caller;
        }
        // SAFETY: R6: what is written lies between the frame's ends, or in the room below it.
        let write = |offset: i32, word: u64| unsafe {
            *(fp.wrapping_add_signed(offset as isize) as *mut u64) = word;
        };
        for (gpr, offset) in record.saved_registers() {
            write(offset, self.registers[usize::from(gpr.0)]);
        }
        if record.saves_context {
            write(FRAME_CONTEXT, self.context);
        }
        self.registers[usize::from(CONTEXT.0)] = self.context;
        for (gpr, offset) in &to.head.bases {
            // SAFETY: R7: the head says where the context has the base of a memory.
            self.registers[usize::from(gpr.0)] =
                unsafe { frame_word(self.context.narrow::<usize>() + *offset as usize) } as u64;
        }
        let references = to.part.references_at(to.head.pc);
        // SAFETY: R6: the record says where the references are, as many as the poll's map has.
        unsafe { ((fp - record.ref_base as usize) as *mut u32).write_bytes(0, references as usize) };
        for (value, bits) in to.head.values.iter().zip(&self.values) {
            // SAFETY: R18: the head says where the frame has its values.
            unsafe { put(fp, &mut self.registers, value, *bits) };
        }
        self.registers[usize::from(Gpr::RSP.0)] = sp as u64;
        let regs = sp - 8 - SAVED_BYTES;
        // SAFETY: R6: below a frame there is room for what a stub saves.
        unsafe {
            *((sp - 8) as *mut u64) = to.pc as u64;
            *(regs as *mut Saved) = self.registers;
        }
        regs
    }
}

/// The index of the first word of a saved vector register.
fn vector_word(xmm: u8) -> usize {
    SAVED_GPR_BYTES / 8 + 2 * usize::from(xmm)
}

/// A value of a frame that begins at `fp`.
///
/// # Safety
/// The value is one of the head at which the frame polls (R18).
unsafe fn read(fp: usize, registers: &Saved, value: &HeadValue) -> u128 {
    let bits = match value.place {
        HeadPlace::Const(bytes) => u128::from_le_bytes(bytes),
        HeadPlace::Gpr(gpr) => u128::from(registers[usize::from(gpr.0)]),
        HeadPlace::Xmm(xmm) => {
            let word = vector_word(xmm.0);
            u128::from(registers[word]) | u128::from(registers[word + 1]) << 64
        }
        HeadPlace::Frame(offset) => {
            let at = fp.wrapping_add_signed(offset as isize);
            // SAFETY: R18: a value of this kind lies there.
            unsafe {
                match value.kind {
                    ValueKind::Reference | ValueKind::Narrow => u128::from(*(at as *const u32)),
                    ValueKind::Wide => u128::from(*(at as *const u64)),
                    ValueKind::Vector => (at as *const u128).read_unaligned(),
                }
            }
        }
    };
    match value.kind {
        ValueKind::Reference | ValueKind::Narrow => bits & u128::from(u32::MAX),
        ValueKind::Wide => bits & u128::from(u64::MAX),
        ValueKind::Vector => bits,
    }
}

/// Puts a value where a frame expects it that begins at `fp`.
///
/// # Safety
/// The value is one of the head at which the frame is to go on (R18).
unsafe fn put(fp: usize, registers: &mut Saved, value: &HeadValue, bits: u128) {
    let bytes = bits.to_le_bytes();
    let halves = bytes.as_chunks::<8>().0;
    let [low, high] = [halves[0], halves[1]].map(u64::from_le_bytes);
    match value.place {
        // It is the same number in each code.
        HeadPlace::Const(expected) => debug_assert_eq!(expected, bytes, "a constant is the same everywhere"),
        HeadPlace::Gpr(gpr) => registers[usize::from(gpr.0)] = low,
        HeadPlace::Xmm(xmm) => (registers[vector_word(xmm.0)], registers[vector_word(xmm.0) + 1]) = (low, high),
        HeadPlace::Frame(offset) => {
            let at = fp.wrapping_add_signed(offset as isize);
            let is_lost = value.kind == ValueKind::Reference && active(Mutant::ReplacedReferenceLost);
            // SAFETY: R18: there is room for a value of this kind.
            unsafe {
                match value.kind {
                    _ if is_lost => {}
                    ValueKind::Reference | ValueKind::Narrow => *(at as *mut u32) = low32(low),
                    ValueKind::Wide => *(at as *mut u64) = low,
                    ValueKind::Vector => (at as *mut u128).write_unaligned(bits),
                }
            }
        }
    }
}
