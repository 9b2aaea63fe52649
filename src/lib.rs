//! Heapwood: a WebAssembly runtime for garbage-collected languages.
//!
//! The embedding API, whose nouns are those of other runtimes: an [`Engine`] compiles a [`Module`], a [`Store`] holds
//! what an [`Instance`] of it makes, a [`Linker`] gives it functions of the host.
//!
//! ```
//! use heapwood::{Engine, Instance, Module, Store};
//! # #[cfg(feature = "wat")]
//! # fn main() -> heapwood::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (func (export "answer") (result i32) (i32.const 42)))"#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let answer = instance.get_typed_func::<(), i32>(&mut store, "answer")?;
//! assert_eq!(answer.call(&mut store, ())?, 42);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```
//!
//! [`tenants`] makes a service of many stores, each with a quota.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `wasi` | [`wasi`]: the host functions that command-line programs import |
//! | `component` | [`component`]: programs that are components of WASI 0.2; `wasi` |
//! | `surfaces` | [`surfaces`]: what programs of other languages import (MoonBit, TeaVM, Dart, strings of JavaScript) |
//! | `source-map` | [`source_map`]: lines of the source for backtraces |
//! | `wat` | [`Module::new`] and [`Module::from_file`] take the text format |
//! | `derive` (default) | `#[derive(GcStruct)]` and `#[derive(GcEnum)]`: objects of the guest as Rust types |
//! | `async` (default) | [`Func::call_async`], [`Linker::func_wrap_async`] and their kin: guests that wait for futures of the host |
//! | `anyhow` | an [`Error`] becomes an `anyhow::Error` by `?` |
//! | `cli` (default) | the `heapwood` command; `component`, `source-map`, `surfaces`, `wasi`, `wat` and `anyhow` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "component")]
pub mod component;
pub mod executor;
#[cfg(feature = "source-map")]
pub mod source_map;
#[cfg(feature = "surfaces")]
pub mod surfaces;
pub mod tenants;
#[cfg(feature = "wasi")]
pub mod wasi;

#[cfg(feature = "derive")]
pub use heapwood_derive::{GcEnum, GcStruct};
pub use heapwood_vm::*;

/// The blocks of the guide are tests.
#[cfg(all(doctest, feature = "async", feature = "cli", feature = "derive"))]
#[doc = include_str!("../docs/embedding.md")]
mod guide {}
