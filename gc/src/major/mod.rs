//! Major collections: marking the old space in slices, sweeping it, when that happens, and compactions.
//!
//! | file | does |
//! |---|---|
//! | `marking` | the cycle: roots, slices, end; `shaded` is what the mutator adds, `root_visitors` show roots |
//! | `marker` | what marks: shades and scans, with `grey` objects and `ephemerons` that wait |
//! | `marker_hand_off` | how it is handed off to a helper |
//! | `sweeping` | how far the sweep is, and a step of it; `batch` lists blocks for a helper |
//! | `sweeper` | the sweep at the mutator's pace, or to the end |
//! | `pacing` | when a marking starts, and how fast it goes |
//! | `compaction` | marking that moves objects, and the choice of blocks for it |

mod batch;
pub mod compaction;
mod marker;
mod marker_hand_off;
pub mod marking;
pub mod pacing;
mod root_visitors;
mod shaded;
pub mod sweeper;
pub mod sweeping;

#[cfg(feature = "test-hooks")]
pub use batch::BatchSizes;
#[cfg(feature = "test-hooks")]
pub use marker_hand_off::HELPER_DELAY_MS;
