//! Rec groups on their way into the registry, and types as they stand there.

use heapwood_gc_abi::header::HEADER_BYTES;
use heapwood_gc_abi::layout::{FUNC_BYTES, place_field, round_object_bytes};
use heapwood_gc_abi::{FieldKind, ObjectKind, StructLayout, TypeId};
use heapwood_module::{
    CompositeKind, CompositeType, FieldType, FuncType, GroupReader, GroupReference, HeapType, RefType, StorageType,
    SubType, ValType, Word,
};
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

    /// The type of these words of a group, of which `ids` are the types.
    pub(super) fn read(id: TypeId, mut words: GroupReader<'_, u32>, ids: &[u32]) -> EngineType {
        let index = |reference| match reference {
            GroupReference::Own(place) => ids[place as usize],
            GroupReference::Outer(id) => id,
        };
        let ty = words.sub_type(index).expect("the key of a group was read before");
        let layout = match &ty.composite {
            CompositeType::Struct(fields) => {
                let kinds: Vec<_> = fields.iter().map(|field| field.storage.field_kind()).collect();
                StructLayout::new(None, &kinds)
            }
            CompositeType::Func(_) | CompositeType::Array(_) => StructLayout::default(),
        };
        let SubType { is_final, supertype, composite } = ty;
        EngineType { id, is_final, supertype: supertype.map(TypeId), composite, layout }
    }
}

/// A rec group that is looked for. It is made once and filled in again for each group of a module.
#[derive(Debug, Default)]
pub(super) struct NewGroup {
    /// What equal groups have in common: the words of [`heapwood_module::encode_group`], with ids for types outside.
    pub key: Vec<u32>,
    /// Its types.
    pub members: Vec<Member>,
    /// Ids of the types outside of the group that it names, sorted.
    pub outer: Vec<TypeId>,
    /// Offsets of reference fields, those of each struct together.
    ref_offsets: Vec<u32>,
    /// Places of the key at which types outside are named.
    places: Vec<(usize, TypeId)>,
}

/// A type of a group that is looked for.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Where its words begin in the key.
    pub at: u32,
    /// The declared supertype, by place in the group or by id.
    pub supertype: Option<Result<usize, TypeId>>,
    /// How the collector sizes and scans its objects.
    pub kind: ObjectKind,
    /// log2 of the bytes of an element; 0 for others than arrays.
    pub elem_shift: u8,
    /// Bytes of an object; 0 for arrays.
    pub object_bytes: u32,
    refs: Range<usize>,
}

impl NewGroup {
    /// Reads the next group of `words`; `before` are the ids of the module's earlier types, or none if the words have
    /// ids already. No answer if it is no group.
    pub fn read<W: Word>(&mut self, words: &mut GroupReader<'_, W>, before: Option<&[TypeId]>) -> Option<()> {
        let start = words.position();
        self.members.clear();
        self.ref_offsets.clear();
        self.places.clear();
        let count = words.count()?;
        let mut references = References { start, count, before, places: &mut self.places };
        for index in 0..count as usize {
            let at = words.position() - start;
            let head = words.head()?;
            let supertype = match head.supertype {
                None => None,
                Some(word) => Some(references.note(word, words)?),
            };
            if supertype.is_some_and(|supertype| supertype.is_ok_and(|place| place >= index)) {
                return None;
            }
            let first_ref = self.ref_offsets.len();
            let (kind, elem_shift, object_bytes) = match head.kind {
                CompositeKind::Func => {
                    let [params, results] = words.signature()?;
                    for _ in 0..params + results {
                        let value = references.field(words)?;
                        let is_value = matches!(value.storage, StorageType::Val(_)) && !value.mutable;
                        is_value.then_some(())?;
                    }
                    (ObjectKind::Func, 0, FUNC_BYTES)
                }
                CompositeKind::Struct => {
                    let mut end = HEADER_BYTES;
                    for _ in 0..words.fields()? {
                        let kind = references.field(words)?.storage.field_kind();
                        let offset = place_field(&mut end, kind);
                        if kind == FieldKind::Ref {
                            self.ref_offsets.push(offset);
                        }
                    }
                    (ObjectKind::Struct, 0, round_object_bytes(end.into()) as u32)
                }
                CompositeKind::Array => match references.field(words)?.storage.field_kind() {
                    kind @ FieldKind::Ref => (ObjectKind::ArrayRef, kind.shift(), 0),
                    kind => (ObjectKind::ArrayData, kind.shift(), 0),
                },
            };
            let refs = first_ref..self.ref_offsets.len();
            self.members.push(Member { at: at as u32, supertype, kind, elem_shift, object_bytes, refs });
        }
        self.finish(words.since(start));
        Some(())
    }

    /// Makes the key of the words that were read.
    fn finish<W: Word>(&mut self, words: &[W]) {
        self.key.clear();
        self.key.extend(words.iter().map(|word| word.value()));
        self.places.iter().for_each(|(place, id)| self.key[*place] = id.0);
        self.outer.clear();
        self.outer.extend(self.places.iter().map(|(_, id)| *id));
        self.outer.sort_unstable();
        self.outer.dedup();
    }

    /// Byte offsets of the reference fields of a member.
    pub fn ref_offsets(&self, member: &Member) -> &[u32] {
        &self.ref_offsets[member.refs.clone()]
    }
}

/// Checks where the references of a group lead.
struct References<'a> {
    /// Position of the group's first word.
    start: usize,
    /// Types of the group.
    count: u32,
    before: Option<&'a [TypeId]>,
    places: &'a mut Vec<(usize, TypeId)>,
}

impl References<'_> {
    /// The type that the word names which was read last: a place in the group, or an id.
    #[inline]
    fn note<W: Word>(&mut self, word: u32, words: &GroupReader<'_, W>) -> Option<Result<usize, TypeId>> {
        match GroupReference::of_word(word) {
            GroupReference::Own(place) => (place < self.count).then_some(Ok(place as usize)),
            GroupReference::Outer(index) => {
                let id = match self.before {
                    None => TypeId(index),
                    Some(before) => *before.get(index as usize)?,
                };
                self.places.push((words.position() - 1 - self.start, id));
                Some(Err(id))
            }
        }
    }

    #[inline]
    fn field<W: Word>(&mut self, words: &mut GroupReader<'_, W>) -> Option<FieldType> {
        let field = words.field()?;
        let is_known = match field.storage {
            StorageType::Val(ValType::Ref(RefType { heap: HeapType::Type(word), .. })) => {
                self.note(word, words).is_some()
            }
            _ => true,
        };
        is_known.then_some(field)
    }
}
