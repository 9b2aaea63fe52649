//! A set of places in the heap, as bits.

/// One bit for each 8 bytes of a range of the heap.
pub(super) struct Bits {
    start: u32,
    words: Vec<u64>,
}

impl Bits {
    pub(super) fn new(start: u32, end: u32) -> Bits {
        Bits { start, words: vec![0; (end - start).div_ceil(2 * 64) as usize] }
    }

    /// Sets the bit of `reference`; returns whether it was set before.
    pub(super) fn set(&mut self, reference: u32) -> bool {
        let (word, bit) = self.place(reference);
        let was = self.words[word] & bit != 0;
        self.words[word] |= bit;
        was
    }

    pub(super) fn get(&self, reference: u32) -> bool {
        let (word, bit) = self.place(reference);
        self.words[word] & bit != 0
    }

    fn place(&self, reference: u32) -> (usize, u64) {
        let index = (reference - self.start) / 2;
        (index as usize / 64, 1 << (index % 64))
    }
}
