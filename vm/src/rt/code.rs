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
use super::parts::{Later, LaterPart, Part};
use crate::errors::{Error, Result};
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{
    CompiledFunction, FunctionRecord, InlinedBody, LoopHead, RelocationTarget, SafePoint, TrapSite,
};
use parking_lot::Mutex;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where functions begin: addresses are multiples of this.
pub(crate) const FUNCTION_ALIGN: usize = 16;
/// Bytes of a slot.
const SLOT_BYTES: usize = 8;
/// Bytes of the least room for functions that are compiled again.
const ROOM_BYTES_MIN: usize = 1 << 20;

/// The code of a module. Shared by all stores of its engine.
#[derive(Debug)]
pub(crate) struct CodeImage {
    memory: Arc<CodeMemory>,
    tables: CodeTables,
    /// What was compiled again since.
    later: Later,
    /// Held by whoever adds to that.
    turn: Mutex<()>,
    /// Frames that went on in newer code.
    replaced: AtomicU64,
    /// Heads of loops of the first code of functions, by defined index, as far as they were learned.
    heads: Mutex<HashMap<u32, Arc<[LoopHead]>>>,
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

/// What type-dependent relocations are filled in with.
pub(crate) trait TypeRelocations {
    /// The engine's id of a type of the module.
    fn type_id(&self, index: u32) -> u32;
    /// Header of exceptions whose tag has this function type.
    fn exception_header(&self, index: u32) -> u32;
}

/// Where the words behind the code lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// Offset of the first from the start of the code.
    pub start: usize,
    /// Number of functions that the module imports: relocations count them first.
    pub imported: u32,
    /// Number of functions that it defines.
    pub defined: usize,
}

impl Words {
    /// The position of a word.
    fn position(self, word: Word) -> usize {
        match word {
            Word::Entry(function) => (function - self.imported) as usize,
            Word::Counting(function) => slot_bytes(self.defined) / SLOT_BYTES + (function - self.imported) as usize,
        }
    }

    fn offset_of(self, word: Word) -> usize {
        self.start + self.position(word) * SLOT_BYTES
    }
}

/// Where compiled functions go.
#[derive(Debug)]
pub(crate) struct CodeLayout {
    functions: Vec<PlacedFunction>,
    /// Where the first function begins.
    start: usize,
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
        CodeLayout::from(0, compiled)
    }

    /// The layout of compiled functions from an offset on, that of a page.
    fn from(start: usize, compiled: &[CompiledFunction]) -> Result<CodeLayout> {
        let mut used = start;
        let place = |function: &CompiledFunction| {
            let start = used.next_multiple_of(FUNCTION_ALIGN);
            used = start + function.code.len();
            start
        };
        let starts: Vec<_> = compiled.iter().map(place).collect();
        // One byte more: a return address may lie behind the last function.
        let code_bytes = (used + 1).next_multiple_of(PAGE_BYTES) - start;
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
        Ok(CodeLayout { functions, start, code_bytes, safe_points, traps, inlined })
    }

    /// Bytes of the code, whole pages.
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Bytes of code and slots, whole pages.
    pub fn bytes(&self) -> usize {
        self.code_bytes + slot_bytes(self.functions.len())
    }

    /// Writes a function, by its row, to its place in `code`.
    pub fn write(
        &self,
        row: usize,
        function: &CompiledFunction,
        words: Words,
        types: &dyn TypeRelocations,
        code: &mut [u8],
    ) {
        let placed = self.functions[row].start as usize;
        let at = placed - self.start;
        code[at..at + function.code.len()].copy_from_slice(&function.code);
        for relocation in &function.relocations {
            let offset = relocation.offset as usize;
            let value: u32 = match type_value(relocation.target, types) {
                Ok(value) => value,
                Err(word) => {
                    let slot = words.offset_of(word).narrow::<i32>();
                    // What a 32-bit field holds to lead to the slot counts from the field's end.
                    (slot - (placed + offset + 4).narrow::<i32>()).cast_unsigned()
                }
            };
            code[at + offset..at + offset + 4].copy_from_slice(&value.to_le_bytes());
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
                .filter(|relocation| {
                    let target = relocation.target;
                    !matches!(target, RelocationTarget::FunctionSlot(_) | RelocationTarget::CountingWord(_))
                })
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
        // Rows ascend as a rule: the next one is of the function that was found last, or of one behind it.
        let mut last = 0;
        let mut function_of = |pc: u32| {
            let starts_by = |function: usize| functions.get(function).is_some_and(|function| function.start <= pc);
            if starts_by(last) || !last.checked_sub(1).is_none_or(starts_by) {
                last = functions.partition_point(|function| function.start <= pc);
            }
            last
        };
        let mut names = |pc: u32, body: u16| body == 0 || has(function_of(pc), body);
        are_in_order
            && safe_points.iter().all(|point| names(point.pc.saturating_sub(1), point.body))
            && traps.iter().all(|site| names(site.pc, site.body))
    }
}

/// A word behind the code that a field leads to, of a function by its index among all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// The address of its code.
    Entry(u32),
    /// Whether it counts what it calls.
    Counting(u32),
}

/// What a field holds that depends on a type, or else the word that it leads to.
pub(crate) fn type_value(target: RelocationTarget, types: &dyn TypeRelocations) -> Result<u32, Word> {
    match target {
        RelocationTarget::FunctionSlot(function) => Err(Word::Entry(function)),
        RelocationTarget::CountingWord(function) => Err(Word::Counting(function)),
        RelocationTarget::TypeId(index) => Ok(types.type_id(index)),
        RelocationTarget::TypeHeader(index) => Ok(types.type_id(index) << 8),
        RelocationTarget::ExceptionHeader(index) => Ok(types.exception_header(index)),
    }
}

/// The heads of loops of a function that was placed.
fn placed_heads(placed: &PlacedFunction, compiled: &CompiledFunction) -> impl Iterator<Item = LoopHead> {
    let start = placed.start;
    compiled.loop_heads.iter().map(move |head| LoopHead { pc: start + head.pc, ..head.clone() })
}

/// What is set aside for functions that are compiled again: as much as twice the code, at least some dozen functions.
fn room_bytes(layout: &CodeLayout) -> usize {
    let wanted = (2 * layout.code_bytes()).max(ROOM_BYTES_MIN);
    let most = (i32::MAX as usize).saturating_sub(2 * layout.bytes()) / PAGE_BYTES * PAGE_BYTES;
    wanted.min(most)
}

/// Bytes of the slots of so many functions, whole pages.
pub(crate) fn slot_bytes(functions: usize) -> usize {
    (functions * SLOT_BYTES).next_multiple_of(PAGE_BYTES)
}

impl CodeImage {
    /// Places compiled functions (by defined index) in memory, and frees each as soon as that is done. Relocations name
    /// functions by their index in the module, which has `imported` ones before these. Some of them can be compiled
    /// again later if it has room.
    ///
    /// # Errors
    /// More than 2 GiB of code, or the system refuses.
    pub fn new(
        mut compiled: Vec<CompiledFunction>,
        imported: u32,
        types: &dyn TypeRelocations,
        has_room: bool,
    ) -> Result<CodeImage> {
        let layout = CodeLayout::new(&compiled)?;
        let room = if has_room { room_bytes(&layout) } else { 0 };
        let counting = if has_room { slot_bytes(compiled.len()) } else { 0 };
        // Where the system refuses the room, there is none.
        let with_room = (room > 0).then(|| Draft::zeroed(layout.bytes() + counting + room).ok()).flatten();
        let room = if with_room.is_some() { room } else { 0 };
        let mut draft = with_room.map_or_else(|| Draft::zeroed(layout.bytes()), Ok)?;
        let slots = layout.code_bytes();
        let words = Words { start: slots, imported, defined: compiled.len() };
        for (defined, function) in compiled.iter_mut().enumerate() {
            layout.write(defined, function, words, types, draft.bytes_mut());
            (function.code, function.relocations) = (Vec::new(), Vec::new());
        }
        CodeImage::with_room(draft, 0..slots, room, layout.tables(compiled))
    }

    /// Code that lies in a draft already, with relocations filled in; behind it is room for the slots. Some of its
    /// functions can be compiled again later if it `has_room`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn of_draft(mut draft: Draft, code: Range<usize>, tables: CodeTables, has_room: bool) -> Result<CodeImage> {
        let slots = slot_bytes(tables.functions.len());
        // Nothing comes between the slots and what counts.
        let is_close = draft.bytes().len().next_multiple_of(PAGE_BYTES) == code.end + slots;
        let can_grow = has_room && is_close && slots < draft.behind() && draft.extend(slots).is_ok();
        let room = if can_grow { draft.behind() } else { 0 };
        CodeImage::with_room(draft, code, room, tables)
    }

    /// As [`CodeImage::of_draft`]; behind the slots are `room` bytes for what is compiled again.
    fn with_room(mut draft: Draft, code: Range<usize>, room: usize, tables: CodeTables) -> Result<CodeImage> {
        let start = draft.address() + code.start;
        let slots = draft.bytes_mut()[code.end..].chunks_exact_mut(SLOT_BYTES);
        for (slot, function) in slots.zip(&tables.functions) {
            let entry = if function.has_code() { start + function.start as usize } else { 0 };
            slot.copy_from_slice(&(entry as u64).to_le_bytes());
        }
        let memory = draft.finish(code, room)?;
        let later = Later::new((room > 0).then(|| memory.room().start.narrow()));
        Ok(CodeImage {
            memory: Arc::new(memory),
            tables,
            later,
            turn: Mutex::default(),
            replaced: AtomicU64::new(0),
            heads: Mutex::default(),
        })
    }

    /// Whether functions can be compiled again, and count what they call: there is room for that.
    pub fn has_room(&self) -> bool {
        !self.memory.room().is_empty()
    }

    /// Adds functions, by defined index, that were compiled again, and has calls by name go there from now on. Those that
    /// had no code come behind what calls them. Says whether there was room.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(
        &self,
        functions: Vec<u32>,
        compiled: &[CompiledFunction],
        imported: u32,
        types: &dyn TypeRelocations,
    ) -> Result<bool> {
        let _turn = self.turn.lock();
        let counts = compiled.iter().any(|function| !function.counted.is_empty());
        let (Some(start), room) = (self.later.next_start(), self.memory.room()) else { return Ok(false) };
        let layout = CodeLayout::from(start as usize, compiled)?;
        if layout.code_bytes() > room.end - start as usize {
            return Ok(false);
        }
        let mut code = vec![0; layout.code_bytes()];
        let words = self.words(imported);
        for (row, function) in compiled.iter().enumerate() {
            layout.write(row, function, words, types, &mut code);
        }
        // SAFETY: R17: parts lie behind each other, and whoever adds one has the module's lock.
        unsafe { self.memory.fill(start as usize, &code)? };
        let entries: Vec<_> = layout.functions.iter().map(|placed| placed.start).collect();
        let offsets = start..start + layout.code_bytes().narrow::<u32>();
        let heads = layout.functions.iter().zip(compiled);
        let loop_heads = heads.flat_map(|(placed, function)| placed_heads(placed, function)).collect();
        let (rows, tables) = (functions.clone(), layout.tables(compiled));
        self.later.add(LaterPart { offsets, functions: rows, tables, loop_heads, counts });
        // Whoever comes there finds the part. What had no code is entered from here only, so it leads somewhere first.
        for (defined, entry) in functions.iter().zip(entries).rev() {
            let entry = (self.start() + entry as usize) as u64;
            self.memory.slot(*defined as usize).store(entry, Ordering::Release);
        }
        let callees = compiled.iter().flat_map(CompiledFunction::callees);
        let mut callees = callees.map(|callee| callee - imported);
        assert!(callees.all(|callee| self.has_code(callee)), "what is called has code");
        self.later.enter();
        Ok(true)
    }

    /// How many bodies are inlined in the first code of a function, by defined index.
    pub fn first_inlined(&self, defined: u32) -> usize {
        let all = self.tables.inlined.len();
        let end = self.tables.functions.get(defined as usize + 1).map_or(all, |next| next.inlined as usize);
        end - self.function(defined).inlined as usize
    }

    /// Learns where the first code of a function, by defined index, has what it needs at the heads of its loops, from the
    /// function compiled once more in the same way. If that has other code after all, no head is known.
    pub fn learn_heads(&self, defined: u32, compiled: &CompiledFunction) {
        let placed = self.function(defined);
        let is_same = placed.record == compiled.record && self.has_bytes(defined, compiled);
        debug_assert!(is_same, "a function that is compiled twice in the same way has the same code");
        let heads = if is_same { placed_heads(placed, compiled).collect() } else { Arc::default() };
        self.heads.lock().insert(defined, heads);
    }

    /// A frame went on in newer code.
    pub(super) fn note_replaced(&self) {
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    /// How many frames went on in newer code.
    pub fn replaced_frames(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Whether the first code of a function has the bytes of this one, but for fields that are filled in.
    fn has_bytes(&self, defined: u32, compiled: &CompiledFunction) -> bool {
        let bytes = self.function_bytes(defined);
        let fields = compiled.relocations.iter().map(|relocation| relocation.offset as usize);
        let mut fields: Vec<usize> = fields.collect();
        fields.sort_unstable();
        let starts = std::iter::once(0).chain(fields.iter().map(|field| field + 4));
        let ends = fields.iter().copied().chain([bytes.len()]);
        bytes.len() == compiled.code.len()
            && starts.zip(ends).all(|(start, end)| bytes[start..end] == compiled.code[start..end])
    }

    /// The heads of loops of the first code of a function, by defined index, if they were learned.
    pub(super) fn learned_heads(&self, defined: u32) -> Option<Arc<[LoopHead]>> {
        self.heads.lock().get(&defined).cloned()
    }

    fn words(&self, imported: u32) -> Words {
        Words { start: self.end() - self.start(), imported, defined: self.tables.functions.len() }
    }

    /// Has a function, by defined index, count what it calls, if its code does that; or count no longer. There is room
    /// ([`CodeImage::has_room`]).
    pub fn set_counting(&self, defined: u32, counts: bool) {
        let position = self.words(0).position(Word::Counting(defined));
        self.memory.slot(position).store(counts.into(), Ordering::Relaxed);
    }

    /// Bytes of the code, whole pages: of all parts.
    pub fn code_bytes(&self) -> usize {
        let later = self.later.end() - self.later.start;
        self.end() - self.start() + later as usize
    }

    /// The functions that were compiled again, in that order: the defined index, the address and the bytes of the code,
    /// and whether it counts what calls by reference call.
    pub fn later_functions(&self) -> impl Iterator<Item = (u32, usize, usize, bool)> {
        self.later.all().flat_map(|part| {
            part.functions.iter().zip(&part.tables.functions).map(|(defined, placed)| {
                (*defined, self.start() + placed.start as usize, (placed.end - placed.start) as usize, part.counts)
            })
        })
    }

    /// Has a function, by defined index, run the code again that it had at first. One that had none keeps what it has.
    pub fn go_back(&self, defined: u32) {
        if self.function(defined).has_code() {
            self.memory.slot(defined as usize).store(self.first_entry(defined) as u64, Ordering::Release);
        }
    }

    /// How many parts were added, and are entered.
    pub fn later_parts(&self) -> usize {
        self.later.entered()
    }

    /// The functions, by defined index, that were compiled again when there were so many parts already.
    pub fn compiled_behind(&self, parts: usize) -> impl Iterator<Item = u32> {
        self.later.functions_behind(parts)
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

    /// Address behind all code that there may ever be.
    pub fn later_end(&self) -> usize {
        self.end().max(self.start() + self.memory.room().end)
    }

    /// Entry address of a function, by defined index, which something may enter: of the code that was compiled last.
    pub fn entry(&self, defined: u32) -> usize {
        let entry = self.memory.slot(defined as usize).load(Ordering::Acquire);
        assert!(entry != 0, "a function that is entered has code");
        entry.narrow()
    }

    /// Address of the code of a function, by defined index, that was compiled with the module.
    pub fn first_entry(&self, defined: u32) -> usize {
        let function = &self.tables.functions[defined as usize];
        assert!(function.has_code(), "a function that is entered has code");
        self.start() + function.start as usize
    }

    /// Whether a function, by defined index, has code by now.
    pub fn has_code(&self, defined: u32) -> bool {
        self.memory.slot(defined as usize).load(Ordering::Acquire) != 0
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

    /// The part of the code that lies at an offset from its start.
    #[inline]
    pub fn part(&self, offset: u32) -> Part<'_> {
        self.part_at(offset).0
    }

    /// The part of the code that lies at an offset from its start, and the offsets that lie in it.
    #[inline]
    pub fn part_at(&self, offset: u32) -> (Part<'_>, Range<u32>) {
        self.later.part(offset).unwrap_or_else(|| (Part::first(&self.tables), 0..self.later.start))
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
