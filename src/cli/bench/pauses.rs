//! Pauses of the guest by kind, percentiles and utilisation.

use crate::cli::gc_report::Mmu;
use crate::cli::watch::Listener;
use heapwood::{GcEvent, GcEventKind};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Lengths of the windows whose utilisation is reported, in milliseconds.
pub const WINDOWS_MS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// A pause.
#[derive(Clone, Copy, Debug)]
pub struct RecordedPause {
    /// Its end, in milliseconds since the recording began.
    pub end_ms: f64,
    pub pause_us: f64,
    /// The CPU time of the collector in it; in the rest of the pause the machine was busy with other work.
    pub cpu_us: f64,
    pub kind: GcEventKind,
    /// The memory of the heap after it, and the part of that which the old space takes, in bytes.
    pub committed: u64,
    pub old: u64,
}

/// The pauses of a guest. Clones share them.
#[derive(Clone)]
pub struct Pauses {
    start: Instant,
    stops: Arc<Mutex<Vec<RecordedPause>>>,
}

impl Pauses {
    /// An empty recording, whose times count from now.
    pub fn new() -> Pauses {
        Pauses { start: Instant::now(), stops: Arc::default() }
    }

    /// A listener that records the pauses of a heap whose times count from `epoch`. Every event is one pause.
    pub fn listener(&self, epoch: Instant) -> Listener {
        let (stops, offset_ms) = (self.clone(), epoch.saturating_duration_since(self.start).as_secs_f64() * 1e3);
        Box::new(move |event: &GcEvent| {
            let GcEvent { t_us, pause_us, cpu_us, kind, .. } = *event;
            let (committed, old) = (event.heap_committed, event.old_after);
            stops.stops.lock().push(RecordedPause {
                end_ms: offset_ms + t_us / 1e3,
                pause_us,
                cpu_us,
                kind,
                committed,
                old,
            });
        })
    }

    /// How many pauses were recorded.
    pub fn count(&self) -> usize {
        self.stops.lock().len()
    }

    /// How many milliseconds the pauses took that came after the first `count`.
    pub fn stopped_ms_since(&self, count: usize) -> f64 {
        self.stops.lock()[count..].iter().map(|stop| stop.pause_us / 1e3).sum()
    }

    /// Takes what was recorded so far; later pauses go to a new list.
    pub fn take(&self) -> Recording {
        Recording { stops: std::mem::take(&mut self.stops.lock()), run_ms: self.start.elapsed().as_secs_f64() * 1e3 }
    }
}

/// The pauses of a part of a run.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub stops: Vec<RecordedPause>,
    /// Milliseconds since the recording began.
    pub run_ms: f64,
}

impl Recording {
    /// `{"minor": …, "major": …, "stall": …}`: a major done in steps counts each of them, and stalls, as majors.
    /// Stalls are told once more alone.
    pub fn json(&self) -> Value {
        json!({"minor": self.summary(|kind| kind == GcEventKind::Minor),
            "major": self.summary(|kind| kind != GcEventKind::Minor),
            "stall": self.summary(|kind| kind == GcEventKind::Stall)})
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
}
