//! Spilling: moves values from registers to slots.

use super::Values;
use super::place::{Loc, Operand, OperandPlace};
use super::registers::{Owner, in_xmm};
use crate::asm::Assembler;
use heapwood_gc_abi::Narrow;

/// The most results of a block that travel in registers.
pub(super) const RESULT_REGISTERS_MAX: usize = 6;
/// More values than that go to their slots before they pass a label, a return or a construct's beginning. They stay
/// there, so that each is stored once, and the copies from there are shared by all edges that find the stack like this.
pub(crate) const PASSING_MAX: usize = 18;
/// The most operands below a new control frame that may stay in registers.
const OPEN_BELOW_MAX: usize = 24;

impl Values {
    /// Moves the operand at `height` to its slot, with all reference operands below it if it is one (invariant 3).
    pub(super) fn spill(&mut self, asm: &mut Assembler, height: usize) {
        let Operand { ty, refs_below, .. } = self.stack[height];
        if ty.is_ref() {
            self.spill_refs(asm, refs_below);
        }
        self.spill_one(asm, height);
    }

    /// Moves the lowest `count` reference operands to their slots.
    pub(super) fn spill_refs(&mut self, asm: &mut Assembler, count: u32) {
        for index in (0..count as usize).rev() {
            let height = self.ref_heights[index] as usize;
            if self.stack[height].place == OperandPlace::Slot {
                break;
            }
            self.spill_one(asm, height);
        }
    }

    /// How many of the lowest `count` reference operands lie below or at the highest that is in its slot.
    pub(super) fn refs_in_slots(&self, count: u32) -> u32 {
        let in_slot =
            |index: &u32| self.stack[self.ref_heights[*index as usize - 1] as usize].place == OperandPlace::Slot;
        (1..=count).rev().find(in_slot).unwrap_or(0)
    }

    fn spill_one(&mut self, asm: &mut Assembler, height: usize) {
        let Operand { ty, place, .. } = self.stack[height];
        // A constant that is a number stays a constant: nothing reads its slot, and the collector does not either.
        if matches!(place, OperandPlace::Const(_)) && !ty.is_ref() {
            return;
        }
        let slot = self.operand_mem(height);
        match place {
            OperandPlace::Slot => {}
            OperandPlace::Const(bits) => asm.store_const(ty, slot, bits),
            OperandPlace::Reg(reg) => {
                asm.store_reg(ty, slot, reg);
                self.regs.free(reg);
            }
            OperandPlace::Alias(local) => {
                self.locals[local as usize].aliases -= 1;
                let info = self.locals[local as usize];
                match info.loc {
                    Loc::Reg { reg, .. } => asm.store_reg(ty, slot, reg),
                    Loc::Const(bits) => asm.store_const(ty, slot, bits),
                    Loc::Slot => asm.copy_memory(ty, slot, self.in_frame(info.home)),
                }
            }
            OperandPlace::Direct(_) | OperandPlace::Flags(_) | OperandPlace::Caller(_) => {
                unreachable!("only the next operator sees such a place")
            }
        }
        self.stack[height].place = OperandPlace::Slot;
    }

    /// All operands in the range go to their slots (constants of numbers stay).
    pub(super) fn spill_range(&mut self, asm: &mut Assembler, from: usize, to: usize) {
        for height in from..to {
            self.spill(asm, height);
        }
    }

    /// The top `count` operands go to their slots.
    pub(crate) fn spill_top(&mut self, asm: &mut Assembler, count: usize) {
        self.spill_range(asm, self.stack.len() - count, self.stack.len());
    }

    /// Operands from here on may be elsewhere than in slots or constants; those below `settled` are not.
    pub(crate) fn open_from(&self, settled: usize) -> usize {
        settled.max(self.closed)
    }

    /// The operands below `to` go to their slots; those below `settled` are there.
    pub(crate) fn spill_below(&mut self, asm: &mut Assembler, settled: usize, to: usize) {
        self.spill_range(asm, self.open_from(settled), to);
    }

    /// Moves the operand to its slot even if it is a constant.
    pub(super) fn force_slot(&mut self, asm: &mut Assembler, height: usize) {
        self.spill(asm, height);
        if let Operand { ty, place: OperandPlace::Const(bits), .. } = self.stack[height] {
            let slot = self.operand_mem(height);
            asm.store_const(ty, slot, bits);
        }
        self.stack[height].place = OperandPlace::Slot;
    }

    /// The top operands are about to pass a label, a return or the beginning of a construct: many go to their slots.
    pub(crate) fn settle_many(&mut self, asm: &mut Assembler, count: usize) {
        if count > PASSING_MAX {
            for height in self.stack.len() - count..self.stack.len() {
                self.force_slot(asm, height);
            }
        }
    }

    /// Aliases among the operands in the range become values of their own.
    pub(super) fn settle_aliases(&mut self, asm: &mut Assembler, from: usize, to: usize) {
        for height in from..to {
            let Operand { ty, place: OperandPlace::Alias(local), .. } = self.stack[height] else { continue };
            let Some(reg) = self.take_free(in_xmm(ty)) else {
                self.spill(asm, height);
                continue;
            };
            let info = self.locals[local as usize];
            match info.loc {
                Loc::Reg { reg: src, .. } => asm.move_reg(ty, reg, src),
                Loc::Const(bits) => asm.load_const(ty, reg, bits),
                Loc::Slot => asm.load_reg(ty, reg, self.in_frame(info.home)),
            }
            self.locals[local as usize].aliases -= 1;
            self.regs.set(reg, Owner::Stack(height.narrow()), ty.is_ref());
            self.stack[height].place = OperandPlace::Reg(reg);
        }
    }

    /// Operands below `to`, where a new control frame begins: aliases become values; many become slots. Those below
    /// `settled` are in slots or constants already. Returns where the operands begin that may still be in registers.
    pub(crate) fn settle_operands(&mut self, asm: &mut Assembler, settled: usize, to: usize) -> usize {
        let from = self.open_from(settled).min(to);
        self.settle_aliases(asm, from, to);
        let open = (from..to).filter(|h| matches!(self.stack[*h].place, OperandPlace::Reg(_))).count();
        if open > RESULT_REGISTERS_MAX || to - from > OPEN_BELOW_MAX {
            self.spill_range(asm, from, to);
            return to;
        }
        from
    }

    /// Branch values: constants and aliases go to registers while there are free ones, else to slots.
    pub(super) fn settle_results(&mut self, asm: &mut Assembler, from: usize) {
        for height in from..self.stack.len() {
            let Operand { ty, place, .. } = self.stack[height];
            match place {
                OperandPlace::Alias(_) if height - from < RESULT_REGISTERS_MAX => {
                    self.settle_aliases(asm, height, height + 1)
                }
                OperandPlace::Const(bits) if height - from < RESULT_REGISTERS_MAX => {
                    if let Some(reg) = self.take_free(in_xmm(ty)) {
                        asm.load_const(ty, reg, bits);
                        self.regs.set(reg, Owner::Stack(height.narrow()), ty.is_ref());
                        self.stack[height].place = OperandPlace::Reg(reg);
                    } else {
                        self.force_slot(asm, height);
                    }
                }
                OperandPlace::Slot | OperandPlace::Reg(_) => {}
                _ => self.force_slot(asm, height),
            }
        }
    }
}
