//! Hash-consing of word sequences: the first sequence of its kind gets a number, equal ones get the same.

use rustc_hash::FxHashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

const END: u32 = u32::MAX;

/// Numbers sequences of words, in the order in which they first came.
///
/// The hash is keyed at random (SipHash), so that no module can be written to make it collide; a collision costs a
/// comparison and changes no answer.
pub struct KeyTable<S = RandomState> {
    hasher: S,
    words: Vec<u32>,
    ranges: Vec<Range<usize>>,
    /// Latest number of each hash, and before each number the previous one of the same hash.
    heads: FxHashMap<u64, u32>,
    previous: Vec<u32>,
}

impl<S: BuildHasher> KeyTable<S> {
    /// An empty table that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> KeyTable<S> {
        KeyTable { hasher, words: Vec::new(), ranges: Vec::new(), heads: FxHashMap::default(), previous: Vec::new() }
    }

    /// The number of a key equal to the one that `write` appends, and whether it is new.
    pub fn intern(&mut self, write: impl FnOnce(&mut Vec<u32>)) -> (u32, bool) {
        let start = self.words.len();
        write(&mut self.words);
        let key = &self.words[start..];
        let head = self.heads.entry(self.hasher.hash_one(key)).or_insert(END);
        let mut candidate = *head;
        while candidate != END {
            if self.words[self.ranges[candidate as usize].clone()] == *key {
                self.words.truncate(start);
                return (candidate, false);
            }
            candidate = self.previous[candidate as usize];
        }
        let number = self.ranges.len() as u32;
        self.ranges.push(start..self.words.len());
        self.previous.push(*head);
        *head = number;
        (number, true)
    }
}
