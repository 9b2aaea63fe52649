//! The surface of TeaVM: every function by name and type, what it does, what it refuses; weak references and interned
//! strings that die; what programs leave to be done; exceptions that nobody catches.

#[path = "../common/mod.rs"]
mod common;
mod functions;
mod program;
mod programs;
mod refusals;
mod weak;
