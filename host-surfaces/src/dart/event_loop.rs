//! Tasks that wait for their turn: microtasks in the order in which they came, timers by when they are due.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Names a timer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerId(u64);

/// What waits. Times are microseconds of a clock that never runs backwards.
///
/// ```
/// use heapwood_surfaces::dart::EventLoop;
/// let mut tasks = EventLoop::new();
/// tasks.schedule(0, 20, false, "later");
/// let sooner = tasks.schedule(0, 10, true, "every 10");
/// assert_eq!((tasks.next_due(), tasks.take_due(9)), (Some(10), None));
/// let due = [(); 4].map(|()| tasks.take_due(25));
/// assert_eq!(due, [Some("every 10"), Some("later"), Some("every 10"), None]);
/// tasks.clear(sooner);
/// assert_eq!(tasks.next_due(), None);
/// ```
#[derive(Debug)]
pub struct EventLoop<T> {
    microtasks: VecDeque<T>,
    /// Timers by when they are due, and by the order in which they were scheduled.
    timers: BTreeMap<(u64, u64), Timer<T>>,
    /// Where each timer stands.
    places: HashMap<TimerId, (u64, u64)>,
    /// The next number.
    next: u64,
}

#[derive(Debug)]
struct Timer<T> {
    id: TimerId,
    period: Option<u64>,
    task: T,
}

impl<T> Default for EventLoop<T> {
    fn default() -> EventLoop<T> {
        EventLoop { microtasks: VecDeque::new(), timers: BTreeMap::new(), places: HashMap::new(), next: 0 }
    }
}

impl<T: Clone> EventLoop<T> {
    /// An event loop in which nothing waits.
    pub fn new() -> EventLoop<T> {
        EventLoop::default()
    }

    /// A task for the end of this turn.
    pub fn push_microtask(&mut self, task: T) {
        self.microtasks.push_back(task);
    }

    /// The microtask that waits longest.
    pub fn take_microtask(&mut self) -> Option<T> {
        self.microtasks.pop_front()
    }

    /// A timer that is due after a time, which counts as 0 if it is negative: once, or again and again.
    pub fn schedule(&mut self, now: u64, delay: i64, is_repeated: bool, task: T) -> TimerId {
        let delay = u64::try_from(delay).unwrap_or(0);
        let id = TimerId(self.next);
        self.insert(now.saturating_add(delay), Timer { id, period: is_repeated.then_some(delay), task });
        id
    }

    fn insert(&mut self, due: u64, timer: Timer<T>) {
        self.places.insert(timer.id, (due, self.next));
        self.timers.insert((due, self.next), timer);
        self.next += 1;
    }

    /// Forgets a timer, if it is not forgotten yet.
    pub fn clear(&mut self, id: TimerId) {
        if let Some(place) = self.places.remove(&id) {
            self.timers.remove(&place);
        }
    }

    /// When the next timer is due; none if there is no timer.
    pub fn next_due(&self) -> Option<u64> {
        self.timers.first_key_value().map(|((due, _), _)| *due)
    }

    /// The task of the timer that was due first, if one is due. A timer that repeats is due again one interval after it
    /// was due; one without an interval comes once in a turn, behind all that are due.
    pub fn take_due(&mut self, now: u64) -> Option<T> {
        let (due, _) = *self.timers.first_key_value()?.0;
        if due > now {
            return None;
        }
        let (_, timer) = self.timers.pop_first()?;
        let Some(period) = timer.period else {
            self.places.remove(&timer.id);
            return Some(timer.task);
        };
        let task = timer.task.clone();
        self.insert(if period == 0 { now } else { due.saturating_add(period) }, timer);
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_wasi::SeededRandom;

    /// Timers at random against a list that is searched.
    #[test]
    fn timers_come_by_when_they_are_due_and_then_by_their_order() {
        let mut random = SeededRandom::new(3);
        let mut below = |end: u64| random.next_u64() % end;
        let mut tasks = EventLoop::new();
        let mut model: Vec<(u64, u64, Option<u64>, TimerId, u64)> = Vec::new();
        let (mut now, mut order, mut taken) = (0, 0, 0);
        for task in 0..5_000 {
            match below(6) {
                0 | 1 => {
                    let (delay, is_repeated) = (below(20), below(4) == 0);
                    let id = tasks.schedule(now, i64::try_from(delay).unwrap() - 3, is_repeated, task);
                    let delay = delay.saturating_sub(3);
                    model.push((now + delay, order, is_repeated.then_some(delay), id, task));
                    order += 1;
                }
                2 if !model.is_empty() => {
                    let (_, _, _, id, _) = model.swap_remove(usize::try_from(below(model.len() as u64)).unwrap());
                    tasks.clear(id);
                    tasks.clear(id);
                }
                3 => now += below(5),
                _ => {
                    let first = model.iter().copied().min_by_key(|(due, order, ..)| (*due, *order));
                    assert_eq!(tasks.next_due(), first.map(|(due, ..)| due));
                    let first = first.filter(|(due, ..)| *due <= now);
                    assert_eq!(tasks.take_due(now), first.map(|(.., task)| task));
                    let Some((due, at, period, id, task)) = first else { continue };
                    model.retain(|(_, order, ..)| *order != at);
                    if let Some(period) = period {
                        model.push((if period == 0 { now } else { due + period }, order, Some(period), id, task));
                        order += 1;
                    }
                    taken += 1;
                }
            }
        }
        assert!(taken > 1_000, "{taken}");
        model.iter().for_each(|(_, _, _, id, _)| tasks.clear(*id));
        assert!(tasks.timers.is_empty() && tasks.places.is_empty());
    }

    #[test]
    fn a_timer_without_an_interval_lets_others_have_their_turn() {
        let mut tasks = EventLoop::new();
        tasks.schedule(0, 0, true, "always");
        tasks.schedule(0, 5, false, "once");
        let turns: Vec<_> = (0..4).map(|_| tasks.take_due(7)).collect();
        assert_eq!(turns, [Some("always"), Some("once"), Some("always"), Some("always")]);
    }

    #[test]
    fn microtasks_come_in_order() {
        let mut tasks = EventLoop::new();
        (0..3).for_each(|task| tasks.push_microtask(task));
        assert_eq!([(); 4].map(|()| tasks.take_microtask()), [Some(0), Some(1), Some(2), None]);
        assert_eq!(EventLoop::<()>::new().schedule(u64::MAX, i64::MAX, true, ()), TimerId(0));
    }
}
