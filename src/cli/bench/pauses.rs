//! Stops of the guest by kind, and percentiles.

use heapwood::{GcEvent, GcEventKind};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Lengths in microseconds of the stops of a guest. Clones share them.
#[derive(Clone, Default)]
pub struct Pauses(Arc<Mutex<[Vec<f64>; 2]>>);

const MINOR: usize = 0;
const MAJOR: usize = 1;

impl Pauses {
    /// Notes a stop. Every event is one of its own; steps of a major collection count as majors.
    pub fn add(&self, event: &GcEvent) {
        let kind = match event.kind {
            GcEventKind::Minor => MINOR,
            _ => MAJOR,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[kind].push(event.pause_us);
    }

    /// A copy that hears of no further stops.
    pub fn frozen(&self) -> Pauses {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pauses(Arc::new(Mutex::new(pauses.clone())))
    }

    /// `{"minor": {...}, "major": {...}}`.
    pub fn json(&self) -> Value {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        json!({"minor": summary(&pauses[MINOR]), "major": summary(&pauses[MAJOR])})
    }
}

fn summary(pauses: &[f64]) -> Value {
    let quantiles = Quantiles::of(pauses);
    let total = pauses.iter().fold(0.0, |sum, pause| sum + pause);
    json!({"count": pauses.len(), "p50_us": quantiles.at(500), "p99_us": quantiles.at(990),
        "max_us": quantiles.at(1000), "total_us": total})
}

/// Sorted numbers.
pub struct Quantiles(Vec<f64>);

impl Quantiles {
    pub fn of(numbers: &[f64]) -> Quantiles {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Quantiles(sorted)
    }

    /// The least number that `per_mille` of all do not exceed; 0 if there is none.
    pub fn at(&self, per_mille: usize) -> f64 {
        let rank = (self.0.len() * per_mille).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numbers_that_were_seen() {
        let numbers: Vec<f64> = (1..=1000).rev().map(f64::from).collect();
        let quantiles = Quantiles::of(&numbers);
        assert_eq!([500, 990, 999, 1000].map(|q| quantiles.at(q)), [500.0, 990.0, 999.0, 1000.0]);
        assert_eq!([500, 1000].map(|q| Quantiles::of(&[7.0]).at(q)), [7.0, 7.0]);
        assert_eq!(Quantiles::of(&[]).at(500), 0.0);
    }
}
