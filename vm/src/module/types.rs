//! The types that a module defines, as the host sees them.

use super::Module;
use crate::types::HeapType;

/// The types that a module defines, in the order of its type section: types of its engine, which live on without it.
///
/// ```
/// # use heapwood_vm::{Engine, Module};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let text = "(module (type $point (struct (field f64) (field f64))) (type $path (array (ref $point))))";
/// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
/// let types = module.types();
/// let point = types.get(0).unwrap();
/// assert_eq!((types.len(), types.named("point").as_ref()), (2, Some(&point)));
/// assert_eq!(point.as_concrete_struct().unwrap().fields().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DefinedTypes<'m>(pub(super) &'m Module);

impl<'m> DefinedTypes<'m> {
    /// Number of types of the module.
    pub fn len(self) -> usize {
        self.0.type_ids().ids().len()
    }

    /// Whether the module has no types.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The type of an index; none if the module has fewer.
    pub fn get(self, index: u32) -> Option<HeapType> {
        let id = *self.0.type_ids().ids().get(index as usize)?;
        Some(HeapType::of(self.0.engine().registry(), id))
    }

    /// The first type with a name in the module's name section.
    pub fn named(self, name: &str) -> Option<HeapType> {
        let names = self.0.info().names();
        (0..)
            .zip(self.0.type_ids().ids())
            .find(|(index, _)| names.ty(*index) == Some(name))
            .and_then(|(i, _)| self.get(i))
    }

    /// The module's types in the order of their indices.
    pub fn iter(self) -> impl ExactSizeIterator<Item = HeapType> + use<'m> {
        self.0.type_ids().ids().iter().map(move |id| HeapType::of(self.0.engine().registry(), *id))
    }
}
