//! Operations that leave nothing behind when they fail: each runs in a store that goes back to a checkpoint, heap
//! included, when it traps, throws, takes too long, runs into a limit, or panics.
//!
//! ```
//! use heapwood::executor::Executor;
//! use heapwood::{Engine, Store};
//! # #[cfg(feature = "wat")]
//! # fn main() -> heapwood::Result<()> {
//! # use heapwood::{Instance, Module};
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (global $sum (mut i32) (i32.const 0))
//!     (func (export "add") (param i32) (result i32)
//!         (global.set $sum (i32.add (global.get $sum) (local.get 0)))
//!         (if (i32.gt_s (global.get $sum) (i32.const 100)) (then unreachable))
//!         (global.get $sum)))"#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let add = instance.get_typed_func::<i32, i32>(&mut store, "add")?;
//! let mut executor = Executor::new(store)?;
//! assert_eq!(executor.run(|store| add.call(store, 40))?, 40);
//! executor.commit()?;
//! assert!(executor.run(|store| add.call(store, 70)).is_err());
//! assert_eq!(executor.run(|store| add.call(store, 1))?, 41);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```

use crate::{Checkpoint, Result, Store};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Failures in a row after which the executor is in its recovery.
const FAILURES_MAX: u32 = 3;

/// What an executor is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Operations run as they come.
    Normal,
    /// More than three operations in a row have failed. After each further one that fails, memory that the heap does
    /// not need goes back to the system; the first one that ends well ends this.
    Recovery,
}

/// A store in which operations run, and what it goes back to when one fails.
pub struct Executor<T: 'static> {
    store: Store<T>,
    checkpoint: Checkpoint<T>,
    /// Failures since the last operation that ended well.
    failures: u32,
    recoveries: u64,
    /// The last rollback has not failed.
    is_usable: bool,
}

impl<T: 'static> Executor<T> {
    /// An executor that goes back to what the store is now.
    ///
    /// # Errors
    /// Those of [`Store::checkpoint`].
    pub fn new(mut store: Store<T>) -> Result<Executor<T>> {
        let checkpoint = store.checkpoint()?;
        Ok(Executor { store, checkpoint, failures: 0, recoveries: 0, is_usable: true })
    }

    /// Runs an operation. If it fails or panics, the store is what it was at the last [`Executor::commit`] afterwards,
    /// the host's data excepted. A deadline is set as for any call ([`Store::set_deadline`]), before or in the
    /// operation.
    ///
    /// # Errors
    /// The operation's. If the rollback fails as well, which takes a system that refuses memory, that error; the store
    /// is unusable then, and the next operation begins with another rollback.
    pub fn run<R>(&mut self, operation: impl FnOnce(&mut Store<T>) -> Result<R>) -> Result<R> {
        if !self.is_usable {
            self.store.rollback(&self.checkpoint)?;
            self.is_usable = true;
        }
        let ended = catch_unwind(AssertUnwindSafe(|| operation(&mut self.store)));
        if let Ok(Ok(result)) = ended {
            self.failures = 0;
            return Ok(result);
        }
        self.failures = self.failures.saturating_add(1);
        let rolled_back = self.store.rollback(&self.checkpoint);
        self.is_usable = rolled_back.is_ok();
        if self.mode() == Mode::Recovery {
            self.recoveries += 1;
            self.store.return_memory();
        }
        match ended {
            Err(panic) => resume_unwind(panic),
            Ok(result) => rolled_back.and(result),
        }
    }

    /// Makes what the store is now what it goes back to. Collects everything, so it is not for every small operation.
    ///
    /// # Errors
    /// Those of [`Store::checkpoint`]; the store still goes back to what it went back to before.
    pub fn commit(&mut self) -> Result<()> {
        self.checkpoint = self.store.checkpoint()?;
        Ok(())
    }

    /// What it is doing.
    pub fn mode(&self) -> Mode {
        if self.failures > FAILURES_MAX { Mode::Recovery } else { Mode::Normal }
    }

    /// How often memory was given back in recoveries.
    pub fn recoveries(&self) -> u64 {
        self.recoveries
    }

    /// What the store goes back to.
    pub fn checkpoint(&self) -> &Checkpoint<T> {
        &self.checkpoint
    }

    /// The store, for what is no operation: what is done to it stays until one fails.
    pub fn store(&mut self) -> &mut Store<T> {
        &mut self.store
    }

    /// The store, when the executor is no longer needed.
    pub fn into_store(self) -> Store<T> {
        self.store
    }
}

impl<T: 'static> std::fmt::Debug for Executor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("failures", &self.failures).finish_non_exhaustive()
    }
}
