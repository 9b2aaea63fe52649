//! Functions that run often are compiled again (`module::tier`): a sample of the stack says which, code that counts
//! tells what it calls, and function objects of the store get the new code at a poll.

use super::StoreOpaque;
use crate::engine::Tiering;
use crate::module::{Module, random};
use crate::rt::replacement::Replacement;
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::layout::FUNC_DATA_OFFSET;
use smallvec::SmallVec;
use std::time::Duration;

/// How far samples are apart.
const INTERVAL: Duration = Duration::from_millis(2);
/// The innermost frames of which the functions are noted: of a small function that is called again and again, the
/// caller is what can be made faster.
const FRAMES: usize = 2;
/// Polls behind a sample that are looked at, until one is that of a loop whose frame can go on in newer code.
const REPLACEMENT_POLLS: u32 = 64;

/// How far apart samples of a store's stack are, if some are taken.
pub(super) fn sample_interval(tiering: Tiering) -> Option<Duration> {
    match tiering {
        Tiering::Off => None,
        Tiering::On => Some(INTERVAL),
        Tiering::Always | Tiering::Random(_) => Some(Duration::ZERO),
    }
}

impl StoreOpaque {
    /// A sample is due: at a poll. Some functions may be compiled again.
    pub(super) fn tier_up(&mut self) {
        if self.engine().config().tiering_mode() == Tiering::Off {
            return;
        }
        let entities = self.guest().entities();
        let frames = self.guest().execution().frames().walk().take(FRAMES);
        let met = frames.map(|frame| (entities.instance(frame.owner).module().clone(), frame.defined));
        let met: SmallVec<[(Module, u32); FRAMES]> = met.collect();
        let mut is_new = false;
        for of_module in met.chunk_by(|(module, _), (other, _)| Module::same(module, other)) {
            is_new |= of_module[0].0.sampled(of_module.iter().map(|(_, defined)| *defined));
        }
        self.renew_code();
        let is_outdated = self.guest().execution().frames().are_outdated(FRAMES);
        self.guest_mut().execution_mut().want_replacement(if is_outdated { REPLACEMENT_POLLS } else { 0 });
        if !self.guest().listeners().profiles_cpu() {
            self.guest_mut().execution_mut().sample_found(is_new);
        }
    }

    /// At a poll, of a guest that is not suspended: if samples met frames in code that is not the newest of its function,
    /// the innermost one may go on in that. Says whether the next poll is to try it again.
    #[inline]
    pub fn replace_frame(&mut self) -> bool {
        self.guest_mut().execution_mut().tries_replacement() && self.try_replacement()
    }

    #[cold]
    fn try_replacement(&mut self) -> bool {
        let seed = match self.engine().config().tiering_mode() {
            Tiering::Random(seed) => Some(seed),
            Tiering::Off | Tiering::On | Tiering::Always => None,
        };
        let wants = |wasm_offset| seed.is_none_or(|seed| random(seed, wasm_offset) & 3 != 0);
        let execution = self.guest_mut().execution_mut();
        match execution.frames_mut().replace_innermost(wants) {
            Replacement::Current | Replacement::NotHere => {}
            Replacement::Done => execution.want_replacement(0),
            Replacement::Unlearned => {
                execution.want_replacement(0);
                let frame = execution.frames().walk().next().expect("the innermost frame polls");
                let (owner, defined) = (frame.owner, frame.defined);
                let module = self.guest().entities().instance(owner).module().clone();
                module.learn_heads(defined);
            }
        }
        self.guest().execution().wants_replacement()
    }

    /// A call by reference, by its number among those of its function, calls a function.
    pub fn count_target(&mut self, call: u32, target: RawRef) {
        if target == 0 {
            // It traps behind this.
            return;
        }
        let frames = self.guest().execution().frames();
        let (Some(frame), Some(context)) = (frames.walk().next(), frames.calling_context()) else { return };
        let module = self.guest().entities().instance(frame.owner).module();
        let is_own = self.function_entry(target).1 == context as u64;
        let function = self.heap().read_i64(target, FUNC_DATA_OFFSET as u64) as u32;
        let defined = function.checked_sub(module.info().imported_functions).filter(|_| is_own);
        module.counted(frame.defined, call, defined);
    }

    /// Has the objects of functions that were compiled again since name their new code.
    fn renew_code(&mut self) {
        for index in 0..self.guest().entities().instances().len() {
            let instance = &mut self.guest_mut().entities_mut().instances_mut()[index];
            for defined in instance.new_code() {
                self.renew_object(index as u32, defined);
            }
        }
    }

    fn renew_object(&mut self, index: u32, defined: u32) {
        let instance = self.instance(index);
        let module = instance.module();
        let code = module.code().entry(defined) as u64;
        // A function that never becomes a reference has no object.
        if let Some(object) = instance.function_object(module.info().imported_functions + defined) {
            self.replace_code(object, code);
        }
    }
}
