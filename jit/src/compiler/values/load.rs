//! Loads popped values into registers, and chooses the register for a result.

use super::Values;
use super::moves::{Dest, Move, MoveSource};
use super::place::{At, Loc, OperandPlace, Value};
use super::registers::{Owner, Reg, in_xmm};
use crate::abi::{Gpr, Xmm};
use crate::asm::{Assembler, Mem};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;

impl Values {
    /// Writes a popped value into a register.
    pub(crate) fn load_value(&self, asm: &mut Assembler, reg: Reg, value: &Value) {
        match value.at {
            At::Const(bits) => asm.load_const(value.ty, reg, bits),
            At::Temp(src) | At::Local(src, _) => asm.move_reg(value.ty, reg, src),
            At::Home(_) | At::Slot(_) => {
                let mem = self.value_mem(value);
                asm.load_reg(value.ty, reg, mem);
            }
            At::Flags(_) => unreachable!("the operator that pops a condition takes it from the flags"),
        }
    }

    /// The memory operand of a value that lies in a slot.
    pub(crate) fn value_mem(&self, value: &Value) -> Mem {
        match value.at {
            At::Home(local) => self.in_frame(self.locals[local as usize].home),
            At::Slot(offset) => self.in_frame(offset),
            _ => unreachable!("the value is not in memory"),
        }
    }

    /// The value in some register, which must not be written unless owned.
    pub(crate) fn in_reg(&mut self, asm: &mut Assembler, value: &mut Value) -> Reg {
        if let Some(reg) = value.reg() {
            return reg;
        }
        let xmm = in_xmm(value.ty);
        let reg = self.take(asm, xmm);
        self.load_value(asm, reg, value);
        self.regs.set(reg, Owner::Taken, value.ty.is_ref());
        match value.at {
            // The local moves into the register, so that the next read finds it there.
            At::Home(local) if self.locals[local as usize].loc == Loc::Slot && self.is_live(local) => {
                self.regs.set(reg, Owner::Local(local), value.ty.is_ref());
                self.regs.locked |= reg.bit();
                self.locals[local as usize].loc = Loc::Reg { reg, dirty: false };
                value.at = At::Local(reg, local);
            }
            _ => value.at = At::Temp(reg),
        }
        reg
    }

    pub(crate) fn in_gpr(&mut self, asm: &mut Assembler, value: &mut Value) -> Gpr {
        self.in_reg(asm, value).as_gpr()
    }

    pub(crate) fn in_xmm(&mut self, asm: &mut Assembler, value: &mut Value) -> Xmm {
        self.in_reg(asm, value).as_xmm()
    }

    /// The value in a register that the instruction owns and may overwrite.
    pub(crate) fn owned(&mut self, asm: &mut Assembler, value: &mut Value) -> Reg {
        if let At::Temp(reg) = value.at {
            return reg;
        }
        let reg = self.take(asm, in_xmm(value.ty));
        self.load_value(asm, reg, value);
        self.regs.set(reg, Owner::Taken, value.ty.is_ref());
        value.at = At::Temp(reg);
        reg
    }

    /// A register for the result. The pinned register of the local that the next operator sets (`goes_to`), unless
    /// `avoid` needs it: it may be written only when all inputs but `first` are consumed. Else `first`'s own, else a
    /// new one.
    pub(crate) fn result_reg(
        &mut self,
        asm: &mut Assembler,
        goes_to: Option<u32>,
        ty: ValType,
        first: Option<&Value>,
        avoid: &[Option<Reg>],
    ) -> Reg {
        if let Some(local) = goes_to {
            let info = &self.locals[self.local_of(local) as usize];
            if let Loc::Reg { reg, .. } = info.loc {
                let fits = info.pinned && info.aliases == 0 && info.ty == ty;
                if fits && !avoid.contains(&Some(reg)) {
                    return reg;
                }
            }
        }
        if let Some(Value { at: At::Temp(reg), .. }) = first
            && reg.is_xmm() == in_xmm(ty)
        {
            return *reg;
        }
        self.take(asm, in_xmm(ty))
    }

    // ---- operands that stay on the stack

    /// Where an operand is, as the source of a move.
    pub(crate) fn operand_source(&mut self, height: usize) -> MoveSource {
        match self.stack[height].place {
            OperandPlace::Const(bits) => MoveSource::Const(bits),
            OperandPlace::Reg(reg) => MoveSource::Reg(reg),
            OperandPlace::Slot => MoveSource::Mem(self.operand_mem(height)),
            OperandPlace::Alias(local) => self.local_source(local),
            OperandPlace::Direct(_) | OperandPlace::Flags(_) | OperandPlace::Caller(_) => {
                unreachable!("only the next operator sees such a place")
            }
        }
    }

    /// A copy of the operand at `height`, in a register that the instruction owns.
    pub(crate) fn copy_of_operand(&mut self, asm: &mut Assembler, height: usize) -> Reg {
        let ty = self.stack[height].ty;
        let reg = self.take(asm, in_xmm(ty));
        let from = self.operand_source(height);
        self.parallel_move(asm, &smallvec::smallvec![Move { ty, from, to: Dest::Reg(reg) }]);
        reg
    }

    /// The operand at `height` in a register that it owns, locked; nothing else changes.
    pub(crate) fn lock_operand(&mut self, asm: &mut Assembler, height: usize) -> Reg {
        let ty = self.stack[height].ty;
        let reg = match self.stack[height].place {
            OperandPlace::Reg(reg) => reg,
            _ => {
                let reg = self.copy_of_operand(asm, height);
                if let OperandPlace::Alias(local) = self.stack[height].place {
                    self.locals[local as usize].aliases -= 1;
                }
                self.regs.set(reg, Owner::Stack(height.narrow()), ty.is_ref());
                self.stack[height].place = OperandPlace::Reg(reg);
                reg
            }
        };
        self.lock(reg);
        reg
    }

    /// The top operand in a register, staying on the stack.
    pub(crate) fn top_in_register(&mut self, asm: &mut Assembler) -> Gpr {
        let mut value = self.pop();
        let ty = value.ty;
        let reg = self.in_gpr(asm, &mut value);
        self.push_value(asm, ty, value);
        reg
    }

    /// Registers of the operands that are 32 bits wide: their upper halves are clear.
    pub(crate) fn narrow_operands(&self) -> u32 {
        let reg_of = |place| match place {
            OperandPlace::Reg(reg) => Some(reg),
            OperandPlace::Alias(local) | OperandPlace::Direct(local) => match self.locals[local as usize].loc {
                Loc::Reg { reg, .. } => Some(reg),
                _ => None,
            },
            _ => None,
        };
        let narrow = self.stack.iter().filter(|operand| matches!(operand.ty, ValType::I32 | ValType::Ref(_)));
        narrow.filter_map(|operand| reg_of(operand.place)).fold(0, |mask, reg| mask | reg.bit())
    }
}
