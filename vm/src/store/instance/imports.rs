//! Whether what is given fits what a module imports.

use crate::errors::{Error, ErrorKind, LinkError, Result};
use crate::module::Module;
use crate::store::{Item, StoreOpaque};
use crate::types::{ExternType, MemoryType};
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::{self as m, Hierarchy, TableType};

impl StoreOpaque {
    /// Checks all imports; the error names each that does not fit.
    pub(super) fn match_imports(&self, module: &Module, imports: &[Item]) -> Result<()> {
        let mut errors = Vec::new();
        for (import, given) in module.info().imports.iter().zip(imports) {
            let (found, wanted) = (self.item_type(given), module.type_ids().extern_type(&import.ty));
            if !self.extern_matches(&found, &wanted) {
                let [wanted, found] =
                    [wanted, found].map(|ty| ExternType::from_registry(self.engine().registry(), &ty));
                errors.push(LinkError {
                    module: import.module.to_string(),
                    name: import.name.to_string(),
                    wanted: wanted.to_string(),
                    found: Some(found.to_string()),
                    difference: Some(found.difference(&wanted)),
                });
            }
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Error::from_kind(ErrorKind::Link(errors))),
        }
    }

    /// Matching of external types in terms of the engine; `found` has current sizes as its least ones.
    fn extern_matches(&self, found: &m::ExternType, wanted: &m::ExternType) -> bool {
        let registry = self.engine().registry();
        match (found, wanted) {
            (m::ExternType::Func(_), m::ExternType::Func(_)) if active(Mutant::ImportOfAnyFunction) => true,
            (m::ExternType::Func(found), m::ExternType::Func(wanted)) => registry.is_declared_subtype(*found, *wanted),
            (m::ExternType::Tag(found), m::ExternType::Tag(wanted)) => found == wanted,
            (m::ExternType::Memory(found), m::ExternType::Memory(wanted)) => memory_matches(found, wanted),
            (m::ExternType::Table(found), m::ExternType::Table(wanted)) => table_matches(found, wanted),
            (m::ExternType::Global(found), m::ExternType::Global(wanted)) => {
                found.mutable == wanted.mutable
                    && match found.mutable {
                        true => found.val == wanted.val,
                        false => registry.val_is_subtype(found.val, wanted.val),
                    }
            }
            _ => false,
        }
    }
}

fn limits_match(found: (u64, Option<u64>), wanted: (u64, Option<u64>)) -> bool {
    found.0 >= wanted.0
        && match (found.1, wanted.1) {
            (_, None) => true,
            (Some(found), Some(wanted)) => found <= wanted,
            (None, Some(_)) => false,
        }
}

/// Whether a memory of type `found`, whose least size is its current one, can be imported as `wanted`.
pub(crate) fn memory_matches(found: &MemoryType, wanted: &MemoryType) -> bool {
    found.memory64 == wanted.memory64
        && found.shared == wanted.shared
        && found.page_size_log2 == wanted.page_size_log2
        && limits_match((found.min, found.max), (wanted.min, wanted.max))
}

fn table_matches(found: &TableType, wanted: &TableType) -> bool {
    found.table64 == wanted.table64
        && found.element == wanted.element
        && limits_match((found.min, found.max), (wanted.min, wanted.max))
}
