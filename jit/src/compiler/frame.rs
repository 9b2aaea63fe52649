//! The parts of the frame that are not slots: the saved registers and what lives in them, room for calls, and the size
//! of the whole frame, which is known at the end only. See `abi` for the picture.

use crate::abi::{CALLEE_SAVED, FRAME_BYTES_UNCOMPARED, FRAME_CONTEXT, FRAME_SAVED, Gpr, MEMORY_BASE};
use crate::analysis::Findings;
use crate::asm::{Assembler, CodePosition};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use smallvec::SmallVec;

/// A memory's base is kept in a register from so many accesses on, weighted by loop depth: one in a loop suffices.
const BASE_WORTH: u32 = 8;

/// Locals or memories, each with the callee-saved register that is its own.
pub(super) type Residents = SmallVec<[(u32, Gpr); 3]>;

/// What the prologue saves and sets up, and how large the frame gets.
#[derive(Default)]
pub(crate) struct Frame {
    /// Bit k: `CALLEE_SAVED[k]` is saved.
    saved_mask: u8,
    /// Locals that live in callee-saved registers once the frame is set up.
    pins: Residents,
    /// Memories whose base is in a callee-saved register, but for memory 0.
    bases: Residents,
    /// Bytes for outgoing arguments and results.
    outgoing: u32,
    /// Whether the frame is compared with the stack's limit before rsp moves.
    compared: bool,
    /// 32-bit fields that receive the frame's size; negated if so marked.
    patches: SmallVec<[(CodePosition, bool); 4]>,
}

impl Frame {
    /// Chooses what lives in callee-saved registers, for a function with locals of these types.
    pub(super) fn new(analysis: &Findings, locals: impl Iterator<Item = ValType>) -> Frame {
        let mut frame = Frame::default();
        frame.pins = frame.choose_callee_saved(analysis, locals);
        let in_use = frame.pins.iter().chain(&frame.bases).map(|resident| resident.1);
        for gpr in in_use.chain(analysis.uses_memory0.then_some(MEMORY_BASE)) {
            frame.saved_mask |= 1 << CALLEE_SAVED.iter().position(|r| *r == gpr).expect("one of them");
        }
        frame
    }

    /// Chooses the locals that live in callee-saved registers: the heaviest integers, if they earn the save.
    fn choose_callee_saved(&mut self, analysis: &Findings, locals: impl Iterator<Item = ValType>) -> Residents {
        let mut registers: SmallVec<[Gpr; 3]> = CALLEE_SAVED.iter().copied().collect();
        if analysis.uses_memory0 {
            registers.retain(|r| *r != MEMORY_BASE);
        }
        if !analysis.has_calls {
            // In a function without calls, loops pin their locals in other registers: the bases may have these.
            self.choose_bases(analysis, &mut registers);
        }
        let worth = if analysis.has_calls { 5 } else { 24 };
        let mut heavy: SmallVec<[(u32, u32); 8]> = SmallVec::new();
        for (local, (ty, weight)) in (0..).zip(locals.zip(&analysis.weight)) {
            if *weight >= worth && matches!(ty, ValType::I32 | ValType::I64) {
                heavy.push((*weight, local));
                if heavy.len() == 8 {
                    heavy.sort_unstable_by_key(|h| (std::cmp::Reverse(h.0), h.1));
                    heavy.truncate(3);
                }
            }
        }
        heavy.sort_unstable_by_key(|h| (std::cmp::Reverse(h.0), h.1));
        let pins: Residents = heavy.iter().map(|h| h.1).zip(registers.iter().copied()).collect();
        registers.drain(..pins.len());
        self.choose_bases(analysis, &mut registers);
        pins
    }

    /// Gives registers to the bases of memories that are accessed often, while there are any left.
    fn choose_bases(&mut self, analysis: &Findings, registers: &mut SmallVec<[Gpr; 3]>) {
        let mut hot: SmallVec<[(u32, u32); 4]> = analysis.memory_weight.clone();
        hot.retain(|memory| memory.1 >= BASE_WORTH && self.base_of(memory.0).is_none());
        hot.sort_unstable_by_key(|memory| (std::cmp::Reverse(memory.1), memory.0));
        for (memory, _) in hot {
            let Some(register) = registers.pop() else { return };
            self.bases.push((memory, register));
        }
    }

    /// The register that holds the base of a memory other than 0, if one does.
    pub(super) fn base_of(&self, memory: u32) -> Option<Gpr> {
        self.bases.iter().find(|base| base.0 == memory).map(|base| base.1)
    }

    /// Bytes of the context and the saved registers, from rbp down.
    pub(super) fn saved_bytes(&self) -> u32 {
        (-FRAME_CONTEXT).cast_unsigned() + 8 * self.saved_mask.count_ones()
    }

    /// The registers that are saved, each with its offset from rbp.
    pub(super) fn saved_registers(&self) -> impl Iterator<Item = (Gpr, i32)> + use<> {
        let mask = self.saved_mask;
        let saved = (0..3usize).filter(move |k| mask & (1 << k) != 0);
        saved.enumerate().map(|(slot, k)| (CALLEE_SAVED[k], FRAME_SAVED - 8 * slot.narrow::<i32>()))
    }

    /// Bit k: `CALLEE_SAVED[k]` is saved.
    pub(super) fn saved_mask(&self) -> u8 {
        self.saved_mask
    }

    /// Locals that live in callee-saved registers once the frame is set up.
    pub(super) fn pins(&self) -> &Residents {
        &self.pins
    }

    /// Memories whose base is in a callee-saved register, but for memory 0.
    pub(super) fn bases(&self) -> &Residents {
        &self.bases
    }

    // ---- its size

    /// Makes room for outgoing arguments and results.
    pub(super) fn need_outgoing(&mut self, bytes: u32) {
        self.outgoing = self.outgoing.max(bytes);
    }

    /// The bytes from rbp down to rsp, if slots reach down to `slot_bytes` below rbp.
    pub(super) fn bytes(&self, slot_bytes: u32) -> u32 {
        (slot_bytes + self.outgoing).next_multiple_of(16)
    }

    /// Chooses that the frame is compared with the stack's limit before rsp moves.
    pub(super) fn compare(&mut self) {
        self.compared = true;
    }

    /// Whether the frame is compared with the stack's limit before rsp moves.
    pub(super) fn is_compared(&self) -> bool {
        self.compared
    }

    /// Whether the frame turned out too large to be set up without a comparison, but none was emitted.
    pub(super) fn is_too_large(&self, slot_bytes: u32) -> bool {
        self.bytes(slot_bytes) > FRAME_BYTES_UNCOMPARED && !self.compared
    }

    /// The 4 bytes just written receive the frame's size.
    pub(super) fn patch_with_size(&mut self, asm: &Assembler, negated: bool) {
        self.patches.push((asm.position().minus(4), negated));
    }

    /// Fills in the frame's size.
    pub(super) fn patch(&mut self, asm: &mut Assembler, bytes: u32) {
        for (field, negated) in self.patches.drain(..) {
            asm.patch_u32(field, if negated { bytes.wrapping_neg() } else { bytes });
        }
    }
}
