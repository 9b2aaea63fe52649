//! Strings of the heap: the functions that guests call, against a model, with every kind of argument, in all modes; how
//! strings are joined and read; what else there is to do with them.

#[path = "strings/calls.rs"]
mod calls;
#[path = "common/mod.rs"]
mod common;
#[path = "strings/heap.rs"]
mod heap;
#[path = "strings/model.rs"]
mod model;
#[path = "common/random.rs"]
mod random;
