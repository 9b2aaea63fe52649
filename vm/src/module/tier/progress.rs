//! Which functions run often, and how far each has come.

use super::{Work, random};
use crate::engine::Tiering;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};

/// Samples that make a function one that runs often.
const SAMPLES: u32 = 4;
/// Calls by reference of a function that are counted.
const CALLS: u32 = 2000;
/// Samples of any function after the first counted call, after which a function has been counted for long enough.
const SAMPLES_WHILE_COUNTING: u32 = 15;

/// How far a function has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    /// So many samples met it.
    Sampled(u32),
    /// Code that tells what it calls is being made.
    Waiting,
    /// It tells what it calls: so many calls more. There were so many samples of any function since the first one; none if
    /// nobody has come to that code yet.
    Counting { calls: u32, samples: Option<u32> },
    /// It is not compiled any more.
    Done,
}

/// The functions of a module that samples met.
#[derive(Default)]
pub(super) struct Functions {
    /// By defined index.
    all: HashMap<u32, Progress>,
    /// Those that count.
    counting: Vec<u32>,
    /// Those of which somebody learns, or has learned, where they have what the heads of their loops need.
    learned: HashSet<u32>,
    /// Nothing is compiled any more.
    has_ended: bool,
}

impl Functions {
    /// A sample met these functions, by defined index: what is to be compiled because of that, and whether there may be
    /// more soon.
    pub fn sampled(
        &mut self,
        tiering: Tiering,
        functions: impl IntoIterator<Item = u32>,
    ) -> (SmallVec<[Work; 4]>, bool) {
        if self.has_ended {
            return (SmallVec::new(), false);
        }
        let mut works = self.counted_enough();
        let mut is_busy = self.counting.iter().any(|function| self.is_entered(*function));
        for function in functions {
            let progress = self.all.entry(function).or_insert(Progress::Sampled(0));
            let Progress::Sampled(samples) = progress else { continue };
            *samples += 1;
            is_busy = true;
            if *samples >= samples_wanted(tiering, function) {
                *progress = Progress::Waiting;
                works.push(Work::Counting(function));
            }
        }
        (works, is_busy)
    }

    /// Whether somebody has come to the code of a function, by defined index, that counts.
    fn is_entered(&self, function: u32) -> bool {
        matches!(self.all.get(&function), Some(Progress::Counting { samples: Some(_), .. }))
    }

    /// A call of a function, by defined index, was counted; says whether it was the last one that is wanted.
    pub fn counted(&mut self, function: u32) -> bool {
        let Some(Progress::Counting { calls, samples }) = self.all.get_mut(&function) else { return true };
        *calls = calls.saturating_sub(1);
        samples.get_or_insert(0);
        *calls == 0
    }

    /// A function, by defined index, counts from now on; or it has nothing to count.
    pub fn begin_counting(&mut self, tiering: Tiering, function: u32, has_calls: bool) {
        let calls = if has_calls { calls_wanted(tiering, function) } else { 0 };
        self.all.insert(function, Progress::Counting { calls, samples: None });
        self.counting.push(function);
    }

    /// A function, by defined index, stays as it is.
    pub fn give_up(&mut self, function: u32) {
        self.all.insert(function, Progress::Done);
    }

    /// Somebody wants to know where a function, by defined index, has what the heads of its loops need; says whether
    /// nobody wanted it before.
    pub fn learns(&mut self, function: u32) -> bool {
        self.learned.insert(function)
    }

    /// There is no room: no more functions are compiled.
    pub fn end(&mut self) {
        self.has_ended = true;
        self.counting.clear();
    }

    /// The functions of which enough calls were counted, after another sample. They are not counted any more.
    fn counted_enough(&mut self) -> SmallVec<[Work; 4]> {
        let Functions { all, counting, .. } = self;
        let mut enough = SmallVec::new();
        counting.retain(|function| {
            let Some(progress @ Progress::Counting { .. }) = all.get_mut(function) else { return false };
            let Progress::Counting { calls, samples } = progress else { return false };
            *samples = samples.map(|samples| samples + 1);
            let is_enough = *calls == 0 || samples.is_some_and(|samples| samples >= SAMPLES_WHILE_COUNTING);
            if is_enough {
                *progress = Progress::Done;
                enough.push(Work::Inlining(*function));
            }
            !is_enough
        });
        enough
    }
}

/// How many samples make a function one that runs often.
fn samples_wanted(tiering: Tiering, function: u32) -> u32 {
    match tiering {
        Tiering::Off | Tiering::On => SAMPLES,
        Tiering::Always => 1,
        Tiering::Random(seed) => 1 + (random(seed, function) % 4) as u32,
    }
}

/// How many calls of a function are counted.
fn calls_wanted(tiering: Tiering, function: u32) -> u32 {
    match tiering {
        Tiering::Off | Tiering::On => CALLS,
        Tiering::Always => 8,
        Tiering::Random(seed) => (random(seed, function) >> 8) as u32 % 16,
    }
}
