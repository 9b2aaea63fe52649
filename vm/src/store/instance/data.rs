//! An instance: its module, its context, and where its parts are in the store's lists.

use crate::module::Module;
use crate::rt::cells::Block;
use crate::store::checkpoint::{Reader, Writer};
use heapwood_gc_abi::{Mutant, RawRef, active};
use heapwood_module::ElementItems;

/// An instance: its module, its context, and its parts' positions in the store's lists, by index in the module.
#[derive(Clone, Debug)]
pub(crate) struct InstanceData {
    module: Module,
    context: Block,
    context_ref: RawRef,
    memories: Vec<u32>,
    tables: Vec<u32>,
    globals: Vec<u32>,
    tags: Vec<u32>,
    /// Objects of the imported functions.
    imported_functions: Vec<RawRef>,
    /// Elements of the segments that are expressions, until dropped.
    segments: Vec<Option<Box<[RawRef]>>>,
    /// The segments were seen by a collection since they were made.
    settled: bool,
    /// Parts of the module's code that objects of its functions may name.
    code_parts: usize,
}

/// A list of positions: to read it, one of them, to add one.
macro_rules! positions {
    ($($list:ident $one:ident $add:ident;)*) => {
        $(
            /// Where these parts are in the store's list.
            pub fn $list(&self) -> &[u32] {
                &self.$list
            }

            /// Where one of them is.
            pub fn $one(&self, index: u32) -> u32 {
                self.$list[index as usize]
            }

            /// The next one is there.
            pub(super) fn $add(&mut self, position: u32) {
                self.$list.push(position);
            }
        )*
    };
}

impl InstanceData {
    /// An instance without parts. The block, whose reference is `context_ref`, is its context.
    pub(super) fn new(module: &Module, context: Block, context_ref: RawRef) -> InstanceData {
        InstanceData {
            module: module.clone(),
            context,
            context_ref,
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            imported_functions: Vec::new(),
            segments: Vec::new(),
            settled: true,
            code_parts: module.code().later_parts(),
        }
    }

    /// The functions of the module, by defined index, that were compiled again since this was asked.
    pub fn new_code(&mut self) -> Vec<u32> {
        let code = self.module.code();
        let before = self.code_parts;
        // Parts that come meanwhile are seen the next time.
        self.code_parts = code.later_parts();
        if before == self.code_parts { Vec::new() } else { code.compiled_behind(before).collect() }
    }

    positions! {
        memories memory add_memory;
        tables table add_table;
        globals global add_global;
        tags tag add_tag;
    }

    /// The instance that this one becomes in a store made of a checkpoint; `bases` as of [`Block::moved`].
    pub fn moved(&self, bases: (usize, usize)) -> InstanceData {
        InstanceData { context: self.context.moved(bases), ..self.clone() }
    }

    /// Writes the instance to a checkpoint, without its module.
    pub fn save(&self, out: &mut Writer) {
        let InstanceData {
            module: _,
            context,
            context_ref,
            memories,
            tables,
            globals,
            tags,
            imported_functions,
            segments,
            settled: _,
            code_parts: _,
        } = self;
        out.block(*context);
        out.u32(*context_ref);
        [memories, tables, globals, tags, imported_functions].into_iter().for_each(|list| out.references(list));
        out.list(segments.iter(), |out, segment| {
            out.bool(segment.is_some());
            out.references(segment.as_deref().unwrap_or_default());
        });
    }

    /// An instance of a module as it was written down.
    pub fn of_saved(module: &Module, saved: &mut Reader<'_>) -> Option<InstanceData> {
        let mut instance = InstanceData::new(module, saved.block()?, saved.u32()?);
        let lists = [
            &mut instance.memories,
            &mut instance.tables,
            &mut instance.globals,
            &mut instance.tags,
            &mut instance.imported_functions,
        ];
        for list in lists {
            *list = saved.references()?;
        }
        instance.segments = saved.list(|saved| {
            let (is_there, elements) = (saved.bool()?, saved.references()?);
            Some(is_there.then(|| elements.into_boxed_slice()))
        })?;
        let info = module.info();
        let counts = [info.memories.len(), info.tables.len(), info.globals.len(), info.tags.len()];
        let lists = [&instance.memories, &instance.tables, &instance.globals, &instance.tags];
        let fits = counts.iter().zip(lists).all(|(count, list)| *count == list.len())
            && instance.imported_functions.len() == info.imported_functions as usize
            && instance.segments.len() == info.elements.len()
            && instance.context.holds(module.layout().size_bytes);
        fits.then_some(instance)
    }

    /// The objects of imported functions.
    pub fn imported_functions(&self) -> &[RawRef] {
        &self.imported_functions
    }

    /// The instance's module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The instance's context.
    pub fn context(&self) -> Block {
        self.context
    }

    /// A reference to its context, as objects of its functions hold it.
    pub fn context_ref(&self) -> RawRef {
        self.context_ref
    }

    /// The next imported function.
    pub(super) fn add_imported_function(&mut self, object: RawRef) {
        self.imported_functions.push(object);
    }

    /// The object of an imported function; none of others.
    pub(super) fn imported_function(&self, function: u32) -> Option<RawRef> {
        self.imported_functions.get(function as usize).copied()
    }

    /// The object of a function; none if it never becomes a reference.
    pub fn function_object(&self, function: u32) -> Option<RawRef> {
        if let Some(imported) = self.imported_function(function) {
            return Some(imported);
        }
        Some(self.context.u32(self.module.layout().function_object_offset(function)?))
    }

    /// The next element segment has so many elements that are expressions, null until they are set.
    pub(super) fn add_segment(&mut self, elements: usize) {
        self.segments.push(Some(vec![0; elements].into_boxed_slice()));
    }

    /// Sets an element of a segment that was not dropped.
    pub(super) fn set_element(&mut self, segment: usize, element: usize, value: RawRef) {
        // A collection may have come since the last element.
        self.settled = false;
        self.segments[segment].as_mut().expect("nothing dropped it")[element] = value;
    }

    /// Number of elements of a segment that are expressions; none once dropped.
    pub(super) fn segment_len(&self, segment: usize) -> usize {
        self.segments[segment].as_ref().map_or(0, |elements| elements.len())
    }

    /// Drops an element segment; its elements that are expressions.
    pub(super) fn take_segment(&mut self, segment: u32) -> Box<[RawRef]> {
        let dropped = !active(Mutant::DroppedFunctionsRead);
        self.context.set_u8(self.module.layout().element_dropped_offset(segment), dropped.into());
        self.segments.get_mut(segment as usize).and_then(Option::take).unwrap_or_default()
    }

    /// Whether a collection has seen the segments since they were made.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// A collection promoted everything that the segments name.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// Calls `visit` with the elements of each segment; returns how many there are.
    pub fn each_segment(&mut self, mut visit: impl FnMut(&mut [RawRef])) -> u64 {
        let mut count = 0;
        for elements in self.segments.iter_mut().flatten() {
            count += elements.len() as u64;
            visit(elements);
        }
        count
    }

    /// The elements of all segments that are expressions.
    pub fn segment_references(&self) -> impl Iterator<Item = RawRef> {
        self.segments.iter().flatten().flat_map(|elements| elements.iter().copied())
    }

    /// Whether a segment has elements `offset..offset + len`. A dropped segment has no elements.
    pub(super) fn has_elements(&self, segment: u32, offset: u64, len: u64) -> bool {
        let dropped = self.context.u8(self.module.layout().element_dropped_offset(segment)) != 0;
        let count = match &self.module.info().elements[segment as usize].items {
            _ if dropped => 0,
            ElementItems::Functions(functions) => functions.len(),
            ElementItems::Expressions(_) => self.segment_len(segment as usize),
        };
        offset.checked_add(len).is_some_and(|end| end <= count as u64)
    }

    /// Elements `offset..offset + len` of a segment; none out of bounds. A dropped segment has no elements.
    pub fn segment_elements(&self, segment: u32, offset: u64, len: u64) -> Option<Box<[RawRef]>> {
        let element = &self.module.info().elements[segment as usize];
        let dropped = self.context.u8(self.module.layout().element_dropped_offset(segment)) != 0;
        let end = offset.checked_add(len)?;
        match &element.items {
            _ if dropped => (end == 0).then(Box::default),
            ElementItems::Functions(functions) => {
                let functions = functions.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?;
                let object = |function: &u32| self.function_object(*function).expect("functions of segments escape");
                Some(functions.iter().map(object).collect())
            }
            ElementItems::Expressions(_) => {
                let elements = self.segments[segment as usize].as_deref().unwrap_or_default();
                Some(elements.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?.into())
            }
        }
    }

    /// Up to 64 elements of the segments from a position (segment, element) on, and the position after them.
    pub fn segment_chunk(&mut self, (segment, element): (u32, u32)) -> Option<(&mut [RawRef], (u32, u32))> {
        let elements = self.segments.get_mut(segment as usize)?.as_deref_mut().unwrap_or_default();
        let (start, end) = (element as usize, (element as usize + 64).min(elements.len()));
        let next = if end == elements.len() { (segment + 1, 0) } else { (segment, end as u32) };
        Some((&mut elements[start.min(end)..end], next))
    }

    /// Drops a data segment.
    pub fn drop_data_segment(&mut self, segment: u32) {
        self.context.set_u8(self.module.layout().data_dropped_offset(segment), 1);
    }

    /// The bytes of a data segment; none once dropped.
    pub fn data_bytes(&self, segment: u32) -> &[u8] {
        let dropped = self.context.u8(self.module.layout().data_dropped_offset(segment)) != 0;
        if dropped && !active(Mutant::DroppedDataRead) { &[] } else { self.module.info().data_bytes(segment) }
    }
}
