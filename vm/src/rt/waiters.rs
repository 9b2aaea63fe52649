//! Who waits at which address of a shared memory.
//!
//! 1. A waiter compares the value and enters the queue of its address under the lock of all queues; who wakes takes
//!    waiters out under the same lock, the longest waiting first. So nobody is missed who compared before.
//! 2. It sleeps on a condition of its own until it was taken out, its time is over, or its store is interrupted.
//! 3. In the last two cases it takes itself out. If somebody was faster, it counts as woken.

use super::interrupt::InterruptCell;
use super::waiter::{Waited, Waiter};
use super::waits::Wait;
use heapwood_gc_abi::{Mutant, Narrow, active};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// The queues of a memory, by address.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<FxHashMap<u64, VecDeque<Arc<Waiter>>>>);

impl Waiters {
    /// Waits at an address if `is_expected`. Without a deadline it may wait forever.
    pub fn wait(
        &self,
        address: u64,
        is_expected: impl FnOnce() -> bool,
        deadline: Option<Instant>,
        interrupt: Option<&InterruptCell>,
    ) -> Waited {
        let waiter = Arc::new(Waiter::default());
        let mut queues = self.0.lock();
        if !is_expected() {
            return Waited::Mismatch;
        }
        queues.entry(address).or_default().push_back(waiter.clone());
        drop(queues);
        let ended = match interrupt {
            Some(cell) => {
                let _waiting = cell.wait(Wait::AtAddress(waiter.clone()));
                waiter.sleep(deadline, || cell.must_stop())
            }
            None => waiter.sleep(deadline, || false),
        };
        if ended == Waited::Woken || self.leave(address, &waiter) { ended } else { Waited::Woken }
    }

    /// Wakes up to `count` at an address; how many there were.
    pub fn notify(&self, address: u64, count: u32) -> u32 {
        let mut queues = self.0.lock();
        let Some(queue) = queues.get_mut(&address) else { return 0 };
        let most = if active(Mutant::AllWaitersWoken) { usize::MAX } else { count as usize };
        let count = queue.len().min(most);
        for waiter in queue.drain(..count) {
            waiter.wake();
        }
        if queue.is_empty() {
            queues.remove(&address);
        }
        count.narrow()
    }

    /// Takes a waiter out; `false` if it is out already.
    fn leave(&self, address: u64, waiter: &Arc<Waiter>) -> bool {
        let mut queues = self.0.lock();
        let Some(queue) = queues.get_mut(&address) else { return false };
        let Some(at) = queue.iter().position(|other| Arc::ptr_eq(other, waiter)) else { return false };
        queue.remove(at);
        if queue.is_empty() {
            queues.remove(&address);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: u64 = 8;

    impl Waiters {
        /// Returns when so many wait at the address.
        fn until(&self, count: usize) {
            while self.0.lock().get(&ADDRESS).map_or(0, VecDeque::len) != count {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_notification_wakes_those_that_wait_longest_and_no_more_than_it_says() {
        let (waiters, woken) = (Waiters::default(), Mutex::new(Vec::new()));
        let is_woken = |count: usize| {
            while woken.lock().len() < count {
                std::thread::yield_now();
            }
            woken.lock().clone()
        };
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (waiters, woken) = (&waiters, &woken);
                scope.spawn(move || {
                    assert_eq!(waiters.wait(ADDRESS, || true, None, None), Waited::Woken);
                    woken.lock().push(number);
                });
                waiters.until(number + 1);
            }
            assert_eq!((waiters.notify(ADDRESS, 0), waiters.notify(ADDRESS + 8, 9)), (0, 0));
            assert_eq!(waiters.notify(ADDRESS, 1), 1);
            assert_eq!(is_woken(1), [0]);
            waiters.until(3);
            assert_eq!(waiters.notify(ADDRESS, 2), 2);
            let mut first = is_woken(3);
            first.sort_unstable();
            assert_eq!(first, [0, 1, 2]);
            waiters.until(1);
            assert_eq!(waiters.notify(ADDRESS, u32::MAX), 1);
        });
        assert_eq!(waiters.wait(ADDRESS, || false, None, None), Waited::Mismatch);
    }
}
