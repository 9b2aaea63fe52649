//! The heap's account: every byte of memory that it uses, its tables included, against the limit.
//!
//! 1. The limit is fixed. Below it, the embedder may want to be asked: then the heap has what it was *allowed* so far,
//!    and what does not fit that is refused like what does not fit the limit.
//! 2. A refusal says how much would have been used ([`Charge::wanted`]). Nobody is asked here: whoever drives the
//!    allocation looks there, outside of collections.
//! 3. What was denied counts as the limit for pacing, until more is allowed: so the next collections come early enough.

/// Bytes in use and the most that may be.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    limit_bytes: u64,
    /// What the embedder has allowed so far; the limit, if it does not want to be asked.
    allowed_bytes: u64,
    /// More than what is allowed was denied, and nothing was allowed since.
    is_denied: bool,
    /// What would have been in use after the last refusal, and 0 before there was one.
    wanted_bytes: u64,
    used_bytes: u64,
    /// Side vectors (log, stacks, lists): they grow first and are counted afterwards.
    side_bytes: u64,
    /// Not used, and kept for what the first collection will take.
    held_bytes: u64,
    peak_bytes: u64,
}

impl Charge {
    /// An account with this limit, of which nothing is used yet.
    pub fn new(limit_bytes: u64) -> Charge {
        Charge {
            limit_bytes,
            allowed_bytes: limit_bytes,
            is_denied: false,
            wanted_bytes: 0,
            used_bytes: 0,
            side_bytes: 0,
            held_bytes: 0,
            peak_bytes: 0,
        }
    }

    /// Adds `bytes` unless that would pass the limit or what is allowed.
    #[must_use]
    pub fn take(&mut self, bytes: u64) -> bool {
        if bytes > self.grantable_bytes() {
            self.want(bytes);
            return false;
        }
        self.used_bytes += bytes;
        self.wanted_bytes = 0;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
        true
    }

    /// Adds `bytes` again that were given back for something that was refused then, unless that would pass the limit or
    /// what is allowed. What is wanted stays what was refused.
    #[must_use]
    pub fn take_again(&mut self, bytes: u64) -> bool {
        let wanted_bytes = self.wanted_bytes;
        let is_taken = self.take(bytes);
        self.wanted_bytes = wanted_bytes;
        is_taken
    }

    /// Notes that `bytes` more were refused, for the error and for whoever asks the embedder.
    pub fn want(&mut self, bytes: u64) {
        self.wanted_bytes = (self.used_bytes() + self.held_bytes).saturating_add(bytes);
    }

    /// Sets how much the side vectors take.
    pub fn set_side(&mut self, bytes: u64) {
        self.side_bytes = bytes;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
    }

    /// Sets how much is kept for what the first collection will take.
    pub fn set_held(&mut self, bytes: u64) {
        self.held_bytes = bytes;
    }

    /// Bytes left below the limit, as far as it is known: what was denied is no part of it.
    pub fn available_bytes(&self) -> u64 {
        self.bound_bytes().saturating_sub(self.used_bytes() + self.held_bytes)
    }

    /// Bytes that can be taken without asking anybody.
    pub fn grantable_bytes(&self) -> u64 {
        self.allowed_bytes.saturating_sub(self.used_bytes() + self.held_bytes)
    }

    /// Takes `bytes` off what is in use.
    pub fn give_back(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.checked_sub(bytes).expect("more given back than taken");
    }

    /// The limit.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The limit, or what is allowed if more was denied.
    pub fn bound_bytes(&self) -> u64 {
        if self.is_denied { self.allowed_bytes } else { self.limit_bytes }
    }

    /// What is allowed.
    pub fn allowed_bytes(&self) -> u64 {
        self.allowed_bytes
    }

    /// Sets what is allowed, up to the limit.
    pub fn allow(&mut self, bytes: u64) {
        self.allowed_bytes = bytes.min(self.limit_bytes);
        self.is_denied = false;
    }

    /// Notes that more than what is allowed was denied.
    pub fn deny(&mut self) {
        self.is_denied = true;
    }

    /// What would have been in use after the last refusal, if the limit allows that and nobody has allowed it yet.
    pub fn wanted(&self) -> Option<u64> {
        (self.allowed_bytes + 1..=self.limit_bytes).contains(&self.wanted_bytes).then_some(self.wanted_bytes)
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
