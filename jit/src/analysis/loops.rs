//! Loops, and how often each reads and writes which locals.

use super::{Analysis, IN_LOOP, NOWHERE};
use heapwood_gc_abi::Narrow;

/// How much a loop uses a local.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) local: u32,
    pub(crate) weight: u32,
    pub(crate) written: bool,
    /// The local's stamp before this loop saw it: (open loop, position in its list).
    outer: (u32, u32),
}

/// A loop, in the order of the `loop` operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopInfo {
    pub(crate) start_op: u32,
    /// Operator index of its `end`.
    pub(crate) end_op: u32,
    /// Contains calls of functions or of the runtime.
    pub(crate) has_calls: bool,
    /// The loop around it.
    pub(super) outer: Option<u32>,
    /// Where the list of its locals is, if it uses any.
    pub(super) uses: u32,
}

/// Locals of an inner loop that count in the loop around it: the heaviest.
pub(super) const USES_MAX: usize = 48;

impl Analysis {
    /// The local is read, written or both.
    pub(super) fn touch(&mut self, local: u32, read: bool, written: bool) {
        let depth = self.state.open_loops.len().min(4).narrow::<u32>();
        let weight = &mut self.weight[local as usize];
        *weight = weight.saturating_add(1 << (3 * depth));
        if read {
            let last = match self.state.open_loops.first() {
                Some(outermost) => IN_LOOP | outermost,
                None => self.state.op,
            };
            self.last_use[local as usize] = last;
        }
        let Some(&open) = self.state.open_loops.last() else { return };
        let stamp = &mut self.state.stamp[local as usize];
        let uses = self.found.uses.list(&mut self.found.loops[open as usize].uses);
        if stamp.0 == open {
            let entry = &mut uses[stamp.1 as usize];
            entry.weight = entry.weight.saturating_add(1);
            entry.written |= written;
        } else {
            self.found.use_count += 1;
            uses.push(Use { local, weight: 1, written, outer: *stamp });
            *stamp = (open, uses.len().narrow::<u32>() - 1);
        }
    }

    /// Hands a closed loop's uses to the enclosing loop, eightfold, and restores the stamps.
    pub(super) fn close_loop(&mut self, index: u32) {
        self.state.open_loops.pop();
        let parent = self.state.open_loops.last().copied();
        self.loops[index as usize].end_op = self.state.op;
        let list = self.loops[index as usize].uses;
        if list == NOWHERE {
            return;
        }
        let mut uses = std::mem::take(&mut self.uses[list as usize]);
        uses.sort_unstable_by_key(|u| (std::cmp::Reverse(u.weight), u.local));
        for (rank, used) in uses.iter().enumerate() {
            let stamp = &mut self.state.stamp[used.local as usize];
            *stamp = used.outer;
            let Some(parent) = parent else { continue };
            let outer = self.found.uses.list(&mut self.found.loops[parent as usize].uses);
            if used.outer.0 == parent {
                let entry = &mut outer[used.outer.1 as usize];
                entry.weight = entry.weight.saturating_add(used.weight.saturating_mul(8));
                entry.written |= used.written;
            } else if rank < USES_MAX {
                self.found.use_count += 1;
                outer.push(Use { weight: used.weight.saturating_mul(8), ..*used });
                *stamp = (parent, outer.len().narrow::<u32>() - 1);
            }
        }
        self.uses[list as usize] = uses;
    }
}

/// The lists of the loops that have any.
trait UseLists {
    /// The list that `place` names, which is made if there is none.
    fn list(&mut self, place: &mut u32) -> &mut Vec<Use>;
}

impl UseLists for Vec<Vec<Use>> {
    fn list(&mut self, place: &mut u32) -> &mut Vec<Use> {
        if *place == NOWHERE {
            *place = self.len().narrow();
            self.push(Vec::new());
        }
        &mut self[*place as usize]
    }
}
