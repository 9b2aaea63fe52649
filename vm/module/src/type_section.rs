//! The type section with what derives from it: equality, subtyping, layouts.
//!
//! 1. Each rec group is encoded ([`encode_group`]) with the canonical indices of the earlier types that it names.
//! 2. Equal encodings are equal groups (iso-recursive equality), found by hashing: linear in the size of the section.
//! 3. `canonical[t]` is t's place in the first equal group, so equality of types is equality of numbers, and
//!    subtyping is a walk over at most 63 canonical supertypes.

use crate::group_key::encode_group;
use crate::key_table::KeyTable;
use crate::{
    CompositeKind, CompositeType, FieldType, FuncType, HeapType, Hierarchy, RefType, SubType, TypeIndex, ValType,
};
use heapwood_gc_abi::StructLayout;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Marks in [`TypeSection::parents`] a type without a supertype.
pub const NO_PARENT: TypeIndex = TypeIndex::MAX;

/// The type section with what derives from it.
#[derive(Debug, Default)]
pub struct TypeSection {
    /// Defined types by index.
    pub types: Vec<SubType>,
    /// Rec groups as ranges of type indices, in order.
    pub rec_groups: Vec<Range<TypeIndex>>,
    /// `canonical[t]`: the least index of a type equal to t (iso-recursive), so equality inside the module is `==`.
    pub canonical: Vec<TypeIndex>,
    /// Canonical index of each type's supertype, or [`NO_PARENT`].
    pub parents: Vec<TypeIndex>,
    /// Ancestors: number of supertypes above each type.
    pub depth: Vec<u32>,
    /// Layout of each struct type (empty for others).
    pub layouts: Vec<StructLayout>,
}

/// Builds a [`TypeSection`] group by group.
pub struct TypeSectionBuilder<S = RandomState> {
    section: TypeSection,
    keys: KeyTable<S>,
    /// Start of the first group of each key.
    firsts: Vec<TypeIndex>,
}

impl Default for TypeSectionBuilder {
    fn default() -> TypeSectionBuilder {
        TypeSectionBuilder::with_hasher(RandomState::new())
    }
}

impl<S: BuildHasher> TypeSectionBuilder<S> {
    /// A builder that hashes groups with `hasher`.
    pub fn with_hasher(hasher: S) -> TypeSectionBuilder<S> {
        TypeSectionBuilder { section: TypeSection::default(), keys: KeyTable::with_hasher(hasher), firsts: Vec::new() }
    }

    /// Adds a valid rec group: supertypes come before their subtypes, other references reach to the group's end.
    pub fn push_group(&mut self, types: impl IntoIterator<Item = SubType>) {
        let section = &mut self.section;
        let start = section.types.len() as TypeIndex;
        section.types.extend(types);
        let group = start..section.types.len() as TypeIndex;
        let members = &section.types[start as usize..];
        let canonical = &section.canonical;
        let outer = |index: TypeIndex| canonical[index as usize];
        let (number, is_new) = self.keys.intern(|words| encode_group(members, group.clone(), outer, words));
        if is_new {
            self.firsts.push(start);
        }
        let first = self.firsts[number as usize];
        section.canonical.extend(group.clone().map(|index| first + (index - start)));
        for index in group.clone() {
            section.derive(index);
        }
        section.rec_groups.push(group);
    }

    /// The section.
    pub fn finish(self) -> TypeSection {
        self.section
    }
}

impl TypeSection {
    /// Fills in what follows from a type and its supertype.
    fn derive(&mut self, index: TypeIndex) {
        let ty = &self.types[index as usize];
        let parent = ty.supertype.map(|supertype| supertype as usize);
        self.parents.push(parent.map_or(NO_PARENT, |parent| self.canonical[parent]));
        self.depth.push(parent.map_or(0, |parent| self.depth[parent] + 1));
        let layout = match &ty.composite {
            CompositeType::Struct(fields) => {
                let kinds: Vec<_> = fields.iter().map(|field| field.storage.field_kind()).collect();
                StructLayout::new(parent.map(|parent| &self.layouts[parent]), &kinds)
            }
            CompositeType::Func(_) | CompositeType::Array(_) => StructLayout::default(),
        };
        self.layouts.push(layout);
    }

    /// Number of types.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are no types.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The type at an index.
    pub fn get(&self, index: TypeIndex) -> &SubType {
        &self.types[index as usize]
    }

    /// The structure of a type.
    pub fn composite(&self, index: TypeIndex) -> &CompositeType {
        &self.types[index as usize].composite
    }

    /// A function type.
    ///
    /// # Panics
    /// If the type is not a function type, which validation excludes wherever the binary wants one.
    pub fn func(&self, index: TypeIndex) -> &FuncType {
        match self.composite(index) {
            CompositeType::Func(func) => func,
            other => panic!("type {index} is no function type: {other:?}"),
        }
    }

    /// The fields of a struct type.
    ///
    /// # Panics
    /// If the type is not a struct type, which validation excludes wherever the binary wants one.
    pub fn fields(&self, index: TypeIndex) -> &[FieldType] {
        match self.composite(index) {
            CompositeType::Struct(fields) => fields,
            other => panic!("type {index} is no struct type: {other:?}"),
        }
    }

    /// The element of an array type.
    ///
    /// # Panics
    /// If the type is not an array type, which validation excludes wherever the binary wants one.
    pub fn element(&self, index: TypeIndex) -> FieldType {
        match self.composite(index) {
            CompositeType::Array(element) => *element,
            other => panic!("type {index} is no array type: {other:?}"),
        }
    }

    /// The layout of a struct type.
    pub fn layout(&self, index: TypeIndex) -> &StructLayout {
        &self.layouts[index as usize]
    }

    /// Whether a type can have no subtypes.
    pub fn is_final(&self, index: TypeIndex) -> bool {
        self.types[index as usize].is_final
    }

    /// Whether two types are the same type.
    pub fn is_equal(&self, a: TypeIndex, b: TypeIndex) -> bool {
        self.canonical[a as usize] == self.canonical[b as usize]
    }

    /// Whether `a` is `b` or declared below it.
    pub fn is_subtype(&self, a: TypeIndex, b: TypeIndex) -> bool {
        let (mut a, b) = (self.canonical[a as usize], self.canonical[b as usize]);
        let (depth, target) = (self.depth[a as usize], self.depth[b as usize]);
        if depth < target {
            return false;
        }
        for _ in target..depth {
            a = self.parents[a as usize];
        }
        a == b
    }

    /// The abstract type right above a defined type: `func`, `struct` or `array`; abstract types are themselves.
    pub fn abstraction(&self, heap: HeapType) -> HeapType {
        Hierarchy::abstraction(self, heap)
    }

    /// The top of a heap type's hierarchy: `any`, `func`, `extern` or `exn`.
    pub fn top(&self, heap: HeapType) -> HeapType {
        Hierarchy::top(self, heap)
    }

    /// The bottom of a heap type's hierarchy: `none`, `nofunc`, `noextern` or `noexn`.
    pub fn bottom(&self, heap: HeapType) -> HeapType {
        Hierarchy::bottom(self, heap)
    }

    /// Subtyping of heap types.
    pub fn heap_is_subtype(&self, a: HeapType, b: HeapType) -> bool {
        Hierarchy::heap_is_subtype(self, a, b)
    }

    /// Subtyping of reference types.
    pub fn ref_is_subtype(&self, a: RefType, b: RefType) -> bool {
        Hierarchy::ref_is_subtype(self, a, b)
    }

    /// Subtyping of value types.
    pub fn val_is_subtype(&self, a: ValType, b: ValType) -> bool {
        Hierarchy::val_is_subtype(self, a, b)
    }
}

impl Hierarchy for TypeSection {
    fn kind(&self, ty: TypeIndex) -> CompositeKind {
        self.composite(ty).kind()
    }

    fn is_declared_subtype(&self, a: TypeIndex, b: TypeIndex) -> bool {
        self.is_subtype(a, b)
    }
}

#[cfg(test)]
mod tests;
