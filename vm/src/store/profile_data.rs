//! A profile of CPU time as data: what writers of other formats need.

use super::timeline::Timeline;
use std::time::{Duration, Instant};

/// A profile of CPU time as data. Made by [`StackProfile::cpu_data`](crate::StackProfile::cpu_data).
///
/// ```
/// # use heapwood_vm::{Engine, Instance, Module, Store};
/// # use std::time::Duration;
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (func $count (export "count") (param $n i32)
/// #     (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#).unwrap();
/// # let module = Module::new(&engine, &wasm)?;
/// # let mut store = Store::new(&engine, ());
/// # let instance = Instance::new(&mut store, &module, &[])?;
/// # let count = instance.get_typed_func::<i32, ()>(&mut store, "count")?;
/// store.profile_cpu(Duration::from_micros(100))?;
/// count.call(&mut store, 200_000_000)?;
/// let data = store.take_cpu_profile().and_then(|profile| profile.cpu_data()).expect("it was started");
/// let outermost = |stack: usize| &data.names()[data.stacks()[stack].frames()[0] as usize];
/// assert!(data.samples().iter().all(|sample| outermost(sample.stack()) == "count"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CpuProfileData {
    names: Vec<String>,
    stacks: Vec<ProfileStack>,
    samples: Vec<ProfileSample>,
    begun: Instant,
    interval: Duration,
}

/// A stack of a profile, and the CPU time that was spent there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileStack {
    frames: Vec<u32>,
    weight: Duration,
}

/// A sample of a profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProfileSample {
    at: Duration,
    stack: u32,
    weight: Duration,
}

impl CpuProfileData {
    /// A profile without anything in it, which began at an instant.
    pub(super) fn new(begun: Instant, interval: Duration) -> CpuProfileData {
        CpuProfileData { names: Vec::new(), stacks: Vec::new(), samples: Vec::new(), begun, interval }
    }

    /// Adds a name; its place.
    pub(super) fn add_name(&mut self, name: String) -> u32 {
        self.names.push(name);
        self.names.len() as u32 - 1
    }

    /// Adds a stack, with its frames from the outermost on.
    pub(super) fn add_stack(&mut self, frames: Vec<u32>, weight_ns: u64) {
        self.stacks.push(ProfileStack { frames, weight: Duration::from_nanos(weight_ns) });
    }

    /// Has the samples of the stacks that were added. Those that are not told apart are stack `others`.
    pub(super) fn set_samples(&mut self, timeline: &Timeline, others: u32) {
        let totals: Vec<u64> = self.stacks.iter().map(|stack| stack.weight.as_nanos() as u64).collect();
        let samples = timeline.shared_out(&totals, others).into_iter();
        let sample = |(at, stack, ns)| ProfileSample { at, stack, weight: Duration::from_nanos(ns) };
        self.samples = samples.map(sample).collect();
    }

    /// Names of functions, as [`printable`](crate::printable) shows them, of which several may be equal, and
    /// [`StackProfile::COLLECTOR`](crate::StackProfile::COLLECTOR). Frames are places in this list.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All stacks, at most 65,537, and the CPU time of each.
    pub fn stacks(&self) -> &[ProfileStack] {
        &self.stacks
    }

    /// Samples by time, some 262,144 at most and one for each stack: in a longer profile every second, fourth … stands for
    /// its neighbours. The samples of a stack have its CPU time together.
    pub fn samples(&self) -> &[ProfileSample] {
        &self.samples
    }

    /// When the profile began, from which times of samples count.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// The time between samples that was asked for.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl ProfileStack {
    /// Its frames from the outermost on, as places in [`CpuProfileData::names`].
    pub fn frames(&self) -> &[u32] {
        &self.frames
    }

    /// The CPU time that was spent there.
    pub fn weight(&self) -> Duration {
        self.weight
    }
}

impl ProfileSample {
    /// When it was taken, since the profile began.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The stack, as a place in [`CpuProfileData::stacks`].
    pub fn stack(&self) -> usize {
        self.stack as usize
    }

    /// The CPU time that it stands for.
    pub fn weight(&self) -> Duration {
        self.weight
    }
}
