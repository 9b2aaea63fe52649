//! Everything of a store but its heap: the parts that the runtime keeps books in, each with fields of its own, and what
//! the collector asks for roots (`provider`).

pub(crate) mod fields;

use super::entities::Entities;
use super::held_types::HeldTypes;
use super::host_values::HostValues;
use super::limiter::Limiter;
use super::listeners::Listeners;
use super::quota::Quota;
use super::roots::RootSet;
use super::temporaries::Temporaries;
use super::tiering::sample_interval;
use crate::engine::Engine;
use crate::ids::StoreId;
use crate::rt::execution::{Execution, Joined, Supplies};
use heapwood_gc::RootCursor;

/// Everything of a store but its heap. What an entry does with each field stands in `fields`, and below each part.
pub(crate) struct Guest {
    engine: Engine,
    execution: Execution,
    roots: RootSet,
    entities: Entities,
    listeners: Listeners,
    /// Who is asked before something grows.
    limiter: Option<Limiter>,
    types: HeldTypes,
    host_values: HostValues,
    temporaries: Temporaries,
    /// How far the marking under way has seen the roots outside of frames.
    snapshot_cursor: RootCursor,
    /// The number of the next check of frames at a slow path, if the store verifies.
    frame_checks: Option<u32>,
    /// Calls of host functions so far.
    host_calls: u64,
}

/// A way to a part of the guest, and one to change it.
macro_rules! parts {
    ($($(#[$doc:meta])* $part:ident $part_mut:ident: $ty:ty;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $part(&self) -> &$ty {
                &self.$part
            }

            /// Mutable access to the part that the function is named after.
            #[inline]
            pub fn $part_mut(&mut self) -> &mut $ty {
                &mut self.$part
            }
        )*
    };
}

impl Guest {
    /// The parts of an empty store, with a quota.
    pub fn new(engine: &Engine, quota: &Quota, id: StoreId, joined: Joined, verify: bool) -> Guest {
        let collects = !engine.config().never_collects();
        let (stacks, timer) = (engine.stacks().clone(), engine.timer().clone());
        let sample_interval = sample_interval(engine.config().tiering_mode());
        let supplies = Supplies { stacks, stack_bytes: quota.stack_bytes, timer, sample_interval };
        Guest {
            engine: engine.clone(),
            execution: Execution::new(joined, supplies, collects),
            roots: RootSet::new(id),
            entities: Entities::new(quota),
            listeners: Listeners::default(),
            limiter: None,
            types: HeldTypes::default(),
            host_values: HostValues::default(),
            temporaries: Temporaries::default(),
            snapshot_cursor: RootCursor::default(),
            frame_checks: verify.then_some(0),
            host_calls: 0,
        }
    }

    parts! {
        /// What runs: words, frames, stack.
        execution execution_mut: Execution;
        /// The entries of the host's handles.
        roots roots_mut: RootSet;
        /// Instances and what they consist of.
        entities entities_mut: Entities;
        /// Who hears of what happens.
        listeners listeners_mut: Listeners;
        /// Types that are held.
        types types_mut: HeldTypes;
        /// Values behind externrefs.
        host_values host_values_mut: HostValues;
        /// References that the runtime holds for a moment.
        temporaries temporaries_mut: Temporaries;
        /// How far the marking under way has seen the roots outside of frames.
        snapshot_cursor snapshot_cursor_mut: RootCursor;
    }

    /// Who is asked before something grows.
    pub(super) fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_ref()
    }

    /// Who is asked before something grows, for replacing it or taking it for a while.
    pub(super) fn limiter_mut(&mut self) -> &mut Option<Limiter> {
        &mut self.limiter
    }

    /// The engine.
    #[inline]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, and the types that are held, for changing them.
    pub fn engine_and_types_mut(&mut self) -> (&Engine, &mut HeldTypes) {
        (&self.engine, &mut self.types)
    }

    /// Calls of host functions so far.
    pub fn host_calls(&self) -> u64 {
        self.host_calls
    }

    /// A host function is called.
    #[inline]
    pub fn count_host_call(&mut self) {
        self.host_calls += 1;
    }

    /// The number of the check of frames that this slow path asks for; none where the store does not verify.
    #[inline]
    pub fn next_frame_check(&mut self) -> Option<u32> {
        let checks = self.frame_checks.as_mut()?;
        *checks = checks.wrapping_add(1);
        Some(*checks)
    }
}
