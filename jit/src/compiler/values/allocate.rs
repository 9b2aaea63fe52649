//! Registers for instructions: taking, releasing, locking, and evicting whoever is in one.

use super::Values;
use super::place::{At, Loc, Value};
use super::registers::{GPR_MASK, Owner, PINNABLE_MASK, Reg, XMM_MASK, bits};
use crate::abi::{CALLER_SAVED, Gpr, Xmm};
use crate::asm::Assembler;
use heapwood_gc_abi::Narrow;

impl Values {
    /// The registers of a kind that an instruction may get.
    #[inline]
    fn allocatable(&self, xmm: bool) -> u32 {
        let all = if xmm { XMM_MASK } else { GPR_MASK };
        if self.few_registers { all & !PINNABLE_MASK } else { all }
    }

    /// The free register of a kind that comes first in the order of preference.
    #[inline]
    fn first_free(&self, xmm: bool) -> Option<Reg> {
        let free = self.regs.free_mask() & self.allocatable(xmm);
        if xmm {
            return (free != 0).then(|| Reg(free.trailing_zeros().narrow()));
        }
        if free == 0 {
            return None;
        }
        CALLER_SAVED.iter().map(|g| Reg::gpr(*g)).find(|r| free & r.bit() != 0)
    }

    /// A register that the instruction owns; evicts if none is free.
    pub(crate) fn take(&mut self, asm: &mut Assembler, xmm: bool) -> Reg {
        let reg = self.first_free(xmm).unwrap_or_else(|| self.evict_some(asm, xmm));
        self.regs.set(reg, Owner::Taken, false);
        reg
    }

    pub(crate) fn take_gpr(&mut self, asm: &mut Assembler) -> Gpr {
        self.take(asm, false).as_gpr()
    }

    pub(crate) fn take_xmm(&mut self, asm: &mut Assembler) -> Xmm {
        self.take(asm, true).as_xmm()
    }

    /// A free register, if there is one without evicting.
    pub(super) fn take_free(&mut self, xmm: bool) -> Option<Reg> {
        let reg = self.first_free(xmm)?;
        self.regs.set(reg, Owner::Taken, false);
        Some(reg)
    }

    /// Takes this very register, moving whoever is in it elsewhere.
    pub(crate) fn take_fixed(&mut self, asm: &mut Assembler, gpr: Gpr) -> Gpr {
        let reg = Reg::gpr(gpr);
        match self.regs.owner(reg) {
            Owner::Free => {}
            Owner::Taken => unreachable!("{gpr:?} is already taken by this instruction"),
            _ => self.evict(asm, reg),
        }
        debug_assert_eq!(self.regs.locked & reg.bit(), 0, "{gpr:?} is an operand of this instruction");
        self.regs.set(reg, Owner::Taken, false);
        gpr
    }

    /// Gives the register to the instruction, which is about to write to it: the value that was in it is lost.
    pub(crate) fn claim(&mut self, reg: Reg) {
        self.regs.set(reg, Owner::Taken, false);
    }

    /// Marks a register of the instruction as holding a reference from here on, which stack maps must show.
    pub(crate) fn mark_reference(&mut self, reg: Reg) {
        debug_assert_eq!(self.regs.owner(reg), Owner::Taken, "others are marked when they get an owner");
        self.regs.set(reg, Owner::Taken, true);
    }

    /// Takes this register for the instruction; `other`, which stays in use, leaves it.
    pub(crate) fn claim_beside(&mut self, asm: &mut Assembler, reg: Reg, other: &mut Value) {
        if other.reg() == Some(reg) {
            self.move_elsewhere(asm, other);
        }
        if !matches!(self.regs.owner(reg), Owner::Free | Owner::Taken) {
            self.evict(asm, reg);
        }
        self.claim(reg);
    }

    /// Moves a value from its general register to another one, which the instruction owns, so that its own becomes
    /// free.
    pub(crate) fn move_elsewhere(&mut self, asm: &mut Assembler, value: &mut Value) {
        let from = value.reg().expect("a value in a register");
        let reg = self.take(asm, false);
        asm.move_reg(value.ty, reg, from);
        self.release_value(value);
        self.regs.locked &= !from.bit();
        value.at = At::Temp(reg);
    }

    /// Moves all values but the top `operands` operands, which the instruction pops, out of these registers.
    pub(crate) fn vacate(&mut self, asm: &mut Assembler, gprs: &[Gpr], operands: usize) {
        let first: u32 = (self.stack.len() - operands).narrow();
        for gpr in gprs {
            match self.regs.owner(Reg::gpr(*gpr)) {
                Owner::Stack(height) if height >= first => {}
                _ => self.evict(asm, Reg::gpr(*gpr)),
            }
        }
    }

    /// Frees the register if the instruction owns it.
    pub(crate) fn release(&mut self, reg: Reg) {
        if self.regs.owner(reg) == Owner::Taken {
            self.regs.free(reg);
        }
    }

    pub(crate) fn release_value(&mut self, value: &Value) {
        if let At::Temp(reg) = value.at {
            self.release(reg);
        }
    }

    /// Locks the register until the instruction ends: the instruction reads it, though it may not own it.
    pub(crate) fn lock(&mut self, reg: Reg) {
        self.regs.locked |= reg.bit();
    }

    /// Unlocks the registers of locals but for those of `values`: the instruction has read the others.
    pub(crate) fn keep_locked(&mut self, values: &[&Value]) {
        let locked = |value: &&Value| match value.at {
            At::Local(reg, _) => reg.bit(),
            _ => 0,
        };
        self.regs.locked = values.iter().map(locked).fold(0, |all, bit| all | bit);
    }

    /// Unlocks all registers: the instruction reads none any more that it does not own.
    pub(crate) fn unlock_all(&mut self) {
        self.regs.locked = 0;
    }

    /// General registers that belong to nobody.
    pub(crate) fn free_gprs(&self) -> impl Iterator<Item = Reg> + use<> {
        bits(self.regs.free_mask() & GPR_MASK)
    }

    /// Registers of a kind that no pinned local has.
    pub(crate) fn unpinned(&self, xmm: bool) -> u32 {
        bits(self.allocatable(xmm)).filter(|reg| !self.is_pinned(*reg)).count().narrow()
    }

    fn evict_some(&mut self, asm: &mut Assembler, xmm: bool) -> Reg {
        let mut best: Option<(u64, Reg)> = None;
        let candidates = self.allocatable(xmm) & !self.regs.locked;
        for reg in bits(candidates) {
            let cost = match self.regs.owner(reg) {
                Owner::Free => unreachable!("a free register is taken before others are looked at"),
                Owner::Taken => continue,
                Owner::Local(local) if self.locals[local as usize].pinned => continue,
                Owner::Local(local) => {
                    let info = &self.locals[local as usize];
                    let dirty = matches!(info.loc, Loc::Reg { dirty: true, .. });
                    let weight = info.weight.min(1 << 20) as u64;
                    1 + weight * 2 + if dirty && self.is_live(local) { 3 } else { 0 }
                }
                Owner::Stack(height) => (1 << 30) + height as u64,
            };
            if best.is_none_or(|b| cost < b.0) {
                best = Some((cost, reg));
            }
        }
        let (_, reg) = best.expect("an instruction takes fewer registers than there are");
        self.evict(asm, reg);
        reg
    }

    /// Makes a register free, its owner going to memory (mov only: flags survive).
    pub(super) fn evict(&mut self, asm: &mut Assembler, reg: Reg) {
        match self.regs.owner(reg) {
            Owner::Free => {}
            Owner::Local(local) => {
                debug_assert!(!self.locals[local as usize].pinned, "pinned locals stay");
                self.local_to_slot(asm, local);
            }
            Owner::Stack(height) => self.spill(asm, height as usize),
            Owner::Taken => unreachable!("an instruction's own register cannot be evicted"),
        }
    }
}
