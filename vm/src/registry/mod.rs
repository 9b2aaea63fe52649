//! The types of all modules of an engine, each with one identity.
//!
//! 1. A rec group is encoded with its inner references relative and its outer references as [`TypeId`]s
//!    ([`heapwood_module::encode_group`]): equal groups of whatever modules have equal encodings.
//! 2. An encoding that is known takes one more user; a new one gets ids from the [`TypeTable`], and a descriptor for
//!    each of its types, which is what casts and the collector read. The encoding is all that is kept of its types: the
//!    structure of one is read from there when somebody asks.
//! 3. Handles ([`ModuleTypes`], [`TypeHandle`]) are the users. A group without users releases its ids and the groups
//!    that it names.
//!
//! Types here are those of `heapwood_module` with engine-wide ids in place of type indices: `HeapType::Type(id.0)`.
//!
//! Invariants:
//! - R1. Looking a group up and taking it happen under one lock, and so do dropping its last user and removing it:
//!   nobody is handed ids that are being released.
//! - R2. A group has a user for as long as a group that names it lives, so the ids in an encoding are alive, and equal
//!   encodings mean equal types.
//! - R3. Whoever holds objects of a type (a store) holds a handle of it.
//!
//! Absent on purpose: a check that subtypes match their supertypes. The module was validated.

mod group;
mod handle;
mod state;
#[cfg(test)]
mod tests;

pub use group::EngineType;
pub use handle::{ModuleTypes, TypeHandle};

use group::NewGroup;
use heapwood_gc::{TypeDefinition, TypeTable, TypeTableFull};
use heapwood_gc_abi::descriptor::{DISPLAY_DEPTH, TYPE_ID_STEP};
use heapwood_gc_abi::layout::{
    EPHEMERON_KEY_OFFSET, EPHEMERON_VALUE_OFFSET, OBJECT_BYTES_MIN, ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET,
};
use heapwood_gc_abi::{Mutant, ObjectKind, StructLayout, TypeId, active};
use heapwood_module::{
    CompositeKind, CompositeType, FuncType, GroupReader, Hierarchy, SubType, TypeIndex, TypeSection, ValType, Word,
    encode_group, encode_section, limits,
};
use parking_lot::RwLock;
use state::State;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// An engine-wide type cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistryError {
    /// The engine's quota of types.
    #[error(
        "the engine's quota of {quota} types (Config::max_types) is used up: {live} are alive, {wanted} more are wanted"
    )]
    Quota {
        /// Types that the engine may have.
        quota: u32,
        /// Types that it has.
        live: u32,
        /// Types that were asked for on top.
        wanted: u32,
    },
    /// The table behind the ids.
    #[error(transparent)]
    Table(#[from] TypeTableFull),
    /// A type lies below more types than any that was validated.
    #[error("a type has more than {} supertypes above it", limits::SUBTYPING_DEPTH_MAX)]
    Depth,
    /// Words that say which types a module has say nothing.
    #[error("the module's types cannot be read")]
    Unreadable,
}

/// Ids of objects that no module defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservedTypes {
    /// Cells of host values behind an externref.
    pub host_value: TypeId,
    /// Tag objects.
    pub tag: TypeId,
    /// Weak cells.
    pub weak: TypeId,
    /// Ephemerons.
    pub ephemeron: TypeId,
    /// Instance contexts; their size is known to the runtime only.
    pub context: TypeId,
    /// Strings of units of one byte. The four types of strings follow each other: [`ReservedTypes::is_string`].
    pub latin1_string: TypeId,
    /// Strings of units of two bytes.
    pub utf16_string: TypeId,
    /// Ropes of which all parts have units of one byte.
    pub latin1_rope: TypeId,
    /// Other ropes.
    pub utf16_rope: TypeId,
}

impl ReservedTypes {
    /// Whether a type is one of the four of strings.
    #[inline]
    pub fn is_string(&self, ty: TypeId) -> bool {
        ty.0.wrapping_sub(self.latin1_string.0) <= 3 * TYPE_ID_STEP
    }
}

/// The canonical types of an engine. Shared by its threads.
#[derive(Debug)]
pub struct TypeRegistry {
    table: Arc<TypeTable>,
    state: RwLock<State>,
    reserved: ReservedTypes,
    quota: u32,
    hasher: RandomState,
    /// All ones; 0 in a test makes every hash collide.
    hash_mask: u64,
}

impl TypeRegistry {
    /// Where the references of a group to its own members begin that the host makes: beyond all ids.
    pub const OWN_GROUP: TypeIndex = TypeId::MAX + 1;
    /// Types that an engine may have by default.
    pub const QUOTA: u32 = 1_900_000;

    /// A registry whose ids come from `table`, and that may hold `quota` types.
    ///
    /// # Errors
    /// The table has no room for the reserved types.
    pub fn with_quota(table: Arc<TypeTable>, quota: u32) -> Result<Arc<TypeRegistry>, RegistryError> {
        TypeRegistry::build(table, quota, u64::MAX)
    }

    fn build(table: Arc<TypeTable>, quota: u32, hash_mask: u64) -> Result<Arc<TypeRegistry>, RegistryError> {
        let define = |kind, elem_shift, ref_offsets: &[u32]| {
            let object_bytes = OBJECT_BYTES_MIN;
            table.add(&TypeDefinition { ancestors: &[], kind, elem_shift, object_bytes, ref_offsets })
        };
        let reserve = |kind| define(kind, 0, &[]);
        let rope = || define(ObjectKind::Rope, 0, &[ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET]);
        let reserved = ReservedTypes {
            host_value: reserve(ObjectKind::HostValue)?,
            tag: reserve(ObjectKind::Opaque)?,
            context: reserve(ObjectKind::Opaque)?,
            weak: reserve(ObjectKind::Weak)?,
            ephemeron: define(ObjectKind::Ephemeron, 0, &[EPHEMERON_KEY_OFFSET, EPHEMERON_VALUE_OFFSET])?,
            latin1_string: define(ObjectKind::String, 0, &[])?,
            utf16_string: define(ObjectKind::String, 1, &[])?,
            latin1_rope: rope()?,
            utf16_rope: rope()?,
        };
        let strings = [reserved.latin1_string, reserved.utf16_string, reserved.latin1_rope, reserved.utf16_rope];
        let follow = strings.windows(2).all(|pair| pair[1].0 - pair[0].0 == TYPE_ID_STEP);
        assert!(follow, "the types of strings follow each other in an empty table: {strings:?}");
        let (state, hasher) = (RwLock::default(), RandomState::new());
        Ok(Arc::new(TypeRegistry { table, state, reserved, quota, hasher, hash_mask }))
    }

    /// The table behind the ids.
    pub fn table(&self) -> &Arc<TypeTable> {
        &self.table
    }

    /// Ids of objects that no module defines.
    pub fn reserved(&self) -> ReservedTypes {
        self.reserved
    }

    /// Number of types that are alive, without the reserved ones.
    pub fn live(&self) -> usize {
        self.state.read().live()
    }

    /// Gives each type of a module its engine-wide identity, for as long as the result lives.
    ///
    /// # Errors
    /// The quota or the table is used up; nothing is kept then.
    pub fn register_module(self: &Arc<Self>, section: &TypeSection) -> Result<ModuleTypes, RegistryError> {
        let mut words = Vec::new();
        encode_section(section, &mut words);
        self.register_words(&words)
    }

    /// The same for the types that [`encode_section`] wrote.
    ///
    /// # Errors
    /// As [`TypeRegistry::register_module`], or the words are none that it writes.
    pub fn register_words<W: Word>(self: &Arc<Self>, words: &[W]) -> Result<ModuleTypes, RegistryError> {
        /// Groups that are entered before others may have the lock.
        const AT_ONCE: usize = 4096;
        let (mut words, mut new) = (GroupReader::new(words), NewGroup::default());
        let mut module = ModuleTypes::new(self.clone());
        while !words.is_at_end() {
            let (mut state, mut table) = (self.state.write(), self.table.edit());
            for _ in 0..AT_ONCE {
                if words.is_at_end() {
                    break;
                }
                new.read(&mut words, Some(module.ids())).ok_or(RegistryError::Unreadable)?;
                let hash = self.hash(&new);
                module.push(|ids| state.acquire(&mut table, self.quota, hash, &new, ids))?;
            }
        }
        Ok(module)
    }

    /// The final type of this structure without supertypes, alone in its rec group: what `(type (func …))` means.
    /// Type references are engine-wide ids of types that the caller holds.
    ///
    /// # Errors
    /// The quota or the table is used up.
    pub fn register_type(self: &Arc<Self>, composite: CompositeType) -> Result<TypeHandle, RegistryError> {
        let members = [SubType { is_final: true, supertype: None, composite }];
        let (group, ids) = self.acquire(&members)?;
        Ok(TypeHandle::new(self.clone(), group, ids[0]))
    }

    /// A rec group of the host: references to its own members begin at [`TypeRegistry::OWN_GROUP`], others are
    /// engine-wide ids of types that the caller holds. The caller has checked that supertypes are matched.
    ///
    /// # Errors
    /// The quota or the table is used up.
    pub fn register_group(self: &Arc<Self>, members: &[SubType]) -> Result<Vec<TypeHandle>, RegistryError> {
        let (group, ids) = self.acquire(members)?;
        let first = TypeHandle::new(self.clone(), group, ids[0]);
        // Each further handle is a further user.
        let others = ids[1..].iter().map(|id| self.hold(*id)).collect::<Vec<_>>();
        Ok(std::iter::once(first).chain(others).collect())
    }

    /// The final function type with these parameters and results ([`TypeRegistry::register_type`]).
    ///
    /// # Errors
    /// The quota or the table is used up.
    pub fn register_func_type(
        self: &Arc<Self>,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<TypeHandle, RegistryError> {
        let (params, results) = (params.into_iter().collect(), results.into_iter().collect());
        self.register_type(CompositeType::Func(FuncType { params, results }))
    }

    /// A further user of a type that is alive, by id; none if there is no such type.
    pub fn retain(self: &Arc<Self>, id: TypeId) -> Option<TypeHandle> {
        let group = self.state.write().retain(id)?;
        Some(TypeHandle::new(self.clone(), group, id))
    }

    /// A further handle of a type that is held already.
    ///
    /// # Panics
    /// If there is no such type: what objects, functions and tags of a store name is held by it (R3).
    pub fn hold(self: &Arc<Self>, id: TypeId) -> TypeHandle {
        self.retain(id).unwrap_or_else(|| panic!("type {} is not alive", id.0))
    }

    /// Takes the group of `members`, which name each other from [`TypeRegistry::OWN_GROUP`] on, and others by ids.
    fn acquire(&self, members: &[SubType]) -> Result<(u32, Vec<TypeId>), RegistryError> {
        let own = TypeRegistry::OWN_GROUP..TypeRegistry::OWN_GROUP + members.len() as TypeIndex;
        let (mut words, mut new, mut ids) = (Vec::new(), NewGroup::default(), Vec::new());
        encode_group(members, own, |id| id, &mut words);
        new.read(&mut GroupReader::new(&words), None).ok_or(RegistryError::Unreadable)?;
        let (hash, mut state) = (self.hash(&new), self.state.write());
        let group = state.acquire(&mut self.table.edit(), self.quota, hash, &new, &mut ids)?;
        Ok((group, ids))
    }

    fn hash(&self, group: &NewGroup) -> u64 {
        self.hasher.hash_one(&group.key) & self.hash_mask
    }

    fn release(&self, groups: impl IntoIterator<Item = u32>) {
        let mut state = self.state.write();
        state.release(&mut self.table.edit(), groups);
    }

    /// All types of the group of a type that somebody holds, in their order.
    ///
    /// # Panics
    /// If there is no such type.
    pub fn group(&self, id: TypeId) -> Vec<TypeId> {
        self.state.read().members(id).unwrap_or_else(|| panic!("type {} is not alive", id.0))
    }

    /// A type that is alive.
    pub fn get(&self, id: TypeId) -> Option<Arc<EngineType>> {
        self.state.read().get(id)
    }

    /// The structure of a type that is alive.
    ///
    /// # Panics
    /// If there is no such type: ids are held by handles (R3).
    pub fn composite(&self, id: TypeId) -> Arc<EngineType> {
        self.get(id).unwrap_or_else(|| panic!("type {} is not alive", id.0))
    }

    /// Whether `a` is `b` or declared below it; both are alive.
    pub fn is_subtype(&self, a: TypeId, b: TypeId) -> bool {
        if a == b {
            return true;
        }
        let depth = usize::from(self.table.descriptor(b).depth);
        if depth < DISPLAY_DEPTH {
            let ancestor = self.table.descriptor(a).display[depth];
            ancestor == b || active(Mutant::SubtypeOfAnyDepth) && ancestor != TypeId::NONE
        } else {
            self.state.read().is_subtype(a, b)
        }
    }

    /// The type of exceptions whose tag has the function type `func`, and their layout. It lives as long as `func`.
    ///
    /// # Errors
    /// The quota or the table is used up.
    ///
    /// # Panics
    /// If `func` is not a function type that is alive.
    pub fn exception_type(&self, func: TypeId) -> Result<(TypeId, StructLayout), RegistryError> {
        let ty = self.composite(func);
        let CompositeType::Func(signature) = &ty.composite else {
            panic!("type {} of a tag is no function type", func.0);
        };
        let kinds: Vec<_> = signature.params.iter().map(|param| param.field_kind()).collect();
        let layout = StructLayout::exception(&kinds);
        let mut state = self.state.write();
        let id = state.exception_type(&mut self.table.edit(), self.quota, func, &layout)?;
        Ok((id, layout))
    }
}

impl Hierarchy for TypeRegistry {
    fn kind(&self, ty: TypeIndex) -> CompositeKind {
        match self.table.kind(TypeId(ty)) {
            ObjectKind::Func => CompositeKind::Func,
            ObjectKind::ArrayData | ObjectKind::ArrayRef => CompositeKind::Array,
            _ => CompositeKind::Struct,
        }
    }

    fn is_declared_subtype(&self, a: TypeIndex, b: TypeIndex) -> bool {
        self.is_subtype(TypeId(a), TypeId(b))
    }
}
