//! Values as they are passed in memory.

/// A value as compiled code passes it in memory: 16 bytes; i32, f32 and references zero-extended.
pub(crate) type RawVal = [u64; 2];
