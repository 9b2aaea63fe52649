//! Heapwood: a WebAssembly runtime for garbage-collected languages.
