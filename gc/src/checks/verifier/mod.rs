//! The verifier: walks the heap around each collection (`HeapConfig::verify`) and panics at the first thing wrong,
//! with what it is, where, and which root or field leads there.
//!
//! 1. Young objects are walked in address order: every one has a valid header and they fill the nursery's parts.
//! 2. The log's entries are old objects or chunks, each once, and their state bits say that they are logged.
//! 3. From all roots, every object is visited: a reference names the start of an object in a space that is in use,
//!    with the header of an allocated type, not forwarded, with the state bits of its space, inside its block or
//!    run, and overlapping no other.
//! 4. Every old object or chunk with a young field is in the log; every root with a young object is one that a minor
//!    visits; after a collection only frames hold young objects.
//! 5. Immortal objects reference immortal ones only.
//! 6. Every weak cell and ephemeron that names an object is listed once, among the young ones if it or what it names is
//!    young. What a weak cell names is an object like any other, unless the last marking found it dead.
//! 7. Before sparse blocks are evacuated: every word that leads into one is recorded, and no root does. (Afterwards, a
//!    word that was not recorded leads to an object that was left forwarded.)
//! 8. Frozen objects name frozen and immortal ones only, unless they are listed as written; no mark of theirs is set.
//! 9. After a collection eden is poisoned; after a marking every object that is reached carries a mark.

mod bits;
mod frozen;
mod objects;
mod remembered;
mod roots;
mod weak;

use crate::embedder::roots::{RootPlace, RootProvider};
use crate::embedder::types::TypeTable;
use crate::evacuation::Evacuation;
use crate::frozen::Frozen;
use crate::minor::log::LogEntry;
use crate::minor::remembered::RememberedSet;
use crate::raw::cage::OLD_START;
use crate::raw::memory::Memory;
use crate::spaces::Spaces;
use crate::spaces::blocks::block_start;
use crate::weak::Weak;
use bits::Bits;
use heapwood_gc_abi::TypeId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt;

/// When the verifier runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Before a collection that relies on the log.
    BeforeCollection,
    /// Before a collection that repairs a lost log.
    BeforeRepair,
    /// After a minor.
    AfterMinor,
    /// After a major or a compaction, which is one pause.
    AfterMajor,
    /// After an incremental marking, before the sweep: what can be reached is marked or newer.
    AfterMarking,
    /// Before sparse blocks are evacuated.
    BeforeEvacuation,
}

/// What led to an object.
#[derive(Clone, Copy)]
enum Origin {
    Root(RootPlace),
    Field { host: u32, byte: u64 },
    Log,
    Walk,
    Immortal,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Origin::Root(RootPlace::Frame(pc)) => write!(f, "the frame that returns to {pc:#x}"),
            Origin::Root(RootPlace::Global(index)) => write!(f, "global {index}"),
            Origin::Root(RootPlace::Table(table, index)) => write!(f, "element {index} of table {table}"),
            Origin::Root(RootPlace::Handle(index)) => write!(f, "host handle {index}"),
            Origin::Root(RootPlace::Other(index)) => write!(f, "root {index}"),
            Origin::Field { host, byte } => write!(f, "byte {byte} of object {host:#x}"),
            Origin::Log => write!(f, "the log"),
            Origin::Walk => write!(f, "a walk over the nursery"),
            Origin::Immortal => write!(f, "the list of immortal objects"),
        }
    }
}

/// The parts of a heap that are looked at.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The spaces.
    pub spaces: &'a Spaces,
    /// What old objects may name young ones.
    pub remembered: &'a RememberedSet,
    /// What names things weakly.
    pub weak: &'a Weak,
    /// Which blocks are to be evacuated.
    pub evacuation: &'a Evacuation,
    /// What is frozen.
    pub frozen: &'a Frozen,
    /// The types that there are.
    pub types: &'a TypeTable,
}

/// A check under way.
pub struct Verifier<'a> {
    parts: Parts<'a>,
    memory: Memory,
    when: When,
    /// The log does not know all old objects with young fields.
    log_lost: bool,
    /// Starts of young objects.
    young: Bits,
    /// Starts of old objects that were visited, and all that old objects cover.
    visited: Bits,
    covered: Bits,
    visited_young: FxHashSet<u32>,
    visited_immortal: FxHashSet<u32>,
    logged: FxHashSet<LogEntry>,
    /// Weak cells and ephemerons that are listed, and whether among the young ones.
    weak_cells: FxHashMap<u32, bool>,
    /// Before sparse blocks are evacuated: the words that are recorded.
    recorded: FxHashSet<u32>,
    /// Frozen objects that are listed as written.
    written: FxHashSet<u32>,
    /// Types that were found to be allocated (a cache by the low bits of the id).
    types: [TypeId; 256],
    grey: Vec<u32>,
}

impl<'a> Verifier<'a> {
    /// A check of `parts`. `recorded`: before sparse blocks are evacuated, the words that are recorded for them.
    pub fn new(parts: Parts<'a>, when: When, recorded: FxHashSet<u32>) -> Verifier<'a> {
        let old_start = (OLD_START / 4) as u32;
        let old_end = block_start(parts.spaces.blocks_high());
        let young = parts.spaces.young_range();
        Verifier {
            parts,
            memory: parts.spaces.memory(),
            when,
            log_lost: parts.remembered.log().is_lost(),
            young: Bits::new(young.start, young.end + 2),
            visited: Bits::new(old_start, old_end),
            covered: Bits::new(old_start, old_end),
            visited_young: FxHashSet::default(),
            visited_immortal: FxHashSet::default(),
            logged: FxHashSet::default(),
            weak_cells: FxHashMap::default(),
            recorded,
            written: parts.frozen.written().iter().copied().collect(),
            types: [TypeId::NONE; 256],
            grey: Vec::new(),
        }
    }

    /// Runs all steps; panics at the first error.
    pub fn run(mut self, roots: &mut dyn RootProvider) {
        self.list_weak_cells();
        self.walk_young();
        self.check_log();
        self.check_roots(roots);
        self.trace();
        self.check_immortals();
        self.check_frozen_marks();
        self.check_poison();
    }
}

impl Verifier<'_> {
    fn fail(&self, origin: Origin, what: fmt::Arguments<'_>) -> ! {
        panic!("heap verifier, {:?}: {what} (found through {origin})", self.when)
    }
}
