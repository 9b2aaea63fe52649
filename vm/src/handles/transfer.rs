//! Objects that go from one store to another.

use super::RootScope;
use crate::errors::Result;
use crate::ids::Rooted;
use crate::store::{AsContext, AsContextMut, Graph};

impl<T> Rooted<T> {
    /// A deep copy of the object in another store of the same engine: of everything that it leads to, with cycles, and
    /// with objects that several others name made once. An i31 is itself. The copy does not depend on the original, and
    /// is a handle of the other store's current scope. May collect in the other store.
    ///
    /// ```
    /// # use heapwood_vm::*;
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
    /// let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    /// let text = ArrayRef::from_slice(&mut one, &bytes, b"heapwood")?;
    /// let copy = text.transfer(&one, &mut two, 1 << 20)?;
    /// text.set(&mut one, 0, Val::I32(0))?;
    /// let mut read = [0; 8];
    /// copy.copy_to_slice(&two, 0, &mut read)?;
    /// assert_eq!(&read, b"heapwood");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The objects take more than `bytes_max` bytes of heap, or the other heap is exhausted
    /// ([`ErrorKind::Limit`](crate::ErrorKind::Limit), a trap); one of them is a host value, a function or an
    /// exception, which belong to their store; the stores have different engines; the handle belongs to another store,
    /// or its scope is over. Nothing stays behind in the other store then but garbage.
    pub fn transfer(&self, from: impl AsContext, mut to: impl AsContextMut, bytes_max: u64) -> Result<Rooted<T>> {
        let context = from.as_context();
        let source = context.opaque();
        let copy = {
            // Handles hold the copies until all of them are filled.
            let mut scope = RootScope::new(&mut to);
            let mut context = scope.as_context_mut();
            let target = context.opaque();
            target.check_engine(source.engine(), "a store")?;
            Graph::new(source, source.root_get(self)?, bytes_max)?.copy_into(target)?
        };
        // Nothing collects between the end of the scope and the new handle.
        Ok(to.as_context_mut().opaque().root_push(copy).expect("a copy is not null"))
    }
}
