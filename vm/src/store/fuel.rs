//! Fuel: how much a guest may execute.

use super::{AsContext, AsContextMut, Caller, Store, StoreContext, StoreContextMut, StoreOpaque};
use crate::errors::{Error, Result};

impl StoreOpaque {
    pub(super) fn check_fuel_is_counted(&self) -> Result<()> {
        match self.engine().config().consumes_fuel() {
            true => Ok(()),
            false => {
                Err(Error::usage("the engine counts no fuel: it has to be made with `Config::consume_fuel(true)`"))
            }
        }
    }

    fn fuel(&self) -> Result<u64> {
        self.check_fuel_is_counted()?;
        Ok(self.guest().execution().fuel())
    }

    fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.check_fuel_is_counted()?;
        self.guest_mut().execution_mut().set_fuel(fuel);
        Ok(())
    }
}

impl<T: 'static> Store<T> {
    /// The fuel that is left; 0 if a guest ran out of it.
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn get_fuel(&self) -> Result<u64> {
        self.opaque().fuel()
    }

    /// Sets the fuel that the store's guests have from now on, at most `i64::MAX`: a larger number means that. A host
    /// function may do this too, for the guest that called it.
    ///
    /// ```
    /// # use heapwood_vm::{Config, Engine, Instance, Module, Result, Store, TrapKind};
    /// # fn main() -> Result<()> {
    /// let engine = Engine::new(Config::new().consume_fuel(true))?;
    /// let text = r#"(module (func (export "spin") (loop (br 0))))"#;
    /// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
    /// let mut store = Store::new(&engine, ());
    /// store.set_fuel(10_000)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// let error = spin.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.trap().unwrap().kind(), TrapKind::OutOfFuel);
    /// assert_eq!(store.get_fuel()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.opaque_mut().set_fuel(fuel)
    }
}

impl<T: 'static> StoreContext<'_, T> {
    /// The fuel that is left, as of [`Store::get_fuel`].
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn get_fuel(&self) -> Result<u64> {
        self.opaque().fuel()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// The fuel that is left, as of [`Store::get_fuel`].
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Sets the fuel, as [`Store::set_fuel`] does.
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.opaque().set_fuel(fuel)
    }
}

impl<T: 'static> Caller<'_, T> {
    /// The fuel that is left to the guest that called, as of [`Store::get_fuel`].
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Sets the fuel, as [`Store::set_fuel`] does.
    ///
    /// # Errors
    /// The engine counts none ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.as_context_mut().set_fuel(fuel)
    }
}
