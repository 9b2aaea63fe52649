//! Whether what is given fits what a module imports.

use super::StoreOpaque;
use crate::error::{Error, ErrorKind, LinkError, Result};
use crate::handles::Extern;
use crate::module::Module;
use crate::types::{ExternType, GlobalType, MemoryType, TableType};
use heapwood_module::Hierarchy;

impl StoreOpaque {
    /// Checks all imports; the error names each that does not fit.
    pub fn match_imports(&self, module: &Module, imports: &[Extern]) -> Result<()> {
        let wanted: Vec<_> = module.imports().collect();
        if wanted.len() != imports.len() {
            let message = format!("{} imports were given, the module has {}", imports.len(), wanted.len());
            return Err(Error::usage(message));
        }
        let mut errors = Vec::new();
        for (wanted, given) in wanted.iter().zip(imports) {
            let found = given.ty_in(self)?;
            if !self.extern_matches(&found, &wanted.ty) {
                errors.push(LinkError {
                    module: wanted.module.to_owned(),
                    name: wanted.name.to_owned(),
                    wanted: wanted.ty.to_string(),
                    found: Some(found.to_string()),
                });
            }
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Error::from_kind(ErrorKind::Link(errors))),
        }
    }

    /// Matching of external types; `found` has current sizes as its least ones.
    fn extern_matches(&self, found: &ExternType, wanted: &ExternType) -> bool {
        match (found, wanted) {
            (ExternType::Func(found), ExternType::Func(wanted)) => found.matches(wanted),
            (ExternType::Tag(found), ExternType::Tag(wanted)) => found.ty().id() == wanted.ty().id(),
            (ExternType::Memory(found), ExternType::Memory(wanted)) => memory_matches(found, wanted),
            (ExternType::Table(found), ExternType::Table(wanted)) => table_matches(found, wanted),
            (ExternType::Global(found), ExternType::Global(wanted)) => self.global_matches(found, wanted),
            _ => false,
        }
    }

    fn global_matches(&self, found: &GlobalType, wanted: &GlobalType) -> bool {
        let registry = self.engine().registry();
        let (a, b) = (found.content().to_registry(), wanted.content().to_registry());
        found.is_mutable() == wanted.is_mutable()
            && if found.is_mutable() { a == b } else { registry.val_is_subtype(a, b) }
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

fn memory_matches(found: &MemoryType, wanted: &MemoryType) -> bool {
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
