//! The operand stack: pushing and popping. Nothing here emits code.

use super::place::{At, Loc, Operand, OperandPlace, Value};
use super::registers::{Owner, Reg};
use super::{OPEN_OPERANDS_MAX, Values};
use crate::asm::{Assembler, Cond, Mem};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;

impl Values {
    /// Number of operands.
    #[inline]
    pub(crate) fn height(&self) -> usize {
        self.stack.len()
    }

    /// Type of the operand at `height`.
    pub(crate) fn type_of(&self, height: usize) -> ValType {
        self.stack[height].ty
    }

    /// Type of the top operand.
    pub(crate) fn top_type(&self) -> ValType {
        self.stack.last().expect("validated body").ty
    }

    /// The top operand has this type, as a test has shown.
    pub(crate) fn set_top_type(&mut self, ty: ValType) {
        self.stack.last_mut().expect("validated body").ty = ty;
    }

    /// Number of reference operands.
    #[inline]
    pub(super) fn refs_below(&self) -> u32 {
        self.stack.last().map_or(0, |top| top.refs_below + top.ty.is_ref() as u32)
    }

    #[inline]
    pub(super) fn push_operand(&mut self, ty: ValType, place: OperandPlace) {
        let refs_below = self.refs_below();
        self.push_listed(Operand { ty, place, refs_below });
    }

    /// Pushes an operand that knows how many references are below it.
    #[inline]
    pub(super) fn push_listed(&mut self, operand: Operand) {
        if operand.ty.is_ref() {
            self.ref_heights.truncate(operand.refs_below as usize);
            self.ref_heights.push(self.stack.len().narrow());
        }
        self.stack.push(operand);
    }

    /// Bounds the operands that are not in slots: of too many, the older half goes there.
    #[inline]
    pub(crate) fn bound_open_operands(&mut self, asm: &mut Assembler) {
        if self.stack.len() > self.closed + OPEN_OPERANDS_MAX {
            let to = self.stack.len() - OPEN_OPERANDS_MAX / 2;
            self.spill_range(asm, self.closed, to);
            self.closed = to;
        }
    }

    pub(crate) fn push_const(&mut self, ty: ValType, bits: u64) {
        let narrow = ty.field_kind().bytes() == 4;
        debug_assert!(!narrow || bits <= u32::MAX as u64, "{bits:#x} is no constant of type {ty:?}");
        self.push_operand(ty, OperandPlace::Const(bits));
    }

    /// Pushes a register that the instruction owns.
    pub(crate) fn push_reg(&mut self, ty: ValType, reg: Reg) {
        self.regs.set(reg, Owner::Stack(self.stack.len().narrow()), ty.is_ref());
        self.push_operand(ty, OperandPlace::Reg(reg));
    }

    /// Pushes the result of an instruction that asked for `dst` by [`Values::result_reg`].
    pub(crate) fn push_result(&mut self, ty: ValType, dst: Reg) {
        match self.regs.owner(dst) {
            Owner::Local(local) => self.push_operand(ty, OperandPlace::Direct(local)),
            _ => self.push_reg(ty, dst),
        }
    }

    /// Pushes a condition that the next operator takes from the flags.
    pub(crate) fn push_flags(&mut self, cond: Cond) {
        self.refined.begin_condition();
        self.push_operand(ValType::I32, OperandPlace::Flags(cond));
    }

    /// Whether the top operand is in the flags.
    pub(crate) fn top_in_flags(&self) -> bool {
        matches!(self.stack.last().map(|top| top.place), Some(OperandPlace::Flags(_)))
    }

    /// Pushes a popped value back, with a type.
    pub(crate) fn push_value(&mut self, asm: &mut Assembler, ty: ValType, value: Value) {
        match value.at {
            At::Const(bits) => self.push_const(ty, bits),
            At::Temp(reg) => self.push_reg(ty, reg),
            At::Local(_, local) | At::Home(local) => {
                self.locals[local as usize].aliases += 1;
                self.push_operand(ty, OperandPlace::Alias(local));
            }
            At::Slot(_) | At::Flags(_) => {
                let mut value = value;
                value.ty = ty;
                let reg = self.owned(asm, &mut value);
                self.push_reg(ty, reg);
            }
        }
    }

    /// The operand at `height`, if it was pushed as a constant.
    pub(crate) fn literal_at(&self, height: usize) -> Option<u64> {
        match self.stack.get(height)?.place {
            OperandPlace::Const(bits) => Some(bits),
            _ => None,
        }
    }

    /// The top operand, if it is a constant: pushed as one, or a local that is one.
    pub(crate) fn top_constant(&self) -> Option<u64> {
        match self.stack.last()?.place {
            OperandPlace::Const(bits) => Some(bits),
            OperandPlace::Alias(local) => match self.locals[local as usize].loc {
                Loc::Const(bits) => Some(bits),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn pop(&mut self) -> Value {
        let Operand { ty, place, .. } = self.stack.pop().expect("validated body");
        self.closed = self.closed.min(self.stack.len());
        let at = match place {
            OperandPlace::Const(bits) => At::Const(bits),
            OperandPlace::Flags(cond) => At::Flags(cond),
            OperandPlace::Caller(_) => unreachable!("a scope takes parameters over"),
            OperandPlace::Slot => {
                let height = self.stack.len();
                let refs = self.refs_below();
                At::Slot(self.slots.operand(height, ty, refs))
            }
            OperandPlace::Reg(reg) => {
                self.regs.take_over(reg);
                At::Temp(reg)
            }
            OperandPlace::Direct(local) => match self.locals[local as usize].loc {
                Loc::Reg { reg, .. } => At::Local(reg, local),
                _ => unreachable!("a direct result lies in its local's register"),
            },
            OperandPlace::Alias(local) => {
                self.locals[local as usize].aliases -= 1;
                match self.locals[local as usize].loc {
                    Loc::Reg { reg, .. } if self.is_over(local) && self.regs.locked & reg.bit() == 0 => {
                        // Nobody reads the local again, nor is it another operand of the instruction: its register is
                        // the instruction's, which may write it.
                        self.locals[local as usize].loc = Loc::Slot;
                        self.regs.give(reg);
                        At::Temp(reg)
                    }
                    Loc::Reg { reg, .. } => {
                        self.regs.locked |= reg.bit();
                        At::Local(reg, local)
                    }
                    Loc::Const(bits) => At::Const(bits),
                    Loc::Slot => At::Home(local),
                }
            }
        };
        Value { ty, at }
    }

    /// Pops `count` operands that the instruction has used, or moved to where a call takes them.
    pub(crate) fn pop_many(&mut self, count: usize) {
        for _ in 0..count {
            self.pop();
        }
    }

    /// Pops `count` operands without using them any more; nothing stays locked.
    pub(crate) fn drop_operands(&mut self, count: usize) {
        for _ in 0..count {
            let value = self.pop();
            self.release_value(&value);
        }
        self.regs.locked = 0;
    }

    /// The slot of the operand at `height`.
    pub(super) fn operand_mem(&mut self, height: usize) -> Mem {
        let Operand { ty, refs_below, .. } = self.stack[height];
        let at = self.slots.operand(height, ty, refs_below);
        self.slots.in_frame(at)
    }
}
