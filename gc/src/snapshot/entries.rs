//! Ephemerons in the graph: a value is found when both its ephemeron and its key were.
//!
//! 1. While the graph is searched, an ephemeron whose key was not found yet *waits* on it, in a chain for each key.
//! 2. When the key is found, the head of its chain goes to a list from which the search takes it when its stack is
//!    empty: no recursion, and each ephemeron is looked at twice at most.
//! 3. Afterwards those whose key and value were found are listed by key: edges of snapshots come from there.

use super::NoGraphMemory;
use heapwood_gc_abi::RawRef;
use std::collections::HashMap;

/// The end of a chain.
const END: u32 = u32::MAX;

/// Ephemerons whose keys the search has not reached yet.
#[derive(Default)]
pub(super) struct UnreachedKeys {
    /// The first place in `chain` for each key.
    heads: HashMap<RawRef, u32>,
    /// An ephemeron and the next place.
    chain: Vec<(RawRef, u32)>,
    /// Chains whose keys were found.
    woken: Vec<u32>,
    /// What the process refused: the graph cannot be made.
    refused: Option<NoGraphMemory>,
}

impl UnreachedKeys {
    /// `ephemeron` waits on `key`.
    pub fn wait(&mut self, key: RawRef, ephemeron: RawRef) {
        if let Err(refused) = self.make_room() {
            self.refused = Some(refused);
            return;
        }
        let place = self.chain.len() as u32;
        let next = self.heads.insert(key, place).unwrap_or(END);
        self.chain.push((ephemeron, next));
    }

    fn make_room(&mut self) -> Result<(), NoGraphMemory> {
        let bytes = self.chain.len() as u64 * 16;
        self.heads.try_reserve(1).map_err(|_| NoGraphMemory { bytes })?;
        self.chain.try_reserve(1).map_err(|_| NoGraphMemory { bytes })?;
        self.woken.try_reserve(self.heads.len() + 1).map_err(|_| NoGraphMemory { bytes })
    }

    /// An object was found: those that wait on it go on.
    #[inline]
    pub fn found(&mut self, object: RawRef) {
        if !self.heads.is_empty()
            && let Some(first) = self.heads.remove(&object)
        {
            self.woken.push(first);
        }
    }

    /// An ephemeron whose key was found.
    pub fn next_woken(&mut self) -> Option<RawRef> {
        let place = self.woken.last_mut()?;
        let (ephemeron, next) = self.chain[*place as usize];
        match next {
            END => drop(self.woken.pop()),
            next => *place = next,
        }
        Some(ephemeron)
    }

    /// The search is over.
    pub fn end(self) -> Result<(), NoGraphMemory> {
        self.refused.map_or(Ok(()), Err)
    }
}

/// Ephemerons that hold a value, by key: `(key, ephemeron)`.
#[derive(Default)]
pub(super) struct Entries(Vec<(RawRef, RawRef)>);

impl Entries {
    pub fn add(&mut self, key: RawRef, ephemeron: RawRef) -> Result<(), NoGraphMemory> {
        self.0.try_reserve(1).map_err(|_| NoGraphMemory { bytes: self.0.len() as u64 * 16 })?;
        self.0.push((key, ephemeron));
        Ok(())
    }

    /// Sorts the entries, once all were added.
    pub fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Memory that the entries take, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(RawRef, RawRef)>()
    }

    /// Key and ephemeron of an entry.
    pub fn get(&self, number: usize) -> (RawRef, RawRef) {
        self.0[number]
    }

    /// The number of an entry.
    pub fn number(&self, key: RawRef, ephemeron: RawRef) -> Option<usize> {
        self.0.binary_search(&(key, ephemeron)).ok()
    }

    /// The numbers of all entries of a key.
    pub fn of_key(&self, key: RawRef) -> std::ops::Range<usize> {
        if self.0.is_empty() {
            return 0..0;
        }
        let start = self.0.partition_point(|entry| entry.0 < key);
        start..start + self.0[start..].partition_point(|entry| entry.0 == key)
    }
}
