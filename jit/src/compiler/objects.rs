//! Objects of the heap, as operands of instructions and as types.

use crate::abi::{Gpr, HEAP_BASE};
use crate::asm::Mem;
use heapwood_gc_abi::Narrow;
use heapwood_module::{HeapType, RefType, TypeIndex, ValType};

/// The type of an exception that was caught.
pub(super) const EXN: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::Exn });

/// The type of an object of a defined type.
pub(super) fn reference_to(ty: TypeIndex) -> ValType {
    ValType::Ref(RefType::new(false, HeapType::Type(ty)))
}

/// The memory operand of a byte of an object.
pub(super) fn object_mem(object: Gpr, offset: u32) -> Mem {
    Mem::indexed(HEAP_BASE, object, 2, offset.narrow())
}
