//! What a heap cannot do, and why.

use super::config::{HEAP_BYTES_LIMIT, HEAP_BYTES_MIN, NURSERY_BYTES_MAX, NURSERY_BYTES_MIN};
use crate::raw::backing::BackingError;
use std::fmt;

/// Why a heap cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeapError {
    /// The limit is out of range.
    #[error("a heap of {max_bytes} bytes is not possible (from {HEAP_BYTES_MIN} to {HEAP_BYTES_LIMIT} bytes)")]
    MaxBytes {
        /// What was asked for.
        max_bytes: u64,
    },
    /// The nursery's size is out of range.
    #[error(
        "a nursery of {nursery_bytes} bytes is not possible (from {NURSERY_BYTES_MIN} to {NURSERY_BYTES_MAX} bytes)"
    )]
    NurseryBytes {
        /// What was asked for.
        nursery_bytes: u32,
    },
    /// The image of which the heap is to be made does not fit the limit.
    #[error("what lies in the checkpoint does not fit a heap of {max_bytes} bytes")]
    ImageTooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The limit allows what lies in the image, but the process has not enough address space for it.
    #[error("what lies in the checkpoint does not fit the heap's address space: there is room for {bytes} bytes")]
    ImageReach {
        /// Bytes that the heap has for old objects.
        bytes: u64,
    },
    /// The system refused.
    #[error(transparent)]
    Backing(#[from] BackingError),
}

/// Why a heap cannot be frozen or rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// The heap has no collector.
    #[error("a heap without a collector has no checkpoints")]
    NoCollector,
    /// The limit, or the address space, is too small for what lies in the image.
    #[error("what lies in the checkpoint does not fit the heap's limit")]
    Limit,
    /// The system refused.
    #[error(transparent)]
    Backing(#[from] BackingError),
}

impl From<Refused> for FreezeError {
    fn from(refused: Refused) -> FreezeError {
        match refused {
            Refused::System(error) => FreezeError::Backing(error),
            Refused::Limit | Refused::Reach { .. } | Refused::NotAllowed | Refused::Cells { .. } => FreezeError::Limit,
        }
    }
}

/// An allocation cannot be served, even after an emergency compaction. The heap stays usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The heap's limit in bytes, or what it was allowed of it if more was denied.
    pub limit_bytes: u64,
    /// Bytes of the allocation that failed.
    pub requested_bytes: u64,
    /// Why the last attempt to get memory was refused.
    pub why: Refused,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exhausted { limit_bytes, requested_bytes, why } = self;
        match why {
            Refused::Limit | Refused::NotAllowed => {
                write!(f, "{requested_bytes} bytes do not fit the heap's limit of {limit_bytes} bytes")
            }
            Refused::Reach { bytes } => write!(
                f,
                "{requested_bytes} bytes do not fit the {bytes} bytes of address space that the heap has for old objects, \
                 and what lies behind is taken (the heap's limit is {limit_bytes} bytes)"
            ),
            Refused::Cells { max } => write!(f, "{max} cells of one kind are alive, as many as a heap may have"),
            Refused::System(error) => write!(f, "{error}; the heap's limit is {limit_bytes} bytes"),
        }
    }
}

impl std::error::Error for Exhausted {}

/// Why memory was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The heap's limit.
    Limit,
    /// The heap's address space, which cannot be extended: its limit allows more, but the process has no room behind
    /// what it has.
    Reach {
        /// Bytes that it has for old objects.
        bytes: u64,
    },
    /// The embedder wants to be asked before the heap grows: [`Heap::wanted_growth`](crate::Heap::wanted_growth) says
    /// about what. Nothing was done, and nothing was collected for it; the same allocation may be tried again.
    NotAllowed,
    /// As many cells of one kind (of host values, weak cells or ephemerons) are alive as a heap may have.
    Cells {
        /// The most cells of that kind that a heap may have.
        max: usize,
    },
    /// The system refused.
    System(BackingError),
}

impl From<BackingError> for Refused {
    fn from(error: BackingError) -> Refused {
        Refused::System(error)
    }
}
