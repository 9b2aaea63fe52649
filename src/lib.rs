//! Heapwood: a WebAssembly runtime for garbage-collected languages.
//!
//! The embedding API of `heapwood-vm`, and with [`wasi`] the host functions that command-line programs import.
//!
//! ```
//! use heapwood::{Engine, Instance, Module, Store};
//! # fn main() -> heapwood::Result<()> {
//! let engine = Engine::default();
//! // (module (func (export "answer") (result i32) (i32.const 42)))
//! let bytes = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x0a\x01\x06answer\0\0\x0a\x06\x01\x04\0\x41\x2a\x0b";
//! let module = Module::new(&engine, bytes)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let answer = instance.get_typed_func::<(), i32>(&mut store, "answer")?;
//! assert_eq!(answer.call(&mut store, ())?, 42);
//! # Ok(())
//! # }
//! ```

pub mod wasi;

#[cfg(feature = "derive")]
pub use heapwood_derive::{GcEnum, GcStruct};
pub use heapwood_vm::*;

/// The code of the guide runs.
#[cfg(all(doctest, feature = "cli", feature = "derive"))]
#[doc = include_str!("../docs/embedding.md")]
mod guide {}
