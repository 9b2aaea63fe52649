//! Samples of allocation: the slow paths of allocation ask the heap whether a point lies under the object that is
//! allocated; if so, the frames are walked and counted (`alloc_profile`).

use super::StoreOpaque;
use super::alloc_profile::{AllocProfiler, SampledFrame};
use heapwood_gc_abi::TypeId;
use std::io::{self, Write};

/// Innermost frames of a stack that are kept.
const FRAMES_MAX: usize = 128;

/// Where the points of a profile begin.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

impl StoreOpaque {
    /// Starts a profile, or (0) drops it.
    pub fn profile_allocations(&mut self, mean_bytes: u64) {
        self.heap_mut().sample_allocations(mean_bytes, SEED);
        let profile = (mean_bytes > 0).then(|| AllocProfiler::new(mean_bytes));
        *self.guest_mut().listeners_mut().allocations_mut() = profile;
    }

    /// The guest is about to allocate `bytes` out of line.
    #[inline]
    pub fn sample_allocation(&mut self, bytes: u64) {
        if self.guest().listeners().allocations().is_some() {
            self.sample_now(bytes);
        }
    }

    /// Tells the profile of allocation of an object of a type, of `length` elements if it is an array.
    #[inline]
    pub fn sample_object(&mut self, ty: TypeId, length: u64) {
        if self.guest().listeners().allocations().is_some() {
            let descriptor = self.heap().descriptor(ty);
            self.sample_now(descriptor.size() as u64 + (length << descriptor.elem_shift()));
        }
    }

    #[cold]
    fn sample_now(&mut self, bytes: u64) {
        let points = self.heap_mut().take_samples(bytes);
        if points == 0 {
            return;
        }
        let Some(mut profiler) = self.guest_mut().listeners_mut().allocations_mut().take() else { return };
        let (entities, frames) = (self.guest().entities(), self.guest().execution().frames());
        let sampled = frames.walk().flat_map(|frame| {
            let owner = frame.owner;
            frame.bodies().map(move |(defined, offset)| {
                let (module, function) = entities.function_at(owner, defined);
                SampledFrame { module, function, offset }
            })
        });
        profiler.add(sampled.take(FRAMES_MAX), points);
        *self.guest_mut().listeners_mut().allocations_mut() = Some(profiler);
    }

    /// Writes what was sampled so far as collapsed stacks: `outer;inner;[type] bytes` on each line.
    pub fn write_allocation_profile(&self, output: &mut dyn Write) -> io::Result<()> {
        match self.guest().listeners().allocations() {
            Some(profiler) => profiler.write(self.heap().unclaimed_samples(), output),
            None => Ok(()),
        }
    }
}
