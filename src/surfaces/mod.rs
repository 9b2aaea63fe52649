//! Host surfaces: what programs of other languages import from their hosts, behind a [`Linker`](crate::Linker).
//!
//! | module | for programs of | their imports |
//! |---|---|---|
//! | [`js_string`] | many: strings as JavaScript has them | `wasm:js-string`, `wasm:text-encoder`, `wasm:text-decoder`, string constants |
//! | [`dart`] | Dart, target `wasm --standalone` | `dart` |
//! | [`moonbit`] | MoonBit, target wasm-gc | `spectest::print_char`, `__moonbit_*_unstable`, `Math`, `console` |
//! | [`teavm`] | TeaVM (Java, Scala), target WebAssembly GC without JavaScript | `teavm*`, `env.memory` |
//!
//! A surface reaches what a [`WasiCtx`] was granted and nothing else, and stands in a store
//! beside WASI and other surfaces.

pub mod dart;
pub mod js_string;
mod maths;
pub mod moonbit;
pub mod teavm;

pub use heapwood_surfaces::{LocalTime, TimeZone, WallClock};

use crate::wasi::{GrantError, Outcome, WasiCtx, ended, interruptible};
use crate::{AsContextMut, Caller, Error, Func, FuncType, Result, Val};
use std::fmt;

/// The error with which a guest ends that gave a host function what it cannot take: a null or foreign value, a file
/// that cannot be read. To the program it is a trap. [`Error::downcast_ref`](crate::Error::downcast_ref) finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostTrap {
    function: String,
    message: String,
}

impl HostTrap {
    fn new(function: &str, message: impl Into<String>) -> HostTrap {
        HostTrap { function: function.to_owned(), message: message.into() }
    }

    /// The function, as the guest imports it: `module::name`.
    pub fn function(&self) -> &str {
        &self.function
    }
}

impl fmt::Display for HostTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.message)
    }
}

impl std::error::Error for HostTrap {}

/// What a grant gave, as the result of a function of the host.
fn granted<R>(function: &str, result: std::result::Result<R, GrantError>) -> Result<R> {
    result.map_err(|error| match error {
        GrantError::Interrupted => ended(Outcome::Interrupted),
        GrantError::Exit(code) => ended(Outcome::Exit(code)),
        GrantError::Refused(_) => Error::new(HostTrap::new(function, error.to_string())),
    })
}

/// Does work as a call of the store, so that the store's deadline, and what interrupts it, end its waits.
fn as_a_call<T: 'static>(
    mut store: impl AsContextMut<Data = T>,
    work: impl Fn(Caller<'_, T>) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let ty = FuncType::new(store.as_context().engine(), [], [])?;
    let call = Func::try_new(&mut store, ty, move |caller, _: &[Val], _: &mut [Val]| work(caller))?;
    call.call(store, &[], &mut [])
}

/// Writes what a program that has ended left to be written, as a call of the store.
fn last_write<T: 'static>(
    store: impl AsContextMut<Data = T>,
    wasi: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    write: impl Fn(&mut T) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    as_a_call(store, move |mut caller| interruptible(&mut caller, wasi, |caller| write(caller.data_mut()))?)
}

/// The error of an output that refuses what was left to be written.
fn refused(why: impl fmt::Display) -> Error {
    Error::msg(format!("the guest's output: {why}"))
}
