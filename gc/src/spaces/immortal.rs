//! Memory that is never collected and never moves: between the null zone and the nursery.

use super::charge::Charge;
use crate::embedder::errors::Refused;
use crate::raw::cage::{Cage, IMMORTAL_END};
use heapwood_gc_abi::space::NULL_ZONE_BYTES;

/// Bytes by which it grows.
const GROW_BYTES: u64 = 64 << 10;

/// Bump allocation of zeroed memory.
#[derive(Debug)]
pub struct Immortal {
    top: u64,
    committed: u64,
    /// Objects (not raw memory), for the verifier's check of the closure; only kept when it verifies.
    objects: Vec<u32>,
}

impl Immortal {
    /// An empty space.
    pub fn new() -> Immortal {
        Immortal { top: NULL_ZONE_BYTES, committed: NULL_ZONE_BYTES, objects: Vec::new() }
    }

    /// Takes `bytes` of zeroed memory; returns its reference.
    pub fn allocate(&mut self, cage: &mut Cage, charge: &mut Charge, bytes: u64) -> Result<u32, Refused> {
        let bytes = bytes.next_multiple_of(8).max(16);
        if bytes > IMMORTAL_END - self.top {
            return Err(Refused::Limit);
        }
        let end = self.top + bytes;
        if end > self.committed {
            let grow = (end - self.committed).next_multiple_of(GROW_BYTES);
            if !charge.take(grow) {
                return Err(Refused::Limit);
            }
            if let Err(error) = cage.commit(self.committed, grow) {
                charge.give_back(grow);
                return Err(error.into());
            }
            self.committed += grow;
        }
        let start = self.top;
        self.top = end;
        Ok((start / 4) as u32)
    }

    /// Whether a reference lies in what was handed out.
    pub fn contains(&self, reference: u32) -> bool {
        let offset = reference as u64 * 4;
        reference & 1 == 0 && (NULL_ZONE_BYTES..self.top).contains(&offset)
    }

    /// Where the part ends that was handed out, as a reference.
    pub fn end(&self) -> u32 {
        (self.top / 4) as u32
    }

    /// Remembers an object for the verifier.
    pub fn record_object(&mut self, object: u32) {
        self.objects.push(object);
    }

    /// The objects that were recorded for the verifier.
    pub fn objects(&self) -> &[u32] {
        &self.objects
    }
}
