//! Compiled functions in executable memory, and what is known of each address.
//!
//! 1. All functions of a module are laid out behind each other (16-byte aligned), then the code-pointer slots through
//!    which they call each other: `[code pages][slot pages]`.
//! 2. They are written there with their relocations filled in. Until then nothing depends on the address, so an image
//!    in a file has the same bytes.
//! 3. The slots point to the entries. A function that nothing can enter has no code, and a null slot: all calls of it
//!    are inlined.
//! 4. The code pages become executable and are never writable again.
//!
//! Safe points and trap sites are kept for the whole image, ascending, so that one binary search finds each.

use super::image::{CodeMemory, Draft};
use super::mapping::PAGE_BYTES;
use crate::errors::{Error, Result};
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{CompiledFunction, FunctionRecord, InlinedBody, RelocationTarget, SafePoint, TrapSite};
use std::borrow::Borrow;
use std::ops::Range;
use std::sync::Arc;

/// Where functions begin: addresses are multiples of this.
pub(crate) const FUNCTION_ALIGN: usize = 16;
/// Bytes of a slot.
const SLOT_BYTES: usize = 8;

/// The code of a module. Shared by all stores of its engine.
#[derive(Debug)]
pub(crate) struct CodeImage {
    memory: Arc<CodeMemory>,
    tables: CodeTables,
}

/// What is known of a return address: rows of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Site {
    /// Number of the row among the safe points.
    point: u32,
    /// The function that it lies in, by defined index.
    pub defined: u32,
}

impl Site {
    /// The site as one word.
    pub fn to_word(self) -> u64 {
        u64::from(self.point) << 32 | u64::from(self.defined)
    }

    /// What [`Site::to_word`] gave.
    pub fn from_word(word: u64) -> Site {
        let [point, defined] = [word >> 32, word & u64::from(u32::MAX)].map(Narrow::narrow);
        Site { point, defined }
    }
}

/// What is known of a module's code.
#[derive(Debug)]
pub(crate) struct CodeTables {
    /// Functions by defined index, ascending.
    pub functions: Vec<PlacedFunction>,
    /// Safe points by ascending pc, which counts from the start of the image.
    pub safe_points: Vec<SafePoint>,
    /// Instructions that may trap by ascending pc, which counts from the start of the image.
    pub traps: Vec<TrapSite>,
    /// Bodies that were compiled into functions, those of each function together.
    pub inlined: Vec<InlinedBody>,
}

/// A function in the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PlacedFunction {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
    /// Where its inlined bodies begin.
    pub inlined: u32,
    /// Layout of its frame.
    pub record: FunctionRecord,
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

/// What type-dependent relocations are filled in with.
pub(crate) trait TypeRelocations {
    /// The engine's id of a type of the module.
    fn type_id(&self, index: u32) -> u32;
    /// Header of exceptions whose tag has this function type.
    fn exception_header(&self, index: u32) -> u32;
}

/// Where compiled functions go.
#[derive(Debug)]
pub(crate) struct CodeLayout {
    functions: Vec<PlacedFunction>,
    code_bytes: usize,
    safe_points: usize,
    traps: usize,
    inlined: usize,
}

impl CodeLayout {
    /// The layout of compiled functions (by defined index).
    ///
    /// # Errors
    /// More than 2 GiB of code.
    pub fn new(compiled: &[CompiledFunction]) -> Result<CodeLayout> {
        let mut used = 0usize;
        let place = |function: &CompiledFunction| {
            let start = used.next_multiple_of(FUNCTION_ALIGN);
            used = start + function.code.len();
            start
        };
        let starts: Vec<_> = compiled.iter().map(place).collect();
        // One byte more: a return address may lie behind the last function.
        let code_bytes = (used + 1).next_multiple_of(PAGE_BYTES);
        let bytes = code_bytes + slot_bytes(compiled.len());
        if bytes > i32::MAX as usize {
            return Err(Error::limit(format!("a module may have 2 GiB of code; this one has {bytes} bytes")));
        }
        let mut inlined = 0usize;
        let place = |(function, start): (&CompiledFunction, usize)| {
            let placed = PlacedFunction::new(function, start, inlined.narrow());
            inlined += function.inlined.len();
            placed
        };
        let functions = compiled.iter().zip(starts).map(place).collect();
        let safe_points = compiled.iter().map(|function| function.safe_points.len()).sum();
        let traps = compiled.iter().map(|function| function.traps.len()).sum();
        Ok(CodeLayout { functions, code_bytes, safe_points, traps, inlined })
    }

    /// Bytes of the code, whole pages.
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Bytes of code and slots, whole pages.
    pub fn bytes(&self) -> usize {
        self.code_bytes + slot_bytes(self.functions.len())
    }

    /// Writes a function to its place in `code`. Relocations name functions by their index in the module, which has
    /// `imported` ones before those that it defines.
    pub fn write(
        &self,
        defined: usize,
        function: &CompiledFunction,
        imported: u32,
        types: &dyn TypeRelocations,
        code: &mut [u8],
    ) {
        let at = self.functions[defined].start as usize;
        code[at..at + function.code.len()].copy_from_slice(&function.code);
        for relocation in &function.relocations {
            let field = at + relocation.offset as usize;
            let value = match type_value(relocation.target, types) {
                Ok(value) => value,
                Err(function) => {
                    let slot = self.code_bytes + (function - imported) as usize * SLOT_BYTES;
                    // What a 32-bit field holds to lead to the slot counts from the field's end.
                    (slot - (field + 4)).narrow()
                }
            };
            code[field..field + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Fields of the code that depend on the engine's types, with what they are filled in with.
    pub fn type_relocations<'c>(
        &'c self,
        compiled: &'c [CompiledFunction],
    ) -> impl Iterator<Item = (u32, RelocationTarget)> {
        self.functions.iter().zip(compiled).flat_map(|(placed, function)| {
            let of_types = function.relocations.iter();
            of_types
                .filter(|relocation| !matches!(relocation.target, RelocationTarget::FunctionSlot(_)))
                .map(|relocation| (placed.start + relocation.offset, relocation.target))
        })
    }

    /// What is known of the code.
    pub fn tables(self, compiled: impl IntoIterator<Item: Borrow<CompiledFunction>>) -> CodeTables {
        let mut safe_points = Vec::with_capacity(self.safe_points);
        let mut traps = Vec::with_capacity(self.traps);
        let mut inlined = Vec::with_capacity(self.inlined);
        for (function, placed) in compiled.into_iter().zip(&self.functions) {
            let function: &CompiledFunction = function.borrow();
            safe_points.extend(function.safe_points.iter().map(|point| SafePoint {
                pc: placed.start + point.pc,
                handler: match point.handler {
                    SafePoint::NO_HANDLER => SafePoint::NO_HANDLER,
                    handler => placed.start + handler,
                },
                ..*point
            }));
            traps.extend(function.traps.iter().map(|site| TrapSite { pc: placed.start + site.pc, ..*site }));
            inlined.extend_from_slice(&function.inlined);
        }
        let tables = CodeTables { functions: self.functions, safe_points, traps, inlined };
        assert!(tables.are_sorted(), "safe points or trap sites are not ascending");
        tables
    }
}

impl CodeTables {
    /// Whether binary searches find what there is.
    pub fn are_sorted(&self) -> bool {
        self.safe_points.is_sorted_by_key(|point| point.pc) && self.traps.is_sorted_by_key(|site| site.pc)
    }

    /// Whether each inlined body has a function, and a body around it that comes before; and whether what names a body
    /// names one of the function in which it lies.
    pub fn name_bodies(&self) -> bool {
        let CodeTables { functions, safe_points, traps, inlined } = self;
        let all = inlined.len();
        let starts = functions.iter().map(|function| function.inlined as usize);
        let ends = starts.clone().skip(1).chain([all]);
        let mut ranges = starts.zip(ends).map(|(start, end)| start..end);
        let are_known = |rows: Range<usize>| {
            let rows = &inlined[rows];
            rows.iter()
                .zip(0..=u16::MAX)
                .all(|(row, before)| (row.function as usize) < functions.len() && row.outer <= before)
        };
        let are_in_order = functions.first().is_none_or(|first| first.inlined == 0)
            && ranges.all(|rows| rows.start <= rows.end && rows.end <= all && are_known(rows));
        // A return address may be the first byte behind a function, a trap lies in it.
        let has = |function: usize, body: u16| {
            let Some(own) = function.checked_sub(1).and_then(|own| functions.get(own)) else { return body == 0 };
            let end = functions.get(function).map_or(all, |next| next.inlined as usize);
            usize::from(body) <= end - own.inlined as usize
        };
        let function_of = |pc: u32| functions.partition_point(|function| function.start <= pc);
        let names = |pc: u32, body: u16| body == 0 || has(function_of(pc), body);
        are_in_order
            && safe_points.iter().all(|point| names(point.pc.saturating_sub(1), point.body))
            && traps.iter().all(|site| names(site.pc, site.body))
    }
}

/// What a field holds that depends on a type, or else the index of the function whose slot it leads to.
pub(crate) fn type_value(target: RelocationTarget, types: &dyn TypeRelocations) -> Result<u32, u32> {
    match target {
        RelocationTarget::FunctionSlot(function) => Err(function),
        RelocationTarget::TypeId(index) => Ok(types.type_id(index)),
        RelocationTarget::TypeHeader(index) => Ok(types.type_id(index) << 8),
        RelocationTarget::ExceptionHeader(index) => Ok(types.exception_header(index)),
    }
}

/// Bytes of the slots of so many functions, whole pages.
pub(crate) fn slot_bytes(functions: usize) -> usize {
    (functions * SLOT_BYTES).next_multiple_of(PAGE_BYTES)
}

impl CodeImage {
    /// Places compiled functions (by defined index) in memory, and frees each as soon as that is done. Relocations name
    /// functions by their index in the module, which has `imported` ones before these.
    ///
    /// # Errors
    /// More than 2 GiB of code, or the system refuses.
    pub fn new(mut compiled: Vec<CompiledFunction>, imported: u32, types: &dyn TypeRelocations) -> Result<CodeImage> {
        let layout = CodeLayout::new(&compiled)?;
        let mut draft = Draft::zeroed(layout.bytes())?;
        for (defined, function) in compiled.iter_mut().enumerate() {
            layout.write(defined, function, imported, types, draft.bytes_mut());
            (function.code, function.relocations) = (Vec::new(), Vec::new());
        }
        let code = 0..layout.code_bytes();
        CodeImage::of_draft(draft, code, layout.tables(compiled))
    }

    /// Code that lies in a draft already, with relocations filled in; behind it is room for the slots.
    ///
    /// # Errors
    /// The system refuses.
    pub fn of_draft(mut draft: Draft, code: Range<usize>, tables: CodeTables) -> Result<CodeImage> {
        let start = draft.address() + code.start;
        let slots = draft.bytes_mut()[code.end..].chunks_exact_mut(SLOT_BYTES);
        for (slot, function) in slots.zip(&tables.functions) {
            let entry = if function.has_code() { start + function.start as usize } else { 0 };
            slot.copy_from_slice(&(entry as u64).to_le_bytes());
        }
        Ok(CodeImage { memory: Arc::new(draft.finish(code)?), tables })
    }

    /// Where the code lies.
    pub fn memory(&self) -> &Arc<CodeMemory> {
        &self.memory
    }

    /// First address.
    pub fn start(&self) -> usize {
        self.memory.start()
    }

    /// Address behind the code.
    pub fn end(&self) -> usize {
        self.memory.end()
    }

    /// Entry address of a function, by defined index, which something may enter.
    pub fn entry(&self, defined: u32) -> usize {
        let function = &self.tables.functions[defined as usize];
        assert!(function.has_code(), "a function that is entered has code");
        self.start() + function.start as usize
    }

    /// A function, by defined index.
    pub fn function(&self, defined: u32) -> &PlacedFunction {
        &self.tables.functions[defined as usize]
    }

    /// The bytes of a function, by defined index.
    pub fn function_bytes(&self, defined: u32) -> &[u8] {
        let PlacedFunction { start, end, .. } = self.tables.functions[defined as usize];
        self.memory.code(start as usize..end as usize)
    }

    /// Where an instruction of a function's frame comes from, by its body and its offset.
    #[inline]
    pub fn bodies(&self, defined: u32, body: u16, wasm_offset: u32) -> Bodies<'_> {
        let first = self.tables.functions[defined as usize].inlined as usize;
        Bodies { inlined: &self.tables.inlined[first..], function: defined, next: Some((body, wasm_offset)) }
    }

    /// Defined index of the function that `offset` lies in.
    #[inline]
    pub fn function_at(&self, offset: u32) -> Option<u32> {
        let functions = &self.tables.functions;
        let after = functions.partition_point(|function| function.start <= offset);
        let index = after.checked_sub(1)?;
        (offset < functions[index].end).then(|| index.narrow())
    }

    /// The safe point of a site.
    #[inline]
    pub(super) fn safe_point(&self, site: Site) -> &SafePoint {
        &self.tables.safe_points[site.point as usize]
    }

    /// The site of a return address. `guess` may be any: it is looked at first.
    #[inline]
    pub(super) fn site(&self, offset: u32, guess: Site) -> Option<Site> {
        if !self.is_site(guess, offset) {
            return self.find_site(offset);
        }
        debug_assert_eq!(self.find_site(offset), Some(guess), "a return address has one site");
        Some(guess)
    }

    fn is_site(&self, site: Site, offset: u32) -> bool {
        let (points, functions) = (&self.tables.safe_points, &self.tables.functions);
        points.get(site.point as usize).is_some_and(|point| point.pc == offset)
            && functions.get(site.defined as usize).is_some_and(|placed| placed.start < offset && offset <= placed.end)
    }

    fn find_site(&self, offset: u32) -> Option<Site> {
        let points = &self.tables.safe_points;
        let point = points.binary_search_by_key(&offset, |point| point.pc).ok()?;
        // A return address may be the first byte behind a function that ends with a call.
        let defined = self.function_at(offset.checked_sub(1)?)?;
        Some(Site { point: point.narrow(), defined })
    }

    /// The trap of an instruction.
    #[inline]
    pub fn trap_site(&self, offset: u32) -> Option<&TrapSite> {
        let index = self.tables.traps.partition_point(|site| site.pc < offset);
        self.tables.traps.get(index).filter(|site| site.pc == offset)
    }
}

impl PlacedFunction {
    /// Whether it has code. Where all calls of a function are inlined, it has none.
    pub fn has_code(&self) -> bool {
        self.start < self.end
    }

    fn new(function: &CompiledFunction, start: usize, inlined: u32) -> PlacedFunction {
        let end = start + function.code.len();
        PlacedFunction { start: start.narrow(), end: end.narrow(), inlined, record: function.record }
    }
}
