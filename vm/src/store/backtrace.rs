//! What frames say: where the guest is, and whether they are sound.

use super::{Entities, Named, StoreOpaque};
use crate::errors::{FrameInfo, FunctionNames, Result, WasmBacktrace};
use crate::ids::StoreId;
use crate::module::Module;
use crate::rt::frames::Frames;
use crate::rt::traces::{ENDS, Trace};
use crate::rt::walk::Walker;
use heapwood_gc_abi::header::FORWARDED;
use heapwood_gc_abi::space::NULL_ZONE_BYTES;
use heapwood_gc_abi::{RawRef, TypeId, is_i31};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames that the checker looks at on each slow path: the one that called, and its caller.
const CHECKED_FRAMES: usize = 2;
/// Frames that it looks at on every 16th.
const CHECKED_FRAMES_SELDOM: usize = 16;

/// Where a frame is, or an inlined function in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The number under which the store added the code.
    owner: u32,
    /// The function, by defined index.
    defined: u32,
    /// Offset of the instruction in the module's bytes.
    wasm_offset: u32,
}

/// Places of frames, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    store: StoreId,
    places: Box<[Place]>,
    omitted: usize,
}

impl StoreOpaque {
    /// Where the guest is, after an exit by a call, without names.
    pub fn places(&self) -> Places {
        let frames = self.guest().execution().frames();
        let (places, omitted) = ends(walked(frames.walk()));
        Places { store: self.id(), places: places.into(), omitted }
    }

    /// The backtrace of places, with the names of their functions.
    ///
    /// # Errors
    /// They belong to another store, or to an instance that was rolled back.
    pub fn backtrace_of(&self, places: &Places) -> Result<WasmBacktrace> {
        let check = |place: &Place| self.check_handle(places.store, Named::Instance(place.owner));
        places.places.iter().try_for_each(check)?;
        if places.places.is_empty() {
            places.store.check(self.id(), "a stack trace")?;
        }
        Ok(with_names(self.guest().entities(), &places.places, places.omitted))
    }

    /// Where the guest is, after an exit by a call.
    pub fn backtrace(&self) -> WasmBacktrace {
        let frames = self.guest().execution().frames();
        collect_frames(self.guest().entities(), frames.walk())
    }

    /// Where the guest is, after an exit by a call: the innermost frames, and nothing of the others.
    pub fn top_of_backtrace(&self, frames_max: usize) -> WasmBacktrace {
        let frames = self.guest().execution().frames();
        let places: Vec<Place> = walked(frames.walk()).take(frames_max).collect();
        with_names(self.guest().entities(), &places, 0)
    }

    /// Where an exception comes from: what was noted of it under the number `trace`, and the frames below the innermost
    /// `noted`, of which that says something.
    pub fn exception_backtrace(&self, trace: u32, noted: usize) -> WasmBacktrace {
        let frames = self.guest().execution().frames();
        let mut trace = frames.trace(trace).cloned().unwrap_or_else(Trace::new);
        frames.walk().skip(noted).for_each(|frame| trace.note(frame.passed()));
        named(self.guest().entities(), frames, &trace)
    }

    /// Where the guest is, after a trap.
    pub fn trap_backtrace(&self) -> WasmBacktrace {
        let frames = self.guest().execution().frames();
        collect_frames(self.guest().entities(), frames.walk_from_trap())
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

/// The places of a walk's frames, those of inlined functions before that of the function whose frame it is.
fn walked(walker: Walker<'_>) -> impl Iterator<Item = Place> {
    walker.flat_map(|frame| {
        let owner = frame.owner;
        frame.bodies().map(move |(defined, wasm_offset)| Place { owner, defined, wasm_offset })
    })
}

/// The first and the last ones, and how many lie between them.
fn ends(all: impl Iterator<Item = Place>) -> (Vec<Place>, usize) {
    let mut places: Vec<Place> = Vec::new();
    let mut tail: VecDeque<Place> = VecDeque::new();
    let mut omitted = 0;
    for place in all {
        if places.len() < ENDS {
            places.push(place);
            continue;
        }
        if tail.len() == ENDS {
            tail.pop_front();
            omitted += 1;
        }
        tail.push_back(place);
    }
    places.extend(tail);
    (places, omitted)
}

fn collect_frames(entities: &Entities, walker: Walker<'_>) -> WasmBacktrace {
    let (places, omitted) = ends(walked(walker));
    with_names(entities, &places, omitted)
}

fn with_names(entities: &Entities, places: &[Place], omitted: usize) -> WasmBacktrace {
    let mut names = SharedNames::default();
    WasmBacktrace::new(places.iter().map(|place| names.info(entities, *place)).collect(), omitted)
}

/// What was noted of an exception.
fn named(entities: &Entities, frames: &Frames, trace: &Trace) -> WasmBacktrace {
    let places = trace
        .pcs()
        .filter_map(|pc| frames.place_of(pc))
        .flat_map(|(owner, bodies)| bodies.map(move |(defined, wasm_offset)| Place { owner, defined, wasm_offset }));
    // Both ends have as many frames as are shown, so that what was not noted lies between them.
    let (places, _) = ends(places);
    with_names(entities, &places, trace.depth() - places.len())
}

/// The names of the last frame's module: frames of one module mostly come together, and share them.
#[derive(Default)]
struct SharedNames(Option<(Module, Arc<dyn FunctionNames>)>);

impl SharedNames {
    fn info(&mut self, entities: &Entities, place: Place) -> FrameInfo {
        let (module, function) = entities.function_at(place.owner, place.defined);
        let names = match &self.0 {
            Some((known, names)) if Module::same(known, module) => names.clone(),
            _ => {
                let names: Arc<dyn FunctionNames> = Arc::new(module.clone());
                self.0 = Some((module.clone(), names.clone()));
                names
            }
        };
        FrameInfo::new(names, place.owner, function, place.wasm_offset)
    }
}
