//! WASI preview1 over a guest memory trait.
