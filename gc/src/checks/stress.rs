//! Stress: collects at every Nth allocation, alternating minor, major, moving.

use std::num::NonZeroU64;

/// The collection that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StressKind {
    /// A minor.
    Minor,
    /// A major.
    Major,
    /// A compaction that moves every object that can move.
    Moving,
}

/// Counts allocations.
#[derive(Clone, Copy, Debug)]
pub struct Stress {
    every: Option<NonZeroU64>,
    allocations: u64,
    collections: u64,
}

impl Stress {
    /// Collects at every `every`th allocation, or never.
    pub fn new(every: Option<NonZeroU64>) -> Stress {
        Stress { every, allocations: 0, collections: 0 }
    }

    /// Whether every allocation has to come to the runtime.
    pub fn is_on(&self) -> bool {
        self.every.is_some()
    }

    /// Counts an allocation; returns what has to be done before it.
    pub fn tick(&mut self) -> Option<StressKind> {
        let every = self.every?.get();
        self.allocations += 1;
        if !self.allocations.is_multiple_of(every) {
            return None;
        }
        self.collections += 1;
        Some(match self.collections % 3 {
            1 => StressKind::Minor,
            2 => StressKind::Major,
            _ => StressKind::Moving,
        })
    }
}
