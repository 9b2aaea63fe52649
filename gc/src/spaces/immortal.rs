//! Memory that is never collected and never moves.

use super::charge::Charge;
use crate::embedder::errors::Refused;
use crate::raw::cage::{Cage, OLD_START};

/// Bytes by which it grows.
const GROW_BYTES: u64 = 64 << 10;

/// Bump allocation of zeroed memory.
#[derive(Debug)]
pub struct Immortal {
    /// Where it begins and ends, and how far it is handed out and committed, in bytes from the base.
    start: u64,
    end: u64,
    top: u64,
    committed: u64,
    /// Objects (not raw memory), for the verifier's check of the closure; only kept when it verifies.
    objects: Vec<u32>,
}

/// How much there was of the space at some time.
#[derive(Clone, Copy, Debug)]
pub struct ImmortalExtent {
    /// Bytes from the base to the beginning.
    pub start: u64,
    /// Bytes from the base to the end of what was handed out.
    pub top: u64,
    /// Bytes from the base to the end of what was committed.
    pub committed: u64,
    /// Recorded objects.
    pub objects: usize,
}

impl Immortal {
    /// An empty space.
    pub fn new(cage: &Cage) -> Immortal {
        let (start, end) = cage.shape().immortal;
        Immortal { start, end, top: start, committed: start, objects: Vec::new() }
    }

    /// Takes `bytes` of zeroed memory; returns its reference.
    pub fn allocate(&mut self, cage: &mut Cage, charge: &mut Charge, bytes: u64) -> Result<u32, Refused> {
        let bytes = bytes.next_multiple_of(8).max(16);
        if bytes > self.end - self.top {
            return Err(Refused::Limit);
        }
        let end = self.top + bytes;
        if end > self.committed {
            let grow = (end - self.committed).next_multiple_of(GROW_BYTES).min(self.end - self.committed);
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

    /// How far it is used, and how much of it is charged.
    pub fn extent(&self) -> ImmortalExtent {
        let Immortal { start, top, committed, .. } = *self;
        ImmortalExtent { start, top, committed, objects: self.objects.len() }
    }

    /// Comes back to an extent that it had; what lies behind is the caller's to clear, up to what is committed.
    pub fn truncate(&mut self, extent: &ImmortalExtent) {
        self.top = extent.top;
        self.objects.truncate(extent.objects);
    }

    /// Comes back to an end that it had, as a reference; what lies behind is the caller's to clear.
    pub fn truncate_to(&mut self, end: u32) {
        self.top = u64::from(end) * 4;
        self.objects.retain(|object| *object < end);
    }

    /// Commits what an extent has, of this heap or of another one, and charges it. Refused in a cage in which the space
    /// lies elsewhere.
    pub fn install(
        &mut self,
        cage: &mut Cage,
        charge: &mut Charge,
        extent: &ImmortalExtent,
        objects: &[u32],
    ) -> Result<(), Refused> {
        if extent.start != self.start {
            // The image is one of a whole cage, for which there was no room here.
            return Err(Refused::Reach { bytes: cage.reach_bytes().saturating_sub(OLD_START) });
        }
        let more = extent.committed.saturating_sub(self.committed);
        if more > 0 {
            if !charge.take(more) {
                return Err(Refused::Limit);
            }
            if let Err(error) = cage.commit(self.committed, more) {
                charge.give_back(more);
                return Err(error.into());
            }
            self.committed += more;
        }
        self.top = extent.top;
        self.objects.clear();
        self.objects.extend_from_slice(objects);
        Ok(())
    }

    /// Whether a reference lies in what was handed out.
    pub fn contains(&self, reference: u32) -> bool {
        let offset = reference as u64 * 4;
        reference & 1 == 0 && (self.start..self.top).contains(&offset)
    }

    /// The part that was handed out, as references.
    pub fn used(&self) -> std::ops::Range<u32> {
        (self.start / 4) as u32..(self.top / 4) as u32
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
