//! Names for nodes and edges: from name sections where there are, else from exports, types and positions.

use crate::module::Module;
use crate::rt::walk::Frame;
use crate::store::StoreOpaque;
use heapwood_gc::Heap;
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, FUNC_CONTEXT_OFFSET, FUNC_DATA_OFFSET};
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};
use heapwood_module::{CompositeType, ExportIndex};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::sync::Arc;

/// What an edge is called.
#[derive(Clone, Copy)]
pub(in crate::observe) enum Label {
    /// A string.
    Name(u32),
    /// A number.
    Index(u64),
    /// A string, of an edge that keeps nothing alive.
    Weak(u32),
    /// A string, of the edge of an ephemeron or its key to the value.
    Value(u32),
}

impl Label {
    /// The edge as a row of the file.
    pub fn row(self, to: u64) -> [u64; 3] {
        const ELEMENT: u64 = 1;
        const PROPERTY: u64 = 2;
        const INTERNAL: u64 = 3;
        const WEAK: u64 = 6;
        match self {
            Label::Name(string) => [PROPERTY, string.into(), to],
            Label::Index(index) => [ELEMENT, index, to],
            Label::Weak(string) => [WEAK, string.into(), to],
            Label::Value(string) => [INTERNAL, string.into(), to],
        }
    }
}

/// Names of a type and of its reference fields.
struct TypeNames {
    name: u32,
    /// Reference fields with their byte offsets, ascending.
    fields: Vec<(u64, Label)>,
}

/// All names, each string once.
pub(in crate::observe) struct Names<'a> {
    store: &'a StoreOpaque,
    /// The number of the first string.
    first: u32,
    strings: Vec<Arc<str>>,
    /// Names are the guest's: the hasher has a random key.
    numbers: HashMap<Arc<str>, u32>,
    /// Instance and type index that names a type.
    sources: FxHashMap<u32, (usize, u32)>,
    types: FxHashMap<u32, TypeNames>,
    globals: Vec<Option<u32>>,
}

impl<'a> Names<'a> {
    /// Finds where names come from. Strings are numbered from `first`.
    pub fn new(store: &'a StoreOpaque, first: u32) -> Names<'a> {
        let mut sources = FxHashMap::default();
        for (number, instance) in store.guest().entities().instances().iter().enumerate() {
            for (index, id) in (0..).zip(instance.module().type_ids().ids()) {
                // Of several names for one type the first counts, but a name counts more than none.
                let named = instance.module().info().names().ty(index).is_some();
                let known = sources.entry(id.0).or_insert((number, index));
                if named && store.guest().entities().instances()[known.0].module().info().names().ty(known.1).is_none()
                {
                    *known = (number, index);
                }
            }
        }
        let globals = vec![None; store.guest().entities().globals().all().len()];
        let (strings, numbers, types) = (Vec::new(), HashMap::new(), FxHashMap::default());
        let mut names = Names { store, first, strings, numbers, sources, types, globals };
        names.name_globals();
        names
    }

    /// The strings so far.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.strings.iter().map(|string| &**string)
    }

    /// The number of a string.
    pub fn string(&mut self, string: &str) -> u32 {
        if let Some(number) = self.numbers.get(string) {
            return *number;
        }
        let (number, string) = (self.first + self.strings.len() as u32, Arc::<str>::from(string));
        self.strings.push(string.clone());
        self.numbers.insert(string, number);
        number
    }

    /// The name section's names first, then those of exports.
    fn name_globals(&mut self) {
        let store = self.store;
        for instance in store.guest().entities().instances() {
            let info = instance.module().info();
            for (index, position) in (0..).zip(instance.globals()) {
                if let Some(name) = info.names().global(index) {
                    self.name_global(*position, name);
                }
            }
            for (name, export) in &info.exports {
                if let ExportIndex::Global(index) = export {
                    self.name_global(instance.global(*index), name);
                }
            }
        }
    }

    fn name_global(&mut self, position: u32, name: &str) {
        if self.globals[position as usize].is_none() {
            self.globals[position as usize] = Some(self.string(name));
        }
    }

    /// What the edge to the value of a global is called.
    pub fn global(&self, position: u64) -> Label {
        self.globals[position as usize].map_or(Label::Index(position), Label::Name)
    }

    /// The name of a table.
    pub fn table(&mut self, position: u32) -> u32 {
        let named = self.store.guest().entities().instances().iter().find_map(|instance| {
            let index = instance.tables().iter().position(|table| *table == position)? as u32;
            let info = instance.module().info();
            let exported = || info.exports.iter().find(|(_, export)| *export == ExportIndex::Table(index));
            info.names().table(index).or_else(|| exported().map(|(name, _)| &**name))
        });
        match named {
            Some(name) => self.string(&format!("table {name}")),
            None => self.string(&format!("table {position}")),
        }
    }

    /// What kind of object one is.
    pub fn kind_of(&self, object: RawRef) -> ObjectKind {
        self.heap().descriptor_of(object).kind()
    }

    fn heap(&self) -> &'a Heap {
        self.store.heap()
    }

    /// The name of an object's node.
    pub fn object(&mut self, object: RawRef) -> u32 {
        if self.heap().descriptor_of(object).kind() == ObjectKind::Func {
            let name = self.function(object);
            return self.string(&name);
        }
        self.type_names(object).name
    }

    /// The name of an object as text.
    pub fn object_text(&mut self, object: RawRef) -> Arc<str> {
        let number = self.object(object);
        self.strings[(number - self.first) as usize].clone()
    }

    /// What a reference that keeps nothing alive is called.
    pub fn weak(&mut self, object: RawRef) -> Label {
        let is_key = self.heap().descriptor_of(object).kind() == ObjectKind::Ephemeron;
        Label::Weak(self.string(if is_key { "key" } else { "referent" }))
    }

    /// What the reference at a byte offset of an object is called.
    pub fn field(&mut self, object: RawRef, offset: u64) -> Label {
        if self.heap().descriptor_of(object).kind() == ObjectKind::ArrayRef {
            return Label::Index((offset - ARRAY_ELEMENTS_OFFSET as u64) / 4);
        }
        let fields = &self.type_names(object).fields;
        match fields.binary_search_by_key(&offset, |(offset, _)| *offset) {
            Ok(found) => fields[found].1,
            Err(_) => Label::Index(offset / 4),
        }
    }

    fn type_names(&mut self, object: RawRef) -> &TypeNames {
        let id = self.heap().type_of(object);
        if !self.types.contains_key(&id.0) {
            let made = self.make_type_names(id, self.heap().descriptor_of(object).kind());
            self.types.insert(id.0, made);
        }
        &self.types[&id.0]
    }

    fn make_type_names(&mut self, id: TypeId, kind: ObjectKind) -> TypeNames {
        let unnamed = match kind {
            ObjectKind::Exception => "exception",
            ObjectKind::HostValue => "host value",
            ObjectKind::String => "string",
            ObjectKind::Rope => "rope of strings",
            ObjectKind::Opaque => "tag",
            ObjectKind::Weak => "weak reference",
            ObjectKind::Ephemeron => "ephemeron",
            ObjectKind::Struct | ObjectKind::ArrayData | ObjectKind::ArrayRef | ObjectKind::Func => "",
        };
        if !unnamed.is_empty() {
            return TypeNames { name: self.string(unnamed), fields: Vec::new() };
        }
        let store = self.store;
        let source = self.sources.get(&id.0).copied();
        let module = source
            .map(|(instance, index)| (store.guest().entities().instances()[instance].module().info().names(), index));
        let ty = store.engine().registry().composite(id);
        let name = match (module.and_then(|(names, index)| names.ty(index)), &ty.composite) {
            (Some(name), _) => self.string(name),
            (None, CompositeType::Array(element)) => {
                self.string(&format!("array of {:?}", element.storage.field_kind()))
            }
            (None, _) => {
                let number = source.map_or(id.0, |(_, index)| index);
                self.string(&format!("struct type {number}"))
            }
        };
        let mut fields = Vec::new();
        for (field, offset) in (0..).zip(&ty.layout.offsets) {
            let label = match module.and_then(|(names, index)| names.field(index, field)) {
                Some(name) => Label::Name(self.string(name)),
                None => Label::Index(field.into()),
            };
            fields.push((u64::from(*offset), label));
        }
        fields.sort_by_key(|(offset, _)| *offset);
        TypeNames { name, fields }
    }

    /// The name of the function behind a function object.
    fn function(&self, object: RawRef) -> String {
        let context = self.heap().read_i32(object, FUNC_CONTEXT_OFFSET as u64);
        let number = self.heap().read_i64(object, FUNC_DATA_OFFSET as u64) as u32;
        let entities = self.store.guest().entities();
        // Contexts lie in the order in which instances were made.
        match entities.instances().binary_search_by_key(&context, |instance| instance.context_ref()) {
            Ok(found) => function_name(entities.instances()[found].module(), number),
            Err(_) => entities.host_function(number).name().unwrap_or("host function").to_owned(),
        }
    }
}

fn function_name(module: &Module, function: u32) -> String {
    module.func_name(function).map_or_else(|| format!("function {function}"), str::to_owned)
}

/// The name of a frame's node.
pub(super) fn frame(store: &StoreOpaque, frame: &Frame<'_>) -> String {
    let (module, function) = store.guest().entities().function_of(frame);
    function_name(module, function)
}
