//! Reads and writes of locals.

use super::Values;
use super::place::{At, Loc, Local, OperandPlace, Value};
use super::registers::{Owner, in_xmm};
use crate::asm::Assembler;
use heapwood_module::ValType;

/// The most locals whose place is a constant, since every label looks at all of them.
const CONST_LOCALS_MAX: usize = 64;

impl Values {
    pub(crate) fn local_get(&mut self, local: u32) {
        let local = self.local_of(local);
        let Local { ty, stands_for, .. } = self.locals[local as usize];
        // A parameter may have a narrower type than the local that it stands for.
        let local = stands_for.unwrap_or(local);
        self.locals[local as usize].aliases += 1;
        let ty = self.refined.of(local).unwrap_or(ty);
        self.push_operand(ty, OperandPlace::Alias(local));
    }

    pub(crate) fn local_set(&mut self, asm: &mut Assembler, local: u32) {
        let value = self.pop();
        self.assign(asm, self.local_of(local), value);
    }

    pub(crate) fn local_tee(&mut self, asm: &mut Assembler, local: u32) {
        // The operand keeps its own type, which may be narrower than the local's, so that its uses need fewer checks.
        let local = self.local_of(local);
        let value = self.pop();
        let ty = value.ty;
        self.assign(asm, local, value);
        self.locals[local as usize].aliases += 1;
        self.push_operand(ty, OperandPlace::Alias(local));
    }

    fn assign(&mut self, asm: &mut Assembler, local: u32, mut value: Value) {
        self.refined.forget(local);
        if self.locals[local as usize].aliases > 0 && value.at != self.at_of(local) {
            self.settle_aliases_of(asm, local);
        }
        let info = self.locals[local as usize];
        if let (true, Loc::Reg { reg, .. }) = (info.pinned, info.loc) {
            if value.reg() != Some(reg) {
                value.ty = info.ty;
                self.load_value(asm, reg, &value);
                self.release_value(&value);
            }
            return;
        }
        if matches!(value.at, At::Local(_, same) | At::Home(same) if same == local) {
            return;
        }
        self.leave_place(local);
        // Without a frame there is no home slot that it could settle in.
        let has_room = self.const_locals.len() < CONST_LOCALS_MAX && self.is_framed();
        if let (At::Const(bits), true) = (value.at, info.ty != ValType::V128 && has_room) {
            self.locals[local as usize].loc = Loc::Const(bits);
            self.locals[local as usize].is_stored = false;
            self.const_locals.push(local);
            return;
        }
        value.ty = info.ty;
        let reg = self.owned(asm, &mut value);
        self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
        self.locals[local as usize].loc = Loc::Reg { reg, dirty: true };
    }

    fn at_of(&self, local: u32) -> At {
        match self.locals[local as usize].loc {
            Loc::Reg { reg, .. } => At::Local(reg, local),
            Loc::Const(bits) => At::Const(bits),
            Loc::Slot => At::Home(local),
        }
    }

    /// Leaves the local in its home slot only, whether that is current or not.
    pub(super) fn leave_place(&mut self, local: u32) {
        match self.locals[local as usize].loc {
            Loc::Reg { reg, .. } => self.regs.free(reg),
            Loc::Const(_) => self.const_locals.retain(|l| *l != local),
            Loc::Slot => {}
        }
        self.locals[local as usize].loc = Loc::Slot;
    }

    /// Operands that stand for a local which is about to change become values of their own.
    fn settle_aliases_of(&mut self, asm: &mut Assembler, local: u32) {
        for height in (self.closed..self.stack.len()).rev() {
            if self.stack[height].place == OperandPlace::Alias(local) {
                let taken = self.regs.locked;
                self.settle_aliases(asm, height, height + 1);
                self.regs.locked = taken;
                if self.locals[local as usize].aliases == 0 {
                    break;
                }
            }
        }
    }

    /// Moves the local from its register or constant to its home slot, which is written unless nobody will read it.
    pub(super) fn local_to_slot(&mut self, asm: &mut Assembler, local: u32) {
        self.store_local(asm, local);
        self.leave_place(local);
    }

    /// Brings the home slot up to date; the local stays where it is.
    pub(super) fn store_local(&mut self, asm: &mut Assembler, local: u32) {
        let info = self.locals[local as usize];
        let live = self.is_live(local);
        match info.loc {
            Loc::Reg { reg, dirty: true } => {
                if live {
                    asm.store_reg(info.ty, self.home_to_write(local), reg);
                }
                self.locals[local as usize].loc = Loc::Reg { reg, dirty: !live };
            }
            Loc::Const(bits) if live && !info.is_stored => {
                asm.store_const(info.ty, self.home_to_write(local), bits);
                self.locals[local as usize].is_stored = true;
            }
            _ => {}
        }
    }

    /// Constants of locals become values in registers (if some are free) or slots.
    pub(crate) fn settle_const_locals(&mut self, asm: &mut Assembler) {
        for local in std::mem::take(&mut self.const_locals) {
            let info = self.locals[local as usize];
            let Loc::Const(bits) = info.loc else { continue };
            let free = if self.is_live(local) && !in_xmm(info.ty) { self.take_free(false) } else { None };
            match free {
                Some(reg) => {
                    asm.load_const(info.ty, reg, bits);
                    self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
                    self.locals[local as usize].loc = Loc::Reg { reg, dirty: true };
                }
                None => {
                    self.store_local(asm, local);
                    self.locals[local as usize].loc = Loc::Slot;
                }
            }
        }
    }
}
