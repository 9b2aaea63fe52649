//! Values of the host behind externrefs.

use crate::rt::state::state;
use std::any::Any;

/// What the host keeps behind an externref.
pub(crate) type HostValue = Box<dyn Any + Send + Sync>;

/// The values, by the index in their cells.
#[derive(Debug, Default)]
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

    /// The same, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut (dyn Any + Send + Sync)> {
        self.values[index as usize].as_deref_mut()
    }
}
