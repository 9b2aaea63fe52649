//! Ways to break a store on purpose (feature `test-hooks`), so that tests see verifier and checker report it.

use crate::engine::Engine;
use crate::ids::Rooted;
use crate::rt::mapping;
use crate::store::Store;

impl Engine {
    /// Of the calls for memory other than the heap's that this thread makes from now on, the system refuses those with
    /// these numbers (from 1).
    pub fn refuse_mappings(calls: std::ops::Range<u64>) {
        mapping::refuse_calls(calls);
    }

    /// Such calls of this thread since the last [`Engine::refuse_mappings`].
    pub fn mapping_calls() -> u64 {
        mapping::calls()
    }
}

impl<T: 'static> Store<T> {
    /// The next write barrier forgets its entry of the log.
    pub fn skip_next_log(&mut self) {
        self.opaque_mut().heap_mut().hooks().skip_next_log = true;
    }

    /// Collects at every Nth allocation (0: no more for that), and verifies or not, from now on.
    pub fn set_checks(&mut self, stress: u64, verify: bool) {
        self.opaque_mut().heap_mut().set_checks(std::num::NonZeroU64::new(stress), verify);
    }

    /// How many instances, memories, tables, globals, tags and host functions there are, and where immortal objects
    /// end.
    pub fn contents(&self) -> [usize; 7] {
        let store = self.opaque();
        let entities = store.guest().entities();
        let ([instances, memories, tables, globals, tags], host) =
            (entities.extent().lists, entities.extent().host_functions);
        [instances, memories, tables, globals, tags, host, store.heap().immortal_end() as usize]
    }

    /// Calls that the heap has made to the system so far.
    pub fn backing_calls(&self) -> u64 {
        self.opaque().heap().backing_calls()
    }

    /// From now on the system refuses the calls with these numbers.
    pub fn refuse_calls(&mut self, calls: std::ops::Range<u64>) {
        self.opaque_mut().heap_mut().refuse_calls(calls);
    }

    /// References that were shaded and wait for a slice of the marking under way; none if there is none.
    pub fn shaded_waiting(&self) -> Option<usize> {
        let heap = self.opaque().heap();
        heap.is_marking().then(|| heap.shaded_waiting())
    }

    /// Sets how many host values, weak handles and entries with weak keys there may be; there are none.
    pub fn limit_cells(&mut self, most: usize) {
        self.opaque_mut().heap_mut().limit_cells(most);
    }

    /// Verifies the heap now, as it is.
    pub fn check_heap(&mut self) {
        let (guest, heap) = self.opaque_mut().guest_and_heap();
        heap.check(guest);
    }

    /// The bits of a handle's reference, which a collection changes.
    pub fn raw_reference<K>(&mut self, handle: &Rooted<K>) -> u32 {
        self.opaque().root_get(handle).expect("a handle of this store")
    }

    /// Overwrites a handle's reference, as a collector would that forgets to update it.
    pub fn set_raw_reference<K>(&mut self, handle: &Rooted<K>, raw: u32) {
        self.opaque_mut().guest_mut().roots_mut().overwrite(handle, raw);
    }
}
