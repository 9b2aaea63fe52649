//! Values of the host behind externrefs.

use super::finalized::Notice;
use crate::errors::{Error, Result};
use crate::rt::state::state;
use std::any::Any;
use std::sync::Arc;

/// What the host keeps behind an externref: shared with the checkpoints that were made since, and what came of them.
pub(crate) type HostValue = Arc<dyn Any + Send + Sync>;

/// The values, by the index in their cells.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostValues {
    values: Vec<Option<HostValue>>,
    free: Vec<u32>,
}

state! {
    HostValues {
        values: Shared,
        free: Shared,
    }
}

impl HostValues {
    /// Places of values, all of which are gone but for these, whose cells are not found dead yet.
    pub fn gone(places: usize, free: Vec<u32>) -> Option<HostValues> {
        let is_free = free.iter().all(|index| (*index as usize) < places);
        let mut values = Vec::new();
        values.resize(places, None);
        is_free.then_some(HostValues { values, free })
    }

    /// The same values, but for notices of deaths: those are of the store whose objects they are about.
    pub fn without_notices(&self) -> HostValues {
        let is_kept = |value: &&HostValue| !value.is::<Notice>();
        let values = self.values.iter().map(|value| value.as_ref().filter(is_kept).cloned());
        HostValues { values: values.collect(), free: self.free.clone() }
    }

    /// How many places there are, and which of them are free.
    pub fn places(&self) -> (usize, &[u32]) {
        (self.values.len(), &self.free)
    }

    /// The index of the next value.
    pub fn next_index(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.values.len() as u32)
    }

    /// Keeps a value, at the next index.
    pub fn insert(&mut self, value: HostValue) {
        match self.free.pop() {
            Some(index) => self.values[index as usize] = Some(value),
            None => self.values.push(Some(value)),
        }
    }

    /// Drops a value whose cell died.
    pub fn remove(&mut self, index: u32) {
        self.values[index as usize] = None;
        self.free.push(index);
    }

    /// A value.
    pub fn get(&self, index: u32) -> Option<&(dyn Any + Send + Sync)> {
        self.values[index as usize].as_deref()
    }

    /// A value for changing it; an error in it if a checkpoint shares it.
    pub fn get_mut(&mut self, index: u32) -> Option<Result<&mut (dyn Any + Send + Sync)>> {
        let shared = || Error::usage("a host value that a checkpoint shares cannot be changed by `data_mut`");
        Some(Arc::get_mut(self.values[index as usize].as_mut()?).ok_or_else(shared))
    }
}
