//! Values in memory: how many bytes each takes, and the emitters of all stores of values.
//!
//! 1. What a place holds is a [`Stored`], made of a storage type or of a store instruction. Nothing else knows a width.
//! 2. A constant is written as an [`Imm`], which `Stored` alone makes of it, or by way of a register. So its bytes are
//!    those of the place, whatever the constant is and whatever it was folded from.
//! 3. A register is written by its bank: a float lies in a vector register and is never narrower than its type.

use super::Compiler;
use super::state::{Owner, Reg};
use super::values::Value;
use crate::abi::{SCRATCH, SCRATCH_XMM};
use crate::asm::{Imm, Label, Mem, Sse, Width};
use heapwood_gc_abi::{FieldKind, Mutant, active, low32};
use heapwood_module::{StorageType, ValType};

/// What a place in memory holds: the type of the values written to it, and how many of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stored {
    ty: ValType,
    kind: FieldKind,
}

impl Stored {
    /// A field or an element.
    pub(crate) const fn of(storage: StorageType) -> Stored {
        Stored { ty: storage.unpacked(), kind: storage.field_kind() }
    }

    /// A whole value: a slot, a global, an argument.
    pub(crate) const fn value(ty: ValType) -> Stored {
        Stored { ty, kind: ty.field_kind() }
    }

    /// What a store instruction to linear memory writes of a number: its low bytes.
    pub(crate) fn low_bytes(ty: ValType, width: Width) -> Stored {
        let kind = match width {
            Width::W8 => FieldKind::I8,
            Width::W16 => FieldKind::I16,
            Width::W32 => FieldKind::I32,
            Width::W64 => FieldKind::I64,
        };
        debug_assert!(kind == ty.field_kind() || matches!(ty, ValType::I32 | ValType::I64), "{width:?} of a {ty:?}");
        Stored { ty, kind }
    }

    /// The bytes, as the width of an instruction on general registers; none of a vector.
    pub(crate) const fn width(self) -> Option<Width> {
        match self.kind {
            FieldKind::I8 => Some(Width::W8),
            FieldKind::I16 => Some(Width::W16),
            FieldKind::I32 | FieldKind::Ref => Some(Width::W32),
            FieldKind::I64 => Some(Width::W64),
            FieldKind::V128 => None,
        }
    }

    /// A constant as one instruction writes it here, if one can.
    pub(crate) fn imm(self, bits: u64) -> Option<Imm> {
        let is_half = active(Mutant::ConstantHalfStored) && self.kind == FieldKind::I64;
        Imm::new(if is_half { Width::W32 } else { self.width()? }, bits)
    }

    /// The same for a popped value.
    fn imm_of(self, value: &Value) -> Option<Imm> {
        self.imm(value.constant()?)
    }
}

impl Compiler<'_> {
    /// Gets a value ready for [`Self::store_value`]: into a register, or it is a constant that the store holds itself.
    /// The scratch register may be used for the place afterwards.
    pub(crate) fn prepare_stored(&mut self, to: Stored, value: &mut Value) {
        if to.imm_of(value).is_none() {
            self.in_reg(value);
        }
        if let (Some(reg), true) = (value.reg(), value.ty.is_ref()) {
            // A reference in a register of the instruction: a collector must see it.
            if self.regs.owner(reg) == Owner::Taken {
                self.regs.set(reg, Owner::Taken, true);
            }
        }
    }

    /// Stores a value that was made ready. One instruction; uses no scratch register.
    pub(crate) fn store_value(&mut self, to: Stored, mem: Mem, value: &Value) {
        match value.reg() {
            Some(reg) => self.store_register(to, mem, reg),
            None => self.asm.store_imm(mem, to.imm_of(value).expect("a prepared value")),
        }
    }

    /// Stores a register.
    pub(crate) fn store_register(&mut self, to: Stored, mem: Mem, reg: Reg) {
        let sse = match to.ty {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => {
                let width = to.width().expect("integers and references have one");
                let is_byte = active(Mutant::ShortStoredAsByte) && to.kind == FieldKind::I16;
                return self.asm.store(if is_byte { Width::W8 } else { width }, mem, reg.as_gpr());
            }
            ValType::F32 => Sse::MOVSS_STORE,
            ValType::F64 => Sse::MOVSD_STORE,
            ValType::V128 => Sse::MOVUPS_STORE,
        };
        self.asm.sse_rm(sse, reg.as_xmm(), mem);
    }

    /// Stores any constant. Uses the integer scratch register for one of 64 bits that no instruction holds.
    pub(crate) fn store_constant(&mut self, to: Stored, mem: Mem, bits: u64) {
        if to.ty == ValType::V128 {
            return self.store_vector_constant(mem, bits);
        }
        match to.imm(bits) {
            Some(imm) => self.asm.store_imm(mem, imm),
            None => {
                self.asm.mov_ri(SCRATCH, bits);
                self.asm.store(to.width().expect("no vector"), mem, SCRATCH);
            }
        }
    }

    /// A vector's constant goes in pieces: its scratch register may be in use. `label` names it, 0 all zeros.
    fn store_vector_constant(&mut self, mem: Mem, label: u64) {
        let bytes = if label == 0 { [0; 16] } else { self.asm.constant_bytes(Label::from_bits(label)) };
        let half = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().expect("eight bytes"));
        for (at, bits) in [(mem, half(0)), (mem.plus(8), half(8))] {
            match Imm::new(Width::W64, bits) {
                Some(imm) => self.asm.store_imm(at, imm),
                None => {
                    self.asm.store_imm(at, Imm::B32(low32(bits)));
                    self.asm.store_imm(at.plus(4), Imm::B32(low32(bits >> 32)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_module::{HeapType, RefType};

    fn bytes(imm: Imm) -> Vec<u8> {
        match imm {
            Imm::B8(bits) => bits.to_le_bytes().to_vec(),
            Imm::B16(bits) => bits.to_le_bytes().to_vec(),
            Imm::B32(bits) => bits.to_le_bytes().to_vec(),
            Imm::B64(bits) => (bits as i64).to_le_bytes().to_vec(),
        }
    }

    #[test]
    fn a_constant_has_the_bytes_of_its_place() {
        use ValType::*;
        let reference = Ref(RefType::new(true, HeapType::Any));
        let storages = [I32, I64, F32, F64, V128, reference].map(StorageType::Val);
        let constants = (0..64).flat_map(|k| [0, 1, u64::MAX, u64::MAX << k, 1 << k, (1 << k) - 1]);
        for bits in constants {
            for storage in storages.into_iter().chain([StorageType::I8, StorageType::I16]) {
                let size = storage.field_kind().bytes() as usize;
                match Stored::of(storage).imm(bits) {
                    Some(imm) => assert_eq!(bytes(imm), bits.to_le_bytes()[..size], "{storage:?} {bits:#x}"),
                    None => assert!(size == 16 || i32::try_from(bits as i64).is_err(), "{storage:?} {bits:#x}"),
                }
            }
        }
    }
}
