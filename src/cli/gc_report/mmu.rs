//! Minimum mutator utilisation: of any stretch of the run of a given length, the least part that the program had.
//!
//! The worst window of a length ends with a pause: if it ended elsewhere, moving it would not lose pause time. So it is
//! enough to look back from the end of every pause, and the pauses of the last window are all that has to be kept.

use std::collections::VecDeque;

/// The worst of all windows of one length so far.
#[derive(Debug)]
struct Window {
    length_us: f64,
    /// Pauses that reach into the window that ends now: begin and end.
    stops: VecDeque<(f64, f64)>,
    paused_us: f64,
    worst_us: f64,
}

/// Pauses of a run as they come, for windows of several lengths.
#[derive(Debug)]
pub struct Mmu(Vec<Window>);

impl Mmu {
    /// For windows of these lengths in milliseconds.
    pub fn new(lengths_ms: &[f64]) -> Mmu {
        let window = |ms: &f64| Window { length_us: ms * 1e3, stops: VecDeque::new(), paused_us: 0.0, worst_us: 0.0 };
        Mmu(lengths_ms.iter().map(window).collect())
    }

    /// A pause that ended at `end_us`. Pauses come in order and do not overlap.
    pub fn add(&mut self, end_us: f64, pause_us: f64) {
        for window in &mut self.0 {
            window.add(end_us - pause_us, end_us);
        }
    }

    /// Length in milliseconds and the least part of such a window, from 0 to 1, that the program had. None for
    /// windows that are longer than the run.
    pub fn curve(&self, run_us: f64) -> impl Iterator<Item = (f64, Option<f64>)> {
        self.0.iter().map(move |window| {
            let free = (window.length_us - window.worst_us).max(0.0) / window.length_us;
            (window.length_us / 1e3, (window.length_us <= run_us).then_some(free))
        })
    }
}

impl Window {
    fn add(&mut self, begin: f64, end: f64) {
        self.stops.push_back((begin, end));
        self.paused_us += end - begin;
        let start = end - self.length_us;
        while let Some(&(first, last)) = self.stops.front().filter(|stop| stop.1 <= start) {
            self.paused_us -= last - first;
            self.stops.pop_front();
        }
        let outside = self.stops.front().map_or(0.0, |&(first, _)| (start - first).max(0.0));
        self.worst_us = self.worst_us.max(self.paused_us - outside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause time in the worst window, found by trying windows at every tenth of a microsecond.
    fn brute(stops: &[(f64, f64)], length: f64, run: f64) -> f64 {
        let mut worst: f64 = 0.0;
        for tenth in 0..=((run - length) * 10.0) as u64 {
            let start = tenth as f64 / 10.0;
            let paused = stops.iter().map(|(a, b)| (b.min(start + length) - a.max(start)).max(0.0)).sum();
            worst = worst.max(paused);
        }
        1.0 - worst / length
    }

    #[test]
    fn it_is_what_trying_every_window_finds() {
        // Pauses of 1 to 40 us at gaps of 1 to 300 us, from a small generator.
        let mut state = 12345u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let (mut stops, mut now) = (Vec::new(), 0.0);
        let mut mmu = Mmu::new(&[0.02, 0.1, 0.5, 2.0, 1000.0]);
        for _ in 0..60 {
            let begin = now + 1.0 + random(300) as f64;
            let end = begin + 1.0 + random(40) as f64;
            stops.push((begin, end));
            mmu.add(end, end - begin);
            now = end;
        }
        let run = now + 50.0;
        for (ms, part) in mmu.curve(run) {
            let Some(part) = part else {
                assert_eq!(ms, 1000.0, "only the window that is longer than the run has no value");
                continue;
            };
            let expected = brute(&stops, ms * 1e3, run);
            assert!((part - expected).abs() < 1e-9, "{ms} ms: {part} instead of {expected}");
        }
    }
}
