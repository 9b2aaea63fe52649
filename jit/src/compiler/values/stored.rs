//! Values in memory: how many bytes each takes, and how a value is made ready to be stored.
//!
//! 1. What a place holds is a [`Stored`], made of a storage type or of a store instruction. Nothing else knows a width.
//! 2. A constant is written as an [`Imm`], which `Stored` alone makes of it, or by way of a register. So its bytes are
//!    those of the place, whatever the constant is and whatever it was folded from.
//! 3. A register is written by its bank: a float lies in a vector register and is never narrower than its type.

use super::Values;
use super::place::Value;
use super::registers::Owner;
use crate::asm::{Assembler, Imm, Mem, Width};
use heapwood_gc_abi::{FieldKind, Mutant, active};
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

    /// The type of the values that are written.
    pub(crate) const fn ty(self) -> ValType {
        self.ty
    }

    /// How many bytes of the values are written.
    pub(crate) const fn kind(self) -> FieldKind {
        self.kind
    }

    /// The width of an instruction on general registers that writes them; none for a vector.
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

    /// A popped value that is a constant, as one instruction writes it here, if one can.
    fn imm_of(self, value: &Value) -> Option<Imm> {
        self.imm(value.constant()?)
    }
}

impl Values {
    /// Gets a value ready for [`Value::store`]: into a register, or it is a constant that the store holds itself. The
    /// scratch register may be used for the place afterwards.
    pub(crate) fn prepare_stored(&mut self, asm: &mut Assembler, to: Stored, value: &mut Value) {
        if to.imm_of(value).is_none() {
            self.in_reg(asm, value);
        }
        if let (Some(reg), true) = (value.reg(), value.ty.is_ref()) {
            // A reference in a register of the instruction: a collector must see it.
            if self.regs.owner(reg) == Owner::Taken {
                self.regs.set(reg, Owner::Taken, true);
            }
        }
    }
}

impl Value {
    /// Stores a value that was made ready. One instruction; uses no scratch register.
    pub(crate) fn store(&self, asm: &mut Assembler, to: Stored, mem: Mem) {
        match self.reg() {
            Some(reg) => asm.store_register(to, mem, reg),
            None => asm.store_imm(mem, to.imm_of(self).expect("a prepared value")),
        }
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
