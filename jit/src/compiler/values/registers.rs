//! Registers: their names, and the owner of each.

use crate::abi::{CALLER_SAVED, Gpr, Xmm};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;

/// A general (0..16) or vector (16..32) register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reg(pub(crate) u8);

impl Reg {
    pub(crate) const fn gpr(gpr: Gpr) -> Reg {
        Reg(gpr.0)
    }

    pub(crate) const fn xmm(xmm: Xmm) -> Reg {
        Reg(xmm.0 + 16)
    }

    pub(crate) const fn is_xmm(self) -> bool {
        self.0 >= 16
    }

    pub(crate) fn as_gpr(self) -> Gpr {
        debug_assert!(!self.is_xmm(), "vector register where a general one is needed");
        Gpr(self.0)
    }

    pub(crate) fn as_xmm(self) -> Xmm {
        debug_assert!(self.is_xmm(), "general register where a vector one is needed");
        Xmm(self.0 - 16)
    }

    pub(crate) const fn bit(self) -> u32 {
        1 << self.0
    }
}

/// Whether values of a type travel in vector registers.
pub(crate) const fn in_xmm(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// The registers in a mask, lowest first.
pub(crate) fn bits(mask: u32) -> impl Iterator<Item = Reg> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let reg = Reg(rest.trailing_zeros().narrow());
        (rest != 0).then(|| {
            rest &= rest - 1;
            reg
        })
    })
}

/// General registers that values are allocated to.
pub(super) const GPR_MASK: u32 = {
    let (mut mask, mut i) = (0, 0);
    while i < CALLER_SAVED.len() {
        mask |= 1 << CALLER_SAVED[i].0;
        i += 1;
    }
    mask
};

/// Vector registers that values are allocated to.
pub(super) const XMM_MASK: u32 = 0x7fff << 16;

/// Registers that loops pin: those that no instruction needs for itself.
pub(super) const PIN_GPRS: [Gpr; 4] = [Gpr::RSI, Gpr::RDI, Gpr::R8, Gpr::R9];
pub(super) const PIN_XMMS: std::ops::Range<u8> = 5..15;

/// The registers that loops pin, as a mask: an instruction has to make do with the others.
pub(super) const PINNABLE_MASK: u32 = {
    let (mut mask, mut i) = (0, 0);
    while i < PIN_GPRS.len() {
        mask |= 1 << PIN_GPRS[i].0;
        i += 1;
    }
    let mut xmm = PIN_XMMS.start;
    while xmm < PIN_XMMS.end {
        mask |= 1 << (16 + xmm);
        xmm += 1;
    }
    mask
};

/// The owner of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The register has no owner.
    Free,
    /// A local.
    Local(u32),
    /// The operand at this height.
    Stack(u32),
    /// The instruction being compiled.
    Taken,
}

/// The owners of the registers, one word for each register, so that a snapshot is small.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Registers {
    owner: [u32; 32],
    /// Registers that hold references.
    pub(super) refs: u32,
    /// Registers that the current instruction must not lose, though it does not own them.
    pub(super) locked: u32,
    /// Registers of locals.
    pub(super) locals: u32,
    /// Registers of operands.
    pub(super) operands: u32,
    /// Registers of the current instruction.
    taken: u32,
}

impl Registers {
    #[inline]
    pub(super) fn set(&mut self, reg: Reg, owner: Owner, is_ref: bool) {
        let bit = reg.bit();
        self.free(reg);
        match owner {
            Owner::Free => unreachable!("`free` makes a register free"),
            Owner::Local(local) => {
                self.owner[reg.0 as usize] = local;
                self.locals |= bit;
            }
            Owner::Stack(height) => {
                self.owner[reg.0 as usize] = height;
                self.operands |= bit;
            }
            Owner::Taken => self.taken |= bit,
        }
        if is_ref {
            self.refs |= bit;
        }
    }

    #[inline]
    pub(super) fn free(&mut self, reg: Reg) {
        let keep = !reg.bit();
        self.locals &= keep;
        self.operands &= keep;
        self.taken &= keep;
        self.refs &= keep;
    }

    #[inline]
    pub(super) fn owner(&self, reg: Reg) -> Owner {
        let bit = reg.bit();
        if self.locals & bit != 0 {
            Owner::Local(self.owner[reg.0 as usize])
        } else if self.operands & bit != 0 {
            Owner::Stack(self.owner[reg.0 as usize])
        } else if self.taken & bit != 0 {
            Owner::Taken
        } else {
            Owner::Free
        }
    }

    /// The local that owns a register of the `locals` mask.
    #[inline]
    pub(super) fn local(&self, reg: Reg) -> u32 {
        debug_assert!(self.locals & reg.bit() != 0, "a local's register");
        self.owner[reg.0 as usize]
    }

    /// Registers that nobody has and nobody locked.
    #[inline]
    pub(super) fn free_mask(&self) -> u32 {
        !(self.locals | self.operands | self.taken | self.locked)
    }

    /// Gives an operand's register to the instruction, whether it holds a reference or not.
    #[inline]
    pub(super) fn take_over(&mut self, reg: Reg) {
        self.operands &= !reg.bit();
        self.taken |= reg.bit();
    }

    /// Gives a local's register to the instruction, whether it holds a reference or not.
    #[inline]
    pub(super) fn give(&mut self, reg: Reg) {
        self.locals &= !reg.bit();
        self.taken |= reg.bit();
    }

    /// Whether each register has the same owner in both, between instructions.
    pub(super) fn is_like(&self, other: &Registers) -> bool {
        let masks = |registers: &Registers| (registers.refs, registers.locals, registers.operands);
        masks(self) == masks(other)
            && bits(self.locals | self.operands).all(|reg| self.owner[reg.0 as usize] == other.owner[reg.0 as usize])
    }

    /// Ends an instruction: what it took is free, what it locked is not locked any more.
    #[inline]
    pub(super) fn end_instruction(&mut self) {
        self.refs &= !self.taken;
        self.taken = 0;
        self.locked = 0;
    }
}
