//! The instruction encoder of the compiler: three sections, labels, and x86-64 forms.
//!
//! Fixed code (trampolines, slow-path stubs) is written in `dynasm!` text in `stubs`; here registers and operands
//! are values, so one short function per encoding form serves all instructions of that form.

mod encode;
mod forms;
mod vex;

use crate::budget::list_bytes;

pub(crate) use encode::{Imm, Mem, Width};
pub(crate) use forms::{Alu, Cond, Locked, ShiftOp, Sse, Unary};
pub(crate) use vex::{Source, Vex};

use heapwood_gc_abi::Narrow;

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
        Label((bits - 1).narrow())
    }
}

/// A part of a function's code; they follow each other in this order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Section {
    /// What runs.
    #[default]
    Hot,
    /// Whole bodies that rarely run: of catches, and of what hints call unlikely.
    Unlikely,
    /// Slow paths of single instructions, traps, constants. Nothing here has a slow path of its own.
    Cold,
}

const SECTIONS: usize = 3;

/// A code offset before the sections have their final places: the upper bits are the section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position(u32);

const SECTION_SHIFT: u32 = 30;
const OFFSET_MASK: u32 = (1 << SECTION_SHIFT) - 1;
const UNBOUND: u32 = u32::MAX;

/// Where each section begins in the finished code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts([u32; SECTIONS]);

impl Starts {
    /// Of a section.
    pub(crate) fn of(&self, section: Section) -> u32 {
        self.0[section as usize]
    }
}

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
    section: Section,
    /// The others, by section.
    parked: [Vec<u8>; SECTIONS],
    labels: Vec<u32>,
    fixups: Vec<Fixup>,
    constants: Vec<(Label, [u8; 16], u8)>,
}

impl Assembler {
    /// Forgets everything but the buffers.
    pub(crate) fn reset(&mut self) {
        self.code.clear();
        self.parked.iter_mut().for_each(Vec::clear);
        self.section = Section::Hot;
        self.labels.clear();
        self.fixups.clear();
        self.constants.clear();
    }

    pub(crate) fn new_label(&mut self) -> Label {
        let label = Label(self.labels.len().narrow());
        self.labels.push(UNBOUND);
        label
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
        let offset = self.code.len();
        assert!(offset < OFFSET_MASK as usize, "{offset} bytes of code in a section of one function");
        Position(offset.narrow::<u32>() | (self.section as u32) << SECTION_SHIFT)
    }

    /// Goes on in another section; returns where it was.
    pub(crate) fn switch(&mut self, section: Section) -> Section {
        let was = std::mem::replace(&mut self.section, section);
        if was != section {
            std::mem::swap(&mut self.code, &mut self.parked[was as usize]);
            std::mem::swap(&mut self.code, &mut self.parked[section as usize]);
        }
        was
    }

    /// The section being written.
    pub(crate) fn section(&self) -> Section {
        self.section
    }

    /// Overwrites the 32-bit field at a position.
    pub(crate) fn patch_u32(&mut self, at: Position, value: u32) {
        let section = (at.0 >> SECTION_SHIFT) as usize;
        let code = if section == self.section as usize { &mut self.code } else { &mut self.parked[section] };
        let at = (at.0 & OFFSET_MASK) as usize;
        code[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The 8-bit distance from the end of a 2-byte jump written here to a label already bound near by.
    fn short_distance(&self, label: Label) -> Option<u8> {
        let target = self.labels[label.0 as usize];
        let end = self.position().0 + 2;
        let same_section = target != UNBOUND && (target ^ end) & !OFFSET_MASK == 0;
        let distance = i8::try_from(target.wrapping_sub(end).cast_signed()).ok();
        distance.filter(|_| same_section).map(i8::cast_unsigned)
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

    /// Bytes of the buffers.
    pub(crate) fn bytes(&self) -> usize {
        self.code.len()
            + self.parked.iter().map(Vec::len).sum::<usize>()
            + list_bytes(&self.labels)
            + list_bytes(&self.fixups)
            + list_bytes(&self.constants)
    }

    /// The bytes behind a label of [`Self::constant`]: labels ascend.
    pub(crate) fn constant_bytes(&self, label: Label) -> [u8; 16] {
        let at = self.constants.binary_search_by_key(&label.0, |c| c.0.0).expect("a constant's label");
        self.constants[at].1
    }

    /// Places the constants at the end, the sections behind each other, resolves labels, and returns the code with
    /// the sections' starts.
    pub(crate) fn finish(&mut self) -> (Vec<u8>, Starts) {
        self.switch(Section::Cold);
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
        self.switch(Section::Hot);
        let (code, starts) = self.join_sections();
        (self.resolve(code, starts), starts)
    }

    /// The sections one behind the other, each at a multiple of 16.
    fn join_sections(&self) -> (Vec<u8>, Starts) {
        let sections = [&self.code, &self.parked[Section::Unlikely as usize], &self.parked[Section::Cold as usize]];
        let mut code = Vec::with_capacity(sections.iter().map(|section| section.len() + 15).sum());
        let starts = sections.map(|section| {
            while !code.len().is_multiple_of(16) {
                code.push(0xcc);
            }
            let start = code.len().narrow();
            code.extend_from_slice(section);
            start
        });
        assert!(i32::try_from(code.len()).is_ok(), "{} bytes of code in one function", code.len());
        (code, Starts(starts))
    }

    /// Writes the distances to labels.
    fn resolve(&self, mut code: Vec<u8>, starts: Starts) -> Vec<u8> {
        for fixup in &self.fixups {
            let target = self.labels[fixup.label.0 as usize];
            assert_ne!(target, UNBOUND, "jump to a label that was never bound");
            let target = Position(target).resolve(starts);
            let at = fixup.at.resolve(starts);
            let from = fixup.base.map_or(at + 4, |base| base.resolve(starts));
            let distance = target.wrapping_sub(from);
            code[at as usize..at as usize + 4].copy_from_slice(&distance.to_le_bytes());
        }
        code
    }
}

impl Position {
    /// The final offset.
    pub(crate) fn resolve(self, starts: Starts) -> u32 {
        (self.0 & OFFSET_MASK) + starts.0[(self.0 >> SECTION_SHIFT) as usize]
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
