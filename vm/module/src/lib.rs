//! Decoded WebAssembly modules: bytes -> [`Module`] by wasmparser, with types, index spaces, layouts and names.
//!
//! Arrow of import: `wasmparser <- module <- jit <- vm`. Nothing here knows of machine code or of a heap.

pub mod types;

use heapwood_gc_abi::StructLayout;
use std::ops::Range;
use std::sync::Arc;
pub use types::*;

/// The type section with what derives from it.
#[derive(Debug, Default)]
pub struct TypeSection {
    /// Defined types by index.
    pub types: Vec<SubType>,
    /// Rec groups as ranges of type indices, in order.
    pub rec_groups: Vec<Range<TypeIndex>>,
    /// `canonical[t]`: the least index of a type equal to t (iso-recursive), so equality inside the module is `==`.
    pub canonical: Vec<TypeIndex>,
    /// Ancestors: number of supertypes above each type.
    pub depth: Vec<u32>,
    /// Layout of each struct type (empty for others).
    pub layouts: Vec<StructLayout>,
}

/// A memory's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryType {
    /// Least size in pages.
    pub min: u64,
    /// Largest size in pages.
    pub max: Option<u64>,
    /// 64-bit addresses.
    pub memory64: bool,
    /// Shared between threads.
    pub shared: bool,
    /// log2 of the page size in bytes: 16, or 0 (custom page sizes).
    pub page_size_log2: u32,
}

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
    /// Whether it can be written.
    pub mutable: bool,
}

/// One instruction of a constant expression, decoded.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's instruction names")]
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    F32Const(u32),
    F64Const(u64),
    V128Const(u128),
    RefNull(HeapType),
    RefFunc(u32),
    GlobalGet(u32),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
    RefI31,
    StructNew(TypeIndex),
    StructNewDefault(TypeIndex),
    ArrayNew(TypeIndex),
    ArrayNewDefault(TypeIndex),
    ArrayNewFixed(TypeIndex, u32),
    AnyConvertExtern,
    ExternConvertAny,
}

/// A constant expression in postfix order, without its `end`.
pub type ConstExpr = Box<[ConstOp]>;

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
    /// Its bytes, as a range of the module's bytes.
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
    Expressions(Box<[ConstExpr]>),
}

/// A decoded and (but for its function bodies) validated module.
#[derive(Debug, Default)]
pub struct ModuleInfo {
    /// The binary.
    pub bytes: Arc<[u8]>,
    /// Types.
    pub types: TypeSection,
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
}
