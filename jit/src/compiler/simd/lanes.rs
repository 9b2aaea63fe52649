//! Single lanes: splat, extract, replace.

use super::super::memory::{Load, bytes_of};
use super::super::parts::Compiler;
use super::super::values::{At, Reg, Value};
use super::{S, repeat};
use crate::abi::Xmm;
use crate::asm::{Mem, Vex, VexSource, Width};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use heapwood_module::ValType::{F32, F64, V128};

/// The instruction that puts an integer (or its memory) into a lane.
pub(super) fn insertion(lane: Width) -> Vex {
    match lane {
        Width::W8 => Vex::VPINSRB,
        Width::W16 => Vex::VPINSRW,
        Width::W32 => Vex::VPINSRD,
        Width::W64 => Vex::VPINSRQ,
    }
}

/// A vector of equal lanes with the low bits of a scalar.
fn splat_constant(lane: Width, bits: u64) -> [u8; 16] {
    let b = bits.to_le_bytes();
    match lane {
        Width::W8 => repeat([b[0]]),
        Width::W16 => repeat([b[0], b[1]]),
        Width::W32 => repeat([b[0], b[1], b[2], b[3]]),
        Width::W64 => repeat(b),
    }
}

impl Compiler<'_> {
    /// The slot of a value that is in memory.
    fn in_memory(&self, value: &Value) -> Option<Mem> {
        matches!(value.at, At::Home(_) | At::Slot(_)).then(|| self.value_mem(value))
    }

    // ---- splat

    /// All lanes equal to a scalar of any type.
    pub(crate) fn v_splat(&mut self, lane: Width) {
        let mut value = self.pop();
        if let Some(bits) = value.constant() {
            return self.v_const(splat_constant(lane, bits));
        }
        if let Some(mem) = self.in_memory(&value) {
            let dst = self.result_of(&[]);
            self.splat_memory(lane, dst, mem);
            return self.push_vector(dst);
        }
        let src = self.in_reg(&mut value);
        let dst = self.result_of(&[&value]);
        if src.is_xmm() {
            self.splat_float(lane, dst, src.as_xmm());
        } else {
            let op = if lane == Width::W64 { Vex::VMOVQ_FROM_GPR } else { Vex::VMOVD_FROM_GPR };
            self.asm.rm(op, S, src.as_gpr());
            self.splat_integer(lane, dst);
        }
        self.push_vector(dst);
    }

    fn splat_float(&mut self, lane: Width, dst: Xmm, src: Xmm) {
        if lane == Width::W64 {
            self.asm.rm(Vex::VMOVDDUP, dst, src);
        } else {
            self.asm.rvmi(Vex::VSHUFPS, dst, src, src, 0);
        }
    }

    /// Copies the low lane of the vector scratch register to all lanes of `dst`.
    fn splat_integer(&mut self, lane: Width, dst: Xmm) {
        match lane {
            Width::W8 if self.env.options.cpu.avx2 => self.asm.rm(Vex::VPBROADCASTB, dst, S),
            Width::W16 if self.env.options.cpu.avx2 => self.asm.rm(Vex::VPBROADCASTW, dst, S),
            Width::W8 => {
                self.asm.rvm(Vex::VPXOR, dst, dst, dst);
                self.asm.rvm(Vex::VPSHUFB, dst, S, dst);
            }
            Width::W16 => {
                self.asm.rmi(Vex::VPSHUFLW, dst, S, 0);
                self.asm.rmi(Vex::VPSHUFD, dst, dst, 0);
            }
            Width::W32 => self.asm.rmi(Vex::VPSHUFD, dst, S, 0),
            Width::W64 => self.asm.rvm(Vex::VPUNPCKLQDQ, dst, S, S),
        }
    }

    /// Copies a lane from memory to all lanes of `dst`. The first instruction reads the lane's bytes and no others.
    pub(super) fn splat_memory(&mut self, lane: Width, dst: Xmm, mem: Mem) {
        match lane {
            Width::W8 if self.env.options.cpu.avx2 => self.asm.rm(Vex::VPBROADCASTB, dst, mem),
            Width::W16 if self.env.options.cpu.avx2 => self.asm.rm(Vex::VPBROADCASTW, dst, mem),
            Width::W8 | Width::W16 => {
                self.asm.rvmi(insertion(lane), S, S, mem, 0);
                self.splat_integer(lane, dst);
            }
            Width::W32 => self.asm.rm(Vex::VBROADCASTSS, dst, mem),
            Width::W64 => self.asm.rm(Vex::VMOVDDUP, dst, mem),
        }
    }

    // ---- extract

    pub(crate) fn v_extract_int(&mut self, load: Load, lane: u8) {
        let mut value = self.pop();
        let Load { ty, width, signed } = load;
        if let Some(mem) = self.in_memory(&value) {
            let dst = self.result_reg(ty, None, &[]);
            self.load_wide(load, dst, mem.plus(i32::from(lane) * bytes_of(width).narrow::<i32>()));
            return self.push_result(ty, dst);
        }
        let src = self.in_xmm(&mut value);
        let dst = self.result_reg(ty, None, &[]);
        let gpr = dst.as_gpr();
        match (width, lane) {
            (Width::W32, 0) => self.asm.mr(Vex::VMOVD_TO_GPR, gpr, src),
            (Width::W64, 0) => self.asm.mr(Vex::VMOVQ_TO_GPR, gpr, src),
            _ => self.asm.mri(extraction(width), gpr, src, lane),
        }
        if signed {
            self.asm.movsx(width, Width::W32, gpr, gpr);
        }
        self.push_result(ty, dst);
    }

    /// Lane 0 is the scalar itself; what lies above it in the register does not matter.
    pub(crate) fn v_extract_float(&mut self, ty: ValType, lane: u8) {
        let mut value = self.pop();
        if let Some(mem) = self.in_memory(&value) {
            let dst = self.result_reg(ty, None, &[]);
            let size = if ty == F64 { 8 } else { 4 };
            self.asm.load_reg(ty, dst, mem.plus(i32::from(lane) * size));
            return self.push_result(ty, dst);
        }
        let src = self.in_xmm(&mut value);
        if let (0, At::Temp(reg)) = (lane, value.at) {
            return self.push_reg(ty, reg);
        }
        let dst = self.result_reg(ty, Some(&value), &[]);
        match (ty, lane) {
            (_, 0) => self.asm.rm(Vex::VMOVAPS, dst.as_xmm(), src),
            (F64, _) => self.asm.rvm(Vex::VUNPCKHPD, dst.as_xmm(), src, src),
            _ => self.asm.rvmi(Vex::VSHUFPS, dst.as_xmm(), src, src, lane),
        }
        self.push_result(ty, dst);
    }

    // ---- replace

    pub(crate) fn v_replace_int(&mut self, width: Width, lane: u8) {
        let (mut scalar, mut value) = (self.pop(), self.pop());
        let new: VexSource = match self.in_memory(&scalar) {
            Some(mem) => mem.into(),
            None => self.in_gpr(&mut scalar).into(),
        };
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvmi(insertion(width), dst, src, new, lane);
        self.push_vector(dst);
    }

    pub(crate) fn v_replace_float(&mut self, ty: ValType, lane: u8) {
        let (mut scalar, mut value) = (self.pop(), self.pop());
        let mem = self.in_memory(&scalar);
        let new: VexSource = match mem {
            Some(mem) => mem.into(),
            None => self.in_xmm(&mut scalar).into(),
        };
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value, &scalar]);
        match (ty, lane, mem.is_some()) {
            (F32, ..) => self.asm.rvmi(Vex::VINSERTPS, dst, src, new, lane << 4),
            (_, 0, false) => self.asm.rvm(Vex::VMOVSD, dst, src, new),
            (_, 0, true) => self.asm.rvm(Vex::VMOVLPS_LOAD, dst, src, new),
            (_, _, false) => self.asm.rvm(Vex::VUNPCKLPD, dst, src, new),
            (_, _, true) => self.asm.rvm(Vex::VMOVHPS_LOAD, dst, src, new),
        }
        self.push_result(V128, Reg::xmm(dst));
    }
}

/// The instruction that copies a lane to a general register or to memory.
pub(super) fn extraction(lane: Width) -> Vex {
    match lane {
        Width::W8 => Vex::VPEXTRB,
        Width::W16 => Vex::VPEXTRW,
        Width::W32 => Vex::VPEXTRD,
        Width::W64 => Vex::VPEXTRQ,
    }
}
