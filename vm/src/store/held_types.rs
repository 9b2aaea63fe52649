//! Types that a store holds beside those of its modules.

use super::definitions::Definitions;
use super::signature::Signature;
use crate::engine::Engine;
use crate::errors::Result;
use crate::registry::EngineType;
use crate::rt::state::state;
use crate::types::{FuncType, HeapType, StandIn};
use heapwood_gc_abi::TypeId;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::any;
use std::sync::Arc;

/// What is known of types, by their ids.
#[derive(Debug, Default)]
pub(crate) struct HeldTypes {
    signatures: FxHashMap<TypeId, Arc<Signature>>,
    /// Structures of the types of objects that the host looks into.
    definitions: Definitions,
    /// Types that the host's globals, tables, tags and functions name, and those that the host asked for: held as long
    /// as the store lives, as the types of instances are by their modules. Behind a lock, since a store that is only
    /// read may be asked.
    held: Mutex<FxHashMap<TypeId, HeapType>>,
    /// Some that are known to be held, each in the place that its number tells; 0 is no type.
    known: [u32; KNOWN],
    /// What Rust types stand for in this store, for as long as it lives. Their ids are the compiler's.
    stand_ins: FxHashMap<any::TypeId, TypeId>,
    bindings: Bindings,
}

/// Places for types that are known to be held.
const KNOWN: usize = 16;

/// Places for bindings that were found to stand for something here.
const BINDINGS: usize = 16;

/// Bindings whose Rust types stand in this store for what they say, each in the place that its address tells: a look
/// there is all that most objects cost that the host makes. Who holds a binding keeps its address from being another's.
#[derive(Debug, Default)]
struct Bindings([Option<(Arc<[StandIn]>, TypeId)>; BINDINGS]);

impl Bindings {
    #[inline]
    fn place(binding: &Arc<[StandIn]>) -> usize {
        // What is allocated begins at multiples of 16.
        Arc::as_ptr(binding).addr() / 16 % BINDINGS
    }
}

state! {
    HeldTypes {
        signatures: Shared,
        definitions: Shared,
        held: Shared,
        known: Shared,
        stand_ins: Shared,
        bindings: Shared,
    }
}

impl HeldTypes {
    /// All types that are held, for a store that is made of a checkpoint of this one.
    pub fn image(&self) -> HeldTypes {
        HeldTypes {
            signatures: self.signatures.clone(),
            definitions: Definitions::default(),
            held: Mutex::new(self.held.lock().clone()),
            known: [0; KNOWN],
            stand_ins: self.stand_ins.clone(),
            bindings: Bindings::default(),
        }
    }

    /// Holds these types and no others.
    pub fn holding(types: impl Iterator<Item = (TypeId, HeapType)>) -> HeldTypes {
        HeldTypes { held: Mutex::new(types.collect()), ..HeldTypes::default() }
    }

    /// The types that are held beside those of modules, by ascending ids.
    pub fn ids(&self) -> Vec<TypeId> {
        let mut ids: Vec<TypeId> = self.held.lock().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The signature of a function type that the store holds.
    pub fn signature(&mut self, engine: &Engine, id: TypeId) -> Result<Arc<Signature>> {
        if let Some(known) = self.signatures.get(&id) {
            return Ok(known.clone());
        }
        let made = Arc::new(Signature::new(engine, FuncType::of(engine.registry(), id))?);
        self.signatures.insert(id, made.clone());
        Ok(made)
    }

    /// A function type that the store holds.
    pub fn func_type(&self, engine: &Engine, id: TypeId) -> FuncType {
        match self.signatures.get(&id) {
            Some(signature) => signature.ty().clone(),
            None => FuncType::of(engine.registry(), id),
        }
    }

    /// The structure of a type that the store holds, or one of its modules.
    #[inline]
    pub fn definition(&self, engine: &Engine, id: TypeId) -> &EngineType {
        self.definitions.get(id, || engine.registry().composite(id))
    }

    /// Holds a type for as long as the store lives: something of the store is about to name it by its id.
    pub fn hold(&mut self, ty: &HeapType) {
        if let Some(handle) = ty.handle() {
            self.hold_once(handle.id(), || ty.clone());
        }
    }

    /// Holds types by their ids, which somebody else holds still.
    pub fn hold_all(&mut self, engine: &Engine, ids: impl Iterator<Item = TypeId>) {
        ids.for_each(|id| self.hold_once(id, || HeapType::of(engine.registry(), id)));
    }

    /// Holds a type by its id; `handle`, which makes a handle of it, is called unless it is held already.
    #[inline]
    pub fn hold_once(&mut self, id: TypeId, handle: impl FnOnce() -> HeapType) {
        let known = &mut self.known[id.0 as usize % KNOWN];
        if *known != id.0 {
            self.held.get_mut().entry(id).or_insert_with(handle);
            *known = id.0;
        }
    }

    /// A handle of a type that the store holds.
    pub fn handle(&self, engine: &Engine, id: TypeId) -> HeapType {
        let make = || HeapType::of(engine.registry(), id);
        self.held.lock().entry(id).or_insert_with(make).clone()
    }

    /// What a Rust type stands for; none if it was not bound in this store.
    #[inline]
    pub fn stood_for(&self, rust: any::TypeId) -> Option<TypeId> {
        self.stand_ins.get(&rust).copied()
    }

    /// What the first type of a binding stands for, if [`HeldTypes::note_bound`] has told it lately.
    #[inline]
    pub fn bound_as(&self, binding: &Arc<[StandIn]>) -> Option<TypeId> {
        match &self.bindings.0[Bindings::place(binding)] {
            Some((known, id)) if Arc::ptr_eq(known, binding) => Some(*id),
            _ => None,
        }
    }

    /// All types of a binding stand for what it says, the first one for `id`.
    pub fn note_bound(&mut self, binding: &Arc<[StandIn]>, id: TypeId) {
        self.bindings.0[Bindings::place(binding)] = Some((binding.clone(), id));
    }

    /// A Rust type stands for a type of this engine from now on.
    pub fn bind(&mut self, stand_in: &StandIn) {
        self.hold(stand_in.ty());
        self.stand_ins.insert(stand_in.rust, stand_in.handle().id());
    }
}
