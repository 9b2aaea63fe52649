//! Pinned locals: those that stay in their registers, for the whole function or while a loop is open.

use super::Values;
use super::place::Loc;
use super::registers::{Owner, PIN_GPRS, PIN_XMMS, Reg, Registers, bits, in_xmm};
use crate::abi::{Gpr, Xmm};
use crate::asm::{Alu, Assembler, Imm, Mem, Width};
use heapwood_gc_abi::Narrow;

impl Values {
    /// Pins a local in a callee-saved register as soon as there is a frame: an argument moves there from where it
    /// arrived, another local is zeroed if it is read before it is written (`needs_zero`).
    pub(crate) fn pin_in_frame(&mut self, asm: &mut Assembler, local: u32, gpr: Gpr, is_param: bool, needs_zero: bool) {
        let info = self.locals[local as usize];
        let reg = Reg::gpr(gpr);
        match info.loc {
            Loc::Reg { reg: from, .. } => {
                asm.move_reg(info.ty, reg, from);
                self.regs.free(from);
            }
            _ if is_param => asm.load_reg(info.ty, reg, Mem::base(Gpr::RBP, info.home)),
            _ if needs_zero => asm.alu_rr(Width::W32, Alu::Xor, gpr, gpr),
            _ => {}
        }
        self.locals[local as usize].pinned = true;
        self.locals[local as usize].loc = Loc::Reg { reg, dirty: true };
        self.regs.set(reg, Owner::Local(local), false);
    }

    /// Pins those of `candidates` (the heaviest first) for which there are registers, while a loop is open that calls
    /// nothing; says how many. Each comes with whether it is worth that if it is in its home slot. The loop has come to
    /// its head.
    pub(crate) fn pin_for_loop(&mut self, asm: &mut Assembler, candidates: impl Iterator<Item = (u32, bool)>) -> u32 {
        let before = self.loop_pins.len();
        for (index, is_worth_loading) in candidates {
            let local = self.local_of(index);
            let info = self.locals[local as usize];
            if info.pinned || !is_worth_loading && !matches!(info.loc, Loc::Reg { .. }) {
                continue;
            }
            let Some(reg) = self.free_pin_register(in_xmm(info.ty)) else { continue };
            self.pin(asm, local, reg);
            self.loop_pins.push(local);
        }
        (self.loop_pins.len() - before).narrow()
    }

    /// Whether a pinned local has the register.
    pub(super) fn is_pinned(&self, reg: Reg) -> bool {
        matches!(self.regs.owner(reg), Owner::Local(local) if self.locals[local as usize].pinned)
    }

    /// A register that a loop may pin, of which no pinned local has it.
    fn free_pin_register(&self, xmm: bool) -> Option<Reg> {
        let usable = |reg: &Reg| !self.is_pinned(*reg);
        if xmm {
            PIN_XMMS.map(|x| Reg::xmm(Xmm(x))).find(usable)
        } else {
            PIN_GPRS.iter().map(|g| Reg::gpr(*g)).find(usable)
        }
    }

    fn pin(&mut self, asm: &mut Assembler, local: u32, reg: Reg) {
        let mut info = self.locals[local as usize];
        if self.regs.owner(reg) != Owner::Local(local) {
            self.evict(asm, reg);
            let ty = info.ty;
            match info.loc {
                Loc::Reg { reg: old, .. } => {
                    asm.move_reg(ty, reg, old);
                    self.regs.free(old);
                }
                Loc::Const(bits) => {
                    asm.load_const(ty, reg, bits);
                    self.const_locals.retain(|l| *l != local);
                }
                Loc::Slot => asm.load_reg(ty, reg, self.in_frame(info.home)),
            }
        }
        if info.ty.is_ref() {
            // The slot would keep an old object alive while the register changes.
            asm.store_imm(self.in_frame(info.home), Imm::B32(0));
        }
        info.loc = Loc::Reg { reg, dirty: true };
        info.pinned = true;
        self.locals[local as usize] = info;
        self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
    }

    /// A loop has ended: the last `count` locals that were pinned may leave their registers.
    pub(crate) fn unpin(&mut self, count: u32) {
        let rest = self.loop_pins.len() - count as usize;
        for local in self.loop_pins.drain(rest..) {
            self.locals[local as usize].pinned = false;
        }
    }

    /// All unpinned locals are in their home slots only.
    pub(crate) fn flush_locals(&mut self, asm: &mut Assembler) {
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if !self.locals[local as usize].pinned {
                self.local_to_slot(asm, local);
            }
        }
        for local in std::mem::take(&mut self.const_locals) {
            self.store_local(asm, local);
            self.locals[local as usize].loc = Loc::Slot;
        }
    }

    /// Ownership with nothing but the pinned locals.
    pub(super) fn pinned_registers(&self) -> Registers {
        let mut registers = Registers::default();
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            let info = &self.locals[local as usize];
            if info.pinned {
                registers.set(reg, Owner::Local(local), info.ty.is_ref());
            }
        }
        registers
    }
}
