//! A directory of images: one file for each module and each set of terms, by content.
//!
//! 1. A file's name comes from the module's bytes and from what its code depends on. Names may collide: an image has
//!    the module's bytes in it, and they are compared.
//! 2. Files are never changed. A new one is written beside the others and renamed, so that nobody sees half of it.
//! 3. Only what this process's user alone can have written is read (`SECURITY.md`). Checksums, of the code too, tell
//!    what a system that went down has left of a file.
//! 4. Whatever fails means that the cache has nothing, and keeps nothing.

use super::ModuleInner;
use super::image::{self, Check, checksum};
use crate::engine::Engine;
use crate::rt::image::{Draft, OwnFile, is_own_directory};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The place of a module in the cache.
pub(super) struct CacheEntry {
    directory: PathBuf,
    name: String,
}

impl CacheEntry {
    /// The place of this module, compiled by this engine.
    pub fn new(directory: &Path, engine: &Engine, module: &[u8]) -> CacheEntry {
        let terms = format!("{}\n{}", env!("CARGO_PKG_VERSION"), image::terms(engine));
        let half = |seed| checksum(checksum(seed, terms.as_bytes()), module);
        CacheEntry { directory: directory.to_owned(), name: format!("{:016x}{:016x}", half(1), half(2)) }
    }

    /// The module that the directory has an entry of; none if it has none that can be used.
    pub fn load(&self, engine: &Engine, module: &[u8]) -> Option<ModuleInner> {
        if !is_own_directory(&self.directory) {
            return None;
        }
        let file = OwnFile::open(&self.path()).ok()??;
        image::load(engine, Draft::of_own_file(&file).ok()?, Check::CodeOf(module)).ok()
    }

    /// Writes an image there, if that is possible.
    pub fn store(&self, image: &[u8]) {
        // Whatever comes of it: the module is compiled.
        let _ = self.try_store(image);
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    fn try_store(&self, image: &[u8]) -> io::Result<()> {
        /// Files of this process so far.
        static FILES: AtomicU64 = AtomicU64::new(0);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        if !is_own_directory(&self.directory) {
            return Ok(());
        }
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let draft = self.directory.join(format!("{}-{}-{number}.new", self.name, std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let stored = file.write_all(image).and_then(|()| fs::rename(&draft, self.path()));
        if stored.is_err() {
            fs::remove_file(&draft)?;
        }
        stored
    }
}
