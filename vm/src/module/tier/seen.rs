//! What calls by reference were seen to call.

use super::random;
use crate::engine::Tiering;
use heapwood_jit::Targets;
use heapwood_jit::abi::CompiledFunction;
use heapwood_module::ModuleInfo;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Functions of which the calls at one place are counted one by one.
const TARGETS_MAX: usize = 8;
/// A function is usual at a place if it is at least one in so many there.
const SHARE: u32 = 16;

/// A call by reference: its function, by defined index, and its operator index there.
type Place = (u32, u32);

/// What calls by reference were seen to call.
#[derive(Default)]
pub(super) struct Seen {
    /// The places of the calls that a function counts, by their numbers.
    numbers: HashMap<u32, Box<[Place]>>,
    calls: HashMap<Place, Calls>,
}

/// The calls at a place.
#[derive(Default)]
struct Calls {
    /// Functions, by defined index, with the number of calls of each.
    targets: SmallVec<[(u32, u32); TARGETS_MAX]>,
    all: u32,
}

impl Seen {
    /// The code of a function, by defined index, names its calls by their numbers from now on.
    pub fn number(&mut self, function: u32, compiled: &CompiledFunction) {
        let place = |call: &heapwood_jit::abi::CountedCall| match call.body.checked_sub(1) {
            None => (function, call.op),
            Some(body) => (compiled.inlined[usize::from(body)].function, call.op),
        };
        self.numbers.insert(function, compiled.counted.iter().map(place).collect());
    }

    /// Notes a call; none is one that cannot be inlined.
    pub fn note(&mut self, function: u32, call: u32, target: Option<u32>) {
        let place = self.numbers.get(&function).and_then(|places| places.get(call as usize));
        let Some(place) = place else { return };
        let calls = self.calls.entry(*place).or_default();
        calls.all += 1;
        let Some(target) = target else { return };
        if let Some((_, count)) = calls.targets.iter_mut().find(|known| known.0 == target) {
            *count += 1;
        } else if calls.targets.len() < TARGETS_MAX {
            calls.targets.push((target, 1));
        }
    }

    /// What is usual at each place, the most frequent function first.
    pub fn usual(&self, tiering: Tiering, info: &ModuleInfo) -> Targets {
        let mut targets = Targets::default();
        for ((function, op), calls) in &self.calls {
            let mut usual = calls.targets.clone();
            usual.retain(|(_, count)| *count * SHARE >= calls.all);
            usual.sort_by_key(|(target, count)| (u32::MAX - count, *target));
            let mut usual: SmallVec<[u32; TARGETS_MAX]> = usual.into_iter().map(|(target, _)| target).collect();
            if let Tiering::Random(seed) = tiering {
                mislead(&mut usual, random(seed ^ u64::from(*op) << 32, *function), info);
            }
            targets.set(*function, *op, usual);
        }
        targets
    }
}

/// Leaves some functions out, and says first that one is called which has the type of another: no guard may rely on
/// what it was told.
fn mislead(targets: &mut SmallVec<[u32; TARGETS_MAX]>, random: u64, info: &ModuleInfo) {
    let Some(first) = targets.first().copied() else { return };
    let ty = info.functions[(info.imported_functions + first) as usize];
    let others = info.escaping.iter().filter(|function| info.functions[**function as usize] == ty);
    let others: Vec<u32> = others.filter_map(|function| function.checked_sub(info.imported_functions)).collect();
    if random & 1 != 0 {
        targets.remove(0);
    }
    if random & 6 != 0 && !others.is_empty() {
        let other = others[(random >> 3) as usize % others.len()];
        targets.retain(|target| *target != other);
        targets.insert(0, other);
    }
}
