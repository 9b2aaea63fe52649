//! The instruction encoder of the compiler: two sections (hot and cold), labels, and x86-64 forms.
//!
//! Fixed code (trampolines, slow-path stubs) is written in `dynasm!` text in `stubs`; here registers and operands
//! are values, so one short function per encoding form serves all instructions of that form.

mod encode;
mod forms;
mod vex;

pub(crate) use encode::{Mem, Width};
pub(crate) use forms::{Alu, Cond, ShiftOp, Sse, Unary};
pub(crate) use vex::{Source, Vex};

/// A position in the code to be bound and jumped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(u32);

impl Label {
    /// A vector constant in the place of a scalar's bits: 0 is the zero vector, others name their literal.
    pub(crate) fn to_bits(self) -> u64 {
        self.0 as u64 + 1
    }

    /// The literal of a vector constant other than zero.
    pub(crate) fn from_bits(bits: u64) -> Label {
        Label(bits as u32 - 1)
    }
}

/// A code offset before the cold section has its final place: bit 31 marks the cold section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position(u32);

const COLD: u32 = 1 << 31;
const UNBOUND: u32 = u32::MAX;

/// A 32-bit field to fill with the distance from its end to a label.
#[derive(Clone, Copy)]
struct Fixup {
    at: Position,
    label: Label,
    /// The field is an entry of a jump table and counts from the table's start.
    base: Option<Position>,
}

/// Code under construction.
#[derive(Default)]
pub(crate) struct Assembler {
    /// The section being written.
    code: Vec<u8>,
    /// The other one.
    other: Vec<u8>,
    in_cold: bool,
    labels: Vec<u32>,
    fixups: Vec<Fixup>,
    constants: Vec<(Label, [u8; 16], u8)>,
}

impl Assembler {
    /// Forgets everything but the buffers.
    pub(crate) fn reset(&mut self) {
        self.code.clear();
        self.other.clear();
        self.in_cold = false;
        self.labels.clear();
        self.fixups.clear();
        self.constants.clear();
    }

    pub(crate) fn new_label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() as u32 - 1)
    }

    pub(crate) fn bind(&mut self, label: Label) {
        debug_assert_eq!(self.labels[label.0 as usize], UNBOUND, "label bound twice");
        self.labels[label.0 as usize] = self.position().0;
    }

    pub(crate) fn bound_label(&mut self) -> Label {
        let label = self.new_label();
        self.bind(label);
        label
    }

    pub(crate) fn position(&self) -> Position {
        Position(self.code.len() as u32 | if self.in_cold { COLD } else { 0 })
    }

    /// Switches between the hot and the cold section; returns where it was.
    pub(crate) fn set_cold(&mut self, cold: bool) -> bool {
        let was = self.in_cold;
        if was != cold {
            std::mem::swap(&mut self.code, &mut self.other);
            self.in_cold = cold;
        }
        was
    }

    pub(crate) fn is_cold(&self) -> bool {
        self.in_cold
    }

    /// Overwrites the 32-bit field at a position of the hot section.
    pub(crate) fn patch_u32(&mut self, at: Position, value: u32) {
        let cold = at.0 & COLD != 0;
        let section = if cold == self.in_cold { &mut self.code } else { &mut self.other };
        let at = (at.0 & !COLD) as usize;
        section[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The 8-bit distance from the end of a 2-byte jump written here to a label already bound near by.
    fn short_distance(&self, label: Label) -> Option<u8> {
        let target = self.labels[label.0 as usize];
        let end = self.position().0 + 2;
        let same_section = target != UNBOUND && (target ^ end) & COLD == 0;
        let distance = i8::try_from(target.wrapping_sub(end) as i32).ok();
        distance.filter(|_| same_section).map(|d| d as u8)
    }

    /// A 4-byte field that receives the distance to `label`.
    fn label_field(&mut self, label: Label) {
        self.fixups.push(Fixup { at: self.position(), label, base: None });
        self.code.extend_from_slice(&[0; 4]);
    }

    /// An entry of the jump table that starts at `base`.
    pub(crate) fn table_entry(&mut self, base: Position, label: Label) {
        self.fixups.push(Fixup { at: self.position(), label, base: Some(base) });
        self.code.extend_from_slice(&[0; 4]);
    }

    /// A label for 4, 8 or 16 bytes of constant data placed after the code.
    pub(crate) fn constant(&mut self, bytes: [u8; 16], len: u8) -> Label {
        if let Some((label, ..)) = self.constants.iter().rev().take(8).find(|c| c.1 == bytes && c.2 == len) {
            return *label;
        }
        let label = self.new_label();
        self.constants.push((label, bytes, len));
        label
    }

    /// The bytes behind a label of [`Self::constant`]: labels ascend.
    pub(crate) fn constant_bytes(&self, label: Label) -> [u8; 16] {
        let at = self.constants.binary_search_by_key(&label.0, |c| c.0.0).expect("a constant's label");
        self.constants[at].1
    }

    /// Places the constants and the cold section after the hot one, resolves labels, and returns the code with the
    /// offset of the cold section.
    pub(crate) fn finish(&mut self) -> (Vec<u8>, u32) {
        self.set_cold(true);
        let mut constants = std::mem::take(&mut self.constants);
        constants.sort_by_key(|c| std::cmp::Reverse(c.2));
        for (label, bytes, len) in &constants {
            while !self.code.len().is_multiple_of(*len as usize) {
                self.code.push(0xcc);
            }
            self.bind(*label);
            self.code.extend_from_slice(&bytes[..*len as usize]);
        }
        constants.clear();
        self.constants = constants;
        self.set_cold(false);
        while !self.code.len().is_multiple_of(16) {
            self.code.push(0xcc);
        }
        let cold_start = self.code.len() as u32;
        let mut code = Vec::with_capacity(self.code.len() + self.other.len());
        code.extend_from_slice(&self.code);
        code.extend_from_slice(&self.other);
        for fixup in &self.fixups {
            let target = self.labels[fixup.label.0 as usize];
            assert_ne!(target, UNBOUND, "jump to a label that was never bound");
            let target = Position(target).resolve(cold_start);
            let at = fixup.at.resolve(cold_start);
            let from = fixup.base.map_or(at + 4, |base| base.resolve(cold_start));
            let distance = target.wrapping_sub(from);
            code[at as usize..at as usize + 4].copy_from_slice(&distance.to_le_bytes());
        }
        (code, cold_start)
    }
}

impl Position {
    /// The final offset.
    pub(crate) fn resolve(self, cold_start: u32) -> u32 {
        if self.0 & COLD != 0 { (self.0 & !COLD) + cold_start } else { self.0 }
    }

    /// Bytes further on in the same section.
    fn plus(self, bytes: u32) -> Position {
        Position(self.0 + bytes)
    }

    /// Bytes further back in the same section.
    pub(crate) fn minus(self, bytes: u32) -> Position {
        Position(self.0 - bytes)
    }
}
