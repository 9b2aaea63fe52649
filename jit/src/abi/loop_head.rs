//! Heads of loops: where a frame has what the function's code needs to go on there. By that, a frame of one code of a
//! function becomes one of another code of it, in the middle of a loop (on-stack replacement).

use super::{Gpr, Xmm};
use heapwood_module::ValType;

/// The head of a loop of the function's own body, at its poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoopHead {
    /// Return address of the poll's call, from the start of the code.
    pub pc: u32,
    /// Offset of the `loop` in the module's bytes.
    pub wasm_offset: u32,
    /// The function's locals, then the operands that the loop finds on the stack, those of labels around it among them.
    pub values: Box<[HeadValue]>,
    /// Registers that hold the base of a memory, each with where the context has it (an offset from the context).
    pub bases: Box<[(Gpr, u32)]>,
}

impl LoopHead {
    /// Bytes that the heads of one function's loops take at most, by the bytes of its body; further ones are not listed.
    /// In code a value takes nothing: a function of some hundred bytes may have fifty thousand locals at each of its
    /// loops.
    pub const fn all_bytes_max(body_bytes: usize) -> usize {
        let proportional = (8 << 10) + 64 * body_bytes;
        let most = 512 << 10;
        if proportional < most { proportional } else { most }
    }

    /// Bytes of it with what it lists.
    pub fn bytes(&self) -> usize {
        LoopHead::bytes_with(self.values.len(), self.bases.len())
    }

    /// Bytes of one that lists so many values and bases.
    pub const fn bytes_with(values: usize, bases: usize) -> usize {
        size_of::<LoopHead>() + values * size_of::<HeadValue>() + bases * size_of::<(Gpr, u32)>()
    }
}

/// A value that is alive at the head of a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadValue {
    /// What kind of value it is: the same in each code of the function.
    pub kind: ValueKind,
    /// Where it is.
    pub place: HeadPlace,
}

/// Where a value is at the head of a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadPlace {
    /// In the frame, so far from rbp.
    Frame(i32),
    /// In a general register.
    Gpr(Gpr),
    /// In a vector register.
    Xmm(Xmm),
    /// Nowhere: it is this number, or vector, on every path there, in little-endian order.
    Const([u8; 16]),
}

/// How a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueKind {
    /// A reference: 4 bytes.
    Reference,
    /// A number of 4 bytes. In a general register its upper half is clear.
    Narrow,
    /// A number of 8 bytes.
    Wide,
    /// A vector of 16 bytes.
    Vector,
}

impl ValueKind {
    /// How values of a type are kept.
    pub const fn of(ty: ValType) -> ValueKind {
        match ty {
            ValType::Ref(_) => ValueKind::Reference,
            ValType::I32 | ValType::F32 => ValueKind::Narrow,
            ValType::I64 | ValType::F64 => ValueKind::Wide,
            ValType::V128 => ValueKind::Vector,
        }
    }
}
