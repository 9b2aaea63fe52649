//! Typed values between registers and memory, and constants: one or two instructions each, which leave the flags alone.

use super::place::width;
use super::registers::Reg;
use super::stored::Stored;
use crate::abi::{SCRATCH, SCRATCH_XMM};
use crate::asm::{Assembler, Imm, Mem, Sse, Width};
use heapwood_gc_abi::{FieldKind, Mutant, active, low32};
use heapwood_module::ValType;

impl Assembler {
    pub(crate) fn load_reg(&mut self, ty: ValType, reg: Reg, mem: Mem) {
        match ty {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => self.load(width(ty), reg.as_gpr(), mem),
            ValType::F32 => self.sse_rm(Sse::MOVSS_LOAD, reg.as_xmm(), mem),
            ValType::F64 => self.sse_rm(Sse::MOVSD_LOAD, reg.as_xmm(), mem),
            ValType::V128 => self.sse_rm(Sse::MOVUPS_LOAD, reg.as_xmm(), mem),
        }
    }

    pub(crate) fn move_reg(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        match ty {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => self.mov_rr(width(ty), dst.as_gpr(), src.as_gpr()),
            _ => self.movaps(dst.as_xmm(), src.as_xmm()),
        }
    }

    /// Loads a constant without touching the flags (floats: by the constant pool).
    pub(crate) fn load_const(&mut self, ty: ValType, reg: Reg, bits: u64) {
        match ty {
            ValType::I32 | ValType::Ref(_) => self.mov_ri(reg.as_gpr(), low32(bits).into()),
            ValType::I64 => self.mov_ri(reg.as_gpr(), bits),
            _ if bits == 0 => self.sse_rr(Sse::XORPS, reg.as_xmm(), reg.as_xmm()),
            ValType::V128 => self.sse_label(Sse::MOVUPS_LOAD, reg.as_xmm(), self.constant_of(bits)),
            _ => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                let (sse, len) = if ty == ValType::F32 { (Sse::MOVSS_LOAD, 4) } else { (Sse::MOVSD_LOAD, 8) };
                let label = self.constant(bytes, len);
                self.sse_label(sse, reg.as_xmm(), label);
            }
        }
    }

    /// Stores a register.
    pub(crate) fn store_register(&mut self, to: Stored, mem: Mem, reg: Reg) {
        let sse = match to.ty() {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => {
                let width = to.width().expect("integers and references have one");
                let is_byte = active(Mutant::ShortStoredAsByte) && to.kind() == FieldKind::I16;
                return self.store(if is_byte { Width::W8 } else { width }, mem, reg.as_gpr());
            }
            ValType::F32 => Sse::MOVSS_STORE,
            ValType::F64 => Sse::MOVSD_STORE,
            ValType::V128 => Sse::MOVUPS_STORE,
        };
        self.sse_rm(sse, reg.as_xmm(), mem);
    }

    /// Stores any constant. Uses the integer scratch register for one of 64 bits that no instruction holds.
    pub(crate) fn store_constant(&mut self, to: Stored, mem: Mem, bits: u64) {
        if to.ty() == ValType::V128 {
            return self.store_vector_constant(mem, bits);
        }
        match to.imm(bits) {
            Some(imm) => self.store_imm(mem, imm),
            None => {
                self.mov_ri(SCRATCH, bits);
                self.store(to.width().expect("no vector"), mem, SCRATCH);
            }
        }
    }

    /// Stores a vector constant in pieces, since the vector scratch register may be in use. `label` names its literal;
    /// 0 means all zeros.
    fn store_vector_constant(&mut self, mem: Mem, label: u64) {
        let bytes = if label == 0 { [0; 16] } else { self.constant_bytes(label) };
        let half = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().expect("eight bytes"));
        for (at, bits) in [(mem, half(0)), (mem.plus(8), half(8))] {
            match Imm::new(Width::W64, bits) {
                Some(imm) => self.store_imm(at, imm),
                None => {
                    self.store_imm(at, Imm::B32(low32(bits)));
                    self.store_imm(at.plus(4), Imm::B32(low32(bits >> 32)));
                }
            }
        }
    }

    /// Copies a whole value through the vector scratch register: spills happen while emitters hold an address in the
    /// integer one.
    pub(crate) fn copy_memory(&mut self, ty: ValType, dst: Mem, src: Mem) {
        let via = Reg::xmm(SCRATCH_XMM);
        let ty = match ty {
            ValType::I32 | ValType::Ref(_) => ValType::F32,
            ValType::I64 => ValType::F64,
            other => other,
        };
        self.load_reg(ty, via, src);
        self.store_reg(ty, dst, via);
    }

    /// Stores a register as a whole value.
    pub(crate) fn store_reg(&mut self, ty: ValType, mem: Mem, reg: Reg) {
        self.store_register(Stored::value(ty), mem, reg);
    }

    /// Stores a constant as a whole value.
    pub(crate) fn store_const(&mut self, ty: ValType, mem: Mem, bits: u64) {
        self.store_constant(Stored::value(ty), mem, bits);
    }
}
