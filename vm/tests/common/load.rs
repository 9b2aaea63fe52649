//! Loading images of compiled modules.

use heapwood_vm::{Engine, Module, Result};
use std::path::Path;

/// Loads an image that this process made.
#[allow(unsafe_code, reason = "the promise of whoever loads an image")]
pub fn load(engine: &Engine, image: &[u8]) -> Result<Module> {
    // SAFETY: tests make their images by `precompile_module`; what they damage is refused, or lies where nothing is.
    unsafe { Module::deserialize(engine, image) }
}

/// Loads an image from a file that is replaced and deleted at most.
#[allow(unsafe_code, reason = "the promise of whoever loads an image")]
pub fn load_file(engine: &Engine, path: &Path) -> Result<Module> {
    // SAFETY: as above.
    unsafe { Module::deserialize_file(engine, path) }
}
