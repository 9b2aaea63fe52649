//! Vector instructions, in VEX encodings only: AVX suffices, AVX2 shortens two broadcasts.
//!
//! 1. This file: operands, results and the plain families (one machine instruction).
//! 2. One file per family that needs more; `visitor_simd` has the rows.
//!
//! Rules for sequences: all registers are taken before the vector scratch register is written (taking one may spill
//! through it), and a result that may lie in an input's register is written after the last read of that input.
//!
//! A constant vector is a literal behind the code, named by its label in `OperandPlace::Const` (zero: the zero vector),
//! so it is a memory operand wherever the instruction has one.

mod bits;
mod convert;
pub(crate) mod float;
pub(crate) mod integer;
mod lanes;
mod memory;
mod shift;
mod shuffle;

use super::parts::Compiler;
use super::values::{At, Reg, Value};
use crate::abi::{SCRATCH_XMM, Xmm};
use crate::asm::{Vex, VexSource};
use heapwood_module::ValType::V128;
use smallvec::SmallVec;

/// The vector scratch register, which most sequences use.
const S: Xmm = SCRATCH_XMM;

/// How the operands of an instruction become those of the machine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// In the order of the operands.
    Fixed,
    /// In any order.
    Commutes,
    /// The second one first.
    Swapped,
}

/// A vector of equal lanes.
const fn repeat<const N: usize>(lane: [u8; N]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut i = 0;
    while i < 16 {
        bytes[i] = lane[i % N];
        i += 1;
    }
    bytes
}

impl Compiler<'_> {
    /// Refuses a vector instruction where the machine lacks AVX.
    pub(crate) fn require_avx(&mut self) {
        if !self.env.options.cpu.avx {
            self.unsupported("SIMD on a CPU without AVX");
        }
    }

    // ---- operands and results

    /// Pushes a constant vector.
    pub(crate) fn v_const(&mut self, bytes: [u8; 16]) {
        let bits = if bytes == [0; 16] { 0 } else { self.asm.constant(bytes, 16).to_bits() };
        self.push_const(V128, bits);
    }

    /// A literal as an operand.
    fn literal<const N: usize>(&mut self, lane: [u8; N]) -> VexSource {
        VexSource::Label(self.asm.constant(repeat(lane), 16))
    }

    /// A vector as the last operand of an instruction: its slot, its literal or a register.
    fn vector(&mut self, value: &mut Value) -> VexSource {
        match value.at {
            At::Slot(_) => VexSource::Mem(self.value_mem(value)),
            At::Const(bits) if bits != 0 => VexSource::Label(self.asm.constant_of(bits)),
            _ => VexSource::Xmm(self.in_xmm(value)),
        }
    }

    /// The register for a result; it may be that of an input.
    fn result_of(&mut self, inputs: &[&Value]) -> Xmm {
        let temp = inputs.iter().find(|v| matches!(v.at, At::Temp(reg) if reg.is_xmm()));
        self.result_reg(V128, temp.copied(), &[]).as_xmm()
    }

    /// The register for a result that is written while the inputs are still needed.
    fn result_beside(&mut self, inputs: &[&Value]) -> Xmm {
        let avoid: SmallVec<[Option<Reg>; 4]> = inputs.iter().map(|value| value.reg()).collect();
        self.result_reg(V128, None, &avoid).as_xmm()
    }

    fn push_vector(&mut self, dst: Xmm) {
        self.push_result(V128, Reg::xmm(dst));
    }

    /// Pops two operands in the order of the machine's instruction: a register, anything, and the result's register.
    fn pop_two(&mut self, order: Order) -> (Xmm, VexSource, Xmm) {
        let mut second = self.pop();
        let mut first = self.pop();
        let in_register = |value: &Value| value.reg().is_some();
        if order == Order::Swapped || (order == Order::Commutes && !in_register(&first) && in_register(&second)) {
            std::mem::swap(&mut first, &mut second);
        }
        let right = self.vector(&mut second);
        let left = self.in_xmm(&mut first);
        let dst = self.result_of(&[&first, &second]);
        (left, right, dst)
    }

    // ---- plain families

    /// `dst = op(a, b)`.
    pub(crate) fn v_binary(&mut self, op: Vex, order: Order) {
        let (left, right, dst) = self.pop_two(order);
        self.asm.rvm(op, dst, left, right);
        self.push_vector(dst);
    }

    /// `dst = op(a)`.
    pub(crate) fn v_unary(&mut self, op: Vex) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rm(op, dst, src);
        self.push_vector(dst);
    }

    /// `dst = op(a, imm)`.
    pub(crate) fn v_unary_imm(&mut self, op: Vex, imm: u8) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rmi(op, dst, src, imm);
        self.push_vector(dst);
    }

    /// `dst = op(a, b, imm)`.
    pub(crate) fn v_binary_imm(&mut self, op: Vex, imm: u8) {
        let (left, right, dst) = self.pop_two(Order::Fixed);
        self.asm.rvmi(op, dst, left, right, imm);
        self.push_vector(dst);
    }

    /// `dst = op(a, literal)`.
    pub(crate) fn v_with_literal<const N: usize>(&mut self, op: Vex, lane: [u8; N]) {
        let mut value = self.pop();
        let literal = self.literal(lane);
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvm(op, dst, src, literal);
        self.push_vector(dst);
    }
}
