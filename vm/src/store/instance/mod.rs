//! Instances in the store, and how they come to be.
//!
//! 1. Imports are matched by type (`imports`). Nothing has changed in the store if one does not fit.
//! 2. The context is allocated and filled: memories, tables, function objects, imports, tags (`parts`).
//! 3. Globals, tables and element segments are initialised by constant expressions, in the order of the specification
//!    (`initial`).
//! 4. Active segments are copied (a trap leaves the copies before it in place; `segments`), then the start function
//!    runs.
//!
//! Whatever fails, what nobody reaches goes again (`undo`).
//!
//! What takes long looks for interrupts after each piece of its work.

mod data;
mod exports;
mod imports;
mod initial;
mod parts;
mod segments;
mod undo;
mod words;

pub(crate) use data::InstanceData;
pub(crate) use imports::memory_matches;
pub(crate) use undo::Mark;

use super::{Item, StoreOpaque};
use crate::errors::{Error, Result};
use crate::module::Module;
use crate::rt::entry::Callee;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl StoreOpaque {
    /// Whether a module may be instantiated here with so many imports.
    ///
    /// # Errors
    /// It is one of another engine, or has more or fewer imports.
    pub fn check_module(&self, module: &Module, imports: usize) -> Result<()> {
        self.check_engine(module.engine(), "a module")?;
        let wanted = module.info().imports.len();
        match wanted == imports {
            true => Ok(()),
            false => Err(Error::usage(format!("{imports} imports were given, the module has {wanted}"))),
        }
    }

    /// Instantiates a module that was checked, with imports in the order of its import section; its position. If that
    /// fails, what was made since `mark` goes, unless somebody reaches it.
    pub fn instantiate(&mut self, module: &Module, imports: &[Item], mark: &Mark) -> Result<u32> {
        let held = self.guest().temporaries().len();
        let mut complete = None;
        let steps = |store: &mut StoreOpaque| {
            let index = store.instantiate_in_steps(module, imports)?;
            if let Some(start) = store.start_of(index)? {
                complete = Some(store.mark());
                store.enter(start, &mut [])?;
            }
            Ok(index)
        };
        // A limiter that is asked may panic, and so may a host function that the start function calls.
        let made = catch_unwind(AssertUnwindSafe(|| self.with_terms(steps)));
        // What a step held that failed.
        self.guest_mut().temporaries_mut().truncate(held);
        if !matches!(made, Ok(Ok(_))) {
            let error = made.as_ref().ok().and_then(|made| made.as_ref().err());
            self.undo_unreached(module, mark, complete.as_ref(), error);
        }
        made.unwrap_or_else(|panic| resume_unwind(panic))
    }

    pub(super) fn instantiate_in_steps(&mut self, module: &Module, imports: &[Item]) -> Result<u32> {
        self.match_imports(module, imports)?;
        let index = self.allocate_instance(module, imports)?;
        self.initialise_globals(index)?;
        self.initialise_tables(index)?;
        self.initialise_segments(index)?;
        self.run_active_segments(index)?;
        Ok(index)
    }

    /// The start function of an instance, if it has one.
    pub(super) fn start_of(&mut self, index: u32) -> Result<Option<Callee>> {
        let instance = self.instance(index);
        let info = instance.module().info();
        let Some(start) = info.start else { return Ok(None) };
        let ty = instance.module().type_ids().id(info.functions[start as usize]);
        let (code, context) = match start.checked_sub(info.imported_functions) {
            Some(defined) => (instance.module().code().entry(defined) as u64, instance.context().address() as u64),
            None => self.function_entry(instance.imported_function(start).expect("it is imported")),
        };
        let signature = self.signature(ty)?;
        Ok(Some(Callee { entry: signature.entry(), code, context }))
    }
}
