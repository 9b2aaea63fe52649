//! On what terms the next call runs: how long it may take, and the token that ends it.

use super::{AsContextMut, Caller, InterruptToken, Store, StoreContextMut, StoreOpaque};
use crate::errors::Result;
use crate::rt::waits::{Wait, Wake};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

impl<T: 'static> Store<T> {
    /// Gives the next call of a guest's function, or the next instantiation, so much time, in place of what was set
    /// before. The time runs from the beginning of the call. When it is over, the guest ends with the trap
    /// [`TrapKind::DeadlineExceeded`](crate::TrapKind::DeadlineExceeded), at its next function entry or loop iteration,
    /// in a long instruction, or in a wait: at an address of a shared memory, of WASI, or of a host function that waits
    /// by [`Caller::interruptible`]. So do calls of guests within that call. Later calls are not affected, and have no
    /// deadline unless it is set again.
    ///
    /// One thread of the engine watches all deadlines; it starts with the first call that has one.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store, TrapKind};
    /// # use std::time::Duration;
    /// # fn main() -> heapwood_vm::Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop $again (br $again))))"#).unwrap();
    /// let module = Module::new(&engine, &wasm)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// store.set_deadline(Duration::from_millis(5));
    /// let error = spin.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.trap().unwrap().kind(), TrapKind::DeadlineExceeded);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_deadline(&mut self, span: Duration) {
        self.opaque_mut().set_deadline(Some(span));
    }

    /// Withdraws the deadline that was set for the next call.
    pub fn clear_deadline(&mut self) {
        self.opaque_mut().set_deadline(None);
    }
}

impl<T: 'static> Store<T> {
    /// What ends the next call of a guest's function, or the next instantiation, from any thread, and no other call.
    pub fn interrupt_token(&mut self) -> InterruptToken {
        self.opaque_mut().interrupt_token()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// What ends the next call, as of [`Store::interrupt_token`].
    pub fn interrupt_token(&mut self) -> InterruptToken {
        self.opaque().interrupt_token()
    }

    /// Gives the next call so much time, as [`Store::set_deadline`] does.
    pub fn set_deadline(&mut self, span: Duration) {
        self.opaque().set_deadline(Some(span));
    }

    /// Withdraws the deadline that was set for the next call.
    pub fn clear_deadline(&mut self) {
        self.opaque().set_deadline(None);
    }
}

impl<'a, T: 'static> Caller<'a, T> {
    /// What ends the next call that the host function makes, as of [`Store::interrupt_token`].
    pub fn interrupt_token(&mut self) -> InterruptToken {
        self.as_context_mut().opaque().interrupt_token()
    }

    /// Gives the next call that the host function makes so much time, as [`Store::set_deadline`] does. The call in
    /// which the host function itself is keeps what it has.
    pub fn set_deadline(&mut self, span: Duration) {
        self.as_context_mut().opaque().set_deadline(Some(span));
    }

    /// Withdraws the deadline that was set for the next call.
    pub fn clear_deadline(&mut self) {
        self.as_context_mut().opaque().set_deadline(None);
    }

    /// Runs `work`, which waits for something: an interrupt of the guest, or the end of its time, calls `wake`
    /// meanwhile, on another thread, so that `work` stops waiting. `wake` may come before the wait begins, more than
    /// once, and on several threads at a time. It may interrupt the store and ask its
    /// [`Inspector`](crate::Inspector), but must not block: this does not return before it has, and it does not come
    /// afterwards. If it panics, waits of outer calls are woken all the same, and the panic goes on in the
    /// thread that made the guest stop: in [`InterruptHandle::interrupt`](crate::InterruptHandle::interrupt), for
    /// example; that of a deadline is told on standard error alone.
    ///
    /// ```
    /// # use heapwood_vm::{Caller, Engine, Func, Instance, Module, Result, Store, TrapKind};
    /// # use std::{sync::mpsc, time::Duration};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module (import "" "" (func $wait)) (func (export "run") call $wait))"#).unwrap();
    /// # let module = Module::new(&engine, &wasm)?;
    /// # let mut store = Store::new(&engine, ());
    /// // A message that never comes.
    /// let wait = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let (sender, inbox) = mpsc::channel();
    ///     caller.interruptible(move || sender.send("wake up").unwrap_or_default(), |_| inbox.recv())??;
    ///     Ok(())
    /// });
    /// # let instance = Instance::new(&mut store, &module, &[wait.into()])?;
    /// # let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    /// store.set_deadline(Duration::from_millis(5));
    /// let error = run.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.trap().unwrap().kind(), TrapKind::DeadlineExceeded);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The guest has to stop, whatever `work` says: the trap with which the host function is to return. If that was
    /// known before, `work` does not run.
    pub fn interruptible<R>(
        &mut self,
        wake: impl Fn() + Send + Sync + 'static,
        work: impl FnOnce(&mut Caller<'a, T>) -> R,
    ) -> Result<R> {
        let cell = self.as_context_mut().opaque().guest().execution().interrupt().clone();
        let waiting = cell.wait(Wait::OfHost(Arc::new(move |why| {
            if why == Wake::Stop {
                wake();
            }
        })));
        self.as_context_mut().opaque().check_interrupt()?;
        let result = work(self);
        drop(waiting);
        self.as_context_mut().opaque().check_interrupt()?;
        Ok(result)
    }

    /// Runs `work`, which waits for something, as [`Caller::interruptible`] does, and answers requests of an
    /// [`Inspector`](crate::Inspector) meanwhile. These call `wake` with [`Wake::Answer`]: then `work` is to return
    /// `None`, unless it has a result; it is called again when all is answered, and has to go on where it was. Requests
    /// that came before are answered before `work` runs. May collect.
    ///
    /// ```
    /// # use heapwood_vm::{Caller, Engine, Func, Instance, Module, Result, Store, Wake};
    /// # use std::sync::mpsc;
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module (import "" "" (func $wait)) (func (export "run") call $wait))"#).unwrap();
    /// # let module = Module::new(&engine, &wasm)?;
    /// # let mut store = Store::new(&engine, ());
    /// let (sender, inbox) = mpsc::channel();
    /// let (wake, inbox) = (sender.clone(), std::sync::Mutex::new(inbox));
    /// let wait = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let (wake, inbox) = (wake.clone(), inbox.lock().unwrap());
    ///     let wake = move |why: Wake| wake.send(Some(why)).unwrap_or_default();
    ///     // A message that is none of `wake`'s is a result.
    ///     caller.inspectable(wake, |_| inbox.recv().unwrap().is_none().then_some(()))
    /// });
    /// # let instance = Instance::new(&mut store, &module, &[wait.into()])?;
    /// # let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    /// let inspector = store.inspector();
    /// let thread = std::thread::spawn(move || {
    ///     let (told, frames) = mpsc::channel();
    ///     inspector.ask(move |guest| told.send(guest.backtrace(10).frames().len()).unwrap()).unwrap();
    ///     let frames = frames.recv().unwrap();
    ///     sender.send(None).unwrap();
    ///     frames
    /// });
    /// run.call(&mut store, ())?;
    /// assert_eq!(thread.join().unwrap(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The guest has to stop, whatever `work` says, as of [`Caller::interruptible`].
    pub fn inspectable<R>(
        &mut self,
        wake: impl Fn(Wake) + Send + Sync + 'static,
        mut work: impl FnMut(&mut Caller<'a, T>) -> Option<R>,
    ) -> Result<R> {
        let cell = self.as_context_mut().opaque().guest().execution().interrupt().clone();
        let waiting = cell.wait(Wait::OfHost(Arc::new(wake)));
        let result = loop {
            let mut context = self.as_context_mut();
            // After the wait is in the list, so that nobody is missed.
            context.opaque().check_interrupt()?;
            context.opaque().answer();
            if let Some(result) = work(self) {
                break result;
            }
        };
        drop(waiting);
        self.as_context_mut().opaque().check_interrupt()?;
        Ok(result)
    }
}

impl StoreOpaque {
    fn set_deadline(&mut self, span: Option<Duration>) {
        self.guest_mut().execution_mut().set_deadline(span);
    }

    fn interrupt_token(&mut self) -> InterruptToken {
        let execution = self.guest_mut().execution_mut();
        let token = execution.token();
        InterruptToken::new(execution.interrupt().clone(), token)
    }

    /// Does what a deadline or a token is for that was set.
    pub(super) fn with_terms<R>(&mut self, work: impl FnOnce(&mut StoreOpaque) -> Result<R>) -> Result<R> {
        let is_armed = self.guest_mut().execution_mut().arm()?;
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        if is_armed {
            self.guest_mut().execution_mut().disarm();
        }
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
