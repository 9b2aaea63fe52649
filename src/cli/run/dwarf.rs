//! The lines that a module's DWARF knows. It is the guest's word: units that name one table a million times, trees that
//! never end. So whatever reads it reads through [`Bounded`], which ends with an error when that has become more than a
//! module of its size can need, or when the reading has nested too deeply for a thread's stack.

use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian, Reader, ReaderOffsetId, Result, SectionId};
use heapwood::Module;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// What is known of the lines of a module.
pub type Lines<'m> = addr2line::Context<Bounded<'m>>;

/// Bytes that may be read of any module's sections, beside twice as many as they have: a function's entries are read
/// once more when it is looked up, with the names of all that was inlined there.
const SPARE_BYTES: usize = 2 << 20;

/// Bytes of the native stack that reading may take. Places nest as deeply as functions are inlined into each other; a
/// level takes some hundred bytes.
const STACK_BYTES_MAX: usize = 256 << 10;

/// The bytes that the header of a unit or of a table counts for, since what is made of one has about that size.
const HEADER_COST: usize = 256;

/// What the module's DWARF knows, if it has any.
pub fn lines(module: &Module) -> Option<Lines<'_>> {
    let info = module.info();
    let section = |name: &str| info.custom_sections().find(|section| section.name == name);
    section(".debug_line")?;
    let bytes = |id: SectionId| section(id.name()).map_or(&[][..], |section| &info.bytes[section.range.clone()]);
    let debug = info.custom_sections().filter(|section| section.name.starts_with(".debug_"));
    let budget = 2 * debug.map(|section| section.range.len()).sum::<usize>() + SPARE_BYTES;
    let limits = Rc::new(Limits { budget: Cell::new(budget), stack: place_on_stack() });
    let load =
        |id| Ok::<_, Error>(Bounded { bytes: EndianSlice::new(bytes(id), LittleEndian), limits: limits.clone() });
    Lines::from_dwarf(Dwarf::load(load).ok()?).ok()
}

/// An address near the end of the native stack that is in use.
#[inline(never)]
fn place_on_stack() -> usize {
    let marker = 0u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}

/// How much may still be read, by all readers of a module together.
struct Limits {
    budget: Cell<usize>,
    /// Where the stack was when the reading began. What is looked up later begins elsewhere, but not much.
    stack: usize,
}

/// Bytes of a section that count what is read of them.
#[derive(Clone)]
pub struct Bounded<'m> {
    bytes: EndianSlice<'m, LittleEndian>,
    limits: Rc<Limits>,
}

impl fmt::Debug for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

impl Bounded<'_> {
    /// # Errors
    /// That is too much, or too deep.
    fn charge(&self, bytes: usize) -> Result<()> {
        let is_deep = self.limits.stack.abs_diff(place_on_stack()) > STACK_BYTES_MAX;
        let left = self.limits.budget.get().checked_sub(bytes.max(1)).filter(|_| !is_deep);
        // Once it was too much, nothing more is read: whoever asks may go on after an error.
        self.limits.budget.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| Error::UnexpectedEof(self.offset_id()))
    }
}

impl<'m> Reader for Bounded<'m> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn empty(&mut self) {
        self.bytes.empty();
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.bytes.truncate(len)
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.bytes.offset_from(base.bytes)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.bytes.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.bytes.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let found = Reader::find(&self.bytes, byte);
        // The end was looked for as far as there are bytes.
        self.charge(*found.as_ref().unwrap_or(&self.bytes.len()))?;
        found
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.charge(1)?;
        self.bytes.skip(len)
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        self.charge(1)?;
        Ok(Bounded { bytes: self.bytes.split(len)?, limits: self.limits.clone() })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.charge(self.bytes.len())?;
        self.bytes.to_slice()
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.charge(self.bytes.len())?;
        Reader::to_string(&self.bytes)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.charge(self.bytes.len())?;
        Ok(self.bytes.to_string_lossy())
    }

    fn read_slice(&mut self, buf: &mut [u8]) -> Result<()> {
        self.charge(buf.len())?;
        Reader::read_slice(&mut self.bytes, buf)
    }

    fn read_initial_length(&mut self) -> Result<(usize, addr2line::gimli::Format)> {
        self.charge(HEADER_COST)?;
        self.bytes.read_initial_length()
    }
}
