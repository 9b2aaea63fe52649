//! Rec groups on their way into the registry, and types as they stand there.

use heapwood_gc_abi::layout::FUNC_BYTES;
use heapwood_gc_abi::{FieldKind, ObjectKind, StructLayout, TypeId};
use heapwood_module::{CompositeType, FieldType, FuncType, SubType, TypeIndex, encode_group, encoded_words};
use std::ops::Range;

/// A type with its engine-wide identity; type references in it are ids too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineType {
    /// The type's identity in its engine.
    pub id: TypeId,
    /// Whether the type can have no subtypes.
    pub is_final: bool,
    /// The declared supertype.
    pub supertype: Option<TypeId>,
    /// The type's structure.
    pub composite: CompositeType,
    /// Layout of its objects, if it is a struct type (else empty).
    pub layout: StructLayout,
}

impl EngineType {
    /// Whether this is a function type.
    pub fn is_function(&self) -> bool {
        matches!(self.composite, CompositeType::Func(_))
    }

    /// Parameters and results of a function type. Panics if it is something else.
    pub fn signature(&self) -> &FuncType {
        match &self.composite {
            CompositeType::Func(signature) => signature,
            _ => panic!("type {} is no function type", self.id.0),
        }
    }

    /// The fields of a struct type. Panics if it is something else.
    #[inline]
    pub fn fields(&self) -> &[FieldType] {
        match &self.composite {
            CompositeType::Struct(fields) => fields,
            _ => panic!("type {} is no struct type", self.id.0),
        }
    }

    /// The elements of an array type. Panics if it is something else.
    pub fn element(&self) -> FieldType {
        match &self.composite {
            CompositeType::Array(element) => *element,
            _ => panic!("type {} is no array type", self.id.0),
        }
    }

    /// How the collector sizes and scans objects of this type.
    pub(super) fn object_kind(&self) -> ObjectKind {
        match &self.composite {
            CompositeType::Func(_) => ObjectKind::Func,
            CompositeType::Struct(_) => ObjectKind::Struct,
            CompositeType::Array(element) if element.storage.field_kind() == FieldKind::Ref => ObjectKind::ArrayRef,
            CompositeType::Array(_) => ObjectKind::ArrayData,
        }
    }

    /// Bytes of an object; 0 for arrays.
    pub(super) fn object_bytes(&self) -> u32 {
        object_bytes(&self.composite, &self.layout)
    }

    /// log2 of the bytes of an element; 0 for others than arrays.
    pub(super) fn elem_shift(&self) -> u8 {
        match &self.composite {
            CompositeType::Array(element) => element.storage.field_kind().shift(),
            CompositeType::Func(_) | CompositeType::Struct(_) => 0,
        }
    }
}

fn object_bytes(composite: &CompositeType, layout: &StructLayout) -> u32 {
    match composite {
        CompositeType::Func(_) => FUNC_BYTES,
        CompositeType::Struct(_) => layout.object_bytes(),
        CompositeType::Array(_) => 0,
    }
}

/// A rec group that is looked for.
pub(super) struct NewGroup<'a> {
    /// Its types, in the terms of `range` and `before`.
    members: &'a [SubType],
    range: Range<TypeIndex>,
    before: &'a [TypeId],
    /// What equal groups have in common.
    pub key: Vec<u32>,
    /// Ids of the types outside of the group that it names, sorted.
    pub outer: Vec<TypeId>,
}

impl<'a> NewGroup<'a> {
    /// Start of a group whose references are ids: beyond all ids, so that none is taken for a reference into it.
    pub const OWN_START: TypeIndex = TypeId::MAX + 1;

    /// Encodes `members`, which are the types from index `start`; `before` are the ids of the earlier types, or empty
    /// if references are ids already.
    pub fn encode(members: &'a [SubType], start: TypeIndex, before: &'a [TypeId]) -> NewGroup<'a> {
        let range = start..start + members.len() as TypeIndex;
        let (mut key, mut outer) = (Vec::with_capacity(encoded_words(members)), Vec::new());
        let id_of = |index| {
            let id = outer_id(before, index);
            outer.push(id);
            id.0
        };
        encode_group(members, range.clone(), id_of, &mut key);
        outer.sort_unstable();
        outer.dedup();
        NewGroup { members, range, before, key, outer }
    }

    /// Number of types.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Place in the group of the supertype of member `index`, if it lies in the group; else the supertype's id.
    pub fn supertype(&self, index: usize) -> Option<Result<usize, TypeId>> {
        let supertype = self.members[index].supertype?;
        Some(match self.range.contains(&supertype) {
            true => Ok((supertype - self.range.start) as usize),
            false => Err(outer_id(self.before, supertype)),
        })
    }

    /// Layout of member `index` below `parent`; empty if it is no struct.
    pub fn layout(&self, index: usize, parent: Option<&StructLayout>) -> StructLayout {
        match &self.members[index].composite {
            CompositeType::Struct(fields) => {
                let kinds: Vec<_> = fields.iter().map(|field| field.storage.field_kind()).collect();
                StructLayout::new(parent, &kinds)
            }
            CompositeType::Func(_) | CompositeType::Array(_) => StructLayout::default(),
        }
    }

    /// Bytes of an object of member `index`; 0 for arrays.
    pub fn object_bytes(&self, index: usize, layout: &StructLayout) -> u32 {
        object_bytes(&self.members[index].composite, layout)
    }

    /// Member `index` in terms of ids, of which `ids` are the group's own.
    pub fn engine_type(&self, index: usize, ids: &[TypeId], layout: StructLayout) -> EngineType {
        let id_of = |index: TypeIndex| match self.range.contains(&index) {
            true => ids[(index - self.range.start) as usize].0,
            false => outer_id(self.before, index).0,
        };
        let member = &self.members[index];
        EngineType {
            id: ids[index],
            is_final: member.is_final,
            supertype: member.supertype.map(|supertype| TypeId(id_of(supertype))),
            composite: member.composite.map_types(id_of),
            layout,
        }
    }
}

fn outer_id(before: &[TypeId], index: TypeIndex) -> TypeId {
    match before {
        [] => TypeId(index),
        before => before[index as usize],
    }
}
