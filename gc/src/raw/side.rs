//! Vectors of plain data beside the heap: address space from the cage, memory committed as they grow.

use super::backing::BackingError;
use super::cage::{Cage, Territory};
use std::marker::PhantomData;
use std::sync::Arc;

/// Types for which every bit pattern is valid, and nothing has to be dropped.
///
/// # Safety
/// Implementors have no padding and no invalid bit patterns.
pub unsafe trait PlainData: Copy {}
// SAFETY: integers.
unsafe impl PlainData for u16 {}
// SAFETY: integers.
unsafe impl PlainData for u32 {}
// SAFETY: integers.
unsafe impl PlainData for u64 {}

/// Bytes by which a side vector grows.
const STEP_BYTES: usize = 32 << 10;

/// A vector that never moves and that grows only when asked to, fallibly.
#[derive(Debug)]
pub struct SideVec<T: PlainData> {
    start: *mut T,
    len: usize,
    capacity: usize,
    capacity_max: usize,
    committed_bytes: usize,
    /// Elements whose pages are there.
    populated: usize,
    /// Keeps the memory mapped.
    territory: Arc<Territory>,
}

// SAFETY: S1: the memory behind it belongs to the vector alone and stays mapped, and T is plain data.
unsafe impl<T: PlainData + Send> Send for SideVec<T> {}

/// A stack over the memory of a side vector, which is borrowed meanwhile.
#[derive(Debug)]
pub struct LentStack<'v, T: PlainData> {
    bottom: *mut T,
    top: *mut T,
    end: *mut T,
    vector: PhantomData<&'v mut [T]>,
}

impl<T: PlainData> Default for LentStack<'_, T> {
    /// A stack without room: what is left in the place of one that was taken out.
    #[inline(always)]
    fn default() -> Self {
        let nowhere = std::ptr::null_mut();
        LentStack { bottom: nowhere, top: nowhere, end: nowhere, vector: PhantomData }
    }
}

impl<T: PlainData> LentStack<'_, T> {
    /// Elements that can be pushed.
    #[inline(always)]
    pub fn room(&self) -> usize {
        (self.end as usize - self.top as usize) / size_of::<T>()
    }

    /// Number of elements.
    #[inline(always)]
    pub fn len(&self) -> usize {
        (self.top as usize - self.bottom as usize) / size_of::<T>()
    }

    /// Pushes an element.
    ///
    /// # Safety
    /// There is room for it ([`LentStack::room`]).
    #[inline(always)]
    pub unsafe fn push_unchecked(&mut self, value: T) {
        debug_assert!(self.top != self.end);
        // SAFETY: S1 by the contract.
        unsafe {
            *self.top = value;
            self.top = self.top.add(1);
        }
    }

    /// Pushes an element. Panics if the vector was not grown enough.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        assert!(self.top != self.end, "the stack has room for every object of the nursery");
        // SAFETY: the test above.
        unsafe { self.push_unchecked(value) }
    }

    /// Takes the last element.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        if self.top == self.bottom {
            return None;
        }
        // SAFETY: S1: it was written by `push`, or was an element of the vector.
        unsafe {
            self.top = self.top.sub(1);
            Some(*self.top)
        }
    }
}

impl<T: PlainData> SideVec<T> {
    /// An empty vector that can grow to `capacity_max` elements, or to fewer in a cage with little address space. Costs
    /// address space only.
    pub fn new(cage: &mut Cage, capacity_max: usize) -> SideVec<T> {
        let range = cage.take_side_range(capacity_max * size_of::<T>(), true);
        SideVec::over(cage, range)
    }

    /// An empty vector that can always grow to `capacity_max` elements, however little address space the cage has.
    /// Costs address space only.
    pub fn uncut(cage: &mut Cage, capacity_max: usize) -> SideVec<T> {
        let range = cage.take_side_range(capacity_max * size_of::<T>(), false);
        SideVec::over(cage, range)
    }

    fn over(cage: &Cage, (start, bytes): (usize, usize)) -> SideVec<T> {
        let (start, capacity_max) = (start as *mut T, bytes / size_of::<T>());
        let territory = cage.territory().clone();
        SideVec { start, len: 0, capacity: 0, capacity_max, committed_bytes: 0, populated: 0, territory }
    }

    /// Makes room for `capacity` elements.
    pub fn grow(&mut self, cage: &mut Cage, capacity: usize) -> Result<(), BackingError> {
        if capacity <= self.capacity {
            return Ok(());
        }
        if capacity > self.capacity_max {
            return Err(BackingError { operation: "commit", bytes: (capacity * size_of::<T>()) as u64 });
        }
        assert!(Arc::ptr_eq(&self.territory, cage.territory()), "a side vector of another cage");
        let (from, to) = (self.committed_bytes, (capacity * size_of::<T>()).next_multiple_of(STEP_BYTES));
        let to = to.min((self.capacity_max * size_of::<T>()).next_multiple_of(super::backing::PAGE_BYTES));
        if to > from {
            cage.commit_side(self.start as usize + from, to - from)?;
            self.committed_bytes = to;
        }
        self.capacity = (to / size_of::<T>()).min(self.capacity_max);
        Ok(())
    }

    /// Makes room for `capacity` elements whose pages are there, so that pushing them faults nothing in.
    pub fn grow_populated(&mut self, cage: &mut Cage, capacity: usize) -> Result<(), BackingError> {
        if capacity <= self.populated {
            return Ok(());
        }
        self.grow(cage, capacity)?;
        // Pages that are there already are left out, since populating would walk them again.
        let from = self.populated * size_of::<T>() / super::backing::PAGE_BYTES * super::backing::PAGE_BYTES;
        cage.populate_side(self.start as usize + from, self.committed_bytes - from)?;
        self.populated = self.capacity;
        Ok(())
    }

    /// Elements that it can grow to.
    pub fn capacity_max(&self) -> usize {
        self.capacity_max
    }

    /// Makes the vector one that cannot grow any further than it has, since the system has refused memory.
    pub fn stop_growing(&mut self) {
        self.capacity_max = self.capacity;
    }

    /// Changes how far the vector can grow. It must be empty.
    #[cfg(feature = "test-hooks")]
    pub fn set_capacity_max(&mut self, capacity_max: usize) {
        self.capacity_max = self.capacity_max.min(capacity_max);
        self.capacity = self.capacity.min(capacity_max);
    }

    /// Number of elements.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements for which there is memory.
    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends an element; false if there is no room.
    #[inline(always)]
    #[must_use]
    pub fn push(&mut self, value: T) -> bool {
        if self.len == self.capacity {
            return false;
        }
        // SAFETY: S1 by the test above.
        unsafe { *self.start.add(self.len) = value };
        self.len += 1;
        true
    }

    /// Lends the vector's memory as a stack that lives in registers. The vector is empty before and afterwards.
    #[inline(always)]
    pub fn lend_stack(&mut self) -> LentStack<'_, T> {
        debug_assert!(self.len == 0);
        let end = self.start.wrapping_add(self.capacity);
        LentStack { bottom: self.start, top: self.start, end, vector: PhantomData }
    }

    /// Lends the elements and the memory behind them as a stack that lives in registers. Afterwards
    /// [`SideVec::set_len`] says how many elements there are.
    #[inline(always)]
    pub fn lend_rest(&mut self) -> LentStack<'_, T> {
        let (top, end) = (self.start.wrapping_add(self.len), self.start.wrapping_add(self.capacity));
        LentStack { bottom: self.start, top, end, vector: PhantomData }
    }

    /// Takes the last element.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: S1: it was written by `push`.
        Some(unsafe { *self.start.add(self.len) })
    }

    /// Forgets the elements from `len` on.
    #[inline(always)]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Sets the length; new elements are what was there before (0 at first).
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "side vector has no memory for that");
        self.len = len;
    }

    /// All elements.
    #[inline(always)]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: S1; `start` is aligned (page) even when nothing is committed and the length is 0.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// All elements.
    #[inline(always)]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: S1, and `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::backing::Backing;
    use crate::raw::cage::CageKind;
    use crate::raw::types::TypeFile;

    #[test]
    #[cfg_attr(miri, ignore = "a cage is more than the interpreter has")]
    fn a_vector_grows_to_its_most_elements_and_no_further() {
        const MOST: usize = 10_000;
        let mut cage =
            Cage::new(Backing::default(), 1 << 20, CageKind::Suitable, &TypeFile::of_bytes(1 << 20).unwrap(), None)
                .unwrap();
        let mut vector = SideVec::<u32>::new(&mut cage, MOST);
        for capacity in [1, MOST] {
            vector.grow(&mut cage, capacity).unwrap();
            assert!((capacity..=MOST).contains(&vector.capacity()));
        }
        let error = vector.grow(&mut cage, MOST + 1).unwrap_err();
        assert_eq!(error, BackingError { operation: "commit", bytes: 4 * (MOST as u64 + 1) });
        assert_eq!(vector.capacity(), MOST);
        for value in 0..MOST as u32 {
            assert!(vector.push(value));
        }
        assert!(!vector.push(0));
        assert!((0..MOST as u32).eq(vector.as_slice().iter().copied()));
    }
}
