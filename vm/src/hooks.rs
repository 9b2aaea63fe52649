//! Ways to break a store on purpose (feature `test-hooks`), so that tests see verifier and checker report it.

use crate::roots::Rooted;
use crate::store::{AsContext, AsContextMut, Store};

impl<T: 'static> Store<T> {
    /// The next write barrier forgets its entry of the log.
    pub fn skip_next_log(&mut self) {
        self.as_context_mut().opaque().heap.hooks().skip_next_log = true;
    }

    /// Calls that the heap has made to the system so far.
    pub fn backing_calls(&self) -> u64 {
        self.as_context().opaque().heap.backing_calls()
    }

    /// The bits of a handle's reference, which a collection changes.
    pub fn raw_reference<K>(&mut self, handle: &Rooted<K>) -> u32 {
        self.as_context_mut().opaque().root_get(handle).expect("a handle of this store")
    }

    /// Overwrites a handle's reference, as a collector would that forgets to update it.
    pub fn set_raw_reference<K>(&mut self, handle: &Rooted<K>, raw: u32) {
        self.as_context_mut().opaque().roots_mut().overwrite(handle, raw);
    }
}
