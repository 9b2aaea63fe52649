//! Walking the guest's stack by return addresses.
//!
//! 1. A walk begins at EXIT_PC and EXIT_FP. A return address in compiled code has a [`SafePoint`], which describes
//!    the frame; any other belongs to an entry trampoline: the walk goes on with the activation below.
//! 2. A safe point may be *frameless*: the function has no frame yet, its own return address lies at EXIT_SP.
//! 3. A return address that was replaced by the barrier's stands for that of the watermark's frame: `Walker` is the
//!    one place that reads return addresses, so nobody else sees it.

use super::activation::Exit;
use super::frames::{Frames, Position, frame_word};
use super::parts::{Bodies, Part};
use super::traces::Passed;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::{FunctionRecord, SafePoint};

/// A frame of compiled code. Only a [`Walker`] makes one, and what tells where it lies is the runtime's alone: so that
/// there is a frame there as long as the walk's borrow of [`Frames`] lasts (R6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// First address of the module's code.
    pub(super) code_start: usize,
    /// The part of that code that its function is in.
    pub(super) part: Part<'a>,
    /// The function's row there.
    row: u32,
    /// The number under which the store added that code.
    pub owner: u32,
    /// The function, by defined index.
    pub defined: u32,
    /// Layout of the frame.
    pub(super) record: &'a FunctionRecord,
    /// What is alive in it; none at a trap.
    pub(super) point: Option<&'a SafePoint>,
    /// Offset of the current instruction in the module's bytes.
    pub wasm_offset: u32,
    /// The body that it is of, as in [`SafePoint::body`].
    pub(super) body: u16,
    /// Whether the function has no frame yet: `fp` is the caller's.
    pub(super) frameless: bool,
    /// The frame's rbp.
    pub(super) fp: usize,
    /// Where it goes on, the true address.
    pub(super) pc: usize,
    /// Saved registers of a slow path of this frame, or 0.
    pub(super) regs: usize,
    /// Where the return address to it lies.
    pub(super) slot: usize,
    /// Whether that return address is replaced: this is the watermark's frame.
    pub(super) is_watermark: bool,
}

impl<'a> Frame<'a> {
    /// What an exception's trace notes of it, the true address among that: never what the barrier put in its place.
    #[inline(always)]
    pub fn passed(&self) -> Passed {
        let outermost = (self.owner, self.defined);
        let (innermost, inlined) = if self.body == 0 { (outermost, 0) } else { self.inlined() };
        Passed { pc: self.pc, innermost, outermost, inlined }
    }

    /// Address of the code that it runs.
    pub(super) fn entry(&self) -> usize {
        self.code_start + self.part.function(self.row).start as usize
    }

    /// The function that it is in, and into how many others that was inlined.
    fn inlined(&self) -> ((u32, u32), usize) {
        let mut bodies = self.bodies();
        let (function, _) = bodies.next().expect("there is a body around each");
        ((self.owner, function), bodies.count())
    }

    /// Where it is: in its function, or in what was inlined there, and so on outwards up to its function.
    #[inline]
    pub fn bodies(&self) -> Bodies<'a> {
        self.part.bodies(self.row, self.body, self.wasm_offset)
    }

    /// Calls `visit` with each reference that the frame holds: those of its area, then those in the registers of a slow
    /// path.
    pub fn each_reference(&self, mut visit: impl FnMut(u32)) {
        // SAFETY: the slots are read and forgotten; `visit` gets none of them.
        unsafe { self.each_slots(|slots| slots.iter().for_each(|slot| visit(*slot))) }
    }

    /// Calls `visit` with the reference slots of the frame: those of its area, then one by one the registers of a
    /// slow path.
    ///
    /// # Safety
    /// `visit` reaches the slots of this frame by what it is passed only: it walks no frames.
    pub(super) unsafe fn each_slots(&self, mut visit: impl FnMut(&mut [u32])) {
        let Some(point) = self.point else { return };
        if point.ref_count != 0 && !self.frameless {
            let start = (self.fp - self.record.ref_base as usize) as *mut u32;
            // SAFETY: R6: the area lies in the frame, and the guest does not run.
            visit(unsafe { std::slice::from_raw_parts_mut(start, point.ref_count as usize) });
        }
        let mask = if active(Mutant::SavedRegistersNotVisited) { 0 } else { point.gpr_mask };
        for gpr in (0..16).filter(|gpr| self.regs != 0 && mask & (1 << gpr) != 0) {
            // SAFETY: R6: the stub saved all registers there; the low half of a register is the reference.
            visit(std::slice::from_mut(unsafe { &mut *((self.regs + gpr * 8) as *mut u32) }));
        }
    }
}

/// A part of a module's code that a walk has met.
#[derive(Clone, Copy, Debug)]
struct Met<'a> {
    /// Its first address, and the one behind it.
    addresses: (usize, usize),
    /// First address of the module's code.
    code_start: usize,
    owner: u32,
    part: Part<'a>,
}

/// Iterates over frames, innermost first.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    frames: &'a Frames,
    /// The code of the frame that was met last, and other code that was met before: that of the next one is often one of
    /// these, since functions that were compiled again and others call each other.
    met: [Option<Met<'a>>; 2],
    exit: Exit,
    /// Activations that are left below this one.
    level: usize,
    at_trap: bool,
}

impl<'a> Walker<'a> {
    /// A walk that starts at an exit of the activation `level` (counted from 1).
    pub(super) fn new(frames: &'a Frames, exit: Exit, level: usize) -> Walker<'a> {
        Walker { frames, met: [None; 2], exit, level, at_trap: false }
    }

    /// A walk that starts at an exit of the activation `level` (counted from 1) where an instruction trapped.
    pub(super) fn at_trap(frames: &'a Frames, exit: Exit, level: usize) -> Walker<'a> {
        Walker { frames, met: [None; 2], exit, level, at_trap: true }
    }

    /// A walk that starts at the frame of a position.
    pub(super) fn at(frames: &'a Frames, position: Position) -> Walker<'a> {
        Walker::new(frames, position.exit, position.level)
    }

    /// The position of a frame that was just yielded, by its true return address.
    pub(super) fn position_of(&self, frame: &Frame<'_>) -> Position {
        let exit = Exit { pc: frame.pc, fp: frame.fp, sp: 0, regs: frame.regs, slot: 0 };
        // The level is that of the frame: it counts down only when the next activation is entered.
        Position { exit, level: self.level }
    }

    /// The code that an address lies in.
    #[inline]
    fn code_at(&mut self, pc: usize) -> Option<Met<'a>> {
        let is_there = |met: &Met<'_>| (met.addresses.0..met.addresses.1).contains(&pc);
        let near = self.met[0].filter(is_there);
        near.or_else(|| {
            self.met.swap(0, 1);
            self.met[0].filter(is_there).or_else(|| self.find_code(pc))
        })
    }

    fn find_code(&mut self, pc: usize) -> Option<Met<'a>> {
        let loaded = self.frames.code_at(pc)?;
        let code_start = loaded.start();
        let (part, offsets) = loaded.image().part_at((pc - code_start).narrow());
        let end = loaded.end().min(code_start + offsets.end as usize);
        let addresses = (code_start + offsets.start as usize, end);
        self.met[0] = Some(Met { addresses, code_start, owner: loaded.owner(), part });
        self.met[0]
    }

    /// The next frame before the entry of this activation.
    pub fn next_of_activation(&mut self) -> Option<Frame<'a>> {
        if self.level == 0 {
            return None;
        }
        let at_trap = std::mem::take(&mut self.at_trap);
        let Exit { pc, fp, sp, regs, slot } = self.exit;
        // SAFETY: R6: a slot that is not 0 is where a return address lies.
        let is_watermark = !at_trap && slot != 0 && unsafe { frame_word(slot) } == self.frames.barrier;
        let pc = if pc == self.frames.barrier { self.frames.watermark_pc() } else { pc };
        let Met { code_start, owner, part, .. } = self.code_at(pc)?;
        let offset = (pc - code_start).narrow();
        let (point, row, wasm_offset, body, frameless) = if at_trap {
            let trap = part.trap_site(offset).expect("the guest trapped here");
            let row = part.row_at(offset).expect("code belongs to a function");
            (None, row, trap.wasm_offset, trap.body, trap.frameless)
        } else {
            let site = self.frames.sites.site(part, offset);
            let site = site.unwrap_or_else(|| panic!("no safe point at code offset {offset:#x}"));
            let point = part.safe_point(site);
            (Some(point), site.row, point.wasm_offset, point.body, point.frameless)
        };
        let record = &part.function(row).record;
        // SAFETY: R6: a frame begins with the rbp of its caller and, above it, its return address; a function without a
        // frame has the latter at rsp.
        let (slot_below, fp_below) = if frameless { (sp, fp) } else { (fp + 8, unsafe { frame_word(fp) }) };
        // SAFETY: the same.
        let pc_below = unsafe { frame_word(slot_below) };
        self.exit = Exit { pc: pc_below, fp: fp_below, sp: 0, regs: 0, slot: slot_below };
        Some(Frame {
            code_start,
            part,
            row,
            owner,
            defined: part.defined(row),
            record,
            point,
            wasm_offset,
            body,
            frameless,
            fp,
            pc,
            regs,
            slot,
            is_watermark,
        })
    }
}

impl<'a> Iterator for Walker<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            if let Some(frame) = self.next_of_activation() {
                return Some(frame);
            }
            if active(Mutant::WalkEndsAtEntry) {
                return None;
            }
            self.level = self.level.checked_sub(1).filter(|level| *level != 0)?;
            self.exit = self.frames.waits_at(self.level);
        }
    }
}
