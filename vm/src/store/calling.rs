//! Calls that can be suspended, and when their guests let others run.

use super::{AsContextMut, Caller, Store, StoreContextMut, StoreOpaque};
use crate::errors::{Error, Result};
use crate::module::Module;
use crate::rt::calling::Calling;
use crate::rt::entry::Callee;
use crate::rt::running::Heights;
use crate::rt::value::RawVal;
use crate::store::{Item, Mark};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

impl<T: Send + 'static> StoreContextMut<'_, T> {
    /// A call that can be suspended. `values` holds the arguments, whose references must be valid when it is polled
    /// first; `armed`: its terms count since the store had these heights.
    pub(crate) fn calling<'a>(
        &'a mut self,
        callee: Callee,
        values: &'a mut [RawVal],
        armed: Option<Heights>,
    ) -> Calling<'a, StoreOpaque> {
        Calling::new(&mut *self.0, callee, values, armed)
    }
}

impl StoreOpaque {
    /// Instantiates a module that was checked, up to its start function: its position, that function, and the heights
    /// before the instantiation, whose terms are those of the start function's call.
    pub fn instantiate_to_start(
        &mut self,
        module: &Module,
        imports: &[Item],
        mark: &Mark,
    ) -> Result<(u32, Option<(Callee, Heights)>)> {
        self.check_usable()?;
        let heights = self.guest().heights();
        let is_armed = self.guest_mut().execution_mut().arm()?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let index = self.instantiate_in_steps(module, imports)?;
            Ok((index, self.start_of(index)?))
        }));
        self.guest_mut().temporaries_mut().truncate(heights.temporaries);
        if let Ok(Ok((index, Some(start)))) = made {
            return Ok((index, Some((start, heights))));
        }
        if is_armed {
            self.guest_mut().execution_mut().disarm();
        }
        if !matches!(made, Ok(Ok(_))) {
            self.undo_unreached(module, mark, None, None);
        }
        made.unwrap_or_else(|panic| resume_unwind(panic)).map(|(index, _)| (index, None))
    }

    fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        self.check_fuel_is_counted()?;
        if interval == Some(0) {
            return Err(Error::usage("a guest that lets others run must use some fuel in between: the interval is 0"));
        }
        self.guest_mut().execution_mut().set_fuel_portion(interval);
        Ok(())
    }

    fn time_async_yield_interval(&mut self, interval: Option<Duration>) -> Result<()> {
        if interval == Some(Duration::ZERO) {
            return Err(Error::usage("a guest that lets others run must run in between: the interval is 0"));
        }
        self.guest_mut().execution_mut().set_yield_span(interval);
        Ok(())
    }
}

impl<T: 'static> Store<T> {
    /// How much fuel a guest uses before it lets others run, from now on: a guest that was called by
    /// [`call_async`](crate::Func::call_async) is suspended then, wakes its task at once, and goes on with the next
    /// poll. What it does is the same whatever the interval is. None, which is so at first: it does not let others run
    /// for its fuel. A guest that was called by [`call`](crate::Func::call) never does, nor one below it.
    ///
    /// ```
    /// # use heapwood_vm::{Config, Engine, Instance, Module, Result, Store};
    /// # use std::{future::Future, pin::pin, task::{Context, Waker}};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::new(Config::new().consume_fuel(true))?;
    /// # let text = r#"(module (func (export "count") (param i32)
    /// #     (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    /// # let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
    /// # let mut store = Store::new(&engine, ());
    /// # let instance = Instance::new(&mut store, &module, &[])?;
    /// let count = instance.get_typed_func::<i32, ()>(&mut store, "count")?;
    /// store.set_fuel(100_000)?;
    /// store.fuel_async_yield_interval(Some(1000))?;
    /// let mut polls = 0;
    /// {
    ///     let mut counting = pin!(count.call_async(&mut store, 5000));
    ///     while counting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
    ///         polls += 1;
    ///     }
    /// }
    /// assert!(polls > 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The engine counts no fuel ([`Config::consume_fuel`](crate::Config::consume_fuel)), or the interval is 0.
    pub fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        self.opaque_mut().fuel_async_yield_interval(interval)
    }

    /// How long a guest runs before it lets others run, from its next call or resumption on: one that was called by
    /// [`call_async`](crate::Func::call_async) is suspended then, at its next function entry or loop iteration, wakes
    /// its task at once, and goes on with the next poll. What it does is the same whatever the interval is. None, which
    /// is so at first: it does not let others run for its time. A guest that was called by [`call`](crate::Func::call)
    /// never does, nor one below it. It is no deadline: see [`Store::set_deadline`] for that.
    ///
    /// One thread of the engine watches all intervals; it starts with the first such call.
    ///
    /// # Errors
    /// The interval is 0.
    pub fn time_async_yield_interval(&mut self, interval: Option<Duration>) -> Result<()> {
        self.opaque_mut().time_async_yield_interval(interval)
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// How much fuel a guest uses before it lets others run, as [`Store::fuel_async_yield_interval`] says.
    ///
    /// # Errors
    /// The engine counts no fuel ([`Config::consume_fuel`](crate::Config::consume_fuel)), or the interval is 0.
    pub fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        self.opaque().fuel_async_yield_interval(interval)
    }

    /// How long a guest runs before it lets others run, as [`Store::time_async_yield_interval`] says.
    ///
    /// # Errors
    /// The interval is 0.
    pub fn time_async_yield_interval(&mut self, interval: Option<Duration>) -> Result<()> {
        self.opaque().time_async_yield_interval(interval)
    }
}

impl<T: 'static> Caller<'_, T> {
    /// How much fuel a guest uses before it lets others run, as [`Store::fuel_async_yield_interval`] says.
    ///
    /// # Errors
    /// The engine counts no fuel ([`Config::consume_fuel`](crate::Config::consume_fuel)), or the interval is 0.
    pub fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        self.as_context_mut().fuel_async_yield_interval(interval)
    }

    /// How long a guest runs before it lets others run, as [`Store::time_async_yield_interval`] says.
    ///
    /// # Errors
    /// The interval is 0.
    pub fn time_async_yield_interval(&mut self, interval: Option<Duration>) -> Result<()> {
        self.as_context_mut().time_async_yield_interval(interval)
    }
}
