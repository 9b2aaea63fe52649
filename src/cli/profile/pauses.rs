//! The collector's pauses while a profile is taken.

use heapwood::GcEvent;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// Pauses that are kept. Of more of them the longer half is.
const PAUSES_MAX: usize = 1 << 16;

/// Pauses of a heap. Clones share them.
#[derive(Clone)]
pub struct RecordedPauses {
    /// From which the times of events count.
    pub born: Instant,
    events: Arc<Mutex<Vec<GcEvent>>>,
}

impl RecordedPauses {
    /// No pauses of a heap whose times count from `born`.
    pub fn new(born: Instant) -> RecordedPauses {
        RecordedPauses { born, events: Arc::default() }
    }

    /// Keeps a pause.
    pub fn add(&self, event: &GcEvent) {
        let events = &mut *self.events.lock();
        if events.len() == PAUSES_MAX {
            keep_longer_half(events);
        }
        events.push(*event);
    }

    /// The pauses, in their order.
    pub fn events(&self) -> Vec<GcEvent> {
        self.events.lock().clone()
    }
}

fn keep_longer_half(events: &mut Vec<GcEvent>) {
    let half = events.len() / 2;
    let mut lengths: Vec<f64> = events.iter().map(|event| event.pause_us).collect();
    let (_, &mut median, longer) = lengths.select_nth_unstable_by(half, f64::total_cmp);
    // As many of those that are just as long as there is room for.
    let mut room = half.saturating_sub(longer.iter().filter(|length| **length > median).count());
    events.retain(|event| {
        let is_median = event.pause_us == median && room > 0;
        room -= usize::from(is_median);
        event.pause_us > median || is_median
    });
}

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
        for lengths in [1, 2, 7, 1_000_000] {
            let pauses = RecordedPauses::new(Instant::now());
            for number in 0..200_000 {
                let longest = if number % 50_000 == 3 { 1e6 } else { f64::from(number * 7919 % lengths) };
                pauses.add(&event(f64::from(number), longest));
            }
            let events = pauses.events();
            assert!((PAUSES_MAX / 2..=PAUSES_MAX).contains(&events.len()), "{}", events.len());
            assert!(events.is_sorted_by(|a, b| a.t_us < b.t_us));
            assert_eq!(events.iter().filter(|event| event.pause_us == 1e6).count(), 4);
        }
    }
}
