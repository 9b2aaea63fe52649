//! What frames say: where the guest is, and whether they are sound.

use super::{Entities, StoreOpaque};
use crate::errors::{FrameInfo, FunctionNames, WasmBacktrace};
use crate::module::Module;
use crate::rt::walk::{Frame, Walker};
use heapwood_gc_abi::header::FORWARDED;
use heapwood_gc_abi::space::NULL_ZONE_BYTES;
use heapwood_gc_abi::{RawRef, TypeId, is_i31};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames at each end of a backtrace that are kept.
const BACKTRACE_FRAMES: usize = 32;
/// Frames that the checker looks at on each slow path: the one that called, and its caller.
const CHECKED_FRAMES: usize = 2;
/// Frames that it looks at on every 16th.
const CHECKED_FRAMES_SELDOM: usize = 16;

impl StoreOpaque {
    /// Where the guest is, after an exit by a call.
    pub fn backtrace(&self) -> WasmBacktrace {
        collect_frames(self.guest().entities(), self.guest().execution().frames().walk())
    }

    /// Where the guest is, after a trap.
    pub fn trap_backtrace(&self) -> WasmBacktrace {
        collect_frames(self.guest().entities(), self.guest().execution().frames().walk_from_trap())
    }

    /// Checks the topmost frames, if the store verifies: every slot holds zero, an i31 or the start of an object.
    #[inline]
    pub fn check_frames(&mut self) {
        if let Some(check) = self.guest_mut().next_frame_check() {
            let seldom = check.is_multiple_of(16);
            self.check_top_frames(if seldom { CHECKED_FRAMES_SELDOM } else { CHECKED_FRAMES });
        }
    }

    #[inline(never)]
    fn check_top_frames(&self, count: usize) {
        // Most references of neighbouring frames are of one type, and the table of types is behind a lock.
        let mut known = None;
        for frame in self.guest().execution().frames().walk().take(count) {
            let mut index = 0;
            frame.each_reference(|slot| {
                if !self.is_reference(slot, &mut known) {
                    let (_, function) = self.guest().entities().function_of(&frame);
                    panic!(
                        "frame checker: slot {index} of function {function} at offset {:#x} holds {slot:#x}, which \
                         is no object",
                        frame.wasm_offset
                    );
                }
                index += 1;
            });
        }
    }

    /// Whether a slot may hold this: zero, an i31 or the start of something with the header of a type that exists.
    /// `known` is a type that was found to exist.
    fn is_reference(&self, raw: RawRef, known: &mut Option<TypeId>) -> bool {
        if raw == 0 || is_i31(raw) {
            return true;
        }
        let heap = self.heap();
        if (raw as u64) * 4 < NULL_ZONE_BYTES {
            return false;
        }
        // Forwarded headers and poison name no type (or, rarely, a wrong one).
        let ty = heap.type_of(raw);
        if Some(ty) != *known && !heap.types().is_allocated(ty) || heap.read_i32(raw, 0) & FORWARDED != 0 {
            return false;
        }
        *known = Some(ty);
        true
    }
}

/// The ends of a walk.
fn collect_frames(entities: &Entities, walker: Walker<'_>) -> WasmBacktrace {
    let mut names = SharedNames::default();
    let mut frames: Vec<FrameInfo> = Vec::new();
    let mut tail: VecDeque<Frame<'_>> = VecDeque::new();
    let mut omitted = 0;
    for frame in walker {
        if frames.len() < BACKTRACE_FRAMES {
            frames.push(names.info(entities, &frame));
            continue;
        }
        if tail.len() == BACKTRACE_FRAMES {
            tail.pop_front();
            omitted += 1;
        }
        tail.push_back(frame);
    }
    frames.extend(tail.iter().map(|frame| names.info(entities, frame)));
    WasmBacktrace::new(frames, omitted)
}

/// The names of the last frame's module: frames of one module mostly come together, and share them.
#[derive(Default)]
struct SharedNames(Option<(Module, Arc<dyn FunctionNames>)>);

impl SharedNames {
    fn info(&mut self, entities: &Entities, frame: &Frame<'_>) -> FrameInfo {
        let (module, function) = entities.function_of(frame);
        let names = match &self.0 {
            Some((known, names)) if Module::same(known, module) => names.clone(),
            _ => {
                let names: Arc<dyn FunctionNames> = Arc::new(module.clone());
                self.0 = Some((module.clone(), names.clone()));
                names
            }
        };
        FrameInfo::new(names, function, frame.wasm_offset)
    }
}
