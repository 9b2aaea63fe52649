//! A decoded module: index spaces, imports, exports, segments.

use crate::const_expr::Constants;
use crate::{
    BranchHints, ConstExpr, ConstItems, FuncType, HeapType, LazyTypes, MemoryType, ModuleBytes, Names, RefType,
    TypeIndex, ValType,
};
use std::ops::Range;
use std::sync::OnceLock;

/// A table's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableType {
    /// Type of the elements.
    pub element: RefType,
    /// Least number of elements.
    pub min: u64,
    /// Largest number of elements.
    pub max: Option<u64>,
    /// 64-bit indices.
    pub table64: bool,
}

/// A global's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalType {
    /// Type of the value.
    pub val: ValType,
    /// Whether the global can be written.
    pub mutable: bool,
}

/// What an import asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum ExternType {
    /// A function, by type index.
    Func(TypeIndex),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag, by the index of its function type.
    Tag(TypeIndex),
}

impl ExternType {
    /// Whether this is an immutable global of external references: what string constants are imported as.
    pub fn may_be_string(&self) -> bool {
        let ExternType::Global(GlobalType { val, mutable: false }) = self else { return false };
        matches!(val, ValType::Ref(RefType { heap: HeapType::Extern, .. }))
    }
}

/// An import.
#[derive(Clone, PartialEq, Debug)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What it must be.
    pub ty: ExternType,
}

/// An index space and an index in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportIndex {
    /// Function index.
    Func(u32),
    /// Table index.
    Table(u32),
    /// Memory index.
    Memory(u32),
    /// Global index.
    Global(u32),
    /// Tag index.
    Tag(u32),
}

/// How a segment is used.
#[derive(Clone, PartialEq, Debug)]
pub enum SegmentMode {
    /// Used by instructions only.
    Passive,
    /// Copied at instantiation into entity `index` at `offset`.
    Active {
        /// Memory or table index.
        index: u32,
        /// Where.
        offset: ConstExpr,
    },
    /// Element segments: only declares functions.
    Declared,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment {
    /// How it is used.
    pub mode: SegmentMode,
    /// The segment's bytes, as a range of the module's bytes.
    pub range: Range<usize>,
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElementSegment {
    /// How it is used.
    pub mode: SegmentMode,
    /// Type of the elements.
    pub ty: RefType,
    /// The elements.
    pub items: ElementItems,
}

/// Elements of a segment.
#[derive(Clone, Debug)]
pub enum ElementItems {
    /// Function indices.
    Functions(Box<[u32]>),
    /// Constant expressions.
    Expressions(ConstItems),
}

impl ElementItems {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            ElementItems::Functions(functions) => functions.len(),
            ElementItems::Expressions(items) => items.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A decoded and (but for its function bodies) validated module.
#[derive(Debug, Default)]
pub struct ModuleInfo {
    /// The binary.
    pub bytes: ModuleBytes,
    /// Types.
    pub types: LazyTypes,
    /// Imports, in order.
    pub imports: Vec<Import>,
    /// Exports, in order.
    pub exports: Vec<(String, ExportIndex)>,
    /// Type index of every function, imported ones first.
    pub functions: Vec<TypeIndex>,
    /// Number of imported functions.
    pub imported_functions: u32,
    /// Every table, imported ones first.
    pub tables: Vec<TableType>,
    /// Number of imported tables.
    pub imported_tables: u32,
    /// Initialiser of each defined table.
    pub table_inits: Vec<Option<ConstExpr>>,
    /// Every memory, imported ones first.
    pub memories: Vec<MemoryType>,
    /// Number of imported memories.
    pub imported_memories: u32,
    /// Every global, imported ones first.
    pub globals: Vec<GlobalType>,
    /// Number of imported globals.
    pub imported_globals: u32,
    /// Initialiser of each defined global.
    pub global_inits: Vec<ConstExpr>,
    /// Type index of every tag, imported ones first.
    pub tags: Vec<TypeIndex>,
    /// Number of imported tags.
    pub imported_tags: u32,
    /// Start function.
    pub start: Option<u32>,
    /// Data segments.
    pub data: Vec<DataSegment>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Body of each defined function: range of `bytes` from the local declarations to the final `end`.
    pub bodies: Vec<Range<usize>>,
    /// Function indices that may become references (exports, element segments, `ref.func` in constants and
    /// declared): sorted; a context holds one function object for each.
    pub escaping: Vec<u32>,
    /// Number of the data count section, if there is one.
    pub data_count: Option<u32>,
    /// Every section, in order.
    pub sections: Vec<Section>,
    /// Which way branches usually go, as far as the module says.
    pub branch_hints: BranchHints,
    /// Instructions of constant expressions.
    pub(crate) constants: Constants,
    /// Names from the name section, parsed when first asked for.
    pub(crate) names: OnceLock<Names>,
}

/// A section of the binary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// The section's id in the binary format; 0 for custom sections.
    pub id: u8,
    /// The custom section's own name, else the specification's.
    pub name: String,
    /// The section's contents, as a range of the module's bytes; custom sections without their name.
    pub range: Range<usize>,
}

impl ModuleInfo {
    /// Adds an import, and what it stands for to its index space.
    pub(crate) fn push_import(&mut self, import: Import) {
        match &import.ty {
            ExternType::Func(ty) => {
                self.functions.push(*ty);
                self.imported_functions += 1;
            }
            ExternType::Table(ty) => {
                self.tables.push(*ty);
                self.imported_tables += 1;
            }
            ExternType::Memory(ty) => {
                self.memories.push(*ty);
                self.imported_memories += 1;
            }
            ExternType::Global(ty) => {
                self.globals.push(*ty);
                self.imported_globals += 1;
            }
            ExternType::Tag(ty) => {
                self.tags.push(*ty);
                self.imported_tags += 1;
            }
        }
        self.imports.push(import);
    }

    /// Number of instructions of constant expressions.
    pub(crate) fn constant_ops(&self) -> usize {
        self.constants.count()
    }

    /// Sets that number, of a module whose expressions are not decoded yet.
    pub(crate) fn set_constant_ops(&mut self, count: usize) {
        self.constants = Constants::of(count);
    }

    /// The type of a function.
    pub fn function_type(&self, function: u32) -> &FuncType {
        self.types.func(self.functions[function as usize])
    }

    /// The type of a tag: its parameters are the payload.
    pub fn tag_type(&self, tag: u32) -> &FuncType {
        self.types.func(self.tags[tag as usize])
    }

    /// Whether something else than a call by name, in the module's code, can enter a function: the start of an instance,
    /// or whoever has a reference to it.
    pub fn is_entered_from_outside(&self, function: u32) -> bool {
        self.start == Some(function) || self.escaping.binary_search(&function).is_ok()
    }

    /// The custom sections, in order.
    pub fn custom_sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| section.id == 0)
    }

    /// The export of this name.
    pub fn export(&self, name: &str) -> Option<ExportIndex> {
        self.exports.iter().find(|(export, _)| export == name).map(|(_, index)| *index)
    }

    /// What an export is.
    pub fn export_type(&self, index: ExportIndex) -> ExternType {
        match index {
            ExportIndex::Func(i) => ExternType::Func(self.functions[i as usize]),
            ExportIndex::Table(i) => ExternType::Table(self.tables[i as usize]),
            ExportIndex::Memory(i) => ExternType::Memory(self.memories[i as usize]),
            ExportIndex::Global(i) => ExternType::Global(self.globals[i as usize]),
            ExportIndex::Tag(i) => ExternType::Tag(self.tags[i as usize]),
        }
    }

    /// The bytes of a data segment.
    pub fn data_bytes(&self, segment: u32) -> &[u8] {
        &self.bytes[self.data[segment as usize].range.clone()]
    }

    /// Whether a data segment is copied by instructions only.
    pub fn is_passive(&self, segment: u32) -> bool {
        matches!(self.data[segment as usize].mode, SegmentMode::Passive)
    }

    /// What the name section says.
    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::find(self))
    }
}
