//! Stopping a guest from another thread.

use crate::rt::interrupt::{InterruptCell, Token};
use std::sync::Arc;

/// Makes the guest of one store stop with [`TrapKind::Interrupted`](crate::TrapKind::Interrupted) at its next
/// function entry or loop iteration, and ends its waits. Outlives the store harmlessly. A request stays until a call
/// sees it; to interrupt one call and no other, see [`InterruptToken`]. A way through a function that neither calls nor
/// iterates is short, and has no place where it could stop: a call that comes to its end that way sees nothing.
#[derive(Clone)]
pub struct InterruptHandle(Arc<InterruptCell>);

impl InterruptHandle {
    pub(crate) fn new(cell: Arc<InterruptCell>) -> InterruptHandle {
        InterruptHandle(cell)
    }

    /// Asks the guest to stop. If none runs, the next one to run stops where it could first. One request stops one
    /// call.
    ///
    /// # Panics
    /// If what wakes a wait of the host panics ([`Caller::interruptible`](crate::Caller::interruptible)), or a waker of
    /// a task: with the first such panic, when all waits and tasks were woken. The request is made.
    pub fn interrupt(&self) {
        self.0.request();
    }

    /// Withdraws a request that was not yet seen.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// Ends one call of a guest, or one instantiation, and never a later one: that which came next when the token was made.
/// Made by [`Store::interrupt_token`](crate::Store::interrupt_token). Outlives the call and the store harmlessly.
///
/// ```
/// # use heapwood_vm::{Engine, Instance, Module, Store, TrapKind};
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop $again (br $again)))
/// #     (func $f (export "short") (loop $l (br_if $l (i32.const 0)))))"#).unwrap();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
/// let token = store.interrupt_token();
/// let thread = std::thread::spawn(move || {
///     token.interrupt();
///     // Too late for anything else.
///     token.interrupt();
/// });
/// assert_eq!(spin.call(&mut store, ()).unwrap_err().trap().unwrap().kind(), TrapKind::Interrupted);
/// instance.get_typed_func::<(), ()>(&mut store, "short")?.call(&mut store, ())?;
/// # thread.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InterruptToken {
    cell: Arc<InterruptCell>,
    token: Arc<Token>,
}

impl InterruptToken {
    pub(super) fn new(cell: Arc<InterruptCell>, token: Arc<Token>) -> InterruptToken {
        InterruptToken { cell, token }
    }

    /// Ends the token's call with [`TrapKind::Interrupted`](crate::TrapKind::Interrupted), its waits and the calls
    /// within it included: now, or when it begins. Does nothing if it is over, or comes to its end without a call
    /// and a loop ([`InterruptHandle`]).
    ///
    /// # Panics
    /// As [`InterruptHandle::interrupt`].
    pub fn interrupt(&self) {
        self.cell.use_token(&self.token);
    }
}

impl std::fmt::Debug for InterruptToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InterruptToken").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InterruptHandle").finish_non_exhaustive()
    }
}
