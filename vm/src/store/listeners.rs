//! Who hears of what happens in a store, and what they are told.

use super::StoreOpaque;
use super::alloc_profile::AllocProfiler;
use super::cpu_profile::CpuProfiler;
use crate::rt::state::state;
use std::time::Instant;

/// A call of a host function that has returned.
#[derive(Clone, Copy, Debug)]
pub struct HostCall<'a> {
    /// `module.name` of its definition in a [`Linker`](crate::Linker); none for functions made in the store.
    pub name: Option<&'a str>,
    /// When the guest was left.
    pub start: Instant,
    /// When the function returned.
    pub end: Instant,
}

/// A heap that is full, seen from where the guest asked for more.
pub struct ExhaustedHeap<'a>(&'a mut StoreOpaque);

impl ExhaustedHeap<'_> {
    /// The store of the heap, for changing it.
    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        self.0
    }

    /// The store of the heap.
    pub(crate) fn opaque(&self) -> &StoreOpaque {
        self.0
    }
}

impl std::fmt::Debug for ExhaustedHeap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExhaustedHeap").finish_non_exhaustive()
    }
}

/// Hears of calls of host functions.
pub(crate) type HostListener = Box<dyn FnMut(&HostCall<'_>) + Send>;

/// Hears of a full heap.
pub(crate) type ExhaustionListener = Box<dyn FnMut(&mut ExhaustedHeap<'_>) + Send>;

/// The listeners of a store, except the ones of the heap.
#[derive(Default)]
pub(crate) struct Listeners {
    host_calls: Option<HostListener>,
    /// Hears of a full heap before the guest is left.
    exhaustion: Option<ExhaustionListener>,
    /// Samples of allocation.
    allocations: Option<AllocProfiler>,
    /// Samples of CPU time.
    cpu: Option<CpuProfiler>,
}

state! {
    Listeners {
        host_calls: Shared,
        exhaustion: Shared,
        allocations: Shared,
        cpu: Shared,
    }
}

impl Listeners {
    /// Sets who hears of calls of host functions.
    pub fn set_host_calls(&mut self, listener: HostListener) {
        self.host_calls = Some(listener);
    }

    /// Sets who hears of a full heap.
    pub fn set_exhaustion(&mut self, listener: ExhaustionListener) {
        self.exhaustion = Some(listener);
    }

    /// Whether somebody hears of calls of host functions.
    #[inline]
    pub fn hears_host_calls(&self) -> bool {
        self.host_calls.is_some()
    }

    /// A host function has returned.
    pub fn tell_host_call(&mut self, call: &HostCall<'_>) {
        if let Some(listener) = &mut self.host_calls {
            listener(call);
        }
    }

    /// The profile of allocation, if one is made.
    #[inline]
    pub fn allocations(&self) -> Option<&AllocProfiler> {
        self.allocations.as_ref()
    }

    /// The profile of allocation, for replacing it or taking it for a while.
    pub fn allocations_mut(&mut self) -> &mut Option<AllocProfiler> {
        &mut self.allocations
    }

    /// Whether CPU time is profiled.
    pub fn profiles_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// The profile of CPU time, for replacing it or taking it for a while.
    pub fn cpu_mut(&mut self) -> &mut Option<CpuProfiler> {
        &mut self.cpu
    }
}

impl StoreOpaque {
    /// The guest is about to be left since the heap is full.
    #[cold]
    pub fn tell_exhausted(&mut self) {
        if let Some(mut listener) = self.guest_mut().listeners_mut().exhaustion.take() {
            listener(&mut ExhaustedHeap(self));
            self.guest_mut().listeners_mut().exhaustion = Some(listener);
        }
    }
}
