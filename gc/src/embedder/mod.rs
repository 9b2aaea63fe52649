//! What whoever embeds the heap and the heap know of each other: configuration, errors, types, roots.

pub mod config;
pub mod errors;
pub mod roots;
pub mod types;
