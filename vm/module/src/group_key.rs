//! One encoding of rec groups in which equal groups have equal words.
//!
//! References inside the group are written relative to its start, references to earlier types as whatever the caller
//! identifies types by: the canonical index inside a module ([`crate::TypeSection`]), the engine-wide id in the type
//! registry. Each word says how many follow, so different groups never share an encoding.

use crate::{CompositeType, FieldType, HeapType, RefType, StorageType, SubType, TypeIndex, ValType};
use std::ops::Range;

/// Set in words that refer into the group itself.
const RELATIVE: u32 = 1 << 31;
const MUTABLE: u32 = 1 << 8;
const NULLABLE: u32 = 1 << 9;

/// Appends the encoding of the types `group`, which are `types`, to `words`. `outer` identifies types before the group.
pub fn encode_group(
    types: &[SubType],
    group: Range<TypeIndex>,
    outer: impl FnMut(TypeIndex) -> u32,
    words: &mut Vec<u32>,
) {
    debug_assert_eq!(types.len(), group.len());
    words.push(types.len() as u32);
    let mut encoder = Encoder { group, outer, words };
    for ty in types {
        encoder.sub_type(ty);
    }
}

/// A number of words that the encoding of `types` rarely exceeds: what a list for it may be given at first.
pub fn encoded_words(types: &[SubType]) -> usize {
    let words = |ty: &SubType| match &ty.composite {
        CompositeType::Func(func) => 4 + 2 * (func.params.len() + func.results.len()),
        CompositeType::Struct(fields) => 3 + 2 * fields.len(),
        CompositeType::Array(_) => 4,
    };
    1 + types.iter().map(words).sum::<usize>()
}

struct Encoder<'a, F> {
    group: Range<TypeIndex>,
    outer: F,
    words: &'a mut Vec<u32>,
}

impl<F: FnMut(TypeIndex) -> u32> Encoder<'_, F> {
    fn sub_type(&mut self, ty: &SubType) {
        let kind = match ty.composite {
            CompositeType::Func(_) => 0,
            CompositeType::Struct(_) => 1,
            CompositeType::Array(_) => 2,
        };
        self.words.push(kind | u32::from(ty.is_final) << 2 | u32::from(ty.supertype.is_some()) << 3);
        if let Some(supertype) = ty.supertype {
            self.type_index(supertype);
        }
        match &ty.composite {
            CompositeType::Func(func) => {
                self.words.push(func.params.len() as u32);
                self.words.push(func.results.len() as u32);
                for &val in func.params.iter().chain(&func.results) {
                    self.val_type(val, 0);
                }
            }
            CompositeType::Struct(fields) => {
                self.words.push(fields.len() as u32);
                for &field in fields {
                    self.field(field);
                }
            }
            CompositeType::Array(field) => self.field(*field),
        }
    }

    fn type_index(&mut self, index: TypeIndex) {
        let word = if self.group.contains(&index) {
            (index - self.group.start) | RELATIVE
        } else {
            let outer = (self.outer)(index);
            debug_assert_eq!(outer & RELATIVE, 0);
            outer
        };
        self.words.push(word);
    }

    fn field(&mut self, field: FieldType) {
        let flags = if field.mutable { MUTABLE } else { 0 };
        match field.storage {
            StorageType::I8 => self.words.push(flags),
            StorageType::I16 => self.words.push(1 | flags),
            StorageType::Val(val) => self.val_type(val, flags),
        }
    }

    fn val_type(&mut self, val: ValType, flags: u32) {
        let code = match val {
            ValType::I32 => 2,
            ValType::I64 => 3,
            ValType::F32 => 4,
            ValType::F64 => 5,
            ValType::V128 => 6,
            ValType::Ref(reference) => return self.ref_type(reference, flags),
        };
        self.words.push(code | flags);
    }

    fn ref_type(&mut self, reference: RefType, flags: u32) {
        let code = match reference.heap {
            HeapType::Any => 16,
            HeapType::Eq => 17,
            HeapType::I31 => 18,
            HeapType::Struct => 19,
            HeapType::Array => 20,
            HeapType::None => 21,
            HeapType::Func => 22,
            HeapType::NoFunc => 23,
            HeapType::Extern => 24,
            HeapType::NoExtern => 25,
            HeapType::Exn => 26,
            HeapType::NoExn => 27,
            HeapType::Type(_) => 28,
        };
        self.words.push(code | flags | if reference.nullable { NULLABLE } else { 0 });
        if let HeapType::Type(index) = reference.heap {
            self.type_index(index);
        }
    }
}
