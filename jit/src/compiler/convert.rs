//! Conversions between integers and floats.

use super::parts::Compiler;
use super::values::{Reg, width};
use crate::abi::{Gpr, SCRATCH, SCRATCH_XMM, TrapKind, Xmm};
use crate::asm::{Alu, Cond, Label, Section, Sse, Width};
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;

/// A float to integer conversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Truncation {
    pub(crate) from: ValType,
    pub(crate) to: ValType,
    pub(crate) signed: bool,
    pub(crate) saturating: bool,
}

impl Truncation {
    fn double(self) -> bool {
        self.from == ValType::F64
    }

    /// Bits of a float constant of the source type.
    #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
    fn bits(self, value: f64) -> u64 {
        if self.double() { value.to_bits() } else { (value as f32).to_bits() as u64 }
    }

    fn wide(self) -> bool {
        self.to == ValType::I64
    }
}

impl Compiler<'_> {
    /// convert_i32_s and its kin.
    pub(crate) fn float_from_int(&mut self, from: ValType, to: ValType, signed: bool) {
        let mut value = self.pop();
        let src = self.in_gpr(&mut value);
        let dst = self.take_xmm();
        let double = to == ValType::F64;
        // The conversion merges into the old register: break the dependency.
        self.asm.sse_rr(Sse::XORPS, dst, dst);
        match (from, signed) {
            (ValType::I32, true) => self.asm.cvt_from_int(double, Width::W32, dst, src),
            // An i32 is zero-extended in its register.
            (ValType::I32, false) | (_, true) => self.asm.cvt_from_int(double, Width::W64, dst, src),
            (_, false) => {
                let reg = self.owned(&mut value).as_gpr();
                self.convert_u64(double, dst, reg);
            }
        }
        self.release_value(&value);
        self.push_reg(to, Reg::xmm(dst));
    }

    /// Numbers with the top bit set are halved (keeping the last bit for the rounding), converted and doubled.
    fn convert_u64(&mut self, double: bool, dst: Xmm, reg: Gpr) {
        let (large, done) = (self.asm.new_label(), self.asm.new_label());
        self.asm.test_rr(Width::W64, reg, reg);
        self.asm.jcc(Cond::S, large);
        self.asm.cvt_from_int(double, Width::W64, dst, reg);
        self.asm.bind(done);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(large);
        self.halve_keeping_parity(reg);
        self.asm.cvt_from_int(double, Width::W64, dst, reg);
        self.asm.sse_rr(if double { Sse::ADDSD } else { Sse::ADDSS }, dst, dst);
        self.asm.jmp(done);
        self.asm.switch(was);
    }

    pub(crate) fn demote(&mut self) {
        self.float_to_float(Sse::CVTSD2SS, ValType::F32);
    }

    pub(crate) fn promote(&mut self) {
        self.float_to_float(Sse::CVTSS2SD, ValType::F64);
    }

    fn float_to_float(&mut self, sse: Sse, to: ValType) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        value.ty = to;
        let dst = self.result_reg(to, Some(&value), &[]);
        self.asm.sse_rr(sse, dst.as_xmm(), src);
        self.push_result(to, dst);
    }

    /// trunc and trunc_sat.
    pub(crate) fn truncate(&mut self, truncation: Truncation) {
        let mut value = self.pop();
        let src = self.owned(&mut value).as_xmm();
        let dst = self.take_gpr();
        if !truncation.signed && truncation.wide() {
            self.truncate_u64(truncation, dst, src);
        } else {
            self.truncate_narrow(truncation, dst, src);
        }
        self.release_value(&value);
        self.push_reg(truncation.to, Reg::gpr(dst));
    }

    fn compare_with(&mut self, truncation: Truncation, src: Xmm, value: f64) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&truncation.bits(value).to_le_bytes());
        let label = self.asm.constant(bytes, if truncation.double() { 8 } else { 4 });
        self.asm.sse_label(if truncation.double() { Sse::UCOMISD } else { Sse::UCOMISS }, src, label);
    }

    fn is_nan(&mut self, truncation: Truncation, src: Xmm, nan: Label) {
        self.asm.sse_rr(if truncation.double() { Sse::UCOMISD } else { Sse::UCOMISS }, src, src);
        self.asm.jcc(Cond::P, nan);
    }

    /// i32 both ways and i64 signed: the hardware answers the "indefinite" value when out of range. u32 goes by a
    /// signed 64-bit conversion, whose result must fit.
    fn truncate_narrow(&mut self, truncation: Truncation, dst: Gpr, src: Xmm) {
        let double = truncation.double();
        let as_u32 = !truncation.signed;
        let convert = if as_u32 || truncation.wide() { Width::W64 } else { Width::W32 };
        let (odd, done) = (self.asm.new_label(), self.asm.new_label());
        self.asm.cvtt_to_int(double, convert, dst, src);
        if as_u32 {
            self.asm.mov_rr(Width::W32, SCRATCH, dst);
            self.asm.alu_rr(Width::W64, Alu::Cmp, SCRATCH, dst);
            self.asm.jcc(Cond::Ne, odd);
        } else {
            // Only the indefinite value (MIN) overflows when 1 is subtracted.
            self.asm.alu_ri(convert, Alu::Cmp, dst, 1);
            self.asm.jcc_overflow(odd);
        }
        self.asm.bind(done);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(odd);
        if truncation.saturating {
            self.saturate(truncation, dst, src, done);
        } else {
            self.trap_out_of_range(truncation, src, done);
        }
        self.asm.switch(was);
    }

    /// The lower bound of what is in range: floats above it truncate to a value of the type, if they are not too large;
    /// the bound itself does if the flag is set.
    fn lower_bound(truncation: Truncation) -> (f64, bool) {
        match (truncation.signed, truncation.wide(), truncation.double()) {
            (false, ..) => (-1.0, false),
            (true, false, true) => (-2147483649.0, false),
            (true, false, false) => (-2147483648.0, true),
            (true, true, _) => (-9223372036854775808.0, true),
        }
    }

    fn upper_bound(truncation: Truncation) -> f64 {
        match (truncation.signed, truncation.wide()) {
            (true, false) => 2147483648.0,
            (false, false) => 4294967296.0,
            (true, true) => 9223372036854775808.0,
            (false, true) => 18446744073709551616.0,
        }
    }

    /// In the cold section: NaN and numbers out of range trap. A number in range, which truncates to the indefinite
    /// value itself, goes on at `done`.
    fn trap_out_of_range(&mut self, truncation: Truncation, src: Xmm, done: Label) {
        let nan = self.trap_label(TrapKind::InvalidConversion);
        let overflow = self.trap_label(TrapKind::IntegerOverflow);
        self.is_nan(truncation, src, nan);
        self.compare_with(truncation, src, Self::upper_bound(truncation));
        self.asm.jcc(if active(Mutant::TruncationAtBound) { Cond::A } else { Cond::Ae }, overflow);
        let (bound, inclusive) = Self::lower_bound(truncation);
        self.compare_with(truncation, src, bound);
        self.asm.jcc(if inclusive { Cond::B } else { Cond::Be }, overflow);
        self.asm.jmp(done);
    }

    /// In the cold section: NaN becomes 0, a number that is too small the least value, one that is too large the
    /// greatest.
    fn saturate(&mut self, truncation: Truncation, dst: Gpr, src: Xmm, done: Label) {
        let (least, greatest) = match (truncation.signed, truncation.wide()) {
            (true, false) => (i32::MIN as u32 as u64, i32::MAX as u64),
            (true, true) => (i64::MIN as u64, i64::MAX as u64),
            (false, false) if active(Mutant::SaturationOfI32) => (0, i32::MAX as u64),
            (false, false) => (0, u32::MAX as u64),
            (false, true) => (0, u64::MAX),
        };
        let (nan, high) = (self.asm.new_label(), self.asm.new_label());
        self.is_nan(truncation, src, nan);
        self.compare_with(truncation, src, 0.0);
        self.asm.jcc(Cond::A, high);
        self.asm.mov_ri(dst, least);
        self.asm.jmp(done);
        self.asm.bind(high);
        self.asm.mov_ri(dst, greatest);
        self.asm.jmp(done);
        self.asm.bind(nan);
        self.asm.mov_ri(dst, 0);
        self.asm.jmp(done);
    }

    /// Truncates to u64: a number below 2^63 as a signed one, others after subtracting 2^63.
    fn truncate_u64(&mut self, truncation: Truncation, dst: Gpr, src: Xmm) {
        let double = truncation.double();
        let (high, odd, done) = (self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        let half = 9223372036854775808.0;
        self.compare_with(truncation, src, half);
        self.asm.jcc(Cond::Ae, high);
        self.asm.cvtt_to_int(double, Width::W64, dst, src);
        self.asm.test_rr(Width::W64, dst, dst);
        self.asm.jcc(Cond::S, odd);
        self.asm.bind(done);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(high);
        // NaN compares as below, so it does not get here.
        self.compare_with(truncation, src, Self::upper_bound(truncation));
        self.asm.jcc(Cond::Ae, odd);
        self.asm.movaps(SCRATCH_XMM, src);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&truncation.bits(half).to_le_bytes());
        let label = self.asm.constant(bytes, if double { 8 } else { 4 });
        self.asm.sse_label(if double { Sse::SUBSD } else { Sse::SUBSS }, SCRATCH_XMM, label);
        self.asm.cvtt_to_int(double, Width::W64, dst, SCRATCH_XMM);
        self.asm.mov_ri(SCRATCH, 1 << 63);
        self.asm.alu_rr(Width::W64, Alu::Xor, dst, SCRATCH);
        self.asm.jmp(done);
        self.asm.bind(odd);
        if truncation.saturating {
            self.saturate(truncation, dst, src, done);
        } else {
            self.trap_out_of_range(truncation, src, done);
        }
        self.asm.switch(was);
        debug_assert_eq!(width(truncation.to), Width::W64);
    }
}
