//! Whether functions that run often are compiled again.

/// Whether functions that run often are compiled again, with what their calls were seen to call inlined.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Tiering {
    /// No function is.
    Off,
    /// Those in which time is spent, as samples of the stack tell.
    #[default]
    On,
    /// Each that a sample meets once; samples are taken at every poll (tests).
    Always,
    /// As `Always`, but a seed decides when, and what is said to be called: it may be a function that never is (tests).
    Random(u64),
}
