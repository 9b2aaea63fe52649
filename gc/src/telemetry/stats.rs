//! Counts and pause times since the heap was made.

const BUCKETS: usize = 16 * 36;

/// Pause times with a resolution of 1/16, in constant memory.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// None before the first pause: most heaps of a host that makes many have none, and a heap stays small to move.
    counts: Option<Box<[u32; BUCKETS]>>,
    total_ns: u64,
    max_ns: u64,
    count: u64,
}

impl Histogram {
    /// Adds one pause.
    pub fn add(&mut self, ns: u64) {
        self.counts.get_or_insert_with(|| Box::new([0; BUCKETS]))[bucket(ns)] += 1;
        self.total_ns += ns;
        self.max_ns = self.max_ns.max(ns);
        self.count += 1;
    }

    /// Number of pauses.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum in nanoseconds.
    pub fn total_ns(&self) -> u64 {
        self.total_ns
    }

    /// Longest in nanoseconds.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The longest pause that is counted together with one of `ns`.
    pub fn upper_bound_ns(ns: u64) -> u64 {
        upper_bound(bucket(ns))
    }

    /// The pause in nanoseconds that `per_mille` of all do not exceed (to 1/16).
    pub fn quantile_ns(&self, per_mille: u32) -> u64 {
        let wanted = (self.count * per_mille as u64).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().flat_map(|counts| counts.iter()).enumerate() {
            seen += *count as u64;
            if seen >= wanted {
                return upper_bound(index).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 16 {
        return ns as usize;
    }
    let power = ns.ilog2() as usize - 4;
    ((power + 1) * 16 + ((ns >> power) as usize & 15)).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < 16 {
        return bucket as u64;
    }
    let (power, part) = (bucket / 16 - 1, bucket % 16);
    ((16 + part as u64 + 1) << power) - 1
}

/// Numbers of a heap since it was made.
#[derive(Clone, Debug, Default)]
pub struct HeapStats {
    /// Minor collections, including promotions of everything that were no part of a major.
    pub minors: u64,
    /// Majors: markings that ended, incremental or not, compactions included.
    pub majors: u64,
    /// Markings that went on in slices and ended.
    pub markings: u64,
    /// Compactions: in emergencies, on request, to repair a lost log, or under stress.
    pub compactions: u64,
    /// Times that the mutator had to wait for memory that should have been ready.
    pub stalls: u64,
    /// Pauses of minors.
    pub minor_pauses: Histogram,
    /// Pauses of majors, each of which is a whole collection.
    pub major_pauses: Histogram,
    /// Pauses of incremental markings: their starts, slices and ends, slices of sweeping, and evacuations.
    pub slice_pauses: Histogram,
    /// Times that the mutator waited for memory.
    pub stall_pauses: Histogram,
    /// Bytes allocated in eden, up to the last collection.
    pub eden_bytes: u64,
    /// Bytes allocated in old and large spaces by the mutator.
    pub old_allocated_bytes: u64,
    /// Bytes copied within the nursery.
    pub aged_bytes: u64,
    /// Bytes promoted.
    pub promoted_bytes: u64,
    /// Objects copied by minors.
    pub copied_objects: u64,
    /// Log entries processed.
    pub log_entries: u64,
    /// Frames walked by minors.
    pub frames: u64,
    /// Frame slots visited by minors.
    pub frame_slots: u64,
    /// Other root slots visited by minors.
    pub root_slots: u64,
    /// Objects marked by majors.
    pub marked_objects: u64,
    /// Times that the mark stack was full (each is repaired).
    pub mark_overflows: u64,
    /// Ephemerons that kept their keys and values alive through a major, for want of memory to track them.
    pub held_ephemerons: u64,
    /// Bytes moved by compactions.
    pub moved_bytes: u64,
    /// Pauses in which sparse blocks were evacuated.
    pub evacuations: u64,
    /// Blocks that were evacuated in them.
    pub evacuated_blocks: u64,
    /// Bytes that were moved out of these blocks.
    pub evacuated_bytes: u64,
    /// How often an evacuation was called off: blocks were chosen, and not all of them were evacuated since something
    /// more urgent came.
    pub evacuations_called_off: u64,
    /// CPU time of helper threads for this heap, in nanoseconds.
    pub helper_cpu_ns: u64,
    /// Blocks that helper threads swept.
    pub helper_swept_blocks: u64,
    /// Bytes found live by the last major.
    pub live_bytes: u64,
    /// Bytes of memory in use now, tables included.
    pub committed_bytes: u64,
    /// The most bytes of memory that were ever in use.
    pub peak_bytes: u64,
    /// Most of what one minor did: bytes copied.
    pub minor_copied_bytes_max: u64,
    /// Most of what one minor did: log entries.
    pub minor_log_entries_max: u64,
    /// Most of what one minor did: reference fields of log entries.
    pub minor_log_fields_max: u64,
    /// Most of what one slice did: fields marked and root slots.
    pub slice_fields_max: u64,
    /// Most of what one evacuation did: bytes moved.
    pub evacuation_bytes_max: u64,
    /// Most entries of the block table that a choice of sparse blocks looked at.
    pub evacuation_entries_max: u64,
    /// Most of what one evacuation did: words looked at.
    pub evacuation_words_max: u64,
    /// Most of what one minor did: frames.
    pub minor_frames_max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_sixteenth() {
        let mut histogram = Histogram::default();
        for ns in 1..=100_000u64 {
            histogram.add(ns);
        }
        for per_mille in [1u32, 10, 500, 990, 999, 1000] {
            let (exact, got) = (per_mille as u64 * 100, histogram.quantile_ns(per_mille));
            assert!(got >= exact && got <= exact + exact / 16 + 1, "{per_mille}: {got} for {exact}");
        }
        assert_eq!((histogram.count(), histogram.max_ns()), (100_000, 100_000));
        assert_eq!(histogram.total_ns(), 100_000 * 100_001 / 2);
    }

    #[test]
    fn few_and_short_pauses_are_exact() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ns(500), 0);
        (1..=15).for_each(|ns| histogram.add(ns));
        assert_eq!(histogram.quantile_ns(200), 3);
        assert_eq!(histogram.quantile_ns(1000), 15);
    }
}
