//! Calls: which values leave their registers before a call, what is known after it, and what its stack map says.

use super::Values;
use super::moves::{Dest, Move, MoveSource, Moves};
use super::place::{Loc, Operand, OperandPlace};
use super::registers::{Owner, Reg, bits};
use crate::abi::{self, CALLER_SAVED, Gpr, Xmm};
use crate::asm::{Assembler, Mem};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType;
use smallvec::SmallVec;

/// A register that a call in the middle of an instruction clobbers, and where its value is meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SavedValue {
    ty: ValType,
    reg: Reg,
    mem: Mem,
}

impl Values {
    // ---- stack maps

    /// Reference slots that are current at this point: locals, and the operands in slots (invariant 3).
    pub(crate) fn safepoint_refs(&self) -> u32 {
        if !self.is_framed() {
            return 0;
        }
        let operands = if active(Mutant::SafePointHidesOperands) { 0 } else { self.refs_below() };
        self.slots.ref_locals() + self.refs_in_slots(operands)
    }

    /// General registers that hold references.
    pub(crate) fn ref_gprs(&self) -> u16 {
        self.regs.refs.narrow()
    }

    // ---- before a call

    /// Moves everything that a call clobbers to memory, but for operands from `keep` on, which the caller of this
    /// function moves itself; those below `settled` are in slots already. If a handler of this function may run
    /// (`may_throw_here`), constants of locals go to their home slots as well.
    pub(crate) fn flush_for_call(&mut self, asm: &mut Assembler, settled: usize, keep: usize, may_throw_here: bool) {
        for height in (self.open_from(settled)..keep).rev() {
            if matches!(self.stack[height].place, OperandPlace::Reg(_)) {
                self.spill(asm, height);
            }
        }
        // Where a reference operand is in its slot, the reference operands below it must be in theirs as well.
        let refs = keep.checked_sub(1).map_or(0, |top| self.stack[top].refs_below + self.stack[top].ty.is_ref() as u32);
        self.spill_refs(asm, self.refs_in_slots(refs).saturating_sub(1));
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if !self.locals[local as usize].pinned && self.outlives_call(local, keep) {
                self.store_local(asm, local);
            }
        }
        if may_throw_here && !active(Mutant::ConstantLostAtThrow) {
            for local in self.const_locals.clone() {
                self.store_local(asm, local);
            }
        }
    }

    /// Whether the local is read after a call that takes the operands from `keep` on.
    fn outlives_call(&self, local: u32, keep: usize) -> bool {
        let of_arguments =
            self.stack[keep..].iter().filter(|operand| operand.place == OperandPlace::Alias(local)).count();
        let is_operand = self.locals[local as usize].aliases as usize > of_arguments;
        self.is_read_later(local) || is_operand && !active(Mutant::AliasLostAtCall)
    }

    /// Forgets, after a call, what was in the registers that it clobbers.
    pub(crate) fn forget_clobbered(&mut self) {
        debug_assert_eq!(self.regs.operands, 0, "operands were spilled or consumed");
        debug_assert!(self.loop_pins.is_empty(), "a loop that pins locals calls nothing");
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if !self.locals[local as usize].pinned {
                self.locals[local as usize].loc = Loc::Slot;
                self.regs.free(reg);
            }
        }
        self.regs.end_instruction();
    }

    // ---- results and copies in memory

    /// Pushes a result of a call where the callee left it; one on the stack goes to its slot by a move that is still to
    /// be done, from `base` on.
    pub(crate) fn push_returned(
        &mut self,
        asm: &mut Assembler,
        ty: ValType,
        place: abi::Place,
        base: Gpr,
    ) -> Option<Move> {
        match place {
            abi::Place::Gpr(gpr) => self.push_reg(ty, Reg::gpr(gpr)),
            abi::Place::Xmm(xmm) => self.push_reg(ty, Reg::xmm(xmm)),
            abi::Place::Stack(at) => return Some(self.push_copy(asm, ty, Mem::base(base, at.narrow()))),
        }
        None
    }

    /// Pushes copies of values in memory, into their slots.
    pub(crate) fn push_copies(&mut self, asm: &mut Assembler, values: impl Iterator<Item = (ValType, Mem)>) {
        let moves: Moves = values.map(|(ty, from)| self.push_copy(asm, ty, from)).collect();
        self.parallel_move(asm, &moves);
    }

    /// Pushes an operand in its slot; the move is still to be done.
    fn push_copy(&mut self, asm: &mut Assembler, ty: ValType, from: Mem) -> Move {
        self.push_operand(ty, OperandPlace::Slot);
        let height = self.stack.len() - 1;
        if ty.is_ref() {
            self.spill_refs(asm, self.stack[height].refs_below);
        }
        Move { ty, from: MoveSource::Mem(from), to: Dest::Mem(self.operand_mem(height)) }
    }

    // ---- around a call in the middle of an instruction

    /// Saves all values in registers around a call out of line, references where the collector finds them. Returns the
    /// count of reference slots that are current then, and what [`SavedValue::load`] loads again.
    pub(crate) fn save_all(&mut self, asm: &mut Assembler) -> (u32, SmallVec<[SavedValue; 16]>) {
        let mut saved = SmallVec::new();
        // All reference operands go to their slots, so that the stack map is a count.
        let closed = self.stack.get(self.closed).map_or(self.refs_below(), |operand| operand.refs_below);
        let mut ref_count = self.slots.ref_locals() + closed;
        for height in self.closed..self.stack.len() {
            let Operand { ty, place, .. } = self.stack[height];
            let slot = self.operand_mem(height);
            match place {
                OperandPlace::Reg(reg) => {
                    asm.store_reg(ty, slot, reg);
                    saved.push(SavedValue { ty, reg, mem: slot });
                }
                _ if ty.is_ref() && place != OperandPlace::Slot => match self.operand_source(height) {
                    MoveSource::Reg(reg) => asm.store_reg(ty, slot, reg),
                    MoveSource::Const(bits) => asm.store_const(ty, slot, bits),
                    MoveSource::Mem(mem) => asm.copy_memory(ty, slot, mem),
                },
                _ => {}
            }
            ref_count += (ty.is_ref() && !active(Mutant::ColdCallHidesOperands)) as u32;
        }
        for reg in CALLER_SAVED.iter().map(|g| Reg::gpr(*g)).chain((0..15).map(|x| Reg::xmm(Xmm(x)))) {
            if let Owner::Local(local) = self.regs.owner(reg) {
                let info = self.locals[local as usize];
                let home = self.home_to_write(local);
                asm.store_reg(info.ty, home, reg);
                saved.push(SavedValue { ty: info.ty, reg, mem: home });
            }
        }
        (ref_count, saved)
    }
}

impl SavedValue {
    /// Loads the value again; the call's result is in `result` by then.
    pub(crate) fn load(&self, asm: &mut Assembler, result: Gpr) {
        debug_assert_ne!(self.reg, Reg::gpr(result), "the result's register holds no other value");
        asm.load_reg(self.ty, self.reg, self.mem);
    }
}
