//! Calls that are suspended: by host functions that wait, by fuel, by time; resumed on any thread, or dropped.

mod common;
mod async_calls {
    pub mod basics;
    pub mod endings;
    pub mod programs;
    pub mod stores;
    pub mod tasks;
    pub mod wakers;
}
#[allow(dead_code, reason = "the sync entry of the programs is of `vm/tests/nesting.rs`")]
#[path = "nesting"]
mod nesting {
    pub mod emit;
    pub mod host;
    pub mod model;
    pub mod numbers;
    pub mod program;
}
