//! Calls that are suspended: by host functions that wait, by fuel, by time; resumed on any thread, or dropped.

mod common;
mod async_calls {
    pub mod basics;
    pub mod tasks;
}
