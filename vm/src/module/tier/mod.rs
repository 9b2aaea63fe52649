//! Functions that run often, compiled again.
//!
//! 1. Samples of the stacks of all stores say which functions run often ([`Progress::Sampled`]).
//! 2. Such a function is compiled so that it tells what its calls by reference call ([`Progress::Counting`]). What is
//!    not run often pays nothing for that.
//! 3. When enough calls were counted, it is compiled with the usual ones inlined, each behind a comparison with the
//!    function ([`Progress::Done`]). Where the comparison fails the call is made: so nothing that was seen is relied
//!    on.
//!
//! Code of both kinds takes the place of the function's for whoever calls it from then on. Frames of older code go on
//! there; code never goes before its module does.
//!
//! A store that takes a sample decides what is to be compiled ([`Work`]). Another thread does it, or the store itself.

mod compile;
mod progress;
mod seen;

use super::compile::callees;
use super::{Module, ModuleInner};
use heapwood_jit::{Callees, Inline};
use heapwood_module::decode;
use parking_lot::Mutex;
use progress::Functions;
use seen::Seen;
use std::sync::{Arc, OnceLock};

/// What a module keeps of its functions that run often.
pub(crate) struct Tier {
    /// None if the module does not decode again.
    bodies: OnceLock<Option<Bodies>>,
    state: Mutex<State>,
}

/// The functions of a module, as they are inlined.
struct Bodies {
    hot: Callees,
    /// As they were when the module was compiled, if some were inlined into others.
    first: Option<Callees>,
}

#[derive(Default)]
struct State {
    functions: Functions,
    seen: Seen,
    /// How many functions were compiled with what is usual inlined.
    done: usize,
}

/// The code of a function that was compiled again ([`Config::tiering`](crate::Config::tiering)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RecompiledFunction {
    /// The function, by its index in the module.
    pub function: u32,
    /// Where the code lies.
    pub address: usize,
    /// Bytes of the code.
    pub bytes: usize,
    /// Whether the code counts what the function's calls by reference call; else what they usually call is inlined.
    pub counts: bool,
}

/// A function, by defined index, is to be compiled again.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// So that it tells what its calls by reference call.
    Counting(u32),
    /// With what these usually call inlined.
    Inlining(u32),
    /// As it was compiled first, to learn where frames of that code have what the heads of its loops need.
    Learning(u32),
}

impl Tier {
    /// None of the functions has run yet. `hot` are all of them, `first` as they were used when the module was compiled.
    pub fn new(hot: Callees, first: Option<Callees>) -> Tier {
        Tier { bodies: OnceLock::from(Some(Bodies { hot, first })), state: Mutex::default() }
    }

    /// None of the functions of an image has run yet. Its module is decoded when one of them is compiled again.
    pub fn of_image() -> Tier {
        Tier { bodies: OnceLock::new(), state: Mutex::default() }
    }

    fn bodies(&self, module: &ModuleInner) -> Option<&Bodies> {
        let decode = || {
            let config = module.engine.config();
            let jobs = decode(module.info.bytes.clone(), config.enabled()).ok()?.validators;
            let options = config.compile_options(false);
            Some(Bodies { hot: Callees::new(&jobs, Inline::Hot, options.fuel), first: callees(&jobs, &options) })
        };
        self.bodies.get_or_init(decode).as_ref()
    }
}

impl Module {
    /// A sample met these functions, by defined index. Some are compiled again, now or soon. Says whether there may be
    /// more to do soon.
    pub(crate) fn sampled(&self, functions: impl IntoIterator<Item = u32>) -> bool {
        let Some(tier) = &self.0.tier else { return false };
        let config = self.0.engine.config();
        let (works, is_busy) = tier.state.lock().functions.sampled(config.tiering_mode(), functions);
        works.into_iter().for_each(|work| self.begin(work));
        is_busy
    }

    /// A frame of the first code of a function, by defined index, could go on in newer code, if somebody knew where it has
    /// its values.
    pub(crate) fn learn_heads(&self, function: u32) {
        let Some(tier) = &self.0.tier else { return };
        if tier.state.lock().functions.learns(function) {
            self.begin(Work::Learning(function));
        }
    }

    /// Has work done, now or soon.
    fn begin(&self, work: Work) {
        if !self.0.engine.config().tiers_in_background() {
            return self.0.perform(work);
        }
        let module = Arc::downgrade(&self.0);
        let work = move || module.upgrade().iter().for_each(|module| module.perform(work));
        if let Err(work) = self.0.engine.background().run(Box::new(work)) {
            work();
        }
    }

    /// A call by reference, by its number among those of a function that counts, called a function, by defined index;
    /// or (none) one that is not this instance's.
    pub(crate) fn counted(&self, function: u32, call: u32, target: Option<u32>) {
        let Some(tier) = &self.0.tier else { return };
        let mut state = tier.state.lock();
        if state.functions.counted(function) {
            self.0.code.set_counting(function, false);
        }
        state.seen.note(function, call, target);
    }

    /// The code of functions that were compiled again so far, in that order.
    pub fn recompiled(&self) -> impl Iterator<Item = RecompiledFunction> {
        let imported = self.0.info.imported_functions;
        self.0.code.later_functions().map(move |(defined, address, bytes, counts)| RecompiledFunction {
            function: imported + defined,
            address,
            bytes,
            counts,
        })
    }

    /// How many functions were compiled again because they run often ([`Config::tiering`](crate::Config::tiering)).
    pub fn hot_functions(&self) -> usize {
        self.0.tier.as_ref().map_or(0, |tier| tier.state.lock().done)
    }
}

impl Module {
    /// How many frames, of all stores, went on in newer code of their functions in the middle of a loop
    /// ([`Config::tiering`](crate::Config::tiering)).
    pub fn replaced_frames(&self) -> u64 {
        self.0.code.replaced_frames()
    }
}

impl ModuleInner {
    /// Does a piece of work. What cannot be compiled stays as it is.
    fn perform(&self, work: Work) {
        let Some(tier) = &self.tier else { return };
        match work {
            Work::Counting(function) => self.compile_counting(tier, function),
            Work::Inlining(function) => self.compile_hot(tier, function),
            Work::Learning(function) => self.compile_learning(tier, function),
        }
    }
}

/// A number that follows from a seed and another number.
pub(crate) fn random(seed: u64, number: u32) -> u64 {
    let mixed = (seed ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

impl std::fmt::Debug for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tier").finish_non_exhaustive()
    }
}
