//! A decoded module as words, from which it is there again without reading its binary.
//!
//! Images of compiled code have this beside the module's bytes. It holds all of [`ModuleInfo`] but the bytes and the
//! types, which [`encode_section`](crate::encode_section) writes, and what is found in the bytes when somebody asks
//! (names, instructions of constant expressions) or is short (branch hints).
//!
//! Whoever reads it relies on nothing: each index, range and count is compared with what it leads into, so that damage
//! is an answer of none. That a constant expression lies at its place is the one thing that is not looked at.

use crate::branch_hints::{self, BranchHints};
use crate::decode::CODE;
use crate::group_key::encode_field;
use crate::{
    CompositeKind, ConstExpr, ConstItems, DataSegment, ElementItems, ElementSegment, ExportIndex, ExternType,
    FieldType, GlobalType, GroupReader, HeapType, Import, MemoryType, ModuleInfo, RefType, Section, SegmentMode,
    StorageType, TableType, TypeIndex, ValType, Word,
};
use std::ops::Range;

/// Kinds of imports and exports.
const FUNC: u32 = 0;
const TABLE: u32 = 1;
const MEMORY: u32 = 2;
const GLOBAL: u32 = 3;
const TAG: u32 = 4;

/// Modes of segments.
const PASSIVE: u32 = 0;
const ACTIVE: u32 = 1;
const DECLARED: u32 = 2;

/// Kinds of elements.
const FUNCTIONS: u32 = 0;
const EXPRESSIONS: u32 = 1;

impl ModuleInfo {
    /// Appends the module in words, without its bytes and its types.
    pub fn write_form(&self, words: &mut Vec<u32>) {
        let mut out = Writer { words };
        out.word(self.constant_ops() as u32);
        out.list(&self.imports, |out, import| {
            out.text(&import.module);
            out.text(&import.name);
            out.extern_type(&import.ty);
        });
        out.numbers(&self.functions[self.imported_functions as usize..]);
        let tables = self.tables[self.imported_tables as usize..].iter().zip(&self.table_inits);
        out.list(tables, |out, (table, init)| {
            out.table(table);
            out.option(init.as_ref(), |out, init| out.constant(init));
        });
        out.list(&self.memories[self.imported_memories as usize..], Writer::memory);
        let globals = self.globals[self.imported_globals as usize..].iter().zip(&self.global_inits);
        out.list(globals, |out, (global, init)| {
            out.global(global);
            out.constant(init);
        });
        out.numbers(&self.tags[self.imported_tags as usize..]);
        out.list(&self.exports, |out, (name, index)| {
            out.text(name);
            out.export(*index);
        });
        out.option(self.start, Writer::word);
        out.list(&self.elements, Writer::element);
        out.option(self.data_count, Writer::word);
        out.list(&self.data, |out, segment| {
            out.mode(&segment.mode);
            out.range(&segment.range);
        });
        out.list(&self.bodies, Writer::range);
        out.numbers(&self.escaping);
        out.list(&self.sections, |out, section| {
            out.word(section.id.into());
            out.text(&section.name);
            out.range(&section.range);
        });
    }

    /// The module of these words, but for its bytes, which are `module`, and its types, of which `kind` says what they
    /// are; none if the words are none that [`ModuleInfo::write_form`] writes of such a module. Whoever calls this sets
    /// [`ModuleInfo::bytes`] and [`ModuleInfo::types`].
    pub fn read_form<W: Word>(
        words: &[W],
        module: &[u8],
        kind: &dyn Fn(TypeIndex) -> Option<CompositeKind>,
    ) -> Option<ModuleInfo> {
        let mut form = Reader { words: GroupReader::new(words), module, kind, constants: 0 };
        let mut info = ModuleInfo::default();
        form.constants = form.word()?;
        info.set_constant_ops(form.constants as usize);
        form.imports(&mut info)?;
        info.functions.extend(form.functions()?);
        for _ in 0..form.count()? {
            info.tables.push(form.table()?);
            info.table_inits.push(form.option(Reader::constant)?);
        }
        for _ in 0..form.count()? {
            info.memories.push(form.memory()?);
        }
        let globals = form.count()?;
        info.globals.reserve(globals);
        info.global_inits.reserve(globals);
        for _ in 0..globals {
            info.globals.push(form.global()?);
            info.global_inits.push(form.constant()?);
        }
        info.tags.extend(form.functions()?);
        for _ in 0..form.count()? {
            let export = (form.text()?, form.export(&info)?);
            info.exports.push(export);
        }
        let functions = info.functions.len();
        info.start = form.option(|form| form.below(functions))?;
        for _ in 0..form.count()? {
            let element = form.element(&info)?;
            info.elements.push(element);
        }
        info.data_count = form.option(Reader::word)?;
        for _ in 0..form.count()? {
            let mode = form.mode(info.memories.len())?;
            info.data.push(DataSegment { mode, range: form.range()? });
        }
        info.bodies = form.list(Reader::range)?;
        info.escaping = form.numbers_below(functions)?;
        info.sections = form.list(|form| {
            Some(Section { id: u8::try_from(form.word()?).ok()?, name: form.text()?, range: form.range()? })
        })?;
        let defined = functions - info.imported_functions as usize;
        let is_whole = info.bodies.len() == defined && info.escaping.is_sorted_by(|a, b| a < b);
        if !is_whole || !form.words.is_at_end() {
            return None;
        }
        info.branch_hints = hints_of(&info, module);
        Some(info)
    }
}

/// Branch hints: the first such section counts, and only before the code.
fn hints_of(info: &ModuleInfo, module: &[u8]) -> BranchHints {
    let before = info.sections.iter().take_while(|section| section.id != CODE);
    let section = before.filter(|section| section.id == 0).find(|section| section.name == branch_hints::SECTION);
    let functions = info.imported_functions..info.functions.len() as u32;
    let read = |section: &Section| BranchHints::read(&module[section.range.clone()], functions);
    section.and_then(read).unwrap_or_default()
}

struct Writer<'w> {
    words: &'w mut Vec<u32>,
}

impl Writer<'_> {
    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    fn long(&mut self, long: u64) {
        self.words.extend_from_slice(&[long as u32, (long >> 32) as u32]);
    }

    fn flag(&mut self, flag: bool) {
        self.word(flag.into());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        write: impl Fn(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.word(items.len() as u32);
        items.for_each(|item| write(self, item));
    }

    fn numbers(&mut self, numbers: &[u32]) {
        self.word(numbers.len() as u32);
        self.words.extend_from_slice(numbers);
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u32);
        for bytes in text.as_bytes().chunks(4) {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            self.word(u32::from_le_bytes(word));
        }
    }

    fn range(&mut self, range: &Range<usize>) {
        self.words.extend_from_slice(&[range.start as u32, range.end as u32]);
    }

    fn constant(&mut self, place: &ConstExpr) {
        self.words.extend_from_slice(&place.to_words());
    }

    fn reference(&mut self, ty: RefType) {
        self.global(&GlobalType { val: ValType::Ref(ty), mutable: false });
    }

    fn global(&mut self, ty: &GlobalType) {
        encode_field(FieldType { storage: StorageType::Val(ty.val), mutable: ty.mutable }, self.words);
    }

    fn table(&mut self, ty: &TableType) {
        let TableType { element, min, max, table64 } = *ty;
        self.reference(element);
        self.long(min);
        self.option(max, Writer::long);
        self.flag(table64);
    }

    fn memory(&mut self, ty: &MemoryType) {
        let MemoryType { min, max, memory64, shared, page_size_log2 } = *ty;
        self.long(min);
        self.option(max, Writer::long);
        self.flag(memory64);
        self.flag(shared);
        self.word(page_size_log2);
    }

    fn extern_type(&mut self, ty: &ExternType) {
        match ty {
            ExternType::Func(ty) => self.words.extend_from_slice(&[FUNC, *ty]),
            ExternType::Table(ty) => {
                self.word(TABLE);
                self.table(ty);
            }
            ExternType::Memory(ty) => {
                self.word(MEMORY);
                self.memory(ty);
            }
            ExternType::Global(ty) => {
                self.word(GLOBAL);
                self.global(ty);
            }
            ExternType::Tag(ty) => self.words.extend_from_slice(&[TAG, *ty]),
        }
    }

    fn export(&mut self, index: ExportIndex) {
        let words = match index {
            ExportIndex::Func(index) => [FUNC, index],
            ExportIndex::Table(index) => [TABLE, index],
            ExportIndex::Memory(index) => [MEMORY, index],
            ExportIndex::Global(index) => [GLOBAL, index],
            ExportIndex::Tag(index) => [TAG, index],
        };
        self.words.extend_from_slice(&words);
    }

    fn mode(&mut self, mode: &SegmentMode) {
        match mode {
            SegmentMode::Passive => self.word(PASSIVE),
            SegmentMode::Declared => self.word(DECLARED),
            SegmentMode::Active { index, offset } => {
                self.words.extend_from_slice(&[ACTIVE, *index]);
                self.constant(offset);
            }
        }
    }

    fn element(&mut self, segment: &ElementSegment) {
        let ElementSegment { mode, ty, items } = segment;
        self.mode(mode);
        self.reference(*ty);
        match items {
            ElementItems::Functions(functions) => {
                self.word(FUNCTIONS);
                self.numbers(functions);
            }
            ElementItems::Expressions(items) => {
                self.word(EXPRESSIONS);
                self.words.extend_from_slice(&items.to_words());
            }
        }
    }
}

struct Reader<'f, W> {
    words: GroupReader<'f, W>,
    module: &'f [u8],
    kind: &'f dyn Fn(TypeIndex) -> Option<CompositeKind>,
    /// Instructions of constant expressions.
    constants: u32,
}

impl<W: Word> Reader<'_, W> {
    fn word(&mut self) -> Option<u32> {
        self.words.word()
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from(self.word()?) | u64::from(self.word()?) << 32)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.word()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Some(None),
        }
    }

    /// Number of items of a list, of which each has a word at least.
    fn count(&mut self) -> Option<usize> {
        let count = self.word()? as usize;
        (count <= self.words.left()).then_some(count)
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }

    fn below(&mut self, end: usize) -> Option<u32> {
        self.word().filter(|index| (*index as usize) < end)
    }

    fn numbers_below(&mut self, end: usize) -> Option<Vec<u32>> {
        let count = self.count()?;
        let numbers: Vec<u32> = self.words.next_words(count)?.iter().map(|word| word.value()).collect();
        numbers.iter().all(|number| (*number as usize) < end).then_some(numbers)
    }

    fn text(&mut self) -> Option<String> {
        let bytes = self.word()? as usize;
        let words = self.words.next_words(bytes.div_ceil(4))?;
        let mut text: Vec<u8> = words.iter().flat_map(|word| word.value().to_le_bytes()).collect();
        let is_filled_up = text[bytes..].iter().all(|byte| *byte == 0);
        text.truncate(bytes);
        String::from_utf8(text).ok().filter(|_| is_filled_up)
    }

    fn range(&mut self) -> Option<Range<usize>> {
        let (start, end) = (self.word()? as usize, self.word()? as usize);
        (start <= end && end <= self.module.len()).then_some(start..end)
    }

    fn constant(&mut self) -> Option<ConstExpr> {
        let words = [self.word()?, self.word()?, self.word()?];
        ConstExpr::of_words(words, self.module.len(), self.constants)
    }

    fn function_type(&mut self) -> Option<TypeIndex> {
        self.word().filter(|ty| (self.kind)(*ty) == Some(CompositeKind::Func))
    }

    /// Functions or tags, by their types.
    fn functions(&mut self) -> Option<Vec<TypeIndex>> {
        self.list(Reader::function_type)
    }

    fn global(&mut self) -> Option<GlobalType> {
        let FieldType { storage: StorageType::Val(val), mutable } = self.words.field()? else { return None };
        if let ValType::Ref(RefType { heap: HeapType::Type(index), .. }) = val {
            (self.kind)(index)?;
        }
        Some(GlobalType { val, mutable })
    }

    fn reference(&mut self) -> Option<RefType> {
        match self.global()? {
            GlobalType { val: ValType::Ref(ty), mutable: false } => Some(ty),
            _ => None,
        }
    }

    fn table(&mut self) -> Option<TableType> {
        let (element, min, max) = (self.reference()?, self.long()?, self.option(Reader::long)?);
        Some(TableType { element, min, max, table64: self.flag()? })
    }

    fn memory(&mut self) -> Option<MemoryType> {
        let (min, max) = (self.long()?, self.option(Reader::long)?);
        let (memory64, shared, page_size_log2) = (self.flag()?, self.flag()?, self.word()?);
        Some(MemoryType { min, max, memory64, shared, page_size_log2 }).filter(|ty| ty.check().is_ok())
    }

    fn imports(&mut self, info: &mut ModuleInfo) -> Option<()> {
        for _ in 0..self.count()? {
            let (module, name) = (self.text()?, self.text()?);
            let ty = match self.word()? {
                FUNC => ExternType::Func(self.function_type()?),
                TABLE => ExternType::Table(self.table()?),
                MEMORY => ExternType::Memory(self.memory()?),
                GLOBAL => ExternType::Global(self.global()?),
                TAG => ExternType::Tag(self.function_type()?),
                _ => return None,
            };
            info.push_import(Import { module, name, ty });
        }
        Some(())
    }

    fn export(&mut self, info: &ModuleInfo) -> Option<ExportIndex> {
        Some(match self.word()? {
            FUNC => ExportIndex::Func(self.below(info.functions.len())?),
            TABLE => ExportIndex::Table(self.below(info.tables.len())?),
            MEMORY => ExportIndex::Memory(self.below(info.memories.len())?),
            GLOBAL => ExportIndex::Global(self.below(info.globals.len())?),
            TAG => ExportIndex::Tag(self.below(info.tags.len())?),
            _ => return None,
        })
    }

    fn mode(&mut self, targets: usize) -> Option<SegmentMode> {
        Some(match self.word()? {
            PASSIVE => SegmentMode::Passive,
            ACTIVE => SegmentMode::Active { index: self.below(targets)?, offset: self.constant()? },
            DECLARED => SegmentMode::Declared,
            _ => return None,
        })
    }

    fn element(&mut self, info: &ModuleInfo) -> Option<ElementSegment> {
        let (mode, ty) = (self.mode(info.tables.len())?, self.reference()?);
        let items = match self.word()? {
            FUNCTIONS => ElementItems::Functions(self.numbers_below(info.functions.len())?.into()),
            EXPRESSIONS => {
                let words = [self.word()?, self.word()?, self.word()?, self.word()?];
                ElementItems::Expressions(ConstItems::of_words(words, self.module.len(), self.constants)?)
            }
            _ => return None,
        };
        Some(ElementSegment { mode, ty, items })
    }
}
