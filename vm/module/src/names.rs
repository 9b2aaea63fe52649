//! The name section: names of functions, locals, types and fields, for messages and tools.
//!
//! Nothing depends on it, so a malformed one names less and is never an error. Each kind of name is parsed when it is
//! first asked for.

use crate::{ModuleBytes, ModuleInfo};
use std::ops::Range;
use std::sync::OnceLock;

/// Names, as far as the module has a name section that can be read. An empty name is none.
#[derive(Debug, Default)]
pub struct Names {
    bytes: ModuleBytes,
    /// Contents of the first subsection with each id, by id.
    subsections: [Range<usize>; Subsection::Tag as usize + 1],
    direct: [OnceLock<Vec<Entry>>; Subsection::Tag as usize + 1],
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Subsection {
    Module = 0,
    Function = 1,
    Local = 2,
    Type = 4,
    Table = 5,
    Memory = 6,
    Global = 7,
    Element = 8,
    Data = 9,
    Field = 10,
    Tag = 11,
}

/// A name at `offset` of the bytes for an index, inside an outer one for locals and fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    outer: u32,
    index: u32,
    offset: u32,
    length: u32,
}

impl Names {
    /// Finds the subsections of a module's name section.
    pub(crate) fn find(module: &ModuleInfo) -> Names {
        let mut names = Names { bytes: module.bytes.clone(), ..Names::default() };
        let Some(section) = module.custom_sections().find(|section| section.name == "name") else {
            return names;
        };
        let mut reader = Reader { bytes: &module.bytes, at: section.range.start, end: section.range.end };
        while let Some((id, range)) = reader.subsection() {
            match names.subsections.get_mut(usize::from(id)) {
                Some(subsection) if subsection.start == subsection.end => *subsection = range,
                _ => {}
            }
        }
        names
    }

    /// The module's name.
    pub fn module(&self) -> Option<&str> {
        let mut reader = self.reader(Subsection::Module);
        let (offset, length) = reader.name()?;
        self.text(offset, length)
    }

    /// The name of a function.
    pub fn function(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Function, 0, index)
    }

    /// The name of a local of a function.
    pub fn local(&self, function: u32, local: u32) -> Option<&str> {
        self.get(Subsection::Local, function, local)
    }

    /// The name of a type.
    pub fn ty(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Type, 0, index)
    }

    /// The name of a field of a struct type.
    pub fn field(&self, ty: u32, field: u32) -> Option<&str> {
        self.get(Subsection::Field, ty, field)
    }

    /// The name of a table.
    pub fn table(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Table, 0, index)
    }

    /// The name of a memory.
    pub fn memory(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Memory, 0, index)
    }

    /// The name of a global.
    pub fn global(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Global, 0, index)
    }

    /// The name of an element segment.
    pub fn element(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Element, 0, index)
    }

    /// The name of a data segment.
    pub fn data(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Data, 0, index)
    }

    /// The name of a tag.
    pub fn tag(&self, index: u32) -> Option<&str> {
        self.get(Subsection::Tag, 0, index)
    }

    fn get(&self, subsection: Subsection, outer: u32, index: u32) -> Option<&str> {
        let entries = self.direct[subsection as usize].get_or_init(|| self.parse(subsection));
        let position = entries.partition_point(|entry| (entry.outer, entry.index) < (outer, index));
        let entry = entries.get(position).filter(|entry| (entry.outer, entry.index) == (outer, index))?;
        self.text(entry.offset, entry.length)
    }

    fn text(&self, offset: u32, length: u32) -> Option<&str> {
        let (offset, length) = (offset as usize, length as usize);
        let name = std::str::from_utf8(self.bytes.get(offset..offset + length)?).ok()?;
        (!name.is_empty()).then_some(name)
    }

    fn reader(&self, subsection: Subsection) -> Reader<'_> {
        let range = self.subsections[subsection as usize].clone();
        Reader { bytes: &self.bytes, at: range.start, end: range.end }
    }

    /// All entries of a subsection up to the first that cannot be read, sorted; of duplicates the first counts.
    fn parse(&self, subsection: Subsection) -> Vec<Entry> {
        let mut reader = self.reader(subsection);
        let mut entries = Vec::new();
        let read_all = match subsection {
            Subsection::Local | Subsection::Field => reader.indirect_names(&mut entries),
            _ => reader.names(0, &mut entries),
        };
        // Nothing follows from a list that ends early: what was read until then stands.
        let _ = read_all;
        entries.sort();
        entries
    }
}

/// Reads what it can; `None` at the first thing that it cannot.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        if self.at >= self.end {
            return None;
        }
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn u32(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// The next `length` bytes.
    fn take(&mut self, length: u32) -> Option<Range<usize>> {
        let end = self.at.checked_add(length as usize).filter(|end| *end <= self.end)?;
        let start = std::mem::replace(&mut self.at, end);
        Some(start..end)
    }

    fn subsection(&mut self) -> Option<(u8, Range<usize>)> {
        let id = self.byte()?;
        let length = self.u32()?;
        Some((id, self.take(length)?))
    }

    fn name(&mut self) -> Option<(u32, u32)> {
        let length = self.u32()?;
        let range = self.take(length)?;
        Some((u32::try_from(range.start).ok()?, length))
    }

    fn names(&mut self, outer: u32, entries: &mut Vec<Entry>) -> Option<()> {
        for _ in 0..self.u32()? {
            let index = self.u32()?;
            let (offset, length) = self.name()?;
            entries.push(Entry { outer, index, offset, length });
        }
        Some(())
    }

    fn indirect_names(&mut self, entries: &mut Vec<Entry>) -> Option<()> {
        for _ in 0..self.u32()? {
            let outer = self.u32()?;
            self.names(outer, entries)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Features, ModuleInfo, decode};

    fn module(text: &str) -> ModuleInfo {
        decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info
    }

    #[test]
    fn names_of_every_kind() {
        let module = module(
            "(module $m
               (type $point (struct (field $x i32) (field $y i32)))
               (type (struct (field $only i32)))
               (func) (func $f (param $p i32) (local $l i64))
               (global $g i32 (i32.const 0)) (table $t 0 funcref) (memory $mem 0) (tag $tag)
               (elem $e declare func) (data $d \"\"))",
        );
        let names = module.names();
        assert_eq!(names.module(), Some("m"));
        assert_eq!([0, 1, 2].map(|i| names.function(i)), [None, Some("f"), None]);
        assert_eq!([0, 1, 2].map(|i| names.local(1, i)), [Some("p"), Some("l"), None]);
        assert_eq!([0, 1].map(|i| names.ty(i)), [Some("point"), None]);
        assert_eq!([names.field(0, 0), names.field(0, 1), names.field(1, 0)], [Some("x"), Some("y"), Some("only")]);
        assert_eq!([names.global(0), names.table(0), names.memory(0)], [Some("g"), Some("t"), Some("mem")]);
        assert_eq!([names.tag(0), names.element(0), names.data(0)], [Some("tag"), Some("e"), Some("d")]);
    }

    #[test]
    fn a_broken_name_section_names_what_it_can() {
        let names = |contents: &[u8]| {
            let text: String = contents.iter().map(|byte| format!("\\{byte:02x}")).collect();
            module(&format!("(module (@custom \"name\" \"{text}\") (func) (func))"))
        };
        // Two functions announced, one there.
        assert_eq!(names(&[1, 4, 2, 0, 1, b'a']).names().function(0), Some("a"));
        // A name longer than its subsection.
        assert_eq!(names(&[1, 4, 1, 0, 9, b'a']).names().function(0), None);
        // Not UTF-8; the next is.
        let module = names(&[1, 7, 2, 0, 1, 0xff, 1, 1, b'b']);
        assert_eq!((module.names().function(0), module.names().function(1)), (None, Some("b")));
        // Names that are empty.
        let module = names(&[1, 6, 2, 0, 0, 1, 1, b'b']);
        assert_eq!((module.names().function(0), module.names().function(1)), (None, Some("b")));
        // Subsection longer than the section, count without entries, overlong number.
        for contents in
            [&[1, 100, 1][..], &[1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f], &[1, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0]]
        {
            assert_eq!(names(contents).names().function(0), None);
        }
    }
}
