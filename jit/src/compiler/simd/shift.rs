//! Shifts: the count is taken modulo the lane's bits. Bytes, and signed 64-bit lanes, have no instructions.

use super::super::parts::Compiler;
use super::super::values::Value;
use super::S;
use crate::abi::{SCRATCH, Xmm};
use crate::asm::{Alu, ShiftOp, Vex, Width};
use heapwood_gc_abi::{Mutant, Narrow, active, low32};
use heapwood_module::ValType::V128;

/// The instructions that shift by a constant and by a count in a vector register.
fn instructions(lane: Width, shift: ShiftOp) -> (Vex, Vex) {
    match (lane, shift) {
        (Width::W16, ShiftOp::Shl) => (Vex::VPSLLW_IMM, Vex::VPSLLW),
        (Width::W16, ShiftOp::Shr) => (Vex::VPSRLW_IMM, Vex::VPSRLW),
        (Width::W16, ShiftOp::Sar) => (Vex::VPSRAW_IMM, Vex::VPSRAW),
        (Width::W32, ShiftOp::Shl) => (Vex::VPSLLD_IMM, Vex::VPSLLD),
        (Width::W32, ShiftOp::Shr) => (Vex::VPSRLD_IMM, Vex::VPSRLD),
        (Width::W32, ShiftOp::Sar) => (Vex::VPSRAD_IMM, Vex::VPSRAD),
        (Width::W64, ShiftOp::Shl) => (Vex::VPSLLQ_IMM, Vex::VPSLLQ),
        (Width::W64, ShiftOp::Shr) => (Vex::VPSRLQ_IMM, Vex::VPSRLQ),
        _ => unreachable!("lanes without such an instruction"),
    }
}

fn lane_bits(lane: Width) -> u32 {
    match lane {
        Width::W8 => 8,
        Width::W16 => 16,
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

impl Compiler<'_> {
    pub(crate) fn v_shift(&mut self, lane: Width, shift: ShiftOp) {
        let (count, mut value) = (self.pop(), self.pop());
        if let Some(n) = count.constant() {
            return match low32(n) % lane_bits(lane) {
                0 => self.push_value(V128, value),
                n => self.shift_by(lane, shift, value, n.narrow()),
            };
        }
        let src = self.in_xmm(&mut value);
        match (lane, shift) {
            (Width::W8, ShiftOp::Sar) => self.shift_bytes_signed(count, value, src),
            (Width::W8, _) => self.shift_bytes(shift, count, value, src),
            (Width::W64, ShiftOp::Sar) => self.shift_quads_signed(count, value, src),
            _ => {
                let op = instructions(lane, shift).1;
                let dst = self.result_of(&[&value]);
                self.shift_count(count, lane);
                self.asm.rm(Vex::VMOVD_FROM_GPR, S, SCRATCH);
                self.asm.rvm(op, dst, src, S);
                self.push_vector(dst);
            }
        }
    }

    /// Puts the count, modulo the lane's bits, into the scratch register.
    fn shift_count(&mut self, mut count: Value, lane: Width) {
        let reg = self.in_gpr(&mut count);
        self.asm.mov_rr(Width::W32, SCRATCH, reg);
        let mask = if active(Mutant::VectorShiftNotMasked) { 0x7f } else { lane_bits(lane).narrow::<i32>() - 1 };
        self.asm.alu_ri(Width::W32, Alu::And, SCRATCH, mask);
    }

    // ---- by constants

    fn shift_by(&mut self, lane: Width, shift: ShiftOp, mut value: Value, n: u8) {
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        match (lane, shift) {
            (Width::W8, ShiftOp::Shl) if n == 1 => self.asm.rvm(Vex::VPADDB, dst, src, src),
            (Width::W8, _) => self.shift_bytes_by(shift, dst, src, n),
            // A shift that leaves only the sign is a comparison with zero.
            (Width::W64, ShiftOp::Sar) if n == 63 => {
                self.asm.rvm(Vex::VPXOR, S, S, S);
                self.asm.rvm(Vex::VPCMPGTQ, dst, S, src);
            }
            (Width::W64, ShiftOp::Sar) => {
                let sign = self.literal((1u64 << 63 >> n).to_le_bytes());
                self.asm.vmi(Vex::VPSRLQ_IMM, dst, src, n);
                self.asm.rvm(Vex::VPXOR, dst, dst, sign);
                self.asm.rvm(Vex::VPSUBQ, dst, dst, sign);
            }
            _ => self.asm.vmi(instructions(lane, shift).0, dst, src, n),
        }
        self.push_vector(dst);
    }

    /// Shifts bytes by a constant: words are shifted, and bits that came from the neighbouring byte are cleared. The
    /// sign bit, which is further down then, is spread by flipping and subtracting it.
    fn shift_bytes_by(&mut self, shift: ShiftOp, dst: Xmm, src: Xmm, n: u8) {
        if (shift, n) == (ShiftOp::Sar, 7) {
            self.asm.rvm(Vex::VPXOR, S, S, S);
            return self.asm.rvm(Vex::VPCMPGTB, dst, S, src);
        }
        let left = shift == ShiftOp::Shl;
        let own = self.literal([if left { 0xff << n } else { 0xff >> n }]);
        self.asm.vmi(if left { Vex::VPSLLW_IMM } else { Vex::VPSRLW_IMM }, dst, src, n);
        self.asm.rvm(Vex::VPAND, dst, dst, own);
        if shift == ShiftOp::Sar {
            let sign = self.literal([0x80 >> n]);
            self.asm.rvm(Vex::VPXOR, dst, dst, sign);
            self.asm.rvm(Vex::VPSUBB, dst, dst, sign);
        }
    }

    // ---- by counts

    /// Shifts bytes by a count, as by a constant; the mask of bits that stay inside their byte is made by shifting
    /// ones.
    fn shift_bytes(&mut self, shift: ShiftOp, count: Value, value: Value, src: Xmm) {
        let mask = self.take_xmm();
        let dst = self.result_of(&[&value]);
        self.shift_count(count, Width::W8);
        self.asm.rm(Vex::VMOVD_FROM_GPR, S, SCRATCH);
        // 0xffff >> n >> 8 in each word is 0xff >> n in each byte once packed.
        self.asm.rvm(Vex::VPCMPEQW, mask, mask, mask);
        self.asm.rvm(Vex::VPSRLW, mask, mask, S);
        self.asm.vmi(Vex::VPSRLW_IMM, mask, mask, 8);
        self.asm.rvm(Vex::VPACKUSWB, mask, mask, mask);
        if shift == ShiftOp::Shl {
            self.asm.rvm(Vex::VPAND, dst, src, mask);
            self.asm.rvm(Vex::VPSLLW, dst, dst, S);
        } else {
            self.asm.rvm(Vex::VPSRLW, dst, src, S);
            self.asm.rvm(Vex::VPAND, dst, dst, mask);
        }
        self.push_vector(dst);
    }

    /// Each byte as the upper half of a word is shifted down to the lower half, n further.
    fn shift_bytes_signed(&mut self, count: Value, value: Value, src: Xmm) {
        let upper = self.take_xmm();
        let dst = self.result_of(&[&value]);
        self.shift_count(count, Width::W8);
        self.asm.alu_ri(Width::W32, Alu::Add, SCRATCH, 8);
        self.asm.rm(Vex::VMOVD_FROM_GPR, S, SCRATCH);
        self.asm.rvm(Vex::VPUNPCKHBW, upper, src, src);
        self.asm.rvm(Vex::VPUNPCKLBW, dst, src, src);
        self.asm.rvm(Vex::VPSRAW, upper, upper, S);
        self.asm.rvm(Vex::VPSRAW, dst, dst, S);
        self.asm.rvm(Vex::VPACKSSWB, dst, dst, upper);
        self.push_vector(dst);
    }

    /// The sign bit is shifted along, then spread by flipping and subtracting it.
    fn shift_quads_signed(&mut self, count: Value, value: Value, src: Xmm) {
        let sign = self.take_xmm();
        let dst = self.result_of(&[&value]);
        let top = self.literal((1u64 << 63).to_le_bytes());
        self.shift_count(count, Width::W64);
        self.asm.rm(Vex::VMOVD_FROM_GPR, S, SCRATCH);
        self.asm.rm(Vex::VMOVUPS, sign, top);
        self.asm.rvm(Vex::VPSRLQ, sign, sign, S);
        self.asm.rvm(Vex::VPSRLQ, dst, src, S);
        self.asm.rvm(Vex::VPXOR, dst, dst, sign);
        self.asm.rvm(Vex::VPSUBQ, dst, dst, sign);
        self.push_vector(dst);
    }
}
