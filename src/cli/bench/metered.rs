//! Metered latency, as the DaCapo Chopin suite defines it: what a client sees who does not wait for the last answer
//! before the next question.
//!
//! Slices run one after the other, so a pause of the program delays one slice and postpones all that follow: their own
//! times look fine. Metered, each slice has the time at which its request came in, and its latency counts from there,
//! so that a queue builds up behind a pause.
//!
//! - *Full smoothing*: requests come in evenly over the whole run, as many as there are slices.
//! - *A window*: the request of a slice comes at the mean of the begins of the slices around it, as many as begin in a
//!   window of that length on average. Short windows leave slow phases of the program alone and show its pauses.
//!
//! A request never comes later than its slice begins, so metered latencies are never less than simple ones.

use super::pauses::Quantiles;
use serde_json::{Map, Value};

/// Windows in milliseconds.
const WINDOWS_MS: [f64; 3] = [1.0, 10.0, 100.0];

/// A slice: begin and end in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceTime {
    pub begin: f64,
    pub end: f64,
}

/// Percentiles by window: `{"1": {...}, "10": {...}, "100": {...}, "full": {...}}`.
pub fn json(slices: &[SliceTime]) -> Value {
    let percentiles = |window_ms| Quantiles::of(&latencies(slices, window_ms)).json();
    Value::Object(windows().map(|(name, window_ms)| (name, percentiles(window_ms))).collect::<Map<_, _>>())
}

/// Every window with its name; the last one is the whole run.
pub fn windows() -> impl Iterator<Item = (String, Option<f64>)> {
    WINDOWS_MS.into_iter().map(|ms| (ms.to_string(), Some(ms))).chain([("full".to_owned(), None)])
}

/// The latency of each slice in milliseconds, requests smoothed over a window or (none) over the whole run.
pub fn latencies(slices: &[SliceTime], window_ms: Option<f64>) -> Vec<f64> {
    let [first, .., last] = slices else { return slices.iter().map(|slice| slice.end - slice.begin).collect() };
    let interval = (last.end - first.begin) / slices.len() as f64;
    let even = |index: usize| first.begin + index as f64 * interval;
    // sums[i]: of the begins before slice i.
    let mut sums = vec![0.0];
    slices.iter().for_each(|slice| sums.push(sums[sums.len() - 1] + slice.begin));
    let mean_around = |index: usize, half: usize| {
        // As many slices on one side as on the other, so that the ends are not drawn inwards.
        let half = half.min(index).min(slices.len() - 1 - index);
        (sums[index + half + 1] - sums[index - half]) / (2 * half + 1) as f64
    };
    let half = window_ms.map(|window| (window / interval / 2.0) as usize);
    let latency = |(index, slice): (usize, &SliceTime)| {
        let request = half.map_or_else(|| even(index), |half| mean_around(index, half));
        slice.end - request.min(slice.begin)
    };
    slices.iter().enumerate().map(latency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slices of 1 ms, of which number `stopped` takes 50 ms longer.
    fn run(count: usize, stopped: usize) -> Vec<SliceTime> {
        let mut now = 0.0;
        let slice = |index| {
            let begin = now;
            now += if index == stopped { 51.0 } else { 1.0 };
            SliceTime { begin, end: now }
        };
        (0..count).map(slice).collect()
    }

    #[test]
    fn without_a_stop_nothing_waits() {
        let slices = run(1000, usize::MAX);
        for window in [Some(1.0), Some(10.0), Some(100.0), None] {
            assert!(latencies(&slices, window).iter().all(|ms| (ms - 1.0).abs() < 1e-6), "{window:?}");
        }
    }

    #[test]
    fn a_queue_builds_up_behind_a_stop() {
        let slices = run(1000, 500);
        let simple = Quantiles::of(&slices.iter().map(|slice| slice.end - slice.begin).collect::<Vec<_>>());
        assert_eq!([simple.at(990), simple.at(1000)], [1.0, 51.0], "alone, one slice in a thousand is late");
        // Evenly: a request every 1.05 ms, so slice 500 is asked for at 525 ms and begins at 500; the next ones begin
        // at 551, 552, …, and are asked for at 526.05, 527.1, …
        let full = latencies(&slices, None);
        assert!((full[501] - (552.0 - 501.0 * 1.05)).abs() < 1e-6, "{}", full[501]);
        assert!((full[510] - (561.0 - 510.0 * 1.05)).abs() < 1e-6, "{}", full[510]);
        assert!((full[999] - (1050.0 - 999.0 * 1.05)).abs() < 1e-6, "the queue is empty at the end: {}", full[999]);
        // A short window spreads the pause over few requests, a long one over many.
        let late = |window| latencies(&slices, window).iter().filter(|ms| **ms > 2.0).count();
        let counts = [late(Some(1.0)), late(Some(10.0)), late(Some(100.0)), late(None)];
        assert!(counts.is_sorted() && counts[0] == 1 && counts[1] > 3 && counts[3] > 100, "{counts:?}");
        for window in [Some(1.0), Some(10.0), Some(100.0), None] {
            for (metered, slice) in latencies(&slices, window).iter().zip(&slices) {
                assert!(*metered >= slice.end - slice.begin - 1e-9, "never less than alone");
            }
        }
    }

    #[test]
    fn few_slices_are_no_trouble() {
        assert!(latencies(&[], None).is_empty());
        assert_eq!(latencies(&[SliceTime { begin: 1.0, end: 3.0 }], Some(10.0)), [2.0]);
    }
}
