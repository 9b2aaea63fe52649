//! Ways to break the heap on purpose (feature `test-hooks`), so that tests see the verifier report it.

use super::Heap;
use crate::checks::stress::Stress;
use crate::evacuation::incoming::Recorder;
use crate::major::BatchSizes;
use crate::spaces::blocks::block_start;
use heapwood_gc_abi::RawRef;

/// What tests have broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    /// The next barrier clears the unlogged bit (or sets the chunk's state) but forgets the entry of the log.
    pub skip_next_log: bool,
    /// References that the mutator overwrites or drops are not shaded.
    pub skip_snapshots: bool,
    /// The mutator marks everything that it shades, as if a helper had found it unmarked at the same time.
    pub shade_marked: bool,
    /// What is read from weak cells and ephemerons is not shaded.
    pub skip_weak_reads: bool,
    /// The occasion on which words that lead into blocks to be evacuated are not recorded, from the next choice on.
    pub skip_recording: Option<Recorder>,
    /// Slices of markings do not end by the clock.
    pub endless_slices: bool,
    /// The next entry of the log finds no memory, as if the system had refused it.
    pub lose_next_log: bool,
}

impl Heap {
    /// The breaking points. Until the next minor every first store comes to the runtime, where they are looked at.
    pub fn hooks(&mut self) -> &mut Hooks {
        self.spaces.close_log_buffer();
        &mut self.hooks
    }

    /// Reads the word at `4 * index` bytes from the base, whatever it is.
    pub fn peek(&self, index: RawRef) -> u32 {
        self.spaces.memory().word(index)
    }

    /// Writes the word at `4 * index` bytes from the base, without a barrier.
    pub fn poke(&mut self, index: RawRef, value: u32) {
        self.spaces.memory().set_word(index, value);
    }

    /// Reads a hot word at a displacement of `gc-abi::hot`, as compiled code does.
    pub fn peek_hot(&self, disp: i32) -> u32 {
        self.spaces.memory().hot(disp)
    }

    /// Writes a hot word, as compiled code does.
    pub fn poke_hot(&mut self, disp: i32, value: u32) {
        self.spaces.memory().set_hot(disp, value);
    }

    /// Collects at every Nth allocation, or no more for that; and verifies, or not, from now on.
    pub fn set_checks(&mut self, stress: Option<std::num::NonZeroU64>, verify: bool) {
        self.stress = Stress::new(stress);
        self.config.verify = verify;
    }

    /// From now on the system refuses the calls with these numbers ([`Heap::backing_calls`] counts them).
    pub fn refuse_calls(&mut self, refused: std::ops::Range<u64>) {
        self.spaces.cage_mut().refuse_calls(refused, false);
    }

    /// From now on the system gives no memory, but takes back what it gets.
    pub fn refuse_memory(&mut self) {
        self.spaces.cage_mut().refuse_calls(0..u64::MAX, true);
    }

    /// A checksum of all bytes of frozen blocks.
    pub fn frozen_page_sum(&self) -> u64 {
        let memory = self.spaces.memory();
        let frozen = (0..self.spaces.blocks_high()).filter(|block| memory.block(*block).is_frozen());
        let words = frozen.flat_map(|block| block_start(block)..block_start(block + 1));
        words.fold(0, |sum: u64, word| sum.rotate_left(5) ^ memory.word(word) as u64)
    }

    /// Pages of frozen blocks that were written since they were mapped, so that this heap has copies of its own.
    pub fn private_frozen_pages(&self) -> usize {
        self.spaces.private_frozen_pages()
    }

    /// Lets every later attempt to extend the cage fail, as if the address space behind it were taken.
    pub fn refuse_extensions(&mut self) {
        self.spaces.cage_mut().refuse_extensions();
    }

    /// References that the mutator has shaded and that wait for a slice.
    pub fn shaded_waiting(&self) -> usize {
        self.marking.shaded_waiting()
    }

    /// Sets how many host values, weak cells and ephemerons there may be; there are none.
    pub fn limit_cells(&mut self, most: usize) {
        self.weak.limit(most);
    }

    /// Sets the most entries of the mark stack.
    pub fn limit_mark_stack(&mut self, entries: usize) {
        self.marking.limit_stack(entries);
    }

    /// Sets how many blocks a helper gets to sweep at most, how many it is woken for, how many it sweeps at a time, and
    /// for how many steps the mutator waits for it to begin.
    pub fn set_sweep_batch(&mut self, most: usize, least: usize, portion: usize, patience_steps: u32) {
        self.sweeping.set_batch_sizes(BatchSizes { most, least, portion, patience_steps });
    }

    pub(super) fn skips_log(&mut self) -> bool {
        if std::mem::take(&mut self.hooks.lose_next_log) {
            self.remembered.lose();
            return true;
        }
        std::mem::take(&mut self.hooks.skip_next_log)
    }
}
