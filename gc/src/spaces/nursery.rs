//! The nursery: eden, filled by compiled code, and two survivor spaces for what survived once.
//!
//! 1. Eden is granted in slices of a quarter: crossing one brings the mutator here to keep the reserve of ready
//!    blocks and to sweep a little.
//! 2. A minor copies survivors of eden into the empty survivor space, and survivors of the other one out of the
//!    nursery. Then the two change roles.
//! 3. Until the first collection eden is *cold*: a few pages at the end of its address space, next to the immortal
//!    space, so that both are one mapping of a heap that never collects. What a minor would need is not made ready for
//!    it yet; the collection that comes first does so, and eden lies elsewhere from then on.
//! 4. What a minor has to copy at worst is eden and the survivors. Where that is what is bounded, and not eden, eden is
//!    larger the less survived.

use super::charge::Charge;
use super::old::Bump;
use crate::embedder::config::{NURSERY_BYTES_MAX, NURSERY_BYTES_MIN};
use crate::embedder::errors::Refused;
use crate::raw::backing::PAGE_BYTES;
use crate::raw::cage::{BLOCK_BYTES, Cage, NURSERY_END, NURSERY_START};
use heapwood_gc_abi::space::INLINE_BYTES_MAX;

/// Address space of one survivor space.
const SURVIVOR_REACH: u64 = (NURSERY_BYTES_MAX / 4) as u64;
/// The part of the young bytes that a survivor space may take.
pub const SURVIVOR_PART: u32 = 5;
/// First reference of eden, unless it is cold; young objects below it survived once.
pub const EDEN_START: u32 = ((NURSERY_START + 2 * SURVIVOR_REACH) / 4) as u32;

/// Bytes of a cold eden: the least that one may have.
pub const COLD_EDEN_BYTES: u32 = NURSERY_BYTES_MIN;
/// First reference of a cold eden.
const COLD_EDEN_START: u32 = ((NURSERY_END - COLD_EDEN_BYTES as u64) / 4) as u32;
const _: () = assert!(COLD_EDEN_START >= EDEN_START + NURSERY_BYTES_MAX / 4);

/// Sizes and tops of the nursery's parts (references).
#[derive(Debug)]
pub struct Nursery {
    /// First reference of eden: the cold one's until the first collection.
    eden_start: u32,
    /// Whether there is what a minor needs.
    is_prepared: bool,
    /// Bytes of the cold eden that have memory and are charged.
    cold_committed: u32,
    eden_bytes: u32,
    /// Most bytes of a survivor space.
    survivor_bytes: u32,
    /// End of what the mutator may fill.
    granted: u32,
    /// Bytes of eden, and of each survivor space, that have memory and are charged.
    eden_committed: u32,
    survivor_committed: [u32; 2],
    /// Which survivor space holds objects.
    from: usize,
    from_top: u32,
}

impl Nursery {
    /// A nursery without memory.
    pub fn new(eden_bytes: u32) -> Nursery {
        let eden_bytes = eden_bytes.next_multiple_of(PAGE_BYTES as u32);
        Nursery {
            eden_bytes,
            survivor_bytes: (eden_bytes / 4).next_multiple_of(PAGE_BYTES as u32),
            eden_start: COLD_EDEN_START,
            is_prepared: false,
            cold_committed: 0,
            granted: COLD_EDEN_START,
            eden_committed: 0,
            survivor_committed: [0; 2],
            from: 0,
            from_top: survivor_start(0),
        }
    }

    /// First reference of eden.
    pub fn eden_start(&self) -> u32 {
        self.eden_start
    }

    /// Whether eden lies where it does until the first collection.
    pub fn is_cold(&self) -> bool {
        self.eden_start == COLD_EDEN_START
    }

    /// Whether there is what a minor of all that is granted needs.
    pub fn is_prepared(&self) -> bool {
        self.is_prepared
    }

    /// Notes that what a minor of all that is granted needs is there from now on.
    pub fn set_prepared(&mut self) {
        self.is_prepared = true;
    }

    /// Bytes of eden once it is not cold.
    #[inline]
    pub fn eden_bytes(&self) -> u32 {
        self.eden_bytes
    }

    /// Sets how many bytes may be young: eden gets what survivors leave of them. Eden is empty, and the survivors may
    /// be those of a larger nursery.
    pub fn set_young_bytes(&mut self, bytes: u32) {
        debug_assert_eq!(self.granted, self.eden_start);
        let page = PAGE_BYTES as u32;
        self.survivor_bytes = (bytes / SURVIVOR_PART).next_multiple_of(page).min(SURVIVOR_REACH as u32);
        let eden_bytes = bytes.saturating_sub(self.survivors().len() as u32 * 4) / page * page;
        self.eden_bytes = eden_bytes.clamp(NURSERY_BYTES_MIN, NURSERY_BYTES_MAX);
    }

    /// Gives memory that eden and the empty survivor space do not need at their size back to the system.
    pub fn trim(&mut self, cage: &mut Cage, charge: &mut Charge) {
        let to = 1 - self.from;
        let cold = if self.is_cold() { COLD_EDEN_BYTES } else { 0 };
        let parts = [
            (&mut self.cold_committed, COLD_EDEN_START, cold),
            (&mut self.eden_committed, EDEN_START, self.eden_bytes),
            (&mut self.survivor_committed[to], survivor_start(to), self.survivor_bytes),
        ];
        for (committed, start, keep) in parts {
            let bytes = committed.saturating_sub(keep) as u64;
            if bytes > 0 && cage.discard(start as u64 * 4 + keep as u64, bytes).is_ok() {
                charge.give_back(bytes);
                *committed = keep;
            }
        }
    }

    /// Whether eden has much more memory than it needs at its size, or where it does not lie any more.
    pub fn is_oversized(&self) -> bool {
        self.eden_committed > 2 * self.eden_bytes || !self.is_cold() && self.cold_committed > 0
    }

    /// End of what the mutator may fill, as a reference.
    pub fn granted(&self) -> u32 {
        self.granted
    }

    /// End of eden, as a reference.
    pub fn eden_end(&self) -> u32 {
        self.eden_start + if self.is_cold() { COLD_EDEN_BYTES } else { self.eden_bytes } / 4
    }

    /// Where the survivors of the last minor lie.
    pub fn survivors(&self) -> std::ops::Range<u32> {
        survivor_start(self.from)..self.from_top
    }

    /// The empty survivor space, as far as it has memory.
    pub fn to_space(&self) -> Bump {
        let start = survivor_start(1 - self.from);
        Bump::new(start, start + self.survivor_committed[1 - self.from].min(self.survivor_bytes) / 4)
    }

    /// End of the grant that follows for an allocation of `bytes` at `top`: a slice further, or more if that is
    /// needed; `None` if eden ends before. Slices are small where marking lags behind what is promoted.
    pub fn next_grant(&self, top: u32, bytes: u32, small: bool) -> Option<u32> {
        let slice = (self.eden_bytes / if small { 32 } else { 4 }).max(INLINE_BYTES_MAX);
        let needed = top + bytes / 4;
        (needed <= self.eden_end()).then(|| (self.granted + slice / 4).max(needed).min(self.eden_end()))
    }

    /// Ready blocks that promoting everything can take if eden is granted up to `granted`.
    pub fn reserve_blocks(&self, granted: u32) -> u32 {
        let young = (granted - self.eden_start) as u64 * 4 + self.survivors().len() as u64 * 4;
        ((2 * young).div_ceil(BLOCK_BYTES as u64) + 2) as u32
    }

    /// Ready blocks that promoting everything can take after the next grant, unless that is a small one.
    pub fn next_reserve_blocks(&self) -> u32 {
        self.reserve_blocks((self.granted + self.eden_bytes / 16).min(self.eden_end()))
    }

    /// Gives memory to a cold eden, all that it can have, and grants it up to `granted`.
    pub fn grant_cold(&mut self, cage: &mut Cage, charge: &mut Charge, granted: u32) -> Result<(), Refused> {
        debug_assert!(self.is_cold());
        if self.cold_committed == 0 {
            commit(cage, charge, COLD_EDEN_START as u64 * 4, COLD_EDEN_BYTES, false)?;
            self.cold_committed = COLD_EDEN_BYTES;
        }
        self.granted = granted;
        Ok(())
    }

    /// Gives memory to eden up to `granted`, and to the empty survivor space in proportion.
    pub fn grant(&mut self, cage: &mut Cage, charge: &mut Charge, granted: u32) -> Result<(), Refused> {
        let wanted = ((granted - self.eden_start) * 4).next_multiple_of(PAGE_BYTES as u32);
        if self.is_cold() {
            if granted > self.eden_start {
                self.grant_cold(cage, charge, granted)?;
            }
        } else if wanted > self.eden_committed {
            let more = wanted - self.eden_committed;
            commit(cage, charge, EDEN_START as u64 * 4 + self.eden_committed as u64, more, false)?;
            self.eden_committed = wanted;
        }
        let to = 1 - self.from;
        let wanted = wanted.min(self.survivor_bytes);
        let have = self.survivor_committed[to];
        if wanted > have {
            commit(cage, charge, survivor_start(to) as u64 * 4 + have as u64, wanted - have, true)?;
            self.survivor_committed[to] = wanted;
        }
        self.granted = granted;
        Ok(())
    }

    /// Without a collector: the mutator may fill up to here.
    pub fn set_granted(&mut self, granted: u32) {
        self.granted = granted;
    }

    /// Eden is empty, and what lies below `to_top` in the survivor space is what survived.
    pub fn flip(&mut self, to_top: u32) {
        self.from = 1 - self.from;
        self.from_top = to_top;
        (self.eden_start, self.granted) = (EDEN_START, EDEN_START);
    }
}

/// First reference of a survivor space.
pub fn survivor_start(index: usize) -> u32 {
    ((NURSERY_START + index as u64 * SURVIVOR_REACH) / 4) as u32
}

fn commit(cage: &mut Cage, charge: &mut Charge, offset: u64, bytes: u32, populate: bool) -> Result<(), Refused> {
    if !charge.take(bytes as u64) {
        return Err(Refused::Limit);
    }
    let mut result = cage.commit(offset, bytes as u64);
    if populate && result.is_ok() {
        result = cage.populate(offset, bytes as u64);
    }
    result.map_err(|error| {
        charge.give_back(bytes as u64);
        error.into()
    })
}
