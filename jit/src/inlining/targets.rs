//! What calls by reference were seen to call, so that these functions can be inlined there behind a comparison.

use smallvec::SmallVec;
use std::collections::HashMap;

/// The most functions that are inlined in place of one call.
pub const TARGETS_MAX: usize = 4;

/// The functions that calls by reference were seen to call.
#[derive(Clone, Default, Debug)]
pub struct Targets {
    /// By the function with the call, by defined index, and the call's operator index in its body.
    sites: HashMap<(u32, u32), SmallVec<[u32; TARGETS_MAX]>>,
}

impl Targets {
    /// Says what a call was seen to call: functions by defined index, the most frequent one first, of which
    /// [`TARGETS_MAX`] count. The call is named by its function's defined index, and by its operator index there.
    pub fn set(&mut self, function: u32, op: u32, targets: impl IntoIterator<Item = u32>) {
        self.sites.insert((function, op), targets.into_iter().take(TARGETS_MAX).collect());
    }

    /// What a call was seen to call.
    pub(crate) fn of(&self, function: u32, op: u32) -> &[u32] {
        self.sites.get(&(function, op)).map_or(&[], |targets| targets)
    }
}
