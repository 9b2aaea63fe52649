//! Random bytes: the trait, the host's, a seeded one, and `random_get`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;

/// Where random bytes come from.
pub trait RandomSource: Send {
    /// Fills the buffer.
    ///
    /// # Errors
    /// `IO` when the source has none.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno>;
}

/// The host's cryptographic generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        getrandom::fill(buffer).map_err(|_| Errno::Io)
    }
}

/// A generator (SplitMix64) that makes the same bytes for the same seed on every machine. Not for secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeededRandom {
    state: u64,
}

impl SeededRandom {
    /// A generator that this seed determines.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl RandomSource for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

/// A guest may ask for gigabytes, so that an interrupt is looked for once per this many bytes.
const CHUNK: usize = 1 << 20;

pub(crate) fn get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, buffer: u64, len: u64) -> Served {
    for chunk in memory.slice_mut(buffer, len)?.chunks_mut(CHUNK) {
        ctx.interrupt.check()?;
        ctx.random.fill(chunk)?;
    }
    Ok(())
}
