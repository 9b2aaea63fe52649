//! One encoding of rec groups in which equal groups have equal words.
//!
//! References inside the group are written relative to its start, references to earlier types as whatever the caller
//! identifies types by: the canonical index inside a module ([`crate::TypeSection`]), the engine-wide id in the type
//! registry. Each word says how many follow, so different groups never share an encoding.
//!
//! [`GroupReader`] reads it again: the registry keeps types in no other form, and images have those of their modules
//! in it.

use crate::{
    CompositeKind, CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, SubType, TypeIndex, TypeSection,
    ValType, limits,
};
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

/// Appends the encodings of all groups of a section, in which types of earlier groups are named by their indices.
pub fn encode_section(section: &TypeSection, words: &mut Vec<u32>) {
    for group in &section.rec_groups {
        let types = &section.types[group.start as usize..group.end as usize];
        encode_group(types, group.clone(), |index| index, words);
    }
}

/// Appends a field whose type names types by their indices.
pub(crate) fn encode_field(field: FieldType, words: &mut Vec<u32>) {
    Encoder { group: 0..0, outer: |index| index, words }.field(field);
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

/// What a group names a type by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupReference {
    /// One of its own types, counted from its first.
    Own(u32),
    /// A type before the group, by whatever its encoder identified it by.
    Outer(u32),
}

impl GroupReference {
    /// What a word of an encoding means. Types that are read have such words in place of type indices.
    #[inline]
    pub const fn of_word(word: u32) -> GroupReference {
        match word & RELATIVE {
            0 => GroupReference::Outer(word),
            _ => GroupReference::Own(word & !RELATIVE),
        }
    }
}

/// What the encoding of a type begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeHead {
    /// What the type is.
    pub kind: CompositeKind,
    /// Whether it can have no subtypes.
    pub is_final: bool,
    /// The word of its supertype.
    pub supertype: Option<u32>,
}

/// Reads encodings that may have been damaged: whatever no encoder writes is none. That references lead somewhere is
/// for the caller to check.
///
/// A group is [`GroupReader::count`] types, of which each is a [`TypeHead`] and: of a function its signature
/// ([`GroupReader::signature`], then so many fields), of a struct its number of fields ([`GroupReader::fields`]) and
/// these, of an array one field.
#[derive(Clone, Debug)]
pub struct GroupReader<'w, W> {
    words: &'w [W],
    at: usize,
}

/// A word of an encoding: in memory, or as an image has it, the lowest byte first and aligned to nothing.
pub trait Word: Copy {
    /// Its value.
    fn value(self) -> u32;
}

impl Word for u32 {
    #[inline]
    fn value(self) -> u32 {
        self
    }
}

impl Word for [u8; 4] {
    #[inline]
    fn value(self) -> u32 {
        u32::from_le_bytes(self)
    }
}

impl<'w, W: Word> GroupReader<'w, W> {
    /// Reads from the first of these words on.
    pub const fn new(words: &'w [W]) -> GroupReader<'w, W> {
        GroupReader { words, at: 0 }
    }

    /// How many words were read.
    #[inline]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The words from a position on that was passed.
    #[inline]
    pub fn since(&self, position: usize) -> &'w [W] {
        &self.words[position..self.at]
    }

    /// Whether there are no more words.
    pub const fn is_at_end(&self) -> bool {
        self.at == self.words.len()
    }

    #[inline]
    pub(crate) fn word(&mut self) -> Option<u32> {
        let word = self.words.get(self.at)?.value();
        self.at += 1;
        Some(word)
    }

    /// The next words, so many.
    pub(crate) fn next_words(&mut self, count: usize) -> Option<&'w [W]> {
        let words = self.words.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(words)
    }

    /// How many words are left.
    pub(crate) fn left(&self) -> usize {
        self.words.len() - self.at
    }

    #[inline]
    fn count_up_to(&mut self, most: usize) -> Option<u32> {
        self.word().filter(|count| *count as usize <= most)
    }

    /// Number of types of a group.
    #[inline]
    pub fn count(&mut self) -> Option<u32> {
        self.count_up_to(limits::TYPES_MAX)
    }

    /// Beginning of a type.
    #[inline]
    pub fn head(&mut self) -> Option<TypeHead> {
        let word = self.word()?;
        let kind = match word & 3 {
            0 => CompositeKind::Func,
            1 => CompositeKind::Struct,
            2 => CompositeKind::Array,
            _ => return None,
        };
        let supertype = match word >> 3 {
            0 => None,
            1 => Some(self.word()?),
            _ => return None,
        };
        Some(TypeHead { kind, is_final: word & 4 != 0, supertype })
    }

    /// Numbers of parameters and of results of a function type.
    #[inline]
    pub fn signature(&mut self) -> Option<[u32; 2]> {
        Some([self.count_up_to(limits::PARAMS_MAX)?, self.count_up_to(limits::RESULTS_MAX)?])
    }

    /// Number of fields of a struct type.
    #[inline]
    pub fn fields(&mut self) -> Option<u32> {
        self.count_up_to(limits::FIELDS_MAX)
    }

    /// A field, an element, a parameter or a result; a type index in it is the word of a [`GroupReference`].
    #[inline]
    pub fn field(&mut self) -> Option<FieldType> {
        let word = self.word()?;
        let reference = |heap| {
            let nullable = word & NULLABLE != 0;
            StorageType::Val(ValType::Ref(RefType { nullable, heap }))
        };
        let storage = match word & !(MUTABLE | NULLABLE) {
            0 => StorageType::I8,
            1 => StorageType::I16,
            2 => StorageType::Val(ValType::I32),
            3 => StorageType::Val(ValType::I64),
            4 => StorageType::Val(ValType::F32),
            5 => StorageType::Val(ValType::F64),
            6 => StorageType::Val(ValType::V128),
            16 => reference(HeapType::Any),
            17 => reference(HeapType::Eq),
            18 => reference(HeapType::I31),
            19 => reference(HeapType::Struct),
            20 => reference(HeapType::Array),
            21 => reference(HeapType::None),
            22 => reference(HeapType::Func),
            23 => reference(HeapType::NoFunc),
            24 => reference(HeapType::Extern),
            25 => reference(HeapType::NoExtern),
            26 => reference(HeapType::Exn),
            27 => reference(HeapType::NoExn),
            28 => reference(HeapType::Type(self.word()?)),
            _ => return None,
        };
        let is_plain = !matches!(storage, StorageType::Val(ValType::Ref(_)));
        (!is_plain || word & NULLABLE == 0).then_some(FieldType { storage, mutable: word & MUTABLE != 0 })
    }

    /// A whole type, in which `index` answers for what references lead to.
    pub fn sub_type(&mut self, index: impl Fn(GroupReference) -> TypeIndex) -> Option<SubType> {
        let of_word = |word| index(GroupReference::of_word(word));
        let TypeHead { kind, is_final, supertype } = self.head()?;
        let composite = match kind {
            CompositeKind::Array => CompositeType::Array(self.field()?.map_types(of_word)),
            CompositeKind::Struct => {
                let count = self.fields()?;
                CompositeType::Struct(
                    (0..count).map(|_| Some(self.field()?.map_types(of_word))).collect::<Option<_>>()?,
                )
            }
            CompositeKind::Func => {
                let counts = self.signature()?;
                let mut values = |count| {
                    let value = |_| match self.field()?.map_types(of_word) {
                        FieldType { storage: StorageType::Val(value), mutable: false } => Some(value),
                        _ => None,
                    };
                    (0..count).map(value).collect::<Option<_>>()
                };
                let [params, results] = [values(counts[0])?, values(counts[1])?];
                CompositeType::Func(FuncType { params, results })
            }
        };
        Some(SubType { is_final, supertype: supertype.map(of_word), composite })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TypeSectionBuilder;
    use crate::testing::{Random, random_groups};

    /// Random groups, read as they were written; and of any damaged word there is an answer, which is another one or
    /// none.
    #[test]
    fn what_was_encoded_is_read_and_what_was_damaged_is_noticed() {
        let (mut read, mut refused) = (0, 0);
        for seed in 0..200 {
            let mut builder = TypeSectionBuilder::default();
            let groups = random_groups(&mut Random(seed), 5);
            groups.iter().for_each(|group| builder.push_group(group.iter().cloned()));
            let section = builder.finish();
            let mut words = Vec::new();
            encode_section(&section, &mut words);
            let whole = |words: &[u32]| {
                let (mut reader, mut types) = (GroupReader::new(words), Vec::new());
                while !reader.is_at_end() {
                    let start = types.len() as u32;
                    let index = |reference| match reference {
                        GroupReference::Own(place) => start.wrapping_add(place),
                        GroupReference::Outer(index) => index,
                    };
                    let count = reader.count()?;
                    for _ in 0..count {
                        types.push(reader.sub_type(index)?);
                    }
                }
                Some(types)
            };
            assert_eq!(whole(&words).as_ref(), Some(&section.types));
            for at in 0..words.len() {
                for bit in 0..32 {
                    let mut damaged = words.clone();
                    damaged[at] ^= 1 << bit;
                    match whole(&damaged) {
                        Some(types) => read += (types != section.types) as u32,
                        None => refused += 1,
                    }
                }
                assert!(whole(&words[..at]).is_none_or(|types| types.len() < section.len()), "{at} words");
            }
        }
        assert!(read > 10_000 && refused > 100_000, "{read} others, {refused} refused");
    }
}
