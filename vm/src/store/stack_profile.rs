//! Profiles that have ended, apart from their stores.

use super::alloc_profile::AllocProfiler;
use super::cpu_profile::{COLLECTOR, CpuProfiler};
use super::profile_data::CpuProfileData;
use std::fmt;
use std::io::{self, Write};

/// A profile that was taken out of its store: of CPU time ([`Store::take_cpu_profile`](crate::Store::take_cpu_profile))
/// or of allocation ([`Store::take_allocation_profile`](crate::Store::take_allocation_profile)). Any thread may write
/// it, so that the guest need not wait for the text.
///
/// ```
/// # use heapwood_vm::{Engine, Instance, Module, Store};
/// # use std::time::Duration;
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (func $count (export "count") (param $n i32)
/// #     (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#).unwrap();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let count = instance.get_typed_func::<i32, ()>(&mut store, "count")?;
/// store.profile_cpu(Duration::from_micros(100))?;
/// count.call(&mut store, 200_000_000)?;
/// let profile = store.take_cpu_profile().expect("it was started");
/// let mut text = Vec::new();
/// profile.write(&mut text).expect("a vector takes all");
/// // One function, and the time of its samples in microseconds.
/// assert!(String::from_utf8_lossy(&text).starts_with("count "));
/// # Ok(())
/// # }
/// ```
pub struct StackProfile(Kind);

enum Kind {
    Cpu(CpuProfiler),
    /// With the points that no frame claims.
    Allocations(AllocProfiler, u64),
}

impl StackProfile {
    pub(super) fn of_cpu(profiler: CpuProfiler) -> StackProfile {
        StackProfile(Kind::Cpu(profiler))
    }

    pub(super) fn of_allocations(profiler: AllocProfiler, unclaimed: u64) -> StackProfile {
        StackProfile(Kind::Allocations(profiler, unclaimed))
    }

    /// What stands at the end of a stack, as if it were a function, for the CPU time that the collector took there.
    pub const COLLECTOR: &str = COLLECTOR;

    /// A profile of CPU time as data, for formats of other tools; `None` of one of allocation.
    pub fn cpu_data(&self) -> Option<CpuProfileData> {
        match &self.0 {
            Kind::Cpu(profiler) => Some(profiler.data()),
            Kind::Allocations(..) => None,
        }
    }

    /// Writes it as collapsed stacks, the heaviest first, for flame graphs: `outer;inner microseconds` on each line, or
    /// of allocation `outer;inner;[type] bytes`, as
    /// [`Store::write_allocation_profile`](crate::Store::write_allocation_profile) does.
    ///
    /// # Errors
    /// The output's.
    pub fn write(&self, mut output: impl Write) -> io::Result<()> {
        match &self.0 {
            Kind::Cpu(profiler) => profiler.write(&mut output),
            Kind::Allocations(profiler, unclaimed) => profiler.write(*unclaimed, &mut output),
        }
    }
}

impl fmt::Debug for StackProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackProfile").finish_non_exhaustive()
    }
}
