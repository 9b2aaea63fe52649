//! What a program wants to be called for at a time.

use std::collections::{BTreeMap, HashMap};

/// Most that a program may wait for at once.
pub const TIMERS_MAX: usize = 1 << 20;

/// Entries by time; those of one time in the order in which they were added.
#[derive(Debug)]
pub struct Timers<E> {
    /// Events by the bits of the time, which are in the order of times from 0 on, and a number that counts up.
    entries: BTreeMap<(u64, u64), (i32, E)>,
    places: HashMap<i32, (u64, u64)>,
    added: u64,
}

impl<E> Default for Timers<E> {
    fn default() -> Timers<E> {
        Timers { entries: BTreeMap::new(), places: HashMap::new(), added: 0 }
    }
}

impl<E> Timers<E> {
    /// Adds an entry for a time, in milliseconds since 1970. What is past, or no number, is `now`: an entry comes behind
    /// those that are due already. Returns the number that identifies it, from 1 on; none if there are [`TIMERS_MAX`].
    pub fn add(&mut self, time: f64, now: f64, entry: E) -> Option<i32> {
        if self.entries.len() >= TIMERS_MAX {
            return None;
        }
        self.added += 1;
        let place = (time.max(now).max(0.0).to_bits(), self.added);
        let mut number = ((self.added - 1) % i32::MAX as u64) as i32 + 1;
        while self.places.contains_key(&number) {
            number = number % i32::MAX + 1;
        }
        self.places.insert(number, place);
        self.entries.insert(place, (number, entry));
        Some(number)
    }

    /// Takes an entry away, if it is there.
    pub fn remove(&mut self, number: i32) {
        if let Some(place) = self.places.remove(&number) {
            self.entries.remove(&place);
        }
    }

    /// The time of the first entry.
    pub fn first_time(&self) -> Option<f64> {
        self.entries.first_key_value().map(|((bits, _), _)| f64::from_bits(*bits))
    }

    /// Takes the first entry.
    pub fn pop(&mut self) -> Option<E> {
        let (_, (number, entry)) = self.entries.pop_first()?;
        self.places.remove(&number);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_then_in_order() {
        let mut timers = Timers::default();
        let times = [30.0, 10.0, f64::NAN, 20.0, -5.0, 30.0, f64::INFINITY, 10.0, -f64::INFINITY];
        let numbers: Vec<i32> = (0..).zip(times).map(|(entry, time)| timers.add(time, 15.0, entry).unwrap()).collect();
        timers.remove(numbers[3]);
        timers.remove(numbers[3]);
        timers.remove(77);
        let mut came = Vec::new();
        while let Some(time) = timers.first_time() {
            came.push((time, timers.pop().unwrap()));
        }
        let expected =
            [(15.0, 1), (15.0, 2), (15.0, 4), (15.0, 7), (15.0, 8), (30.0, 0), (30.0, 5), (f64::INFINITY, 6)];
        assert_eq!(came, expected);
        assert!(timers.pop().is_none() && timers.places.is_empty());
    }

    #[test]
    fn numbers_are_those_of_no_other_entry_and_there_is_a_most() {
        let mut timers = Timers::default();
        let numbers: std::collections::BTreeSet<i32> =
            (0..TIMERS_MAX).map(|_| timers.add(1.0, 0.0, ()).unwrap()).collect();
        assert_eq!((numbers.len(), timers.add(1.0, 0.0, ())), (TIMERS_MAX, None));
        // The numbers begin again, and leave out what is in use.
        timers.added = i32::MAX as u64 - 1;
        timers.remove(5);
        assert_eq!(timers.add(1.0, 0.0, ()), Some(i32::MAX));
        timers.remove(i32::MAX);
        assert_eq!(timers.add(1.0, 0.0, ()), Some(5));
    }
}
