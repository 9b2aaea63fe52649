//! What memories hold, as data segments: runs of chunks that are not all zero.
//!
//! First the runs are found, then they are copied out. A memory that other threads write to meanwhile has the bytes
//! that it had when they were copied, of runs that were found before.

use super::{DATA, DATA_COUNT, END, I32_CONST, I64_CONST, check_length, section, section_header, signed, unsigned};
use crate::rt::memory::Secrecy;
use crate::rt::store_memory::StoreMemory;
use crate::store::StoreOpaque;
use std::io::{self, Write};

/// The smallest chunk.
const CHUNK_BYTES_MIN: u64 = 4096;
/// Chunks of all memories together: readers of modules take 100,000 segments.
const CHUNKS_MAX: u64 = 1 << 16;

/// A run of bytes.
struct Run {
    memory: u32,
    start: u64,
    len: u64,
    /// The segment up to its bytes.
    header: Vec<u8>,
}

/// The runs of all memories.
pub(super) struct Contents {
    runs: Vec<Run>,
    chunk_bytes: u64,
}

impl Contents {
    /// Finds what is not zero.
    ///
    /// # Errors
    /// It is too long for a section.
    pub fn of(store: &mut StoreOpaque) -> io::Result<Contents> {
        let count = store.guest().entities().memories().len() as u32;
        let bytes: u64 = store.guest().entities().memories().iter().map(|memory| memory.byte_len() as u64).sum();
        let chunk_bytes = bytes.div_ceil(CHUNKS_MAX).next_power_of_two().max(CHUNK_BYTES_MIN);
        let mut contents = Contents { runs: Vec::new(), chunk_bytes };
        let mut chunk = vec![0; chunk_bytes as usize];
        for index in 0..count {
            let memory = store.guest_mut().entities_mut().memory_mut(index);
            if is_secret(memory) {
                continue;
            }
            let (is_wide, end) = (memory.ty().memory64, memory.byte_len() as u64);
            let mut run: Option<(u64, u64)> = None;
            for start in (0..end).step_by(chunk_bytes as usize) {
                let bytes = &mut chunk[..chunk_bytes.min(end - start) as usize];
                read(memory, start, bytes);
                let len = bytes.len() as u64;
                let is_zero = bytes.iter().all(|byte| *byte == 0);
                run = match (run, is_zero) {
                    (Some((begun, so_far)), false) => Some((begun, so_far + len)),
                    (None, false) => Some((start, len)),
                    (run, true) => {
                        contents.add(index, is_wide, run);
                        None
                    }
                };
            }
            contents.add(index, is_wide, run);
        }
        check_length(contents.data_length())?;
        Ok(contents)
    }

    /// Bytes of the data section.
    fn data_length(&self) -> u64 {
        let segments: u64 = self.runs.iter().map(|run| run.header.len() as u64 + run.len).sum();
        self.count().len() as u64 + segments
    }

    /// How many runs there are, as both sections say it.
    fn count(&self) -> Vec<u8> {
        let mut count = Vec::new();
        unsigned(&mut count, self.runs.len() as u64);
        count
    }

    fn add(&mut self, memory: u32, is_wide: bool, run: Option<(u64, u64)>) {
        /// An active segment of a memory that is named.
        const ACTIVE: u8 = 2;
        let Some((start, len)) = run else { return };
        let mut header = vec![ACTIVE];
        unsigned(&mut header, memory.into());
        match is_wide {
            true => signed(&mut header, I64_CONST, start as i64),
            // An address above 2 GiB is a negative number.
            false => signed(&mut header, I32_CONST, i64::from(start as u32 as i32)),
        }
        header.push(END);
        unsigned(&mut header, len);
        self.runs.push(Run { memory, start, len, header });
    }

    /// Writes the sections with them.
    ///
    /// # Errors
    /// The output's.
    pub fn write(&self, store: &mut StoreOpaque, output: &mut impl Write) -> io::Result<()> {
        section(output, DATA_COUNT, &self.count())?;
        section_header(output, DATA, self.data_length())?;
        output.write_all(&self.count())?;
        let mut chunk = vec![0; self.chunk_bytes as usize];
        for run in &self.runs {
            output.write_all(&run.header)?;
            let memory = store.guest_mut().entities_mut().memory_mut(run.memory);
            for offset in (0..run.len).step_by(self.chunk_bytes as usize) {
                let bytes = &mut chunk[..self.chunk_bytes.min(run.len - offset) as usize];
                read(memory, run.start + offset, bytes);
                output.write_all(bytes)?;
            }
        }
        Ok(())
    }
}

/// Whether nobody is to see what a memory holds.
fn is_secret(memory: &StoreMemory) -> bool {
    matches!(memory, StoreMemory::Own(own) if own.secrecy() != Secrecy::None)
}

/// Bytes of a memory, which do not get fewer.
fn read(memory: &mut StoreMemory, start: u64, target: &mut [u8]) {
    let part = memory.racy().part(start, target.len() as u64);
    part.expect("memories never shrink").read(target);
}
