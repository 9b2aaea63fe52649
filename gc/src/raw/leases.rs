//! Values that are lent to holders on any thread, and come back to who lends them without a lock.
//!
//! 1. [`Leases`] lends; a [`Lease`] is held. The last copy of one that is dropped puts its record into the list of what
//!    came back, which is one atomic operation. Who lends takes the whole list at once.
//! 2. A record is read by the holders of its lease until it is in that list. From when the lender has taken it out
//!    until it is lent again, nobody but the lender uses it (L1).
//! 3. The list stands on a desk of its own, since leases may outlive the lender. A lender that is dropped closes the
//!    desk and adds to its count how many leases are still out; each that is dropped on a closed desk takes one away.
//!    So whoever comes to zero, having found or made the desk closed, is the last that knows of it (L2).

use std::ptr::{NonNull, without_provenance_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize};

/// Records that are kept for later leases.
const SPARE_MAX: usize = 4096;

/// The lender of records. What it lent stays readable when it is dropped.
#[derive(Debug)]
pub struct Leases<T: Copy> {
    /// Where leases come back; made for the first lease.
    desk: Option<NonNull<Desk<T>>>,
    spare: Vec<NonNull<Record<T>>>,
    /// Leases that were made and have not come back.
    lent: isize,
}

/// A value that is lent. Copies are of the same lease, which is over when the last one is dropped.
#[derive(Debug)]
pub struct Lease<T: Copy> {
    record: NonNull<Record<T>>,
}

#[derive(Debug)]
struct Record<T> {
    copies: AtomicUsize,
    /// The record that came back before this one.
    next: AtomicPtr<Record<T>>,
    desk: NonNull<Desk<T>>,
    value: T,
}

#[derive(Debug)]
struct Desk<T> {
    /// The record that came back last, or [`closed`].
    returned: AtomicPtr<Record<T>>,
    /// Leases that are out, once the desk is closed.
    left: AtomicIsize,
}

// SAFETY: L1: of a record the holders share what is atomic or never changes meanwhile.
unsafe impl<T: Copy + Send + Sync> Send for Lease<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Send + Sync> Sync for Lease<T> {}
// SAFETY: L1: spare records are the lender's alone; what is shared is atomic.
unsafe impl<T: Copy + Send + Sync> Send for Leases<T> {}
// SAFETY: as above; a shared borrow of the lender gives nothing.
unsafe impl<T: Copy + Send + Sync> Sync for Leases<T> {}

/// What stands in place of a record on a desk whose lender is gone; no record has this address.
fn closed<T>() -> *mut Record<T> {
    without_provenance_mut(1)
}

impl<T: Copy> Default for Leases<T> {
    fn default() -> Leases<T> {
        Leases { desk: None, spare: Vec::new(), lent: 0 }
    }
}

impl<T: Copy> Leases<T> {
    /// Lends a value.
    #[inline]
    pub fn lend(&mut self, value: T) -> Lease<T> {
        self.lent += 1;
        let Some(mut record) = self.spare.pop() else { return Lease { record: self.new_record(value) } };
        // SAFETY: L1: it is spare.
        let fields = unsafe { record.as_mut() };
        fields.value = value;
        *fields.copies.get_mut() = 1;
        Lease { record }
    }

    #[cold]
    fn new_record(&mut self, value: T) -> NonNull<Record<T>> {
        let new_desk = || Desk { returned: AtomicPtr::default(), left: AtomicIsize::new(0) };
        let desk = *self.desk.get_or_insert_with(|| NonNull::from(Box::leak(Box::new(new_desk()))));
        let record = Record { copies: AtomicUsize::new(1), next: AtomicPtr::default(), desk, value };
        NonNull::from(Box::leak(Box::new(record)))
    }

    /// Takes what came back, the last one first.
    pub fn take_back(&mut self, mut each: impl FnMut(T)) {
        let Some(desk) = self.desk else { return };
        // SAFETY: L2: the desk is there as long as the lender.
        let returned = unsafe { &desk.as_ref().returned };
        if returned.load(Relaxed).is_null() {
            return;
        }
        self.take(returned.swap(std::ptr::null_mut(), Acquire), |lender, record| {
            // SAFETY: L1: it was taken out of the list.
            each(unsafe { record.as_ref() }.value);
            match lender.spare.len() < SPARE_MAX {
                true => lender.spare.push(record),
                false => free(record),
            }
        });
    }

    /// Goes through a list that was taken.
    fn take(&mut self, first: *mut Record<T>, mut each: impl FnMut(&mut Leases<T>, NonNull<Record<T>>)) {
        let mut next = NonNull::new(first);
        while let Some(record) = next {
            // SAFETY: L1: it was taken out of the list, with all behind it.
            next = NonNull::new(unsafe { record.as_ref() }.next.load(Relaxed));
            self.lent -= 1;
            each(self, record);
        }
    }
}

impl<T: Copy> Drop for Leases<T> {
    fn drop(&mut self) {
        std::mem::take(&mut self.spare).into_iter().for_each(free);
        let Some(desk) = self.desk else { return };
        // SAFETY: L2: the count below is what gives the desk up.
        let fields = unsafe { desk.as_ref() };
        self.take(fields.returned.swap(closed(), AcqRel), |_, record| free(record));
        if fields.left.fetch_add(self.lent, AcqRel) + self.lent == 0 {
            free(desk);
        }
    }
}

impl<T: Copy> Lease<T> {
    /// The value.
    #[inline]
    pub fn value(&self) -> &T {
        // SAFETY: L1: this is one of the holders.
        &unsafe { self.record.as_ref() }.value
    }
}

impl<T: Copy> Clone for Lease<T> {
    fn clone(&self) -> Lease<T> {
        // SAFETY: L1: this is one of the holders.
        unsafe { self.record.as_ref() }.copies.fetch_add(1, Relaxed);
        Lease { record: self.record }
    }
}

impl<T: Copy> Drop for Lease<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: L1: this is one of the holders, until its copy is given up or the record is in the list.
        let record = unsafe { self.record.as_ref() };
        // Who has the only copy need not count it down: nobody else can make another.
        if record.copies.load(Acquire) != 1 && record.copies.fetch_sub(1, AcqRel) != 1 {
            return;
        }
        // SAFETY: L2: this lease is out, so the desk is there.
        let returned = unsafe { &record.desk.as_ref().returned };
        let mut before = returned.load(Relaxed);
        loop {
            if before == closed() {
                return late(self.record);
            }
            record.next.store(before, Relaxed);
            match returned.compare_exchange_weak(before, self.record.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }
}

/// The last copy of a lease is dropped whose lender is gone.
#[cold]
fn late<T>(record: NonNull<Record<T>>) {
    // SAFETY: L1: nobody else has it, nor will.
    let desk = unsafe { record.as_ref() }.desk;
    free(record);
    // SAFETY: L2: this lease is out until it is counted down here.
    if unsafe { desk.as_ref() }.left.fetch_sub(1, AcqRel) == 1 {
        free(desk);
    }
}

/// Frees a record or a desk of which nobody else knows.
fn free<T>(of: NonNull<T>) {
    // SAFETY: L1, L2: the callers are the last that know of it, and it was made by `Box`.
    drop(unsafe { Box::from_raw(of.as_ptr()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_comes_back_once_and_its_record_is_lent_again() {
        let mut leases = Leases::default();
        let first: Vec<Lease<u64>> = (0..3).map(|value| leases.lend(value)).collect();
        let copy = first[1].clone();
        let records: Vec<_> = first.iter().map(|lease| lease.record).collect();
        drop(first);
        let mut back = Vec::new();
        leases.take_back(|value| back.push(value));
        assert_eq!(back, [2, 0], "a copy of the second is held");
        assert_eq!(*copy.value(), 1);
        drop(copy);
        leases.take_back(|value| back.push(value));
        leases.take_back(|value| panic!("{value} came back twice"));
        assert_eq!(back, [2, 0, 1]);
        let again: Vec<_> = (3..6).map(|value| leases.lend(value)).collect();
        assert!(again.iter().all(|lease| records.contains(&lease.record)), "spare records are used");
        assert_eq!(again.iter().map(|lease| *lease.value()).collect::<Vec<_>>(), [3, 4, 5]);
    }

    /// Under an interpreter a record or desk that is freed twice, or never, is an error.
    #[test]
    fn leases_outlive_who_lent_them_in_any_order_and_on_any_thread() {
        for held in 0..4 {
            let mut leases = Leases::default();
            let lent: Vec<Lease<usize>> = (0..8).map(|value| leases.lend(value)).collect();
            let (threads, counted) = (4, AtomicUsize::new(0));
            std::thread::scope(|scope| {
                let mut lent = lent.into_iter();
                for _ in 0..threads {
                    let (counted, share) = (&counted, lent.by_ref().take(held).collect::<Vec<_>>());
                    scope.spawn(move || {
                        for lease in share {
                            let copy = lease.clone();
                            drop(lease);
                            counted.fetch_add(*copy.value() + 1, Relaxed);
                        }
                    });
                }
                leases.take_back(|_| {});
                drop(leases);
            });
            let all: usize = (1..=8.min(held * threads)).sum();
            assert_eq!(counted.into_inner(), all);
        }
    }
}
