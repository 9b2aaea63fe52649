//! Units of work, which do not depend on the machine: what the parts of a pause count, and what tests bound.

use crate::raw::cage::BLOCK_BYTES;

/// What a minor did, in units that a test can bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinorWork {
    /// Bytes copied within the nursery.
    pub aged_bytes: u64,
    /// Bytes copied to the old space.
    pub promoted_bytes: u64,
    /// Objects copied, of both kinds.
    pub copied_objects: u64,
    /// Log entries processed.
    pub log_entries: u64,
    /// Reference fields of these entries.
    pub log_fields: u64,
    /// Frames walked.
    pub frames: u64,
    /// Frame slots visited.
    pub frame_slots: u64,
    /// Root slots outside of frames visited.
    pub root_slots: u64,
}

impl MinorWork {
    /// Bytes copied, within the nursery and out of it.
    pub fn copied_bytes(&self) -> u64 {
        self.aged_bytes + self.promoted_bytes
    }
}

/// What a marking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkWork {
    /// Objects marked.
    pub objects: u64,
    /// Bytes of marked objects.
    pub live_bytes: u64,
    /// Reference fields looked at, and one for each object.
    pub fields: u64,
    /// Bytes of objects that were moved.
    pub moved_bytes: u64,
    /// Times that the stack was full.
    pub overflows: u64,
    /// Ephemerons that held their keys, since there was no memory to let them wait.
    pub held_ephemerons: u64,
}

impl MarkWork {
    /// What was done since `before`.
    pub fn since(&self, before: &MarkWork) -> MarkWork {
        MarkWork {
            objects: self.objects - before.objects,
            live_bytes: self.live_bytes - before.live_bytes,
            fields: self.fields - before.fields,
            moved_bytes: self.moved_bytes - before.moved_bytes,
            overflows: self.overflows - before.overflows,
            held_ephemerons: self.held_ephemerons - before.held_ephemerons,
        }
    }
}

/// What evacuation of sparse blocks did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelocationWork {
    /// Blocks evacuated, at least in part.
    pub blocks: u64,
    /// Objects moved.
    pub objects: u64,
    /// Bytes of the objects that were moved.
    pub moved_bytes: u64,
    /// Bytes of objects that stay.
    pub kept_bytes: u64,
    /// Words looked at: recorded ones, and those of the copies.
    pub words: u64,
}

impl RelocationWork {
    /// What becomes free, less what the copies took.
    pub fn gained_bytes(&self) -> u64 {
        (self.blocks * BLOCK_BYTES as u64).saturating_sub(self.kept_bytes + self.moved_bytes)
    }
}

/// What a pause did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// A minor, or the promotion before a marking.
    pub minor: MinorWork,
    /// Marking.
    pub mark: MarkWork,
    /// Root slots visited.
    pub roots: u64,
    /// Frames walked.
    pub frames: u64,
    /// Bytes that a marking found alive, in the pause that ends it.
    pub live_bytes: u64,
    /// Blocks swept.
    pub swept: u64,
    /// Objects that the mutator had shaded and that the marker took over.
    pub handed_over: u64,
    /// What was moved out of sparse blocks.
    pub evacuated: RelocationWork,
}

impl Done {
    /// Objects copied, log entries' fields, slots, fields marked and so on, together.
    pub fn units(&self) -> u64 {
        self.minor.copied_objects
            + self.minor.log_fields
            + self.roots
            + self.mark.fields
            + self.swept
            + self.handed_over
            + self.evacuated.objects
            + self.evacuated.words
    }
}
