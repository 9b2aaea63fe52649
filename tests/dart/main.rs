//! The surface of Dart: every function by name and type, what it does, what it refuses, and programs.

#[path = "../common/mod.rs"]
mod common;
mod functions;
mod program;
mod programs;
mod refusals;
mod values;
mod weak;
