//! Types that name each other, made by the host: a rec group.

use super::fields::StorageType;
use super::{HeapType, Mutability, ValType};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::registry::TypeRegistry;
use heapwood_gc_abi::{Narrow, TypeId};
use heapwood_module::limits::{FIELDS_MAX, PARAMS_MAX, RESULTS_MAX, SUBTYPING_DEPTH_MAX, TYPES_MAX};
use heapwood_module::{self as m, CompositeType, Hierarchy, SubType};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a rec group: defined types that may name each other, in the order in which they are declared.
///
/// Equal groups are one: a group that a module defines in the same way has the same types. A type that names no type of
/// its own group is another one outside of it, as in WebAssembly; [`StructType::new`](crate::StructType::new) and its kin make
/// types that are alone in their group.
///
/// ```
/// # use heapwood_vm::{Engine, Module, Mutability, TypeBuilder, ValType};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut types = TypeBuilder::new(&engine);
/// let node = types.declare();
/// let list = types.declare();
/// types.define_struct(node, [(Mutability::Var, ValType::I64.into()), (Mutability::Var, node.nullable())])?;
/// types.define_array(list, (Mutability::Const, node.non_null()))?;
/// let types = types.build()?;
///
/// let text = "(module (rec
///     (type $node (struct (field (mut i64)) (field (mut (ref null $node)))))
///     (type $list (array (ref $node)))))";
/// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
/// assert!(module.types().iter().eq(types));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypeBuilder {
    engine: Engine,
    number: u64,
    members: Vec<Member>,
}

/// A type of a group that is being built: a name for it, of no use elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeclaredType {
    builder: u64,
    index: u32,
}

/// What fields, elements, parameters and results of a group's types are of: a type that exists, or a reference to one of
/// the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupType(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Existing(StorageType),
    Declared { ty: DeclaredType, nullable: bool },
}

/// A declared type, as far as it is known.
#[derive(Debug, Default)]
struct Member {
    is_open: bool,
    supertype: Option<Supertype>,
    composite: Option<CompositeType>,
    /// Holds what the structure names.
    held: Vec<HeapType>,
}

#[derive(Debug)]
enum Supertype {
    Declared(u32),
    Existing(TypeId),
}

impl DeclaredType {
    /// A reference to it, or null.
    pub const fn nullable(self) -> GroupType {
        GroupType(Kind::Declared { ty: self, nullable: true })
    }

    /// A reference to it.
    pub const fn non_null(self) -> GroupType {
        GroupType(Kind::Declared { ty: self, nullable: false })
    }
}

impl<S: Into<StorageType>> From<S> for GroupType {
    fn from(storage: S) -> GroupType {
        GroupType(Kind::Existing(storage.into()))
    }
}

impl TypeBuilder {
    /// An empty group of an engine.
    pub fn new(engine: &Engine) -> TypeBuilder {
        static BUILDERS: AtomicU64 = AtomicU64::new(0);
        TypeBuilder { engine: engine.clone(), number: BUILDERS.fetch_add(1, Ordering::Relaxed), members: Vec::new() }
    }

    /// The group's next type, to be defined later. It is final and has no supertype unless that is said.
    pub fn declare(&mut self) -> DeclaredType {
        self.members.push(Member::default());
        DeclaredType { builder: self.number, index: (self.members.len() - 1).narrow() }
    }

    /// Makes a declared type a struct type.
    ///
    /// # Errors
    /// The type is defined already, or declared by another builder; a field is of a type of another engine; there are
    /// more than 10,000 fields.
    pub fn define_struct(
        &mut self,
        ty: DeclaredType,
        fields: impl IntoIterator<Item = (Mutability, GroupType)>,
    ) -> Result<&mut TypeBuilder> {
        let index = self.index(ty)?;
        let fields = fields.into_iter().map(|field| self.field(index, field)).collect::<Result<Box<[_]>>>()?;
        check_count("fields", fields.len(), FIELDS_MAX)?;
        self.define(index, CompositeType::Struct(fields))
    }

    /// Makes a declared type an array type.
    ///
    /// # Errors
    /// The type is defined already, or declared by another builder; the elements are of a type of another engine.
    pub fn define_array(&mut self, ty: DeclaredType, element: (Mutability, GroupType)) -> Result<&mut TypeBuilder> {
        let index = self.index(ty)?;
        let element = self.field(index, element)?;
        self.define(index, CompositeType::Array(element))
    }

    /// Makes a declared type a function type.
    ///
    /// # Errors
    /// The type is defined already, or declared by another builder; a parameter or result is packed, or of a type of
    /// another engine; there are more than 1,000 parameters or results.
    pub fn define_func(
        &mut self,
        ty: DeclaredType,
        params: impl IntoIterator<Item = GroupType>,
        results: impl IntoIterator<Item = GroupType>,
    ) -> Result<&mut TypeBuilder> {
        let index = self.index(ty)?;
        let params = params.into_iter().map(|ty| self.value(index, ty)).collect::<Result<Box<[_]>>>()?;
        let results = results.into_iter().map(|ty| self.value(index, ty)).collect::<Result<Box<[_]>>>()?;
        check_count("parameters", params.len(), PARAMS_MAX)?;
        check_count("results", results.len(), RESULTS_MAX)?;
        self.define(index, CompositeType::Func(m::FuncType { params, results }))
    }

    /// Says that a declared type may have subtypes.
    ///
    /// # Errors
    /// It is declared by another builder.
    pub fn open(&mut self, ty: DeclaredType) -> Result<&mut TypeBuilder> {
        let index = self.index(ty)?;
        self.members[index as usize].is_open = true;
        Ok(self)
    }

    /// Says that a declared type is a subtype of one that was declared before it.
    ///
    /// # Errors
    /// One of them is declared by another builder, or the supertype is not declared before the subtype.
    pub fn extends(&mut self, ty: DeclaredType, supertype: DeclaredType) -> Result<&mut TypeBuilder> {
        let (index, above) = (self.index(ty)?, self.index(supertype)?);
        if above >= index {
            return Err(Error::usage(format!("type {index} of a group below type {above}, which is declared later")));
        }
        self.members[index as usize].supertype = Some(Supertype::Declared(above));
        Ok(self)
    }

    /// Says that a declared type is a subtype of a defined one that exists.
    ///
    /// # Errors
    /// The type is declared by another builder, the supertype is one of another engine, or is not a defined type.
    pub fn extends_existing(&mut self, ty: DeclaredType, supertype: &HeapType) -> Result<&mut TypeBuilder> {
        let index = self.index(ty)?;
        let handle = supertype.handle().ok_or_else(|| Error::usage(format!("a defined type below {supertype}")))?;
        let id = handle.id_in(self.engine.registry())?;
        let member = &mut self.members[index as usize];
        member.held.push(supertype.clone());
        member.supertype = Some(Supertype::Existing(id));
        Ok(self)
    }

    /// The group's types, in the order in which they were declared.
    ///
    /// # Errors
    /// A type is not defined, is below a final type or one that it does not match; the hierarchy is deeper than 63; the
    /// engine's type table is full.
    pub fn build(self) -> Result<Vec<HeapType>> {
        let registry = self.engine.registry();
        let group = Group::new(registry, &self.members)?;
        let handles = registry.register_group(&group.members).map_err(|error| Error::limit(error.to_string()))?;
        let ids: Vec<TypeId> = handles.iter().map(|handle| handle.id()).collect();
        // Until here the group is known to nobody else who could have made such a one without these checks.
        check_supertypes(registry, &ids)?;
        Ok(ids.iter().map(|id| HeapType::of(registry, *id)).collect())
    }

    fn index(&self, ty: DeclaredType) -> Result<u32> {
        match ty.builder == self.number {
            true => Ok(ty.index),
            false => Err(Error::usage("a type that another builder declared")),
        }
    }

    fn define(&mut self, index: u32, composite: CompositeType) -> Result<&mut TypeBuilder> {
        let member = &mut self.members[index as usize];
        if member.composite.is_some() {
            return Err(Error::usage(format!("type {index} of a group is defined already")));
        }
        member.composite = Some(composite);
        Ok(self)
    }

    fn field(&mut self, index: u32, (mutability, ty): (Mutability, GroupType)) -> Result<m::FieldType> {
        Ok(m::FieldType { storage: self.storage(index, ty)?, mutable: mutability.is_var() })
    }

    fn value(&mut self, index: u32, ty: GroupType) -> Result<m::ValType> {
        match self.storage(index, ty)? {
            m::StorageType::Val(ty) => Ok(ty),
            m::StorageType::I8 | m::StorageType::I16 => {
                Err(Error::usage("a parameter or result of a packed type, which only fields and elements have"))
            }
        }
    }

    /// A type in terms of the registry: ids, and what lies beyond them for the group's own.
    fn storage(&mut self, index: u32, ty: GroupType) -> Result<m::StorageType> {
        match ty.0 {
            Kind::Existing(storage) => {
                let resolved = storage.resolve(self.engine.registry())?;
                if let StorageType::ValType(ValType::Ref(reference)) = storage {
                    self.members[index as usize].held.push(reference.heap);
                }
                Ok(resolved)
            }
            Kind::Declared { ty, nullable } => {
                let heap = m::HeapType::Type(TypeRegistry::OWN_TYPES + self.index(ty)?);
                Ok(m::StorageType::Val(m::ValType::Ref(m::RefType { nullable, heap })))
            }
        }
    }
}

fn check_count(what: &str, count: usize, limit: usize) -> Result<()> {
    match count <= limit {
        true => Ok(()),
        false => Err(Error::limit(format!("a type with {count} {what}: more than the limit of {limit}"))),
    }
}

/// A group that can be registered: each type has the kind of its supertype, and fields where that one has them.
struct Group {
    members: Vec<SubType>,
    depths: Vec<usize>,
}

impl Group {
    fn new(registry: &Arc<TypeRegistry>, declared: &[Member]) -> Result<Group> {
        if declared.len() > TYPES_MAX {
            let message = format!("a group of {} types: more than the limit of {TYPES_MAX}", declared.len());
            return Err(Error::limit(message));
        }
        let mut group = Group { members: Vec::with_capacity(declared.len()), depths: Vec::new() };
        for (index, member) in declared.iter().enumerate() {
            let undefined = || Error::usage(format!("type {index} of a group is declared and not defined"));
            let composite = member.composite.clone().ok_or_else(undefined)?;
            let depth = match member.supertype {
                None => 0,
                Some(Supertype::Declared(above)) => {
                    let supertype = &group.members[above as usize];
                    check_kinds(index, &composite, &supertype.composite, supertype.is_final)?;
                    group.depths[above as usize] + 1
                }
                Some(Supertype::Existing(above)) => {
                    let supertype = registry.composite(above);
                    check_kinds(index, &composite, &supertype.composite, supertype.is_final)?;
                    1 + std::iter::successors(supertype.supertype, |id| registry.composite(*id).supertype).count()
                }
            };
            check_count("supertypes", depth, SUBTYPING_DEPTH_MAX)?;
            group.depths.push(depth);
            let supertype = member.supertype.as_ref().map(|supertype| match supertype {
                Supertype::Declared(index) => TypeRegistry::OWN_TYPES + index,
                Supertype::Existing(id) => id.0,
            });
            group.members.push(SubType { is_final: !member.is_open, supertype, composite });
        }
        Ok(group)
    }
}

/// What the registry relies on before it looks at types: layouts extend those of supertypes.
fn check_kinds(index: usize, sub: &CompositeType, above: &CompositeType, is_final: bool) -> Result<()> {
    let matches = match (sub, above) {
        (CompositeType::Struct(sub), CompositeType::Struct(above)) => {
            sub.len() >= above.len()
                && sub.iter().zip(above).all(|(sub, above)| sub.storage.field_kind() == above.storage.field_kind())
        }
        (CompositeType::Array(sub), CompositeType::Array(above)) => {
            sub.storage.field_kind() == above.storage.field_kind()
        }
        (CompositeType::Func(_), CompositeType::Func(_)) => true,
        _ => false,
    };
    match matches && !is_final {
        true => Ok(()),
        false if is_final => Err(Error::usage(format!("type {index} of a group is below a final type"))),
        false => Err(does_not_match(index)),
    }
}

fn does_not_match(index: usize) -> Error {
    Error::usage(format!("type {index} of a group does not match its supertype"))
}

/// The rules for declared supertypes (specification, "Matching").
fn check_supertypes(registry: &TypeRegistry, ids: &[TypeId]) -> Result<()> {
    for (index, id) in ids.iter().enumerate() {
        let ty = registry.composite(*id);
        let Some(supertype) = ty.supertype else { continue };
        if !composite_matches(registry, &ty.composite, &registry.composite(supertype).composite) {
            return Err(does_not_match(index));
        }
    }
    Ok(())
}

fn composite_matches(registry: &TypeRegistry, sub: &CompositeType, above: &CompositeType) -> bool {
    let below = |sub: &m::ValType, above: &m::ValType| registry.val_is_subtype(*sub, *above);
    let field = |sub: &m::FieldType, above: &m::FieldType| {
        let storage = |sub: m::StorageType, above: m::StorageType| match (sub, above) {
            (m::StorageType::Val(sub), m::StorageType::Val(above)) => below(&sub, &above),
            _ => sub == above,
        };
        sub.mutable == above.mutable
            && storage(sub.storage, above.storage)
            && (!sub.mutable || storage(above.storage, sub.storage))
    };
    match (sub, above) {
        (CompositeType::Struct(sub), CompositeType::Struct(above)) => {
            sub.iter().zip(above).all(|(sub, above)| field(sub, above))
        }
        (CompositeType::Array(sub), CompositeType::Array(above)) => field(sub, above),
        (CompositeType::Func(sub), CompositeType::Func(above)) => {
            sub.params.len() == above.params.len()
                && sub.results.len() == above.results.len()
                && above.params.iter().zip(&sub.params).all(|(above, sub)| below(above, sub))
                && sub.results.iter().zip(&above.results).all(|(sub, above)| below(sub, above))
        }
        _ => false,
    }
}
