//! When samples of a profile were taken, in bounded memory.
//!
//! A timeline that is full forgets every second sample, and takes only every second one from then on, then every fourth,
//! and so on. Those that it keeps stand for those that it forgot: what a stack weighs in all is shared out among its
//! samples, by their weights.

use super::stacks::OTHERS;
use std::time::Duration;

/// Samples that are kept.
const SAMPLES_MAX: usize = 1 << 18;

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
    entries: Vec<Entry>,
    /// One of so many samples is kept.
    stride: u64,
    seen: u64,
}

impl Timeline {
    /// Without samples.
    pub fn new() -> Timeline {
        Timeline { entries: Vec::new(), stride: 1, seen: 0 }
    }

    /// Adds a sample at a time that is not before the last one's. One without weight is none.
    pub fn add(&mut self, at: Duration, stack: u32, weight: u64) {
        if weight == 0 {
            return;
        }
        if self.seen.is_multiple_of(self.stride) {
            if self.entries.len() == SAMPLES_MAX {
                let mut is_kept = false;
                self.entries.retain(|_| {
                    is_kept = !is_kept;
                    is_kept
                });
                self.stride *= 2;
            }
            // With the wider stride it may be one that is left out.
            if self.seen.is_multiple_of(self.stride) {
                self.entries.push(Entry { at, stack, weight });
            }
        }
        self.seen += 1;
    }

    /// The samples by time, as (time, stack, weight): those of each stack weigh `totals[stack]` together. Stacks that
    /// are not told apart are numbered `others`. A stack of which no sample is left has one at the end.
    pub fn shared_out(&self, totals: &[u64], others: u32) -> Vec<(Duration, u32, u64)> {
        let number = |entry: &Entry| if entry.stack == OTHERS { others } else { entry.stack };
        let mut kept = vec![0u64; totals.len()];
        self.entries.iter().for_each(|entry| kept[number(entry) as usize] += entry.weight);
        let mut so_far = vec![0u64; totals.len()];
        let mut samples: Vec<_> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
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
        for count in [0, 1, 1000, SAMPLES_MAX as u64, SAMPLES_MAX as u64 + 1, 5 * SAMPLES_MAX as u64 + 3] {
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
            assert!(samples.len() <= SAMPLES_MAX + totals.len() && samples.is_sorted_by_key(|(at, ..)| *at), "{count}");
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
