//! Slots: where locals and operands lie in the frame, and whether there is a frame. See `abi` for the picture.

use super::Values;
use super::place::Local;
use crate::abi::{CONTEXT, FRAME_CONTEXT, Gpr};
use crate::asm::{Assembler, Imm, Mem, Width};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use std::cell::Cell;

/// Home slots that were handed out.
#[derive(Clone, Copy, Default)]
pub(super) struct Homes {
    refs: u32,
    plain: usize,
}

/// Where the slots of a frame lie.
#[derive(Default)]
pub(super) struct Slots {
    /// Reference slot i lies at `rbp - ref_base + 4 * i`.
    ref_base: u32,
    /// Reference slots that are homes of locals.
    ref_locals: u32,
    /// How many of these are in use.
    ref_homes: u32,
    /// Which of these were written since they were empty. Cells, since edges are planned without a change of the state.
    refs_written: Vec<Cell<bool>>,
    /// Home slots of 8 bytes that were handed out, those that are in use first.
    plain_homes: Vec<i32>,
    /// How many of these are in use.
    plain_in_use: usize,
    /// The offset of the lowest byte in use below rbp.
    low: u32,
    height_max: u32,
    plain_temps: Option<u32>,
    vector_temps: Option<u32>,
    /// Whether the context is in the frame, so that it can be read again after a call.
    saves_context: bool,
    /// Whether the frame is set up.
    framed: bool,
    /// Whether code was emitted that needs the frame where there is none.
    misses_frame: Cell<bool>,
}

impl Slots {
    /// Lays out slots below `saves` bytes of saved registers: home slots for `ref_locals` reference locals, and slots
    /// for operands up to `height_max`.
    pub(super) fn lay_out(&mut self, saves: u32, ref_locals: u32, height_max: u32, saves_context: bool) {
        let ref_base = (saves + 4 * (ref_locals + height_max)).next_multiple_of(8);
        let mut plain_homes = std::mem::take(&mut self.plain_homes);
        plain_homes.clear();
        let mut refs_written = std::mem::take(&mut self.refs_written);
        refs_written.clear();
        refs_written.resize(ref_locals as usize, Cell::new(false));
        *self = Slots {
            ref_base,
            ref_locals,
            refs_written,
            low: ref_base,
            height_max,
            plain_homes,
            saves_context,
            ..Slots::default()
        };
    }

    /// Hands out a home slot for a local of this type; returns its offset from rbp.
    pub(super) fn home(&mut self, ty: ValType) -> i32 {
        if ty.is_ref() {
            debug_assert!(self.ref_homes < self.ref_locals, "more reference locals than were announced");
            self.ref_homes += 1;
            return self.ref_slot(self.ref_homes - 1);
        }
        if ty == ValType::V128 {
            self.low += 16;
            return -self.low.narrow::<i32>();
        }
        if self.plain_in_use == self.plain_homes.len() {
            self.low += 8;
            self.plain_homes.push(-self.low.narrow::<i32>());
        }
        self.plain_in_use += 1;
        self.plain_homes[self.plain_in_use - 1]
    }

    /// The home slots that are in use.
    pub(super) fn homes(&self) -> Homes {
        Homes { refs: self.ref_homes, plain: self.plain_in_use }
    }

    /// Slots that were handed out after these are free again.
    pub(super) fn free_homes(&mut self, homes: Homes) {
        (self.ref_homes, self.plain_in_use) = (homes.refs, homes.plain);
    }

    /// The home of a local of this type, which code is about to write.
    pub(super) fn home_to_write(&self, ty: ValType, home: i32) -> Mem {
        if ty.is_ref() {
            self.refs_written[self.ref_index(home)].set(true);
        }
        self.in_frame(home)
    }

    /// Empties the home slots of references that were handed out after these and written: all of them are in the map,
    /// and what a slot holds stays alive until another local has its home there.
    pub(super) fn empty_ref_homes(&self, asm: &mut Assembler, after: Homes) {
        let is_written = |index: u32| self.refs_written[index as usize].replace(false);
        let mut index = after.refs;
        while index < self.ref_homes {
            let at = self.ref_slot(index);
            match (is_written(index), index + 1 < self.ref_homes && is_written(index + 1)) {
                (true, true) => asm.store_imm(self.in_frame(at), Imm::B64(0)),
                (true, false) => asm.store_imm(self.in_frame(at), Imm::B32(0)),
                (false, true) => asm.store_imm(self.in_frame(at + 4), Imm::B32(0)),
                (false, false) => {}
            }
            index += 2;
        }
    }

    /// The index of the reference slot at this offset from rbp.
    fn ref_index(&self, at: i32) -> usize {
        (at + self.ref_base.narrow::<i32>()).narrow::<usize>() / 4
    }

    /// Offset from rbp of reference slot `index`.
    fn ref_slot(&self, index: u32) -> i32 {
        (4 * index).narrow::<i32>() - self.ref_base.narrow::<i32>()
    }

    /// Offset from rbp of the slot of the `index`-th plain operand; its area is made when first needed.
    fn plain_temp(&mut self, index: usize, vector: bool) -> i32 {
        let bytes = if vector { 16 } else { 8 };
        let area = if vector { &mut self.vector_temps } else { &mut self.plain_temps };
        let base = *area.get_or_insert_with(|| {
            self.low += self.height_max * bytes;
            self.low
        });
        (index * bytes as usize).narrow::<i32>() - base.narrow::<i32>()
    }

    /// The slot of the operand at `height` (offset from rbp).
    pub(super) fn operand(&mut self, height: usize, ty: ValType, refs_below: u32) -> i32 {
        if ty.is_ref() {
            self.ref_slot(self.ref_locals + refs_below)
        } else {
            self.plain_temp(height - refs_below as usize, ty == ValType::V128)
        }
    }

    /// A place in the frame. Without a frame the code is worthless: the function is compiled again, with one.
    pub(super) fn in_frame(&self, at: i32) -> Mem {
        if !self.framed {
            self.misses_frame.set(true);
        }
        Mem::base(Gpr::RBP, at)
    }

    pub(super) fn is_framed(&self) -> bool {
        self.framed
    }

    pub(super) fn set_framed(&mut self, framed: bool) {
        self.framed = framed;
    }

    pub(super) fn saves_context(&self) -> bool {
        self.saves_context
    }

    pub(super) fn ref_locals(&self) -> u32 {
        self.ref_locals
    }
}

impl Values {
    /// Whether the frame is set up.
    pub(crate) fn is_framed(&self) -> bool {
        self.slots.is_framed()
    }

    /// From here on there is a frame.
    pub(crate) fn frame_is_set_up(&mut self) {
        self.slots.set_framed(true);
    }

    /// Whether the code needs a frame where there is none.
    pub(crate) fn misses_frame(&self) -> bool {
        self.slots.misses_frame.get()
    }

    /// A place in the frame. Without a frame the code is worthless: the function is compiled again, with one.
    pub(crate) fn in_frame(&self, at: i32) -> Mem {
        self.slots.in_frame(at)
    }

    /// The home of the local, which code is about to write.
    pub(super) fn home_to_write(&self, local: u32) -> Mem {
        let Local { ty, home, .. } = self.locals[local as usize];
        self.slots.home_to_write(ty, home)
    }

    /// Bytes from rbp down to the lowest slot.
    pub(crate) fn slot_bytes(&self) -> u32 {
        self.slots.low
    }

    /// Reference slot i lies at `rbp - ref_base + 4 * i`.
    pub(crate) fn ref_base(&self) -> u32 {
        self.slots.ref_base
    }

    /// Reference slots that are homes of locals: they come first.
    pub(crate) fn ref_locals(&self) -> u32 {
        self.slots.ref_locals
    }

    /// Offset from rbp of the first reference slot.
    pub(crate) fn first_ref_slot(&self) -> i32 {
        self.slots.ref_slot(0)
    }

    // ---- the context

    /// Whether the context is saved in the frame. A function that calls nothing never reloads it.
    pub(crate) fn saves_context(&self) -> bool {
        self.slots.saves_context()
    }

    /// Makes sure that r14 holds the context.
    pub(crate) fn need_context(&mut self, asm: &mut Assembler) {
        if !self.context_valid {
            assert!(self.saves_context() || !self.is_framed(), "the context is read from where nobody saved it");
            self.load_context(asm);
            self.context_valid = true;
        }
    }

    /// Loads the context into r14, whatever is there: for code out of line, which cannot know.
    pub(crate) fn load_context(&self, asm: &mut Assembler) {
        asm.load(Width::W64, CONTEXT, self.saved_context());
    }

    /// Where the frame has the context.
    pub(crate) fn saved_context(&self) -> Mem {
        self.in_frame(FRAME_CONTEXT)
    }

    /// Records that r14 does not hold the context from here on, or will not after a call that a loop makes.
    pub(crate) fn forget_context(&mut self) {
        self.context_valid = false;
    }
}
