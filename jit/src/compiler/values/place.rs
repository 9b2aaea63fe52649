//! Places of values: of locals, of operands on the stack, and of operands that an instruction has popped.

use super::registers::Reg;
use crate::asm::{Cond, Width};
use heapwood_gc_abi::low32;
use heapwood_module::ValType;

/// Where a local's current value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loc {
    /// In its home slot.
    Slot,
    /// In a register; if dirty, the home slot is out of date.
    Reg { reg: Reg, dirty: bool },
    /// A known constant (bits), not written anywhere.
    Const(u64),
}

/// A local of an open scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    pub(super) ty: ValType,
    /// Offset of the home slot from rbp.
    pub(super) home: i32,
    pub(super) loc: Loc,
    /// Operands that stand for this local.
    pub(super) aliases: u32,
    /// The last operator of the scope's body that may read it, or 0.
    pub(super) last_use: u32,
    /// Reads and writes, weighted by loop depth.
    pub(super) weight: u32,
    /// A constant that the home slot holds as well.
    pub(super) is_stored: bool,
    /// Stays in its register: for the whole function, or while a loop is open.
    pub(super) pinned: bool,
    /// The local of a scope around it whose value it is as long as its own scope is open: no body writes either of
    /// them meanwhile.
    pub(super) stands_for: Option<u32>,
    /// Number of locals that stand for this one.
    pub(super) held: u32,
}

impl Local {
    /// A local that nothing stands for yet, and that stands for none.
    pub(super) const fn new(ty: ValType, home: i32, loc: Loc, last_use: u32, weight: u32) -> Local {
        Local {
            ty,
            home,
            loc,
            aliases: 0,
            last_use,
            weight,
            is_stored: false,
            pinned: false,
            stands_for: None,
            held: 0,
        }
    }
}

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OperandPlace {
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
    Flags(Cond),
    /// In the caller's frame, so far above the return address: a parameter, before the function's scope is open.
    Caller(u32),
}

/// An entry of the virtual operand stack.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Operand {
    pub(super) ty: ValType,
    pub(super) place: OperandPlace,
    /// Number of reference operands below.
    pub(super) refs_below: u32,
}

/// A popped operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) ty: ValType,
    pub(crate) at: At,
}

/// Where a popped operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    /// A constant's bits.
    Const(u64),
    /// A register that the instruction owns.
    Temp(Reg),
    /// A local's register: locked, not to be written.
    Local(Reg, u32),
    /// A local's home slot.
    Home(u32),
    /// An operand's slot (offset from rbp).
    Slot(i32),
    /// The flags.
    Flags(Cond),
}

impl Value {
    pub(crate) fn constant(&self) -> Option<u64> {
        match self.at {
            At::Const(bits) => Some(bits),
            _ => None,
        }
    }

    /// An integer constant that fits the sign-extended 32-bit immediate of an arithmetic instruction of the value's
    /// width. What a store may hold itself is another matter: [`super::stored::Stored::imm`].
    pub(crate) fn imm32(&self) -> Option<i32> {
        match (self.at, self.ty) {
            (At::Const(bits), ValType::I64) => i32::try_from(bits.cast_signed()).ok(),
            (At::Const(bits), ValType::I32) => Some(low32(bits).cast_signed()),
            _ => None,
        }
    }

    pub(crate) fn reg(&self) -> Option<Reg> {
        match self.at {
            At::Temp(reg) | At::Local(reg, _) => Some(reg),
            _ => None,
        }
    }
}

/// Width of an integer or a reference in a general register.
pub(crate) fn width(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::Ref(_) => Width::W32,
        ValType::I64 => Width::W64,
        ValType::F32 | ValType::F64 | ValType::V128 => unreachable!("a {ty:?} is never in a general register"),
    }
}
