//! The heap's account: every byte of memory that it uses, its tables included, against the limit.

/// Bytes in use and the most that may be.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    limit_bytes: u64,
    used_bytes: u64,
    /// Side vectors (log, stacks, lists): they grow first and are counted afterwards.
    side_bytes: u64,
    peak_bytes: u64,
}

impl Charge {
    /// An account with this limit, of which nothing is used yet.
    pub fn new(limit_bytes: u64) -> Charge {
        Charge { limit_bytes, used_bytes: 0, side_bytes: 0, peak_bytes: 0 }
    }

    /// Adds `bytes` unless that would pass the limit.
    #[must_use]
    pub fn take(&mut self, bytes: u64) -> bool {
        if bytes > self.available_bytes() {
            return false;
        }
        self.used_bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
        true
    }

    /// Sets how much the side vectors take.
    pub fn set_side(&mut self, bytes: u64) {
        self.side_bytes = bytes;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }

    /// Bytes left below the limit.
    pub fn available_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes())
    }

    /// Takes `bytes` off what is in use.
    pub fn give_back(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.checked_sub(bytes).expect("more given back than taken");
    }

    /// The limit.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The bytes that are in use now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes + self.side_bytes
    }

    /// The most bytes that were ever in use.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }
}
