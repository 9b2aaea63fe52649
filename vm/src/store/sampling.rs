//! Samples of the guest's stack. Of allocation: the slow paths of allocation ask the heap whether a point lies under
//! the object that is allocated; if so, the frames are walked and counted (`alloc_profile`). Of CPU time: a poll finds
//! that a sample is due (`rt::sampler`), and the frames are walked and counted (`cpu_profile`).

use super::alloc_profile::AllocProfiler;
use super::cpu_profile::CpuProfiler;
use super::stack_profile::StackProfile;
use super::stacks::SampledFrame;
use super::{Entities, StoreOpaque};
use crate::errors::Result;
use crate::rt::frames::Frames;
use heapwood_gc_abi::TypeId;
use std::io::{self, Write};
use std::time::Duration;

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
        profiler.add(sampled(entities, frames), points);
        *self.guest_mut().listeners_mut().allocations_mut() = Some(profiler);
    }

    /// Writes what was sampled so far as collapsed stacks: `outer;inner;[type] bytes` on each line.
    pub fn write_allocation_profile(&self, output: &mut dyn Write) -> io::Result<()> {
        match self.guest().listeners().allocations() {
            Some(profiler) => profiler.write(self.heap().unclaimed_samples(), output),
            None => Ok(()),
        }
    }

    /// Ends the profile of allocation, and gives it out.
    pub fn take_allocation_profile(&mut self) -> Option<StackProfile> {
        let unclaimed = self.heap().unclaimed_samples();
        let profiler = self.guest_mut().listeners_mut().allocations_mut().take()?;
        self.heap_mut().sample_allocations(0, SEED);
        Some(StackProfile::of_allocations(profiler, unclaimed))
    }

    /// Starts a profile of CPU time, or (a span of 0) drops it.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn profile_cpu(&mut self, interval: Duration) -> Result<()> {
        let is_on = !interval.is_zero();
        self.guest_mut().execution_mut().sample_every(is_on.then_some(interval))?;
        let profiler = is_on.then(|| CpuProfiler::new(interval, self.heap().pause_ns()));
        *self.guest_mut().listeners_mut().cpu_mut() = profiler;
        Ok(())
    }

    /// Ends the profile of CPU time, and gives it out.
    pub fn take_cpu_profile(&mut self) -> Option<StackProfile> {
        let profiler = self.guest_mut().listeners_mut().cpu_mut().take()?;
        // Without the timer's thread, the engine's own samples end as well.
        let _ = self.guest_mut().execution_mut().sample_every(None);
        Some(StackProfile::of_cpu(profiler))
    }

    /// Takes a sample of the guest's stack, if one is due: at a poll.
    #[inline]
    pub fn sample_cpu(&mut self) {
        if self.guest().execution().is_sample_due() {
            self.sample_cpu_now();
        }
    }

    #[cold]
    fn sample_cpu_now(&mut self) {
        let pause_ns = self.heap().pause_ns();
        if let Some(mut profiler) = self.guest_mut().listeners_mut().cpu_mut().take() {
            let (entities, frames) = (self.guest().entities(), self.guest().execution().frames());
            profiler.add(|| sampled(entities, frames), pause_ns);
            *self.guest_mut().listeners_mut().cpu_mut() = Some(profiler);
        }
        self.tier_up();
        self.guest_mut().execution_mut().set_next_sample();
    }
}

/// The innermost frames of the guest, after an exit by a call.
fn sampled<'a>(entities: &'a Entities, frames: &'a Frames) -> impl Iterator<Item = SampledFrame<'a>> {
    let all = frames.walk().flat_map(move |frame| {
        let owner = frame.owner;
        frame.bodies().map(move |(defined, offset)| {
            let (module, function) = entities.function_at(owner, defined);
            SampledFrame { module, function, offset }
        })
    });
    all.take(FRAMES_MAX)
}
