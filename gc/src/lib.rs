//! The collector of Heapwood: a generational, moving heap with bounded pauses.
