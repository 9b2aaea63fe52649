//! The interface between the heap and the runtime that embeds it: configuration, errors, types, roots.

pub mod config;
pub mod errors;
pub mod machine;
pub mod roots;
pub mod types;
