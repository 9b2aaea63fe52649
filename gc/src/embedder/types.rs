//! The engine-wide table of types, shared by all heaps.
//!
//! 1. `allocate` hands out an id (so that the types of a recursive group can name each other).
//! 2. `define` ([`TypeTableEdit`]) writes its descriptor; from then on objects may carry the id.
//! 3. `release` takes the id back when the last module or store that uses it is gone.
//!
//! A module has thousands of types: whoever enters or releases several takes the lock once ([`TypeTable::edit`]).

use crate::raw::backing::{AddressSpace, BackingError, address_space};
use crate::raw::types::TypeFile;
use heapwood_gc_abi::descriptor::{
    DESCRIPTOR_BYTES, DISPLAY_DEPTH, SMALL_OBJECT_BYTES_MAX, TYPE_ID_STEP, TYPE_TABLE_BYTES,
};
use heapwood_gc_abi::layout::{
    ARRAY_ELEMENTS_OFFSET, EPHEMERON_BYTES, EPHEMERON_KEY_OFFSET, EPHEMERON_VALUE_OFFSET, ROPE_BYTES, ROPE_LEFT_OFFSET,
    ROPE_RIGHT_OFFSET, STRING_UNITS_OFFSET, WEAK_BYTES,
};
use heapwood_gc_abi::{Descriptor, ObjectKind, TypeId};
use parking_lot::{Mutex, MutexGuard};

/// Bytes by which the table's memory grows.
const GROW_BYTES: usize = 64 << 10;

/// No id is left: a link error that names the engine's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine's type table is full ({types} types, {bytes} bytes)")]
pub struct TypeTableFull {
    /// Types that are alive.
    pub types: u32,
    /// Bytes of the table (or as much of it as the system gave).
    pub bytes: u64,
}

/// What a type is to the heap. Borrowed from whoever canonicalises types.
#[derive(Clone, Copy, Debug)]
pub struct TypeDefinition<'a> {
    /// All supertypes, the root first, without the type itself.
    pub ancestors: &'a [TypeId],
    /// How to size and scan.
    pub kind: ObjectKind,
    /// Arrays and strings: log2 of an element's bytes.
    pub elem_shift: u8,
    /// Bytes of an object as of [`heapwood_gc_abi::layout::round_object_bytes`]; ignored for arrays and strings.
    pub object_bytes: u32,
    /// Byte offsets of the reference fields (structs and exceptions; an exception's tag is not one). Weak cells have
    /// none, ephemerons their key and value.
    pub ref_offsets: &'a [u32],
}

/// The table. `Send + Sync`; share it in an `Arc` between the stores of an engine.
#[derive(Debug)]
pub struct TypeTable {
    file: TypeFile,
    state: Mutex<State>,
}

/// The table while its lock is held.
#[derive(Debug)]
pub struct TypeTableEdit<'t> {
    file: &'t TypeFile,
    state: MutexGuard<'t, State>,
}

#[derive(Debug, Default)]
struct State {
    /// First byte that was never handed out.
    next: usize,
    /// Bytes with memory behind them.
    grown: usize,
    /// Bytes that may be used (a test makes it small).
    quota: usize,
    /// Ids that were released, by size in units of 8 bytes.
    free: Vec<Vec<TypeId>>,
    /// Ids that are alive. No two begin within the same [`DESCRIPTOR_BYTES`], which is the index.
    entries: Vec<Entry>,
    /// How many of them there are.
    live: u32,
}

/// An id that is alive, and the units of 8 bytes that it has in the table; of a place without one both are 0.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    id: TypeId,
    units: u32,
}

impl State {
    fn entry(&self, id: TypeId) -> Option<Entry> {
        let entry = *self.entries.get((id.0 / TYPE_ID_STEP) as usize)?;
        (entry.id == id && entry.units > 0).then_some(entry)
    }

    fn insert(&mut self, id: TypeId, units: u32) {
        let at = (id.0 / TYPE_ID_STEP) as usize;
        if at >= self.entries.len() {
            self.entries.resize(at + 1, Entry::default());
        }
        self.entries[at] = Entry { id, units };
        self.live += 1;
    }

    /// Forgets an id that is alive; its units.
    fn remove(&mut self, id: TypeId) -> Option<u32> {
        let units = self.entry(id)?.units;
        self.entries[(id.0 / TYPE_ID_STEP) as usize] = Entry::default();
        self.live -= 1;
        Some(units)
    }
}

impl TypeTable {
    /// An empty table: of [`TYPE_TABLE_BYTES`] of address space, or less where the process has little. Errors: the
    /// system refuses memory that heaps share.
    pub fn new() -> Result<TypeTable, BackingError> {
        TypeTable::with_quota(TYPE_TABLE_BYTES)
    }

    /// An empty table that may use `quota_bytes` (at most [`TYPE_TABLE_BYTES`]).
    pub fn with_quota(quota_bytes: usize) -> Result<TypeTable, BackingError> {
        // The bytes of one descriptor at the end are never handed out, so that any 24-bit id can be read without a
        // fault.
        let file = TypeFile::of_bytes(fitting_bytes(address_space()))?;
        let quota = quota_bytes.min(file.bytes() - DESCRIPTOR_BYTES);
        Ok(TypeTable { file, state: Mutex::new(State { next: DESCRIPTOR_BYTES, quota, ..State::default() }) })
    }

    pub(crate) fn file(&self) -> &TypeFile {
        &self.file
    }

    /// Takes the lock, to allocate, define and release several.
    pub fn edit(&self) -> TypeTableEdit<'_> {
        TypeTableEdit { file: &self.file, state: self.state.lock() }
    }

    /// Takes an id for a type with `ancestors` supertypes whose objects have `object_bytes` (0 for arrays).
    /// It must be defined before an object is made of it. Errors: the table is full.
    pub fn allocate(&self, ancestors: usize, object_bytes: u32) -> Result<TypeId, TypeTableFull> {
        self.edit().allocate(ancestors, object_bytes)
    }

    /// Takes an id and defines its type, for one that no other needs to name first.
    pub fn add(&self, definition: &TypeDefinition<'_>) -> Result<TypeId, TypeTableFull> {
        self.edit().add(definition)
    }

    /// Takes an id back. The caller guarantees that no object of the type is left in any heap.
    pub fn release(&self, id: TypeId) {
        self.edit().release(id);
    }

    /// The fixed part of a type's descriptor.
    pub fn descriptor(&self, id: TypeId) -> Descriptor {
        self.file.read(id)
    }

    /// What a type is to the heap.
    #[inline]
    pub fn kind(&self, id: TypeId) -> ObjectKind {
        self.file.kind(id)
    }

    /// Whether an id is allocated (for the verifier).
    pub fn is_allocated(&self, id: TypeId) -> bool {
        self.state.lock().entry(id).is_some()
    }

    /// Number of types that are alive.
    pub fn len(&self) -> usize {
        self.state.lock().live as usize
    }

    /// Whether no type is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TypeTableEdit<'_> {
    /// As [`TypeTable::allocate`].
    pub fn allocate(&mut self, ancestors: usize, object_bytes: u32) -> Result<TypeId, TypeTableFull> {
        let bytes = entry_bytes(ancestors, object_bytes);
        let free = self.state.free.get_mut(bytes / 8).and_then(Vec::pop);
        let id = match free {
            Some(id) => id,
            None => self.bump(bytes)?,
        };
        self.state.insert(id, (bytes / 8) as u32);
        Ok(id)
    }

    fn bump(&mut self, bytes: usize) -> Result<TypeId, TypeTableFull> {
        let state = &mut *self.state;
        let full = TypeTableFull { types: state.live, bytes: state.quota as u64 };
        let end = state.next + bytes;
        if end > state.quota {
            return Err(full);
        }
        if end > state.grown {
            let grown = end.next_multiple_of(GROW_BYTES).min(self.file.bytes());
            self.file.grow(state.grown, grown - state.grown).map_err(|_| full)?;
            state.grown = grown;
        }
        let id = TypeId((state.next / 8) as u32);
        state.next = end;
        Ok(id)
    }

    /// Writes the descriptor of an allocated id. Panics if the definition does not fit what was allocated, or is of
    /// a weak cell, ephemeron or rope with another layout than theirs.
    pub fn define(&mut self, id: TypeId, definition: &TypeDefinition<'_>) {
        let ancestors = definition.ancestors;
        check_fixed_layout(definition);
        let is_array = definition.kind.has_length();
        let bytes = if is_array { 0 } else { definition.object_bytes };
        let allocated = self.state.entry(id).expect("defining an id that is not allocated").units as usize * 8;
        assert_eq!(allocated, entry_bytes(ancestors.len(), bytes), "the definition differs from what was allocated");
        let (mut map, mut tail) = (0, vec![0u64; ref_map_tail_words(bytes) as usize]);
        for &offset in definition.ref_offsets {
            assert!(offset % 4 == 0 && offset >= 4 && offset + 4 <= bytes, "reference field outside of the object");
            let bits = match (offset as usize / 256).checked_sub(1) {
                None => &mut map,
                Some(word) => &mut tail[word],
            };
            *bits |= 1 << (offset / 4 % 64);
        }
        // The first of a type and its ancestors, and what comes behind those.
        let mut display = [TypeId::NONE; DISPLAY_DEPTH];
        let direct = ancestors.len().min(DISPLAY_DEPTH);
        display[..direct].copy_from_slice(&ancestors[..direct]);
        let below = match display.get_mut(ancestors.len()) {
            Some(own) => {
                *own = id;
                Vec::new()
            }
            None => [&ancestors[direct..], &[id]].concat(),
        };
        let is_small = !is_array && bytes <= SMALL_OBJECT_BYTES_MAX && definition.kind != ObjectKind::Ephemeron;
        let descriptor = Descriptor {
            display,
            kind: definition.kind,
            depth: ancestors.len() as u8,
            elem_shift: definition.elem_shift,
            is_small,
            size: match definition.kind {
                ObjectKind::String => STRING_UNITS_OFFSET,
                _ if is_array => ARRAY_ELEMENTS_OFFSET,
                _ => bytes,
            },
            ref_map: map,
            ref_count: definition.ref_offsets.len() as u32,
            ref_map_tail: tail.len() as u32,
            small_refs: if is_small { small_refs(map) } else { 0 },
        };
        self.file.write(id, &descriptor, &below, &tail);
    }

    /// As [`TypeTable::add`].
    pub fn add(&mut self, definition: &TypeDefinition<'_>) -> Result<TypeId, TypeTableFull> {
        let is_array = definition.kind.has_length();
        let bytes = if is_array { 0 } else { definition.object_bytes };
        let id = self.allocate(definition.ancestors.len(), bytes)?;
        self.define(id, definition);
        Ok(id)
    }

    /// As [`TypeTable::release`].
    pub fn release(&mut self, id: TypeId) {
        let units = self.state.remove(id).expect("releasing an id that is not allocated") as usize;
        self.file.clear(id, units * 8);
        let free = &mut self.state.free;
        if free.len() <= units {
            free.resize_with(units + 1, Vec::new);
        }
        free[units].push(id);
    }

    /// Number of ancestors of a type that is defined.
    #[inline]
    pub fn depth(&self, id: TypeId) -> usize {
        usize::from(self.file.depth(id))
    }
}

/// Bytes of the table that a process with this address space can have: a 128th of what it may have, since each heap
/// maps it, but no less than 100,000 types need.
fn fitting_bytes(space: Option<AddressSpace>) -> usize {
    let Some(space) = space else { return TYPE_TABLE_BYTES };
    let bytes = (space.limit_bytes / 128).clamp(8 << 20, TYPE_TABLE_BYTES as u64);
    bytes as usize / GROW_BYTES * GROW_BYTES
}

/// Asserts that a weak cell, an ephemeron or a rope has the layout that all of its kind have.
fn check_fixed_layout(definition: &TypeDefinition<'_>) {
    let (bytes, refs): (u32, &[u32]) = match definition.kind {
        ObjectKind::Weak => (WEAK_BYTES, &[]),
        ObjectKind::Rope => (ROPE_BYTES, &[ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET]),
        ObjectKind::Ephemeron => (EPHEMERON_BYTES, &[EPHEMERON_KEY_OFFSET, EPHEMERON_VALUE_OFFSET]),
        _ => return,
    };
    assert!(definition.object_bytes == bytes && definition.ref_offsets == refs, "not the layout of {definition:?}");
}

/// The words whose bits are set in `map`, a byte for each word, the last one in the lowest byte.
fn small_refs(mut map: u64) -> u64 {
    let mut words = 0;
    while map != 0 {
        words = words << 8 | map.trailing_zeros() as u64;
        map &= map - 1;
    }
    words
}

/// Words of reference map that do not fit the fixed part.
fn ref_map_tail_words(object_bytes: u32) -> u32 {
    (object_bytes.div_ceil(4)).saturating_sub(64).div_ceil(64)
}

fn entry_bytes(ancestors: usize, object_bytes: u32) -> usize {
    assert!(ancestors < 256, "a type with {ancestors} supertypes");
    let display_tail = (ancestors + 1).saturating_sub(DISPLAY_DEPTH) * 4;
    DESCRIPTOR_BYTES + display_tail.next_multiple_of(8) + ref_map_tail_words(object_bytes) as usize * 8
}
