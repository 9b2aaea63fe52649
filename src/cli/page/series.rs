//! What a page draws of the pauses of a run, in memory that does not grow with the run.
//!
//! 1. Pauses are drawn one by one as long as there are few. Of more, the longest of each kind is kept of every stretch
//!    of equally many pauses, and stretches become twice as long whenever too many are kept.
//! 2. Of markings the same number is kept; of more every second one, every fourth, and so on.
//! 3. Lengths are counted by sixteenths of a power of two; totals and utilisation are exact.

use crate::cli::gc_report::{KINDS, Mmu, row};
use heapwood::{GcEvent, GcEventKind, Histogram};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most pauses that are drawn one by one.
const DRAWN_MAX: usize = 20_000;
/// The most markings that are drawn.
const MARKINGS_MAX: usize = 2_000;
/// Lengths of the windows whose utilisation is drawn, in milliseconds.
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

impl RecordedPause {
    /// The pause of an event of a heap that was made `offset_ms` after the recording began.
    pub fn of(event: &GcEvent, offset_ms: f64) -> RecordedPause {
        let GcEvent { t_us, pause_us, cpu_us, kind, heap_committed: committed, old_after: old, .. } = *event;
        RecordedPause { end_ms: offset_ms + t_us / 1e3, pause_us, cpu_us, kind, committed, old }
    }
}

/// How many pauses, and how long they were.
#[derive(Clone, Copy, Default, Debug)]
struct Totals {
    count: u64,
    total_us: f64,
    max_us: f64,
    total_cpu_us: f64,
    max_cpu_us: f64,
}

impl Totals {
    fn add(&mut self, pause: &RecordedPause) {
        self.count += 1;
        self.total_us += pause.pause_us;
        self.max_us = self.max_us.max(pause.pause_us);
        self.total_cpu_us += pause.cpu_us;
        self.max_cpu_us = self.max_cpu_us.max(pause.cpu_us);
    }

    fn json(&self) -> Value {
        json!({"count": self.count, "total_us": self.total_us, "max_us": self.max_us,
            "total_cpu_us": self.total_cpu_us, "max_cpu_us": self.max_cpu_us})
    }
}

/// The pauses of a run, as they come.
#[derive(Debug)]
pub struct Series {
    all: Totals,
    kinds: [Totals; KINDS.len()],
    drawn: Drawn,
    markings: Markings,
    lengths: Lengths,
    cpu_lengths: Lengths,
    mmu: Mmu,
}

impl Default for Series {
    fn default() -> Series {
        Series {
            all: Totals::default(),
            kinds: Default::default(),
            drawn: Drawn::new(DRAWN_MAX),
            markings: Markings::new(MARKINGS_MAX),
            lengths: Lengths::default(),
            cpu_lengths: Lengths::default(),
            mmu: Mmu::new(&WINDOWS_MS),
        }
    }
}

impl FromIterator<RecordedPause> for Series {
    fn from_iter<I: IntoIterator<Item = RecordedPause>>(pauses: I) -> Series {
        let mut series = Series::default();
        pauses.into_iter().for_each(|pause| series.add(&pause));
        series
    }
}

impl Series {
    /// The next pause.
    pub fn add(&mut self, pause: &RecordedPause) {
        self.all.add(pause);
        self.kinds[row(pause.kind)].add(pause);
        self.drawn.add(pause);
        self.markings.add(pause);
        self.lengths.add(pause.pause_us);
        self.cpu_lengths.add(pause.cpu_us);
        self.mmu.add(pause.end_ms * 1e3, pause.pause_us);
    }

    /// For a run of `run_ms`: totals by kind, the pauses that are drawn (end in ms, length and CPU time in µs, index of
    /// the kind, old space and memory of the heap after it in KiB), markings (begin and end in ms), how many pauses
    /// there are by length (upper end in µs), and the utilisation by window (in ms).
    pub fn json(&self, run_ms: f64) -> Value {
        let mut all = self.all.json();
        // What is counted together with the longest may be longer than it.
        for (field, part) in [("p50_us", 0.5), ("p99_us", 0.99)] {
            all[field] = self.lengths.quantile_us(part).min(self.all.max_us).into();
        }
        let kinds: Vec<Value> = KINDS
            .iter()
            .zip(&self.kinds)
            .map(|(kind, totals)| {
                let mut fields = totals.json();
                fields["name"] = kind.name().into();
                fields
            })
            .collect();
        let mmu = self.mmu.curve(run_ms * 1e3).filter_map(|(ms, part)| Some(json!([ms, part?])));
        json!({
            "run_ms": run_ms,
            "all": all,
            "kinds": kinds,
            "drawn": self.drawn.pauses().iter().map(drawn_json).collect::<Vec<_>>(),
            "markings": self.markings.spans(run_ms),
            "marking_count": self.markings.count,
            "lengths": self.lengths.json(),
            "cpu_lengths": self.cpu_lengths.json(),
            "mmu": mmu.collect::<Vec<_>>(),
        })
    }
}

fn drawn_json(pause: &RecordedPause) -> Value {
    // To the nanosecond, without what binary fractions add.
    let round = |number: f64| (number * 1e3).round() / 1e3;
    let RecordedPause { end_ms, pause_us, cpu_us, kind, committed, old } = *pause;
    json!([round(end_ms), round(pause_us), round(cpu_us), row(kind), old >> 10, committed >> 10])
}

/// Of each stretch of equally many pauses the longest of each kind.
#[derive(Debug)]
struct Drawn {
    most: usize,
    seen: usize,
    stride: usize,
    /// With the number of the stretch.
    kept: Vec<(usize, RecordedPause)>,
}

impl Drawn {
    fn new(most: usize) -> Drawn {
        Drawn { most, seen: 0, stride: 1, kept: Vec::new() }
    }

    fn add(&mut self, pause: &RecordedPause) {
        let stretch = self.seen / self.stride;
        self.seen += 1;
        keep_longest(&mut self.kept, stretch, pause);
        while self.kept.len() > self.most {
            self.stride *= 2;
            let mut kept = Vec::with_capacity(self.most);
            self.kept.iter().for_each(|(stretch, pause)| keep_longest(&mut kept, stretch / 2, pause));
            self.kept = kept;
        }
    }

    /// In the order of time.
    fn pauses(&self) -> Vec<RecordedPause> {
        let mut pauses: Vec<_> = self.kept.iter().map(|(_, pause)| *pause).collect();
        pauses.sort_by(|a, b| a.end_ms.total_cmp(&b.end_ms));
        pauses
    }
}

/// Keeps a pause of the last stretch, unless there is a longer one of the kind in it.
fn keep_longest(kept: &mut Vec<(usize, RecordedPause)>, stretch: usize, pause: &RecordedPause) {
    let of_stretch = kept.iter_mut().rev().take_while(|(of, _)| *of == stretch);
    match of_stretch.map(|(_, other)| other).find(|other| other.kind == pause.kind) {
        Some(other) if other.pause_us >= pause.pause_us => {}
        Some(other) => *other = *pause,
        None => kept.push((stretch, *pause)),
    }
}

/// Times from the begin of a marking to its end.
#[derive(Debug)]
struct Markings {
    most: usize,
    count: usize,
    stride: usize,
    /// Begin and end in milliseconds.
    kept: Vec<(f64, f64)>,
    /// Where the one under way began.
    open_ms: Option<f64>,
    /// The end of the last pause.
    last_ms: f64,
}

impl Markings {
    fn new(most: usize) -> Markings {
        Markings { most, count: 0, stride: 1, kept: Vec::new(), open_ms: None, last_ms: 0.0 }
    }

    fn add(&mut self, pause: &RecordedPause) {
        match pause.kind {
            GcEventKind::MarkStart => {
                // One that a heap took with it when it went.
                self.close(self.last_ms);
                self.open_ms = Some(pause.end_ms - pause.pause_us / 1e3);
            }
            // A collection of everything ends a marking.
            GcEventKind::MarkEnd | GcEventKind::Major => self.close(pause.end_ms),
            _ => {}
        }
        self.last_ms = pause.end_ms;
    }

    fn close(&mut self, end_ms: f64) {
        let Some(begin_ms) = self.open_ms.take() else { return };
        if self.count.is_multiple_of(self.stride) {
            self.kept.push((begin_ms, end_ms));
        }
        self.count += 1;
        if self.kept.len() > self.most {
            self.stride *= 2;
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// Those that are kept, and the one that the end of the run cuts off.
    fn spans(&self, run_ms: f64) -> Vec<Value> {
        let open = self.open_ms.map(|begin_ms| (begin_ms, run_ms));
        self.kept.iter().copied().chain(open).map(|(begin, end)| json!([begin, end])).collect()
    }
}

/// How many pauses there are of each length, to a sixteenth of a power of two.
#[derive(Default, Debug)]
struct Lengths {
    /// By the longest of the length, in nanoseconds.
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Lengths {
    fn add(&mut self, us: f64) {
        *self.counts.entry(Histogram::upper_bound_ns((us * 1e3) as u64)).or_insert(0) += 1;
        self.total += 1;
    }

    /// What this part of all pauses do not exceed; 0 if there is none.
    fn quantile_us(&self, part: f64) -> f64 {
        let wanted = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (ns, count) in &self.counts {
            seen += count;
            if seen >= wanted {
                return *ns as f64 / 1e3;
            }
        }
        0.0
    }

    fn json(&self) -> Vec<Value> {
        self.counts.iter().map(|(ns, count)| json!([*ns as f64 / 1e3, count])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(index: usize, kind: GcEventKind, pause_us: f64) -> RecordedPause {
        RecordedPause { end_ms: index as f64, pause_us, cpu_us: pause_us / 2.0, kind, committed: 8 << 20, old: 4 << 20 }
    }

    #[test]
    fn of_many_pauses_the_longest_of_each_kind_are_drawn_and_all_are_counted() {
        let pauses: Vec<_> = (0..100_000)
            .map(|index| match index {
                77_777 => pause(index, GcEventKind::Minor, 900.0),
                50_001 => pause(index, GcEventKind::Major, 0.5),
                _ => pause(index, GcEventKind::Minor, 1.0 + (index % 7) as f64),
            })
            .collect();
        let series: Series = pauses.iter().copied().collect();
        let drawn = series.drawn.pauses();
        assert!((DRAWN_MAX / 4..=DRAWN_MAX).contains(&drawn.len()), "{}", drawn.len());
        assert!(drawn.iter().any(|pause| pause.pause_us == 900.0 && pause.end_ms == 77_777.0));
        assert!(drawn.iter().any(|pause| pause.kind == GcEventKind::Major));
        assert!(drawn.is_sorted_by(|a, b| a.end_ms <= b.end_ms));
        let json = series.json(1e5);
        let counted: u64 =
            json["lengths"].as_array().expect("a list").iter().map(|row| row[1].as_u64().expect("a count")).sum();
        assert_eq!((counted, &json["all"]["count"]), (100_000, &100_000.into()));
        assert_eq!((&json["all"]["max_us"], &json["all"]["max_cpu_us"]), (&900.0.into(), &450.0.into()));
        let of_kinds: u64 =
            json["kinds"].as_array().expect("a list").iter().filter_map(|kind| kind["count"].as_u64()).sum();
        assert_eq!(of_kinds, 100_000);
        let few: Series = pauses[..100].iter().copied().collect();
        assert_eq!(few.drawn.pauses().len(), 100, "all of few");
    }

    #[test]
    fn markings_last_from_their_first_pause_to_their_last() {
        use GcEventKind::*;
        let kinds = [Minor, MarkStart, Slice, MarkEnd, MarkStart, Major, MarkStart, Minor, MarkStart, Slice];
        let series: Series = (0..).zip(kinds).map(|(index, kind)| pause(index, kind, 500.0)).collect();
        let spans = series.json(20.0)["markings"].clone();
        assert_eq!(spans, json!([[0.5, 3.0], [3.5, 5.0], [5.5, 7.0], [7.5, 20.0]]), "the last one goes on");
    }

    #[test]
    fn of_many_markings_some_are_kept() {
        let mut markings = Markings::new(100);
        for index in 0..1000 {
            markings.add(&pause(2 * index + 1, GcEventKind::MarkStart, 1000.0));
            markings.add(&pause(2 * index + 2, GcEventKind::MarkEnd, 1.0));
        }
        let spans = markings.spans(1e4);
        assert!(markings.count == 1000 && (50..=100).contains(&spans.len()), "{} of {}", spans.len(), markings.count);
        assert_eq!(
            [&spans[0], &spans[1]],
            [&json!([0.0, 2.0]), &json!([2.0 * markings.stride as f64, 2.0 * markings.stride as f64 + 2.0])]
        );
    }

    #[test]
    fn quantiles_are_upper_ends_of_their_lengths() {
        let mut lengths = Lengths::default();
        assert_eq!(lengths.quantile_us(0.99), 0.0);
        (1..=1000).for_each(|us| lengths.add(f64::from(us)));
        for (part, us) in [(0.5, 500.0), (0.99, 990.0)] {
            let found = lengths.quantile_us(part);
            assert!((us..us * 17.0 / 16.0).contains(&found), "{part}: {found}");
        }
    }
}
