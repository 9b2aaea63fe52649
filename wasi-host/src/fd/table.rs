//! The numbers of a guest's descriptors.

use super::Descriptor;
use crate::errno::Errno;

/// Descriptors by number. A new one gets the lowest free number, as POSIX programs expect.
pub(crate) struct Table {
    slots: Vec<Option<Descriptor>>,
    limit: usize,
}

impl Table {
    /// A table of at most `limit` descriptors at a time.
    pub fn new(limit: usize) -> Table {
        Table { slots: Vec::new(), limit }
    }

    /// # Errors
    /// `BADF` for a number that stands for nothing.
    pub fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)
    }

    /// All descriptors, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.slots.iter().flatten()
    }

    /// All descriptors with their numbers, in ascending order.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Descriptor)> {
        (0..).zip(&self.slots).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// # Errors
    /// As [`get`](Table::get).
    pub fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)
    }

    /// The number that the next descriptor gets.
    ///
    /// # Errors
    /// `MFILE` when there are as many as allowed.
    pub fn next(&self) -> Result<usize, Errno> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free < self.limit { Ok(free) } else { Err(Errno::MFile) }
    }

    /// # Errors
    /// As [`next`](Table::next).
    pub fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let number = self.next()?;
        match self.slots.get_mut(number) {
            Some(slot) => *slot = Some(descriptor),
            None => self.slots.push(Some(descriptor)),
        }
        u32::try_from(number).map_err(|_| Errno::MFile)
    }

    /// Appends a slot: only for the descriptors that exist before the guest starts.
    pub fn push(&mut self, descriptor: Option<Descriptor>) {
        self.slots.push(descriptor);
    }

    /// # Errors
    /// As [`get`](Table::get).
    pub fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BadF)
    }

    /// Moves `from` to the number `to`, closing what was there.
    ///
    /// # Errors
    /// `BADF` unless both stand for something.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            let moved = self.remove(from)?;
            *self.get_mut(to)? = moved;
        }
        Ok(())
    }
}
