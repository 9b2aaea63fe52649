//! What a nested entry does with each field of [`Guest`]: see `rt/activation.rs`. Its parts have rows of their own.

use super::Guest;
use crate::rt::state::{Level, Rule, State, state};
use smallvec::SmallVec;

state! {
    Guest {
        engine: Shared,
        execution: Part,
        // Of the handles those in scopes.
        roots: Stack,
        entities: Part,
        listeners: Part,
        limiter: Shared,
        types: Part,
        host_values: Part,
        temporaries: Stack,
        snapshot_cursor: Shared,
        frame_checks: Shared,
    }
}

/// How high each field is that has a height.
type Levels = SmallVec<[Level; 8]>;

fn levels(guest: &Guest) -> Levels {
    let mut levels = Levels::new();
    guest.each_level(&mut |level| levels.push(level));
    levels
}

/// Heights at the beginning of an entry, to be compared when it is over.
#[derive(Debug)]
pub(crate) struct Balance(Levels);

impl Balance {
    /// Where assertions are on.
    #[inline]
    pub fn of(guest: &Guest) -> Option<Balance> {
        cfg!(debug_assertions).then(|| Balance(levels(guest)))
    }

    /// An entry is over that began like this.
    pub fn assert_restored(&self, guest: &Guest) {
        for (before, after) in self.0.iter().zip(levels(guest)) {
            assert_eq!(before.height, after.height, "`{}` after an entry", after.name);
            assert!(after.rule != Rule::Dead || after.height == 0, "`{}` outlives an entry", after.name);
        }
    }
}
