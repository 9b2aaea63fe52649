//! What a nested entry does with each field of [`Guest`]: see `rt/activation.rs`. Its parts have rows of their own.

use super::Guest;
#[cfg(feature = "async")]
use crate::rt::running::Heights;
use crate::rt::state::{Levels, Rule, State, state};

state! {
    Guest {
        engine: Shared,
        execution: Part,
        // The height is that of the handles in scopes.
        roots: Stack,
        entities: Part,
        listeners: Part,
        limiter: Shared,
        types: Part,
        host_values: Part,
        temporaries: Stack,
        snapshot_cursor: Shared,
        frame_checks: Shared,
        host_calls: Shared,
    }
}

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
        assert_same(&self.0, guest);
    }
}

fn assert_same(before: &Levels, guest: &Guest) {
    for (before, after) in before.iter().zip(levels(guest)) {
        assert_eq!(before.height, after.height, "`{}` after an entry", after.name);
        assert!(after.rule != Rule::Dead || after.height == 0, "`{}` outlives an entry", after.name);
    }
}

#[cfg(feature = "async")]
impl Guest {
    /// Heights before a call that may be suspended.
    pub fn heights(&self) -> Heights {
        let levels = if cfg!(debug_assertions) { levels(self) } else { Levels::new() };
        Heights { roots: self.roots.enter_scope(), temporaries: self.temporaries.len(), levels }
    }

    /// Such a call is over that began like this.
    pub fn assert_restored(&self, heights: &Heights) {
        assert_same(&heights.levels, self);
    }
}
