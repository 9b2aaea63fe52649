//! When helpers worked: a few spans of time, recorded by them and read by the mutator.

use std::time::Instant;

/// Most spans that wait to be read. Further ones make the last one longer.
const SPANS_MAX: usize = 16;

/// A time in which a helper worked.
#[derive(Clone, Copy, Debug)]
pub struct WorkSpan {
    /// When it began.
    pub start: Instant,
    /// When it ended, or when its last portion did.
    pub end: Instant,
    /// Units of work that it did ([`super::hand_off::Work::progress`]).
    pub units: u64,
}

/// The spans that nobody has read.
#[derive(Debug, Default)]
pub struct WorkSpans {
    spans: [Option<WorkSpan>; SPANS_MAX],
    count: usize,
}

impl WorkSpans {
    /// Records a portion of `units` that began at `start` (now, if that is not known) and ends now. Returns now.
    pub fn note(&mut self, start: Option<Instant>, units: u64) -> Instant {
        let end = Instant::now();
        let start = start.unwrap_or(end);
        let is_full = self.count == SPANS_MAX;
        match self.count.checked_sub(1).and_then(|last| self.spans[last].as_mut()) {
            Some(last) if is_full || last.end == start => (last.end, last.units) = (end, last.units + units),
            _ => {
                self.spans[self.count] = Some(WorkSpan { start, end, units });
                self.count += 1;
            }
        }
        end
    }

    /// Takes all.
    pub fn drain(&mut self, each: impl FnMut(WorkSpan)) {
        self.spans[..std::mem::take(&mut self.count)].iter_mut().filter_map(Option::take).for_each(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn portions_that_follow_each_other_are_one_span_and_none_is_lost() {
        let mut spans = WorkSpans::default();
        let start = Instant::now();
        let mut began = spans.note(Some(start), 1);
        for _ in 0..5 {
            began = spans.note(Some(began), 1);
        }
        let later = began + Duration::from_nanos(1);
        for _ in 0..SPANS_MAX {
            spans.note(Some(later), 1);
        }
        let mut read = Vec::new();
        spans.drain(|span| read.push(span));
        assert_eq!((read.len(), read[0].start, read[0].units), (SPANS_MAX, start, 6));
        assert_eq!(read.iter().map(|span| span.units).sum::<u64>(), 6 + SPANS_MAX as u64);
        spans.drain(|_| panic!("all were read"));
        spans.note(None, 3);
        spans.drain(|span| assert_eq!((span.units, span.end), (3, span.start)));
    }
}
