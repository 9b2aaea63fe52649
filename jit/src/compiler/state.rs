//! What the compiler knows at a point of the code: where locals and operands live, who owns each register.
//!
//! Invariants (recounted by `check` in debug builds after every operator):
//! 1. A register has at most one owner; a local or an operand in a register is that register's owner.
//! 2. `refs` has a bit for exactly the registers that hold references.
//! 3. If a reference operand lies in its slot, so do all reference operands below it: a stack map is a count.
//! 4. Operands below a control frame's `settled` mark are in their slots or constants.

use crate::abi::{Gpr, Xmm};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use smallvec::SmallVec;

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

/// Who a register belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// Nobody.
    Free,
    /// A local.
    Local(u32),
    /// The operand at this height.
    Stack(u32),
    /// The instruction being compiled.
    Taken,
}

/// Where a local's current value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loc {
    /// In its home slot.
    Slot,
    /// In a register; if dirty, the home slot is out of date.
    Reg { reg: Reg, dirty: bool },
    /// A known constant (bits), not written anywhere.
    Const(u64),
}

/// A local of the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) ty: ValType,
    /// Offset of the home slot from rbp.
    pub(crate) home: i32,
    pub(crate) loc: Loc,
    /// Operands that stand for this local.
    pub(crate) aliases: u32,
    /// A constant that the home slot holds as well.
    pub(crate) is_stored: bool,
    /// Stays in its register: for the whole function, or while a loop is open.
    pub(crate) pinned: bool,
}

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A known constant (bits).
    Const(u64),
    /// In a register that it owns.
    Reg(Reg),
    /// The value of a local since `local.get`.
    Alias(u32),
    /// The instruction wrote directly into the pinned register of the local that the next operator sets.
    Direct(u32),
    /// In its slot.
    Slot,
    /// In the flags; only on top, and only when the next operator takes it from there.
    Flags(crate::asm::Cond),
}

/// An entry of the virtual operand stack.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Operand {
    pub(crate) ty: ValType,
    pub(crate) place: Place,
    /// Number of reference operands below.
    pub(crate) refs_below: u32,
}

/// Ownership of the registers: one word each, so that a snapshot is small.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    owner: [u32; 32],
    /// Registers that hold references.
    pub(crate) refs: u32,
    /// Registers that the current instruction must not lose, though it does not own them.
    pub(crate) locked: u32,
    /// Registers of locals.
    pub(crate) locals: u32,
    /// Registers of operands.
    pub(crate) operands: u32,
    /// Registers of the current instruction.
    taken: u32,
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

impl Registers {
    #[inline]
    pub(crate) fn set(&mut self, reg: Reg, owner: Owner, is_ref: bool) {
        let bit = reg.bit();
        self.free(reg);
        match owner {
            Owner::Free => {}
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
    pub(crate) fn free(&mut self, reg: Reg) {
        let keep = !reg.bit();
        self.locals &= keep;
        self.operands &= keep;
        self.taken &= keep;
        self.refs &= keep;
    }

    #[inline]
    pub(crate) fn owner(&self, reg: Reg) -> Owner {
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
    pub(crate) fn local(&self, reg: Reg) -> u32 {
        debug_assert!(self.locals & reg.bit() != 0, "a local's register");
        self.owner[reg.0 as usize]
    }

    /// Registers that nobody has and nobody locked.
    #[inline]
    pub(crate) fn free_mask(&self) -> u32 {
        !(self.locals | self.operands | self.taken | self.locked)
    }

    /// The instruction takes an operand's register over, reference or not.
    #[inline]
    pub(crate) fn take_over(&mut self, reg: Reg) {
        self.operands &= !reg.bit();
        self.taken |= reg.bit();
    }

    /// Whether the same locals and operands own the same registers, between instructions.
    fn is_like(&self, other: &Registers) -> bool {
        let masks = |registers: &Registers| (registers.refs, registers.locals, registers.operands);
        masks(self) == masks(other)
            && bits(self.locals | self.operands).all(|reg| self.owner[reg.0 as usize] == other.owner[reg.0 as usize])
    }

    /// Ends an instruction: what it took is free, what it locked is not locked any more.
    #[inline]
    pub(crate) fn end_instruction(&mut self) {
        self.refs &= !self.taken;
        self.taken = 0;
        self.locked = 0;
    }
}

/// The state that all edges into a label agree on (or the state to restore at an `else`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) registers: Registers,
    /// Registers of locals whose home slot is out of date.
    pub(crate) dirty: u32,
    /// Constant locals (only at an `else`, never at a label).
    pub(crate) consts: SmallVec<[(u32, u64); 2]>,
    /// Operands from this height on are listed.
    pub(crate) from: u32,
    /// Their types and places.
    pub(crate) operands: SmallVec<[Operand; 4]>,
    /// r14 holds the context.
    pub(crate) context_valid: bool,
    /// The frame is set up.
    pub(crate) framed: bool,
}

impl Snapshot {
    /// Whether both are the same state.
    pub(crate) fn is_like(&self, other: &Snapshot) -> bool {
        let plain = |state: &Snapshot| (state.dirty, state.from, state.context_valid, state.framed);
        plain(self) == plain(other)
            && self.registers.is_like(&other.registers)
            && self.consts == other.consts
            && self.operands == other.operands
    }
}
