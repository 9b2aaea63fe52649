//! Decoded WebAssembly modules, their types and index spaces.
