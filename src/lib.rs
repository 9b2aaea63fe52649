//! Heapwood: a WebAssembly runtime for garbage-collected languages.
//!
//! The embedding API of `heapwood-vm`, and the WASI host.

pub use heapwood_vm::*;
