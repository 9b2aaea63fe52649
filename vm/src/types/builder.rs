//! Rec groups that the host makes.
//!
//! In the registry's terms: a reference to a member of the group under construction is an index from
//! [`TypeRegistry::OWN_GROUP`] on, beyond all ids; every other reference is an id that a handle holds.

use super::{HeapType, Mutability, StorageType, ValType};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::registry::TypeRegistry;
use heapwood_gc_abi::{Narrow, TypeId};
use heapwood_module::limits::{FIELDS_MAX, PARAMS_MAX, RESULTS_MAX, SUBTYPING_DEPTH_MAX, TYPES_MAX};
use heapwood_module::{self as m, CompositeKind, CompositeType, Hierarchy, SubType, TypeIndex};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a rec group: types that refer to each other, or have supertypes. Equal groups of hosts and modules are the
/// same types.
///
/// Members are declared, so that they can be named, then defined, and come into being together.
///
/// ```
/// # use heapwood_vm::{Engine, GroupType, Module, Mutability, StorageType, TypeBuilder, ValType};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut group = TypeBuilder::new(&engine);
/// let (node, long) = (group.declare(), group.declare());
/// let next = (Mutability::Var, node.nullable());
/// let val = (Mutability::Var, ValType::I64.into());
/// group.define(node, GroupType::structure([next.clone()]).open());
/// group.define(long, GroupType::structure([next, val]).extends(node));
/// let types = group.build()?;
///
/// let text = "(module (rec
///     (type $node (sub (struct (field (mut (ref null $node))))))
///     (type $long (sub final $node (struct (field (mut (ref null $node))) (field (mut i64)))))))";
/// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
/// assert_eq!(module.types().iter().collect::<Vec<_>>(), types);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypeBuilder {
    engine: Engine,
    id: u64,
    members: Vec<Option<GroupType>>,
}

/// A member of a rec group that a [`TypeBuilder`] makes. It means nothing to other builders.
///
/// ```
/// # use heapwood_vm::{Engine, GroupType, Mutability, TypeBuilder};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut group = TypeBuilder::new(&Engine::default());
/// let list = group.declare();
/// group.define(list, GroupType::array((Mutability::Var, list.nullable())));
/// let types = group.build()?;
/// let element = types[0].as_concrete_array().unwrap().element_type();
/// assert_eq!(element.to_string(), format!("(ref null {})", types[0]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GroupMember {
    builder: u64,
    index: u32,
}

/// What a field, an element, a parameter or a result of a member holds: a type of outside, or a reference to a member
/// ([`GroupMember::nullable`], [`GroupMember::non_null`]).
///
/// ```
/// # use heapwood_vm::{GroupStorage, StorageType, ValType};
/// let (_packed, _number): (GroupStorage, GroupStorage) = (StorageType::I8.into(), ValType::F64.into());
/// ```
#[derive(Clone, Debug)]
pub struct GroupStorage(Stored);

#[derive(Clone, Debug)]
enum Stored {
    Outside(StorageType),
    Member { member: GroupMember, nullable: bool },
}

/// The definition of a member of a rec group: final and without a supertype, unless it says something else.
///
/// ```
/// # use heapwood_vm::{GroupType, Mutability, StorageType, ValType};
/// let _bytes = GroupType::array((Mutability::Var, StorageType::I8.into()));
/// let _base = GroupType::structure([(Mutability::Const, ValType::I32.into())]).open();
/// let _callback = GroupType::func([ValType::ANYREF.into()], [ValType::I32.into()]);
/// ```
#[derive(Clone, Debug)]
pub struct GroupType {
    shape: Shape,
    is_final: bool,
    supertype: Option<GroupBase>,
}

#[derive(Clone, Debug)]
enum Shape {
    Struct(Vec<(Mutability, GroupStorage)>),
    Array(Mutability, GroupStorage),
    Func(Vec<GroupStorage>, Vec<GroupStorage>),
}

/// What a [`GroupType`] extends: an earlier member, or a type of outside.
///
/// ```
/// # use heapwood_vm::{Engine, GroupType, Mutability, TypeBuilder, ValType};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut group = TypeBuilder::new(&engine);
/// let base = group.declare();
/// group.define(base, GroupType::structure([]).open());
/// let base = group.build()?.remove(0);
/// let mut group = TypeBuilder::new(&engine);
/// let sub = group.declare();
/// group.define(sub, GroupType::structure([(Mutability::Var, ValType::I32.into())]).extends(base.clone()));
/// let sub = group.build()?.remove(0);
/// assert!(sub.as_concrete_struct().unwrap().matches(base.as_concrete_struct().unwrap()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GroupBase(BaseOf);

#[derive(Clone, Debug)]
enum BaseOf {
    Outside(HeapType),
    Member(GroupMember),
}

impl GroupMember {
    /// A reference to it, or null.
    pub fn nullable(self) -> GroupStorage {
        GroupStorage(Stored::Member { member: self, nullable: true })
    }

    /// A reference to it.
    pub fn non_null(self) -> GroupStorage {
        GroupStorage(Stored::Member { member: self, nullable: false })
    }
}

impl From<StorageType> for GroupStorage {
    fn from(ty: StorageType) -> GroupStorage {
        GroupStorage(Stored::Outside(ty))
    }
}

impl From<ValType> for GroupStorage {
    fn from(ty: ValType) -> GroupStorage {
        GroupStorage(Stored::Outside(ty.into()))
    }
}

impl From<GroupMember> for GroupBase {
    fn from(member: GroupMember) -> GroupBase {
        GroupBase(BaseOf::Member(member))
    }
}

impl From<HeapType> for GroupBase {
    fn from(ty: HeapType) -> GroupBase {
        GroupBase(BaseOf::Outside(ty))
    }
}

impl GroupType {
    fn new(shape: Shape) -> GroupType {
        GroupType { shape, is_final: true, supertype: None }
    }

    /// A struct type with these fields, those of its supertype first.
    pub fn structure(fields: impl IntoIterator<Item = (Mutability, GroupStorage)>) -> GroupType {
        GroupType::new(Shape::Struct(fields.into_iter().collect()))
    }

    /// An array type with these elements.
    pub fn array((mutability, element): (Mutability, GroupStorage)) -> GroupType {
        GroupType::new(Shape::Array(mutability, element))
    }

    /// A function type.
    pub fn func(
        params: impl IntoIterator<Item = GroupStorage>,
        results: impl IntoIterator<Item = GroupStorage>,
    ) -> GroupType {
        GroupType::new(Shape::Func(params.into_iter().collect(), results.into_iter().collect()))
    }

    /// Lets the type have subtypes.
    pub fn open(mut self) -> GroupType {
        self.is_final = false;
        self
    }

    /// Makes the type a subtype of `base`, which is open and has been declared before.
    pub fn extends(mut self, base: impl Into<GroupBase>) -> GroupType {
        self.supertype = Some(base.into());
        self
    }
}

impl TypeBuilder {
    /// A group without members.
    pub fn new(engine: &Engine) -> TypeBuilder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        TypeBuilder { engine: engine.clone(), id: NEXT.fetch_add(1, Ordering::Relaxed), members: Vec::new() }
    }

    /// One more member, to be defined.
    ///
    /// # Panics
    /// If there are 1,000,000 already, as many as a group of a module may have.
    pub fn declare(&mut self) -> GroupMember {
        let index = self.members.len();
        assert!(index < TYPES_MAX, "a rec group with more types than the limit of {TYPES_MAX}");
        self.members.push(None);
        GroupMember { builder: self.id, index: index.narrow() }
    }

    /// Says what a member is; the last word counts. Whether it can be that is for [`TypeBuilder::build`] to say.
    ///
    /// # Panics
    /// If the member is one of another builder.
    pub fn define(&mut self, member: GroupMember, ty: GroupType) -> &mut TypeBuilder {
        assert_eq!(member.builder, self.id, "a member of another builder");
        self.members[member.index as usize] = Some(ty);
        self
    }

    /// The types, in the order in which they were declared.
    ///
    /// # Errors
    /// A member is not defined; a type is one of another engine, or a member of another builder; a function has packed
    /// parameters or results; something is beyond a limit of modules (10,000 fields, 1,000 parameters or results, 63
    /// supertypes); a supertype is declared later, is final, or is not matched; the engine's type table is full.
    pub fn build(self) -> Result<Vec<HeapType>> {
        if self.members.is_empty() {
            return Ok(Vec::new());
        }
        let registry = self.engine.registry();
        let members = (0..).zip(&self.members).map(|(index, ty)| self.resolve(index, ty.as_ref()));
        let members = members.collect::<Result<Vec<_>>>()?;
        let group = Group { registry, members: &members };
        (0..).zip(&members).try_for_each(|(index, member)| group.check(index, member))?;
        let handles = registry.register_group(&members).map_err(|error| Error::limit(error.to_string()))?;
        Ok(handles.iter().map(|handle| HeapType::of(registry, handle.id())).collect())
    }

    /// A member in terms of the registry.
    fn resolve(&self, index: u32, ty: Option<&GroupType>) -> Result<SubType> {
        let GroupType { shape, is_final, supertype } =
            ty.ok_or_else(|| Error::usage(format!("type {index} of the group was declared and not defined")))?;
        let field = |(mutability, storage): &(Mutability, GroupStorage)| {
            Ok(m::FieldType { storage: self.storage(storage)?, mutable: mutability.is_var() })
        };
        let values = |types: &[GroupStorage], limit: usize, what: &str| {
            check_limit(index, types.len(), limit, what)?;
            types.iter().map(|ty| self.value(index, ty)).collect::<Result<Vec<_>>>()
        };
        let composite = match shape {
            Shape::Struct(fields) => {
                check_limit(index, fields.len(), FIELDS_MAX, "fields")?;
                CompositeType::Struct(fields.iter().map(field).collect::<Result<_>>()?)
            }
            Shape::Array(mutability, element) => CompositeType::Array(field(&(*mutability, element.clone()))?),
            Shape::Func(params, results) => CompositeType::Func(m::FuncType {
                params: values(params, PARAMS_MAX, "parameters")?.into(),
                results: values(results, RESULTS_MAX, "results")?.into(),
            }),
        };
        let supertype = supertype.as_ref().map(|base| self.base(index, base)).transpose()?;
        Ok(SubType { is_final: *is_final, supertype, composite })
    }

    fn member(&self, member: GroupMember) -> Result<TypeIndex> {
        match member.builder == self.id {
            true => Ok(TypeRegistry::OWN_GROUP + member.index),
            false => Err(Error::usage("a member of another rec group was used")),
        }
    }

    fn storage(&self, storage: &GroupStorage) -> Result<m::StorageType> {
        match &storage.0 {
            Stored::Outside(ty) => ty.resolve(self.engine.registry()),
            Stored::Member { member, nullable } => {
                let heap = m::HeapType::Type(self.member(*member)?);
                Ok(m::StorageType::Val(m::ValType::Ref(m::RefType { nullable: *nullable, heap })))
            }
        }
    }

    fn value(&self, index: u32, storage: &GroupStorage) -> Result<m::ValType> {
        match self.storage(storage)? {
            m::StorageType::Val(ty) => Ok(ty),
            m::StorageType::I8 | m::StorageType::I16 => {
                Err(Error::usage(format!("type {index} of the group: no parameter or result is packed")))
            }
        }
    }

    fn base(&self, index: u32, base: &GroupBase) -> Result<TypeIndex> {
        match &base.0 {
            BaseOf::Member(member) if member.builder == self.id && member.index >= index => {
                let message =
                    format!("type {index} of the group extends type {}, which is not declared before it", member.index);
                Err(Error::usage(message))
            }
            BaseOf::Member(member) => self.member(*member),
            BaseOf::Outside(ty) => match ty.handle() {
                Some(handle) => Ok(handle.id_in(self.engine.registry())?.0),
                None => Err(Error::usage(format!("type {index} of the group extends {ty}, which no module defines"))),
            },
        }
    }
}

fn check_limit(index: u32, count: usize, limit: usize, what: &str) -> Result<()> {
    match count <= limit {
        true => Ok(()),
        false => {
            Err(Error::limit(format!("type {index} of the group has {count} {what}: more than the limit of {limit}")))
        }
    }
}

/// A group in terms of its registry, each member's supertype before it.
struct Group<'g> {
    registry: &'g Arc<TypeRegistry>,
    members: &'g [SubType],
}

impl Group<'_> {
    fn own(&self, ty: TypeIndex) -> Option<&SubType> {
        self.members.get(ty.checked_sub(TypeRegistry::OWN_GROUP)? as usize)
    }

    fn supertype(&self, ty: TypeIndex) -> Option<TypeIndex> {
        match self.own(ty) {
            Some(member) => member.supertype,
            None => self.registry.composite(TypeId(ty)).supertype.map(|supertype| supertype.0),
        }
    }

    /// Whether a member matches its supertype, as validation has it.
    fn check(&self, index: u32, member: &SubType) -> Result<()> {
        let Some(supertype) = member.supertype else { return Ok(()) };
        let outer = self.own(supertype).is_none().then(|| self.registry.composite(TypeId(supertype)));
        let (is_final, composite) = match (&outer, self.own(supertype)) {
            (Some(outer), _) => (outer.is_final, &outer.composite),
            (None, Some(own)) => (own.is_final, &own.composite),
            (None, None) => panic!("type {supertype} is nowhere"),
        };
        if is_final {
            return Err(Error::usage(format!("type {index} of the group extends a type that is final")));
        }
        let depth = std::iter::successors(Some(supertype), |ty| self.supertype(*ty)).count();
        if depth > SUBTYPING_DEPTH_MAX {
            let message = format!(
                "type {index} of the group has {depth} supertypes: more than the limit of {SUBTYPING_DEPTH_MAX}"
            );
            return Err(Error::limit(message));
        }
        match self.matches(&member.composite, composite) {
            true => Ok(()),
            false => Err(Error::usage(format!("type mismatch: type {index} of the group is not what it extends"))),
        }
    }

    fn matches(&self, sub: &CompositeType, base: &CompositeType) -> bool {
        match (sub, base) {
            (CompositeType::Struct(sub), CompositeType::Struct(base)) => {
                sub.len() >= base.len() && sub.iter().zip(base).all(|(sub, base)| self.field_matches(*sub, *base))
            }
            (CompositeType::Array(sub), CompositeType::Array(base)) => self.field_matches(*sub, *base),
            (CompositeType::Func(sub), CompositeType::Func(base)) => {
                let all = |a: &[m::ValType], b: &[m::ValType]| {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.val_is_subtype(*a, *b))
                };
                all(&base.params, &sub.params) && all(&sub.results, &base.results)
            }
            _ => false,
        }
    }

    fn field_matches(&self, sub: m::FieldType, base: m::FieldType) -> bool {
        match (sub.storage, base.storage) {
            _ if sub == base => true,
            // What can be written keeps its type.
            (m::StorageType::Val(sub_type), m::StorageType::Val(base_type)) if !sub.mutable && !base.mutable => {
                self.val_is_subtype(sub_type, base_type)
            }
            _ => false,
        }
    }
}

impl Hierarchy for Group<'_> {
    fn kind(&self, ty: TypeIndex) -> CompositeKind {
        match self.own(ty) {
            Some(member) => member.composite.kind(),
            None => self.registry.kind(ty),
        }
    }

    fn is_declared_subtype(&self, a: TypeIndex, b: TypeIndex) -> bool {
        std::iter::successors(Some(a), |ty| self.supertype(*ty)).any(|ty| ty == b)
    }
}
