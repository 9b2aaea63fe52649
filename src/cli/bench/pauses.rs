//! Pauses of the guest by kind, percentiles and utilisation.

use crate::cli::gc_report::{KINDS, Mmu, ROWS_MIN};
use crate::cli::page::{RecordedPause, Series, WINDOWS_MS};
use crate::cli::watch::Listener;
use heapwood::{GcEvent, GcEventKind};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The pauses of a guest. Clones share them.
#[derive(Clone)]
pub struct Pauses {
    start: Instant,
    part: Arc<Mutex<Part>>,
}

/// What was recorded since [`Pauses::take`].
#[derive(Default)]
struct Part {
    begin_ms: f64,
    stops: Vec<RecordedPause>,
}

impl Pauses {
    /// An empty recording, whose times count from now.
    pub fn new() -> Pauses {
        Pauses { start: Instant::now(), part: Arc::default() }
    }

    /// A listener that records the pauses of a heap whose times count from `epoch`. Every event is one pause.
    pub fn listener(&self, epoch: Instant) -> Listener {
        let (pauses, offset_ms) = (self.clone(), epoch.saturating_duration_since(self.start).as_secs_f64() * 1e3);
        Box::new(move |event: &GcEvent| {
            pauses.part.lock().stops.push(RecordedPause::of(event, offset_ms));
        })
    }

    /// How many pauses were recorded.
    pub fn count(&self) -> usize {
        self.part.lock().stops.len()
    }

    /// How many milliseconds the pauses took that came after the first `count`.
    pub fn stopped_ms_since(&self, count: usize) -> f64 {
        self.part.lock().stops[count..].iter().map(|stop| stop.pause_us / 1e3).sum()
    }

    /// Takes what was recorded so far; later pauses go to a new list.
    pub fn take(&self) -> Recording {
        let run_ms = self.start.elapsed().as_secs_f64() * 1e3;
        let Part { begin_ms, stops } =
            std::mem::replace(&mut *self.part.lock(), Part { begin_ms: run_ms, stops: Vec::new() });
        Recording { stops, begin_ms, run_ms }
    }
}

/// The pauses of a part of a run.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub stops: Vec<RecordedPause>,
    /// When this part began, in milliseconds since the recording did.
    pub begin_ms: f64,
    /// Milliseconds since the recording began.
    pub run_ms: f64,
}

impl Recording {
    /// What a page draws of it, whose times count from the begin of this part.
    pub fn series(&self) -> Series {
        let stops = self.stops.iter().map(|stop| RecordedPause { end_ms: stop.end_ms - self.begin_ms, ..*stop });
        stops.collect()
    }

    /// The length of this part in milliseconds.
    pub fn length_ms(&self) -> f64 {
        self.run_ms - self.begin_ms
    }

    /// `{"minor": …, "major": …, "stall": …}`: a major done in steps counts each of them, and stalls, as majors.
    /// Stalls are told once more alone.
    pub fn json(&self) -> Value {
        json!({"minor": self.summary(|kind| kind == GcEventKind::Minor),
            "major": self.summary(|kind| kind != GcEventKind::Minor),
            "stall": self.summary(|kind| kind == GcEventKind::Stall)})
    }

    /// The same by kind, in the words and the order of `--gc-stats`.
    pub fn kinds_json(&self) -> Value {
        let seen = |kind: GcEventKind| self.stops.iter().any(|stop| stop.kind == kind);
        let kinds = KINDS.iter().enumerate().filter(|(index, kind)| *index < ROWS_MIN || seen(**kind));
        kinds.map(|(_, kind)| json!({"kind": kind.name(), "pauses": self.summary(|other| other == *kind)})).collect()
    }

    fn summary(&self, of: impl Fn(GcEventKind) -> bool) -> Value {
        let pauses: Vec<f64> = self.stops.iter().filter(|stop| of(stop.kind)).map(|stop| stop.pause_us).collect();
        let cpu: Vec<f64> = self.stops.iter().filter(|stop| of(stop.kind)).map(|stop| stop.cpu_us).collect();
        let (quantiles, cpu_quantiles) = (Quantiles::of(&pauses), Quantiles::of(&cpu));
        let total = |times: &[f64]| times.iter().fold(0.0, |sum, time| sum + time);
        json!({"count": pauses.len(), "p50_us": quantiles.at(500), "p99_us": quantiles.at(990),
            "max_us": quantiles.at(1000), "total_us": total(&pauses),
            "p99_cpu_us": cpu_quantiles.at(990), "max_cpu_us": cpu_quantiles.at(1000), "total_cpu_us": total(&cpu)})
    }

    /// Window in milliseconds and least utilisation in it, for windows that are not longer than the run.
    pub fn mmu(&self) -> Vec<(f64, f64)> {
        let mut mmu = Mmu::new(&WINDOWS_MS);
        self.stops.iter().for_each(|stop| mmu.add(stop.end_ms * 1e3, stop.pause_us));
        mmu.curve(self.run_ms * 1e3).filter_map(|(ms, part)| Some((ms, part?))).collect()
    }

    /// The utilisation by window ([`Recording::mmu`]) as an object: `{"1": 0.93, …}`.
    pub fn mmu_json(&self) -> Value {
        let fields = self.mmu().into_iter().map(|(ms, part)| (ms.to_string(), Value::from((part * 1e6).round() / 1e6)));
        Value::Object(fields.collect())
    }
}

/// Points of a percentile curve between one in ten and one in a hundred, and so on.
const CURVE_STEPS: i32 = 16;

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

    /// Points of the percentile curve: *one in so many* (10 is p90), and what the others do not exceed; the last one is
    /// the longest of all.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let count = self.0.len();
        let rarity = |step: i32| {
            let between = f64::from(step % CURVE_STEPS) / f64::from(CURVE_STEPS);
            10f64.powi(step / CURVE_STEPS) * 10f64.powf(between)
        };
        let inner = (0..).map(rarity).take_while(|rarity| *rarity <= count as f64);
        let rank = |rarity: f64| (count - (count as f64 / rarity) as usize).max(1);
        let last = self.0.last().map(|longest| (count as f64, *longest));
        inner.map(|rarity| (rarity, self.0[rank(rarity) - 1])).chain(last).collect()
    }

    /// `{"p50": …, "p99": …, "p999": …, "max": …}`.
    pub fn json(&self) -> Value {
        json!({"p50": self.at(500), "p99": self.at(990), "p999": self.at(999), "max": self.at(1000)})
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

    #[test]
    fn a_curve_goes_through_the_percentiles() {
        for count in [1, 7, 999, 1000, 20_011] {
            let numbers: Vec<f64> = (1..=count).map(f64::from).collect();
            let quantiles = Quantiles::of(&numbers);
            let curve = quantiles.curve();
            let at = |wanted: f64| curve.iter().find(|(rarity, _)| *rarity == wanted).map(|(_, number)| *number);
            for (rarity, per_mille) in [(10.0, 900), (100.0, 990), (1000.0, 999)] {
                let expected = (rarity <= f64::from(count)).then(|| quantiles.at(per_mille));
                assert_eq!(at(rarity), expected, "{per_mille} per mille of {count}");
            }
            assert_eq!(curve.last(), Some(&(f64::from(count), f64::from(count))));
            assert!(curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        }
        assert!(Quantiles::of(&[]).curve().is_empty());
    }
}
