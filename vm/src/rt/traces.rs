//! Where exceptions were thrown: return addresses of the frames that they left, for the backtrace of one that nobody
//! catches.
//!
//! 1. An exception object holds a number (`EXCEPTION_TRACE_OFFSET`), which moves and dies with it; the addresses lie
//!    here, in the record of that number. A store keeps the records of the last [`RECORDS`] exceptions: a later one
//!    takes the eldest's place, and an exception whose record is gone begins another one where it is thrown next.
//! 2. Whoever unwinds notes each frame that the exception leaves, and the one that catches it. When that one throws it
//!    again, it is the last that was noted, and not noted twice.
//! 3. Of many frames the first and last [`ENDS`] are kept, so a record is bounded.
//! 4. No address outlives its code: who forgets code forgets all records ([`super::frames::Frames::truncate_codes`]).
//! 5. No number is given twice, until 2^32 - 2 were given: a store that is made of a checkpoint begins behind its
//!    numbers.
//! 6. A language may catch an exception, look at the object that is its payload, and throw that object again, in a new
//!    exception: so Kotlin does where no `catch` fits. A new exception with the payload of one of the last [`COMPARED`]
//!    goes on with its record. References are compared as numbers, and only while nothing has moved
//!    ([`Thrown::moves`]): after a collection it begins anew.

use heapwood_gc_abi::is_i31;
use heapwood_gc_abi::layout::EXCEPTION_OF_REFERENCE;

/// Records that a store keeps: few, so that they stay in a processor's nearest cache.
const RECORDS: usize = 16;
/// Records that a new exception is compared with.
const COMPARED: usize = 4;
/// Frames at each end of a trace that are kept.
pub(crate) const ENDS: usize = 32;

/// What an exception says of itself when it is thrown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Thrown {
    /// The object of the exception's tag, as a reference.
    pub tag: u32,
    /// The exception's payload, if that is one reference, as a number.
    pub payload: u32,
    /// The heap's count of what moves objects.
    pub moves: u64,
}

/// The owner and the function of a frame.
type Function = (u32, u32);

/// A frame that an exception leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Passed {
    /// Where it goes on.
    pub pc: usize,
    /// The function that it is in, which may be one that was inlined.
    pub innermost: Function,
    /// The function whose frame it is: all handlers are of it.
    pub outermost: Function,
    /// How many functions lie between, with the latter.
    pub inlined: usize,
}

/// The frames that an exception left, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// Number of the exception; 0 for a record that belongs to none.
    number: u32,
    /// The payload of its exception is one reference.
    is_of_reference: bool,
    /// How many frames were noted.
    count: usize,
    /// How many functions were inlined in these frames.
    inlined: usize,
    /// The function of the last one.
    last: Function,
    first_pcs: [usize; ENDS],
    /// The last ones in turns.
    last_pcs: [usize; ENDS],
}

impl Trace {
    /// A trace without places.
    pub fn new() -> Trace {
        let nothing = [0; ENDS];
        let (first_pcs, last_pcs) = (nothing, nothing);
        Trace { number: 0, is_of_reference: false, count: 0, inlined: 0, last: (0, 0), first_pcs, last_pcs }
    }

    /// The next frame.
    #[inline(always)]
    pub fn note(&mut self, Passed { pc, inlined, .. }: Passed) {
        let place = match self.count < ENDS {
            true => &mut self.first_pcs[self.count],
            false => &mut self.last_pcs[self.count % ENDS],
        };
        *place = pc;
        self.count += 1;
        self.inlined += inlined;
    }

    /// The return addresses that are kept.
    pub fn pcs(&self) -> impl Iterator<Item = usize> + '_ {
        let first = self.first_pcs.iter().take(self.count);
        let last = (self.count.saturating_sub(ENDS).max(ENDS)..self.count).map(|k| &self.last_pcs[k % ENDS]);
        first.chain(last).copied()
    }

    /// How many frames a backtrace has that shows all: those of inlined functions count.
    pub fn depth(&self) -> usize {
        self.count + self.inlined
    }
}

/// The records of a store.
#[derive(Debug)]
pub(super) struct Traces {
    records: [Trace; RECORDS],
    /// The number of the next new one.
    next: u32,
    /// What was thrown last, by number, in turns.
    thrown: [(u32, Thrown); COMPARED],
    turn: usize,
}

impl Default for Traces {
    fn default() -> Traces {
        let nothing = Thrown { tag: 0, payload: 0, moves: 0 };
        Traces { records: std::array::from_fn(|_| Trace::new()), next: 1, thrown: [(0, nothing); COMPARED], turn: 0 }
    }
}

/// A walk that notes what it passes.
pub(super) struct Noting<'t> {
    trace: &'t mut Trace,
    /// The next frame is the last that was noted, if it is of the same function.
    continues: bool,
    last: Function,
}

impl Noting<'_> {
    #[inline(always)]
    pub fn note(&mut self, passed: Passed) {
        self.last = passed.outermost;
        if self.continues {
            self.continues = false;
            if self.trace.last == passed.innermost {
                return;
            }
        }
        self.trace.note(passed);
    }

    /// The walk is over. The number of the record.
    pub fn finish(self) -> u32 {
        self.trace.last = self.last;
        self.trace.number
    }
}

impl Traces {
    /// An exception is thrown; `word` is its number, or what it has before the first throw.
    #[inline]
    pub fn noting(&mut self, word: u32, thrown: Thrown) -> Noting<'_> {
        let known = if word == EXCEPTION_OF_REFERENCE { self.number_of(&thrown) } else { word };
        let record = &self.records[known as usize % RECORDS];
        let continues = known != 0 && record.number == known;
        let is_of_reference = word == EXCEPTION_OF_REFERENCE || continues && record.is_of_reference;
        let number = if continues { known } else { self.next };
        if is_of_reference {
            self.remember(number, thrown);
        }
        let trace = &mut self.records[number as usize % RECORDS];
        if !continues {
            self.next = if number + 1 == EXCEPTION_OF_REFERENCE { 1 } else { number + 1 };
            trace.number = number;
            (trace.count, trace.inlined) = (0, 0);
            trace.is_of_reference = is_of_reference;
        }
        let continues = continues && trace.count != 0;
        let last = trace.last;
        Noting { trace, continues, last }
    }

    /// What the exception with this number has thrown, until others take its place.
    fn remember(&mut self, number: u32, thrown: Thrown) {
        let known = self.thrown.iter().position(|(of, _)| *of == number);
        let place = known.unwrap_or_else(|| {
            self.turn = (self.turn + 1) % COMPARED;
            self.turn
        });
        self.thrown[place] = (number, thrown);
    }

    /// The number of one of the last exceptions, with this payload, or 0.
    fn number_of(&self, thrown: &Thrown) -> u32 {
        if thrown.payload == 0 || is_i31(thrown.payload) {
            return 0;
        }
        self.thrown.iter().find(|(_, known)| known == thrown).map_or(0, |(number, _)| *number)
    }

    /// What is known of the exception with this number.
    pub fn get(&self, number: u32) -> Option<&Trace> {
        Some(&self.records[number as usize % RECORDS]).filter(|trace| number != 0 && trace.number == number)
    }

    /// Forgets where exceptions were thrown.
    pub fn forget(&mut self) {
        let next = self.next;
        *self = Traces { next, ..Traces::default() };
    }

    /// The number of the next new exception.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Gives no number below this one from now on.
    pub fn begin_at(&mut self, next: u32) {
        self.next = self.next.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Thrown = Thrown { tag: 8, payload: 0, moves: 0 };

    #[test]
    fn records_are_of_the_last_exceptions_and_no_number_is_given_twice() {
        let mut traces = Traces::default();
        let numbers: Vec<u32> = (0..RECORDS + 3).map(|_| traces.noting(0, OTHER).finish()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]) && numbers[0] == 1);
        assert!(traces.get(0).is_none() && traces.get(3).is_none() && traces.get(4).is_some());
        // One that is kept stays, one that is gone gets a new number.
        assert_eq!(traces.noting(4, OTHER).finish(), 4);
        assert_eq!(traces.noting(3, OTHER).finish() as usize, RECORDS + 4);
        traces.forget();
        assert!(traces.get(RECORDS as u32 + 4).is_none());
        traces.begin_at(1000);
        traces.begin_at(10);
        assert_eq!((traces.noting(0, OTHER).finish(), traces.next()), (1000, 1001));
        let last = EXCEPTION_OF_REFERENCE - 1;
        traces.begin_at(last);
        assert_eq!((traces.noting(0, OTHER).finish(), traces.noting(0, OTHER).finish()), (last, 1));
    }

    #[test]
    fn a_payload_that_is_thrown_again_goes_on_with_its_record_while_nothing_has_moved() {
        let mut traces = Traces::default();
        let thrown = Thrown { tag: 8, payload: 64, moves: 5 };
        let mut number = |word, thrown| traces.noting(word, thrown).finish();
        let first = number(EXCEPTION_OF_REFERENCE, thrown);
        assert_eq!(number(EXCEPTION_OF_REFERENCE, thrown), first);
        for different in [Thrown { tag: 16, ..thrown }, Thrown { payload: 72, ..thrown }, Thrown { moves: 6, ..thrown }]
        {
            assert_ne!(number(EXCEPTION_OF_REFERENCE, different), first, "{different:?}");
        }
        assert_eq!(number(EXCEPTION_OF_REFERENCE, thrown), first, "it is one of the last four");
        assert_ne!(number(0, thrown), first, "its payload is no reference");
        number(EXCEPTION_OF_REFERENCE, Thrown { payload: 80, ..thrown });
        assert_ne!(number(EXCEPTION_OF_REFERENCE, thrown), first, "it is too long ago");
        for none in [0, 3] {
            let nothing = Thrown { payload: none, ..thrown };
            assert_ne!(number(EXCEPTION_OF_REFERENCE, nothing), number(EXCEPTION_OF_REFERENCE, nothing));
        }
        // Thrown again by its number, after it has moved.
        let moved = Thrown { payload: 128, moves: 9, ..thrown };
        let again = number(EXCEPTION_OF_REFERENCE, thrown);
        assert_eq!(number(again, moved), again);
        assert_eq!(number(EXCEPTION_OF_REFERENCE, moved), again);
    }

    #[test]
    fn of_many_frames_both_ends_are_kept_in_order() {
        for count in 0..5 * ENDS {
            let mut trace = Trace::new();
            for pc in 0..count {
                match trace.count < ENDS {
                    true => trace.first_pcs[trace.count] = pc,
                    false => trace.last_pcs[trace.count % ENDS] = pc,
                }
                trace.count += 1;
            }
            let kept: Vec<_> = trace.pcs().collect();
            let expected: Vec<_> = (0..count).filter(|pc| *pc < ENDS || *pc + ENDS >= count).collect();
            assert_eq!((kept, trace.depth()), (expected, count), "{count}");
        }
    }
}
