//! The bytes of a module, wherever they lie.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a module, shared by all who read them: in memory of their own, or in a file that is mapped.
#[derive(Clone)]
pub struct ModuleBytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl ModuleBytes {
    /// What `owner` has. It is kept as long as anybody has the bytes, and has to answer with the same ones each time.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> ModuleBytes {
        ModuleBytes(Arc::new(owner))
    }
}

impl Deref for ModuleBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl From<Vec<u8>> for ModuleBytes {
    fn from(bytes: Vec<u8>) -> ModuleBytes {
        ModuleBytes::new(bytes)
    }
}

impl From<&[u8]> for ModuleBytes {
    fn from(bytes: &[u8]) -> ModuleBytes {
        ModuleBytes::new(Box::<[u8]>::from(bytes))
    }
}

impl Default for ModuleBytes {
    /// A module of no bytes.
    fn default() -> ModuleBytes {
        ModuleBytes::new([0; 0])
    }
}

impl fmt::Debug for ModuleBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModuleBytes({})", self.len())
    }
}
