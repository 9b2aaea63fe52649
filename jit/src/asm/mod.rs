//! The instruction encoder of the compiler: three sections, labels, and x86-64 forms.
//!
//! Fixed code (trampolines, slow-path stubs) is written in `dynasm!` text in `stubs`; here registers and operands
//! are values, so one short function per encoding form serves all instructions of that form.

mod encode;
mod forms;
#[cfg(test)]
mod tests;
mod vex;

pub(crate) use encode::{Imm, Mem, Width};
pub(crate) use forms::{Alu, Cond, Locked, ShiftOp, Sse, Unary};
pub(crate) use vex::{Vex, VexSource};

use crate::abi::Gpr;
use crate::budget::list_bytes;
use dynasmrt::components::{LabelRegistry, PatchLoc, RelocRegistry};
use dynasmrt::relocations::{Relocation, RelocationKind, RelocationSize};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel};
use heapwood_gc_abi::{Mutant, Narrow, active};

/// A position in the code to be bound and jumped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(DynamicLabel);

impl Label {
    /// A vector constant in the place of a scalar's bits: 0 is the zero vector, others name their literal
    /// ([`Assembler::constant_of`]).
    pub(crate) fn to_bits(self) -> u64 {
        self.0.get_id() as u64 + 1
    }
}

/// A part of a function's code; they follow each other in this order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Section {
    /// Code that usually runs.
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
pub(crate) struct CodePosition(u32);

const SECTION_SHIFT: u32 = 30;
const OFFSET_MASK: u32 = (1 << SECTION_SHIFT) - 1;

/// Where each section begins in the finished code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts([u32; SECTIONS]);

impl Starts {
    /// Where `section` begins.
    pub(crate) fn of(&self, section: Section) -> u32 {
        self.0[section as usize]
    }
}

/// Code under construction. Labels and the fields that refer to them are kept by dynasm's registries, one for all
/// sections: the assemblers of `dynasmrt` have one buffer each, and no label of theirs reaches another.
pub(crate) struct Assembler {
    /// The section being written.
    code: Vec<u8>,
    section: Section,
    /// The code of the other sections, by section.
    parked: [Vec<u8>; SECTIONS],
    /// Where labels are: positions, as everything in the registries.
    labels: LabelRegistry,
    label_count: usize,
    /// Fields that receive the distance to a label.
    references: RelocRegistry<X64Relocation>,
    reference_count: usize,
    constants: Vec<(Label, [u8; 16], u8)>,
    /// The zero flag tells whether this register, in this width, is zero, as long as the code ends here.
    zero_flag: Option<(CodePosition, Gpr, Width)>,
    /// The scratch register has the type id of the reference in this register, as long as the code ends here: see
    /// [`Assembler::note_type_id`].
    type_id: Option<(CodePosition, Gpr)>,
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler {
            code: Vec::new(),
            section: Section::Hot,
            parked: Default::default(),
            labels: LabelRegistry::new(),
            label_count: 0,
            references: RelocRegistry::new(),
            reference_count: 0,
            constants: Vec::new(),
            zero_flag: None,
            type_id: None,
        }
    }
}

impl Assembler {
    /// Forgets everything but the buffers.
    pub(crate) fn reset(&mut self) {
        self.code.clear();
        self.parked.iter_mut().for_each(Vec::clear);
        self.section = Section::Hot;
        self.labels.clear();
        self.label_count = 0;
        drop(self.references.take_dynamics());
        self.reference_count = 0;
        self.constants.clear();
        self.zero_flag = None;
        self.type_id = None;
    }

    pub(crate) fn new_label(&mut self) -> Label {
        self.label_count += 1;
        Label(self.labels.new_dynamic_label())
    }

    pub(crate) fn bind(&mut self, label: Label) {
        // Who jumps here brings other flags and registers.
        self.zero_flag = None;
        if !active(Mutant::TypeIdKnownAtLabels) {
            self.type_id = None;
        }
        let at = self.position().into();
        self.labels.define_dynamic(label.0, at).expect("a label is bound once");
    }

    /// Where the code ends now, the scratch register has the type id of the reference in `object`, or 0 if that is null
    /// or an i31.
    pub(crate) fn note_type_id(&mut self, object: Gpr) {
        self.type_id = Some((self.position(), object));
    }

    /// The register of whose reference the scratch register has the type id.
    pub(crate) fn type_id(&self) -> Option<Gpr> {
        let is_here = |at: CodePosition| at == self.position() || active(Mutant::TypeIdKnownForLong);
        self.type_id.filter(|(at, _)| is_here(*at)).map(|(_, object)| object)
    }

    /// Writes an instruction that changes no register.
    pub(crate) fn keeping_type_id(&mut self, write: impl FnOnce(&mut Assembler)) {
        let known = self.type_id();
        write(self);
        if let Some(object) = known {
            self.note_type_id(object);
        }
    }

    pub(crate) fn bound_label(&mut self) -> Label {
        let label = self.new_label();
        self.bind(label);
        label
    }

    pub(crate) fn position(&self) -> CodePosition {
        let offset = self.code.len();
        assert!(offset < OFFSET_MASK as usize, "{offset} bytes of code in a section of one function");
        CodePosition(offset.narrow::<u32>() | (self.section as u32) << SECTION_SHIFT)
    }

    /// Goes on writing in another section; returns the one that was being written.
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
    pub(crate) fn patch_u32(&mut self, at: CodePosition, value: u32) {
        let section = (at.0 >> SECTION_SHIFT) as usize;
        let code = if section == self.section as usize { &mut self.code } else { &mut self.parked[section] };
        let at = (at.0 & OFFSET_MASK) as usize;
        code[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The 8-bit distance from the end of a 2-byte jump written here to a label already bound near by.
    fn short_distance(&self, label: Label) -> Option<u8> {
        let target = CodePosition::from(self.labels.resolve_dynamic(label.0).ok()?).0;
        let end = self.position().0 + 2;
        let same_section = (target ^ end) & !OFFSET_MASK == 0;
        let distance = i8::try_from(target.wrapping_sub(end).cast_signed()).ok();
        distance.filter(|_| same_section).map(i8::cast_unsigned)
    }

    /// A 4-byte field that receives the distance to `label` from `behind` bytes behind the field.
    fn label_field(&mut self, label: Label, behind: u8) {
        self.code.extend_from_slice(&[0; 4]);
        self.refer(label, self.position().plus(behind.into()), 0, 4 + behind);
    }

    /// An entry of the jump table that starts at `base`.
    pub(crate) fn table_entry(&mut self, base: CodePosition, label: Label) {
        self.code.extend_from_slice(&[0; 4]);
        let from = self.position();
        self.refer(label, from, (from.0 - base.0).narrow(), 4);
    }

    /// The field that lies `field_offset` bytes before `from` receives the distance from there to `label`, and `more`.
    fn refer(&mut self, label: Label, from: CodePosition, more: isize, field_offset: u8) {
        let distance = X64Relocation::from_size(RelocationKind::Relative, RelocationSize::DWord);
        self.references.add_dynamic(label.0, PatchLoc::new(from.into(), more, field_offset, 0, distance));
        self.reference_count += 1;
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
            + self.label_count * size_of::<Option<AssemblyOffset>>()
            + self.reference_count * size_of::<(PatchLoc<X64Relocation>, DynamicLabel)>()
            + list_bytes(&self.constants)
    }

    /// The label of a constant whose [bits](Label::to_bits) are not 0. Labels of constants ascend.
    pub(crate) fn constant_of(&self, bits: u64) -> Label {
        self.constants[self.index_of_constant(bits)].0
    }

    /// The bytes of that constant.
    pub(crate) fn constant_bytes(&self, bits: u64) -> [u8; 16] {
        self.constants[self.index_of_constant(bits)].1
    }

    fn index_of_constant(&self, bits: u64) -> usize {
        self.constants.binary_search_by_key(&bits, |(label, ..)| label.to_bits()).expect("a constant's label")
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

    /// Joins the sections, each at a multiple of 16 bytes.
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
    fn resolve(&mut self, mut code: Vec<u8>, starts: Starts) -> Vec<u8> {
        let place = |at: AssemblyOffset| AssemblyOffset(CodePosition::from(at).resolve(starts) as usize);
        for (mut reference, label) in self.references.take_dynamics() {
            let target = self.labels.resolve_dynamic(label).expect("a label that is jumped to is bound");
            reference.location = place(reference.location);
            reference.patch(&mut code[reference.range(0)], 0, place(target).0).expect("code below 2 GiB");
        }
        code
    }
}

impl From<CodePosition> for AssemblyOffset {
    fn from(position: CodePosition) -> AssemblyOffset {
        AssemblyOffset(position.0 as usize)
    }
}

impl From<AssemblyOffset> for CodePosition {
    fn from(offset: AssemblyOffset) -> CodePosition {
        CodePosition(offset.0.narrow())
    }
}

impl CodePosition {
    /// The final offset, given where the sections begin.
    pub(crate) fn resolve(self, starts: Starts) -> u32 {
        (self.0 & OFFSET_MASK) + starts.0[(self.0 >> SECTION_SHIFT) as usize]
    }

    /// The position `bytes` further on in its section.
    fn plus(self, bytes: u32) -> CodePosition {
        CodePosition(self.0 + bytes)
    }

    /// The position `bytes` further back in its section.
    pub(crate) fn minus(self, bytes: u32) -> CodePosition {
        CodePosition(self.0 - bytes)
    }
}
