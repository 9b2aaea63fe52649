//! Parts of a module's code, by address: what was compiled when the module was made, and what was compiled again later.
//! What is known of an address is looked up in the part that it lies in.
//!
//! Parts that came later lie behind each other in room that the module set aside ([`Later`]). They are added by one
//! thread at a time, and never go before the module does: whoever runs code of a part finds it, since it was listed
//! before anything led there.

use super::code::{CodeTables, PlacedFunction};
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{InlinedBody, LoopHead, SafePoint, TrapSite};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most parts that a module gets.
const PARTS_MAX: usize = 256;

/// What is known of a return address: rows of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Site {
    /// Number of the row among the safe points.
    point: u32,
    /// Number of the function's row.
    pub row: u32,
}

impl Site {
    /// The site as one word.
    pub fn to_word(self) -> u64 {
        u64::from(self.point) << 32 | u64::from(self.row)
    }

    /// What [`Site::to_word`] gave.
    pub fn from_word(word: u64) -> Site {
        let [point, row] = [word >> 32, word & u64::from(u32::MAX)].map(Narrow::narrow);
        Site { point, row }
    }
}

/// Where an instruction comes from: an offset of a function, by defined index, and then of the functions into which
/// that was inlined, the innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Bodies<'a> {
    /// The inlined bodies of the frame's function, and of others behind them.
    inlined: &'a [InlinedBody],
    /// The frame's function.
    function: u32,
    /// The body and the offset that are next.
    next: Option<(u16, u32)>,
}

impl Iterator for Bodies<'_> {
    type Item = (u32, u32);

    #[inline]
    fn next(&mut self) -> Option<(u32, u32)> {
        let (body, offset) = self.next.take()?;
        let Some(row) = body.checked_sub(1) else { return Some((self.function, offset)) };
        let row = self.inlined[usize::from(row)];
        self.next = Some((row.outer, row.call_offset));
        Some((row.function, offset))
    }
}

/// A part of a module's code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    tables: &'a CodeTables,
    /// Defined index of the function of each row, and heads of loops by ascending pc; none in the first part, where the
    /// index is the row's number and the heads are learned one function after the other.
    later: Option<(&'a [u32], &'a [LoopHead])>,
}

impl<'a> Part<'a> {
    /// The part that was compiled when the module was made.
    pub(super) fn first(tables: &'a CodeTables) -> Part<'a> {
        Part { tables, later: None }
    }

    /// Where an instruction of a function's frame comes from, by the function's row, the body and the offset.
    #[inline]
    pub fn bodies(self, row: u32, body: u16, wasm_offset: u32) -> Bodies<'a> {
        let first = self.function(row).inlined as usize;
        let function = self.defined(row);
        Bodies { inlined: &self.tables.inlined[first..], function, next: Some((body, wasm_offset)) }
    }

    /// The function of a row.
    #[inline]
    pub fn function(self, row: u32) -> &'a PlacedFunction {
        &self.tables.functions[row as usize]
    }

    /// The defined index of the function of a row.
    #[inline]
    pub fn defined(self, row: u32) -> u32 {
        self.later.map_or(row, |(functions, _)| functions[row as usize])
    }

    /// Heads of loops, by ascending pc; none in the first part.
    pub(super) fn loop_heads(self) -> Option<&'a [LoopHead]> {
        self.later.map(|(_, heads)| heads)
    }

    /// How many reference slots of the frame hold something at a return address.
    pub(super) fn references_at(self, pc: u32) -> u32 {
        let point = self.tables.safe_points.binary_search_by_key(&pc, |point| point.pc);
        self.tables.safe_points[point.expect("a safe point")].ref_count
    }

    /// The row of the function that `offset` lies in.
    #[inline]
    pub fn row_at(self, offset: u32) -> Option<u32> {
        let functions = &self.tables.functions;
        let after = functions.partition_point(|function| function.start <= offset);
        let index = after.checked_sub(1)?;
        (offset < functions[index].end).then(|| index.narrow())
    }

    /// The safe point of a site.
    #[inline]
    pub(super) fn safe_point(self, site: Site) -> &'a SafePoint {
        &self.tables.safe_points[site.point as usize]
    }

    /// The site of a return address. `guess` may be any: it is looked at first.
    #[inline]
    pub(super) fn site(self, offset: u32, guess: Site) -> Option<Site> {
        if !self.is_site(guess, offset) {
            return self.find_site(offset);
        }
        debug_assert_eq!(self.find_site(offset), Some(guess), "a return address has one site");
        Some(guess)
    }

    fn is_site(self, site: Site, offset: u32) -> bool {
        let (points, functions) = (&self.tables.safe_points, &self.tables.functions);
        points.get(site.point as usize).is_some_and(|point| point.pc == offset)
            && functions.get(site.row as usize).is_some_and(|placed| placed.start < offset && offset <= placed.end)
    }

    fn find_site(self, offset: u32) -> Option<Site> {
        let points = &self.tables.safe_points;
        let point = points.binary_search_by_key(&offset, |point| point.pc).ok()?;
        // A return address may be the first byte behind a function that ends with a call.
        let row = self.row_at(offset.checked_sub(1)?)?;
        Some(Site { point: point.narrow(), row })
    }

    /// The trap of an instruction.
    #[inline]
    pub fn trap_site(self, offset: u32) -> Option<&'a TrapSite> {
        let index = self.tables.traps.partition_point(|site| site.pc < offset);
        self.tables.traps.get(index).filter(|site| site.pc == offset)
    }
}

/// A part that came later.
#[derive(Debug)]
pub(super) struct LaterPart {
    /// Where it lies, from the start of the module's code.
    pub offsets: Range<u32>,
    /// The functions of its rows, by defined index.
    pub functions: Vec<u32>,
    pub tables: CodeTables,
    /// Heads of loops, by ascending pc.
    pub loop_heads: Vec<LoopHead>,
    /// Whether its code counts what calls by reference call.
    pub counts: bool,
}

/// The parts that came later, by ascending offset.
#[derive(Debug)]
pub(super) struct Later {
    /// Where the first of them begins; beyond all code if there is no room for any.
    pub start: u32,
    parts: Box<[OnceLock<Box<LaterPart>>]>,
    /// How many there are.
    count: AtomicUsize,
    /// To how many of them everything leads that is to lead there.
    entered: AtomicUsize,
}

impl Later {
    /// None yet; the first one begins at an offset, if there is room at all.
    pub fn new(start: Option<u32>) -> Later {
        let parts = if start.is_some() { PARTS_MAX } else { 0 };
        let parts = std::iter::repeat_with(OnceLock::new).take(parts).collect();
        let (count, entered) = Default::default();
        Later { start: start.unwrap_or(u32::MAX), parts, count, entered }
    }

    /// The slots lead to all of them.
    pub fn enter(&self) {
        self.entered.store(self.count(), Ordering::Release);
    }

    /// To how many of them the slots lead.
    pub fn entered(&self) -> usize {
        self.entered.load(Ordering::Acquire)
    }

    /// The functions of the parts behind the first so many, by defined index, to which the slots lead.
    pub fn functions_behind(&self, parts: usize) -> impl Iterator<Item = u32> {
        let new = self.parts.get(parts..self.entered()).unwrap_or_default();
        new.iter().filter_map(OnceLock::get).flat_map(|part| part.functions.iter().copied())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Where the next one may begin; none if there are as many as there may be.
    pub fn next_start(&self) -> Option<u32> {
        (self.count() < self.parts.len()).then(|| self.end())
    }

    /// Lists a part that begins where [`Later::next_start`] says. One thread at a time adds parts.
    pub fn add(&self, part: LaterPart) {
        assert_eq!(self.next_start(), Some(part.offsets.start), "parts lie behind each other");
        let count = self.count();
        assert!(self.parts[count].set(Box::new(part)).is_ok(), "one thread at a time adds parts");
        self.count.store(count + 1, Ordering::Release);
    }

    /// Offset behind the last one, from the start of the module's code; that of the room if there is none.
    pub fn end(&self) -> u32 {
        let last = self.count().checked_sub(1).and_then(|last| self.parts[last].get());
        last.map_or(self.start, |last| last.offsets.end)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &LaterPart> {
        self.parts[..self.count()].iter().filter_map(OnceLock::get).map(Box::as_ref)
    }

    /// The part that lies at an offset, and its offsets. The handler of signals may ask.
    #[inline]
    pub fn part(&self, offset: u32) -> Option<(Part<'_>, Range<u32>)> {
        if offset < self.start { None } else { self.find(offset) }
    }

    fn find(&self, offset: u32) -> Option<(Part<'_>, Range<u32>)> {
        let parts = &self.parts[..self.count()];
        let listed = |part: &OnceLock<Box<LaterPart>>| part.get().is_some_and(|part| part.offsets.start <= offset);
        let part = parts[parts.partition_point(listed).checked_sub(1)?].get()?;
        let later = Some((&part.functions[..], &part.loop_heads[..]));
        part.offsets.contains(&offset).then(|| (Part { tables: &part.tables, later }, part.offsets.clone()))
    }
}
