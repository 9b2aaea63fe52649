//! Who called a host function.

use super::{Extern, Instance};
use crate::store::{AsContextMut, Caller};

impl<T: 'static> Caller<'_, T> {
    /// The export `name` of the instance that called; none if the host called, or there is no such export.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(self, name)
    }

    /// The instance that called; none if the host called.
    pub fn instance(&mut self) -> Option<Instance> {
        let mut context = self.as_context_mut();
        let store = context.opaque();
        store.calling_instance().map(|index| Instance::from_index(store.id(), index))
    }
}
