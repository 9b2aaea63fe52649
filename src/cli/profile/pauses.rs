//! The collector's pauses while a profile is taken.

use heapwood::GcEvent;
use parking_lot::Mutex;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

/// Pauses that are kept: of more of them the longest.
const PAUSES_MAX: usize = 1 << 16;

/// Pauses of a heap. Clones share them.
#[derive(Clone)]
pub struct LongestPauses {
    /// From which the times of events count.
    pub born: Instant,
    /// The shortest is at the top, where a longer one takes its place.
    events: Arc<Mutex<BinaryHeap<Reverse<ByLength>>>>,
}

impl LongestPauses {
    /// No pauses of a heap whose times count from `born`.
    pub fn new(born: Instant) -> LongestPauses {
        LongestPauses { born, events: Arc::default() }
    }

    /// Keeps a pause. The guest waits for it.
    pub fn add(&self, event: &GcEvent) {
        let mut events = self.events.lock();
        if events.len() < PAUSES_MAX {
            events.push(Reverse(ByLength(*event)));
        } else if let Some(mut shortest) = events.peek_mut()
            && shortest.0.0.pause_us < event.pause_us
        {
            *shortest = Reverse(ByLength(*event));
        }
    }

    /// The pauses, in their order.
    pub fn events(&self) -> Vec<GcEvent> {
        let mut events: Vec<GcEvent> = self.events.lock().iter().map(|Reverse(ByLength(event))| *event).collect();
        events.sort_unstable_by(|a, b| a.t_us.total_cmp(&b.t_us));
        events
    }
}

/// A pause, which compares by its length.
#[derive(Clone, Copy)]
struct ByLength(GcEvent);

impl Ord for ByLength {
    fn cmp(&self, other: &ByLength) -> Ordering {
        self.0.pause_us.total_cmp(&other.0.pause_us)
    }
}

impl PartialOrd for ByLength {
    fn partial_cmp(&self, other: &ByLength) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByLength {
    fn eq(&self, other: &ByLength) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByLength {}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood::{GcCause, GcEventKind};

    fn event(t_us: f64, pause_us: f64) -> GcEvent {
        GcEvent {
            t_us,
            kind: GcEventKind::Minor,
            cause: GcCause::Threshold,
            pause_us,
            cpu_us: 0.0,
            young_before: 0,
            young_after: 0,
            old_before: 0,
            old_after: 0,
            heap_committed: 0,
            promoted: 0,
            remembered: 0,
            roots: 0,
            frames: 0,
            work_units: 0,
        }
    }

    #[test]
    fn the_longest_pauses_are_kept_in_their_order() {
        let pauses = LongestPauses::new(Instant::now());
        let count = 3 * PAUSES_MAX as u64;
        // Each length once, in an order that looks like chance: the multiplier has no factor in common with the count.
        let length = |number: u64| (number * 7919 % count) as f64;
        for number in 0..count {
            pauses.add(&event(number as f64, length(number)));
            if number == 2 {
                assert_eq!(pauses.events(), [0, 1, 2].map(|number| event(number as f64, length(number))));
            }
        }
        let longest = (0..count).filter(|number| length(*number) >= (count - PAUSES_MAX as u64) as f64);
        let longest: Vec<GcEvent> = longest.map(|number| event(number as f64, length(number))).collect();
        assert_eq!(longest.len(), PAUSES_MAX);
        assert!(pauses.events() == longest, "these and no others");
    }
}
