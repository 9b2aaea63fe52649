//! When samples of a profile were taken, in bounded memory.
//!
//! 1. A timeline that is full takes only every second sample from then on, then every fourth, and so on, and forgets
//!    every second one of those that it has: block by block, one with each sample that comes, since the guest waits.
//! 2. Samples that are kept stand for those that are not: what a stack weighs in all is shared out among its samples,
//!    by their weights.

use super::stacks::OTHERS;
use std::ops::Range;
use std::time::Duration;

/// Samples that are kept, and some more while every second one is being forgotten.
const SAMPLES_MAX: usize = 1 << 18;
/// Samples of a block.
const BLOCK_SAMPLES: usize = 1 << 12;

/// A sample: when, the number of its stack, and its weight.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Duration,
    stack: u32,
    weight: u64,
}

/// Samples by time.
#[derive(Debug)]
pub(super) struct Timeline {
    /// In the order of time. No block but the last one takes any more.
    blocks: Vec<Vec<Entry>>,
    kept: usize,
    /// One of so many samples is kept.
    stride: u64,
    seen: u64,
    /// Blocks of which every second sample is still to be forgotten.
    to_thin: Range<usize>,
}

impl Timeline {
    /// Without samples.
    pub fn new() -> Timeline {
        Timeline { blocks: Vec::new(), kept: 0, stride: 1, seen: 0, to_thin: 0..0 }
    }

    /// Adds a sample at a time that is not before the last one's. One without weight is none.
    pub fn add(&mut self, at: Duration, stack: u32, weight: u64) {
        if weight == 0 {
            return;
        }
        match self.to_thin.next() {
            Some(block) => self.thin(block),
            None if self.kept >= SAMPLES_MAX => {
                self.stride *= 2;
                self.to_thin = 0..self.blocks.len();
            }
            None => {}
        }
        if self.seen.is_multiple_of(self.stride) {
            self.push(Entry { at, stack, weight });
        }
        self.seen += 1;
    }

    fn push(&mut self, entry: Entry) {
        // One that is being thinned out takes no more.
        let is_open = self.to_thin.end < self.blocks.len();
        match self.blocks.last_mut() {
            Some(last) if is_open && last.len() < last.capacity() => last.push(entry),
            _ => {
                let mut block = Vec::with_capacity(BLOCK_SAMPLES);
                block.push(entry);
                self.blocks.push(block);
            }
        }
        self.kept += 1;
    }

    /// Forgets every second sample of a block.
    fn thin(&mut self, block: usize) {
        let entries = &mut self.blocks[block];
        let (before, mut is_kept) = (entries.len(), false);
        entries.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
        entries.shrink_to_fit();
        self.kept -= before - entries.len();
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().flatten()
    }

    /// The samples by time, as (time, stack, weight): those of each stack weigh `totals[stack]` together. Stacks that
    /// are not told apart are numbered `others`. A stack of which no sample is left has one at the end.
    pub fn shared_out(&self, totals: &[u64], others: u32) -> Vec<(Duration, u32, u64)> {
        let number = |entry: &Entry| if entry.stack == OTHERS { others } else { entry.stack };
        let mut kept = vec![0u64; totals.len()];
        self.entries().for_each(|entry| kept[number(entry) as usize] += entry.weight);
        let mut so_far = vec![0u64; totals.len()];
        let mut samples: Vec<_> = Vec::with_capacity(self.kept);
        for entry in self.entries() {
            let stack = number(entry) as usize;
            let (total, kept) = (u128::from(totals[stack]), u128::from(kept[stack]));
            let share = |weight: u64| (u128::from(weight) * total / kept) as u64;
            let before = share(so_far[stack]);
            so_far[stack] += entry.weight;
            samples.push((entry.at, stack as u32, share(so_far[stack]) - before));
        }
        let end = samples.last().map_or(Duration::ZERO, |(at, ..)| *at);
        let left = (0..totals.len()).filter(|stack| kept[*stack] == 0 && totals[*stack] > 0);
        samples.extend(left.map(|stack| (end, stack as u32, totals[stack])));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_samples_there_are_their_weights_are_those_of_the_stacks() {
        for count in [0, 1, 1000, SAMPLES_MAX as u64, SAMPLES_MAX as u64 + 1, 5 * SAMPLES_MAX as u64 + 3, 1 << 24] {
            let mut timeline = Timeline::new();
            // The last stack has one sample only, which is forgotten sooner or later.
            let mut totals = [0; 5];
            for sample in 0..count {
                let stack = if sample == 1 { 4 } else { sample % 3 };
                // A weight of 0 now and then, and one that is larger than a number of 32 bits.
                let weight = if sample == 7 { 1 << 40 } else { sample % 11 };
                totals[stack as usize] += weight;
                timeline.add(Duration::from_micros(sample), stack as u32, weight);
            }
            timeline.add(Duration::from_micros(count), OTHERS, 5);
            totals[3] += 5;
            let samples = timeline.shared_out(&totals, 3);
            let most = SAMPLES_MAX + timeline.blocks.len() + totals.len();
            assert!(samples.len() <= most && samples.is_sorted_by_key(|(at, ..)| *at), "{count}");
            assert!(samples.len() as u64 >= count.min(SAMPLES_MAX as u64 / 4) / 2, "{count}");
            let mut sums = [0; 5];
            samples.iter().for_each(|(_, stack, weight)| sums[*stack as usize] += weight);
            assert_eq!(sums, totals, "{count}");
        }
    }

    #[test]
    fn samples_that_fit_are_as_they_were() {
        let mut timeline = Timeline::new();
        let given: Vec<_> = (1..100).map(|at| (Duration::from_millis(at), (at % 2) as u32, 1000 + at)).collect();
        let mut totals = [0; 2];
        for &(at, stack, weight) in &given {
            timeline.add(at, stack, weight);
            totals[stack as usize] += weight;
        }
        assert_eq!(timeline.shared_out(&totals, 2), given);
    }
}
