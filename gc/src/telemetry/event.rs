//! What the heap tells about itself: one event for each pause, and when its helpers worked.

/// What kept the guest from running in a pause.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GcEventKind {
    /// A minor collection (also a promote-all).
    Minor,
    /// A major collection in one pause, with the minor that promotes everything before it.
    Major,
    /// An incremental marking began.
    MarkStart,
    /// An incremental marking ended.
    MarkEnd,
    /// One slice of a marking.
    Slice,
    /// Objects of sparse blocks of the old space were moved.
    Evacuate,
    /// The mutator had to wait for memory that should have been ready.
    Stall,
}

impl GcEventKind {
    /// Name of the kind in logs.
    pub fn name(self) -> &'static str {
        match self {
            GcEventKind::Minor => "minor",
            GcEventKind::Major => "major",
            GcEventKind::MarkStart => "mark-start",
            GcEventKind::MarkEnd => "mark-end",
            GcEventKind::Slice => "slice",
            GcEventKind::Evacuate => "evacuate",
            GcEventKind::Stall => "stall",
        }
    }
}

/// Why a pause happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GcCause {
    /// Eden was full.
    EdenFull,
    /// The log was full.
    LogFull,
    /// The old space reached its threshold.
    Threshold,
    /// Memory was refused, by the limit or by the system.
    Emergency,
    /// `--gc-stress`.
    Stress,
    /// The embedder or the runtime asked for it.
    Requested,
    /// The log was lost: the whole heap was traced instead.
    LogLost,
    /// A step of the marking, sweeping or evacuation under way was due.
    Pace,
}

impl GcCause {
    /// Name of the cause in logs.
    pub fn name(self) -> &'static str {
        match self {
            GcCause::EdenFull => "eden-full",
            GcCause::LogFull => "log-full",
            GcCause::Threshold => "threshold",
            GcCause::Emergency => "emergency",
            GcCause::Stress => "stress",
            GcCause::Requested => "requested",
            GcCause::LogLost => "log-lost",
            GcCause::Pace => "pace",
        }
    }
}

/// One pause. Amounts are in bytes unless the name says otherwise, and 0 where they have no meaning.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GcEvent {
    /// End of the pause, in microseconds since the heap was made.
    pub t_us: f64,
    /// What kept the guest from running.
    pub kind: GcEventKind,
    /// Why it happened.
    pub cause: GcCause,
    /// Length of the pause in microseconds.
    pub pause_us: f64,
    /// CPU time of the pause in microseconds (0 unless somebody listens).
    pub cpu_us: f64,
    /// Bytes of the nursery in use before the pause.
    pub young_before: u64,
    /// Bytes of the nursery in use after the pause.
    pub young_after: u64,
    /// Bytes of the old and large spaces in use before the pause.
    pub old_before: u64,
    /// Bytes of the old and large spaces in use after the pause; if a marking ended in it, bytes found alive.
    pub old_after: u64,
    /// Bytes of memory that the heap uses after the pause, its tables included.
    pub heap_committed: u64,
    /// Bytes promoted; for an evacuation, bytes moved.
    pub promoted: u64,
    /// Entries of the log that were processed (a count); for an evacuation, words that were looked at.
    pub remembered: u64,
    /// Root slots visited (a count).
    pub roots: u64,
    /// Frames walked (a count).
    pub frames: u64,
    /// What was done, in units that do not depend on the machine: objects copied, log fields, slots, fields marked.
    pub work_units: u64,
}

/// What a helper did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HelperTask {
    /// Marked.
    Mark,
    /// Swept.
    Sweep,
}

impl HelperTask {
    /// Name of the task in traces.
    pub fn name(self) -> &'static str {
        match self {
            HelperTask::Mark => "mark",
            HelperTask::Sweep => "sweep",
        }
    }
}

/// A time in which a helper worked for a heap, beside the guest.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HelperSpan {
    /// What it did.
    pub task: HelperTask,
    /// When it began, in microseconds since the heap was made.
    pub start_us: f64,
    /// When it ended, or until when it was recorded, in microseconds since the heap was made.
    pub end_us: f64,
    /// Fields marked or blocks swept.
    pub work_units: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs are read by programs: a cause is its variant's name there, in small letters.
    #[test]
    fn causes_are_named_as_their_variants() {
        use GcCause::*;
        let causes = [EdenFull, LogFull, Threshold, Emergency, Stress, Requested, LogLost, Pace];
        for cause in causes {
            let mut name = String::new();
            for letter in format!("{cause:?}").chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('-');
                }
                name.extend(letter.to_lowercase());
            }
            assert_eq!(cause.name(), name);
        }
    }
}
