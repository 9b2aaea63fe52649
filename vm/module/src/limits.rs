//! Implementation limits: those of the WebAssembly JavaScript interface.
//!
//! wasmparser enforces all but [`MODULE_BYTES_MAX`], [`FRAME_BYTES_MAX`] and [`ARRAY_NEW_FIXED_MAX`] while it decodes
//! and validates; they stand here for messages, documentation and whoever sizes things by them. Two of its limits are
//! below the JavaScript interface's: 100 tables instead of 100,000, and 1,000,000 for imports and exports with the
//! parameters and results of those that are functions.

/// Bytes of a module.
pub const MODULE_BYTES_MAX: usize = 1 << 30;
/// Types of a module, and of one rec group.
pub const TYPES_MAX: usize = 1_000_000;
/// Supertypes above a type.
pub const SUBTYPING_DEPTH_MAX: usize = 63;
/// Functions of a module, imported ones included.
pub const FUNCTIONS_MAX: usize = 1_000_000;
/// Bytes of a function body.
pub const FUNCTION_BODY_BYTES_MAX: usize = 7_654_321;
/// Locals of a function, parameters included.
pub const LOCALS_MAX: usize = 50_000;
/// Parameters of a function type.
pub const PARAMS_MAX: usize = 1_000;
/// Results of a function type.
pub const RESULTS_MAX: usize = 1_000;
/// Fields of a struct type.
pub const FIELDS_MAX: usize = 10_000;

/// Operands of `array.new_fixed`. The gate ([`crate::gate`]) checks it.
pub const ARRAY_NEW_FIXED_MAX: u32 = 10_000;

/// Bytes of a function's frame: its locals, and the operands that it has at a time. Few instructions can have many
/// operands, since each may be a call with a thousand results. Stacks are guarded by as much.
pub const FRAME_BYTES_MAX: u32 = 64 << 20;

/// Imports and exports of a module, each; their function types may have so many parameters and results in all.
pub const IMPORTS_MAX: usize = 1_000_000;
/// Globals of a module, and tags.
pub const GLOBALS_MAX: usize = 1_000_000;
/// Data segments of a module, and element segments.
pub const SEGMENTS_MAX: usize = 100_000;
/// Tables of a module, and memories.
pub const TABLES_MAX: usize = 100;
/// Elements of a table, and of an element segment.
pub const TABLE_ELEMENTS_MAX: u64 = 10_000_000;
/// Catches of a `try_table`.
pub const CATCHES_MAX: usize = 10_000;
/// Bytes of a name of an import or export.
pub const NAME_BYTES_MAX: usize = 100_000;

/// A limit as documentation lists it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What it limits.
    pub what: &'static str,
    /// The largest number.
    pub value: u64,
}

const fn limit(what: &'static str, value: usize) -> Limit {
    Limit { what, value: value as u64 }
}

/// All limits of a module's contents.
pub static LIMITS: [Limit; 24] = [
    limit("bytes of a module", MODULE_BYTES_MAX),
    limit("types", TYPES_MAX),
    limit("types of a rec group", TYPES_MAX),
    limit("supertypes above a type", SUBTYPING_DEPTH_MAX),
    limit("fields of a struct", FIELDS_MAX),
    limit("parameters of a function", PARAMS_MAX),
    limit("results of a function", RESULTS_MAX),
    limit("functions, imported ones included", FUNCTIONS_MAX),
    limit("bytes of a function body", FUNCTION_BODY_BYTES_MAX),
    limit("locals of a function, parameters included", LOCALS_MAX),
    limit("bytes of a function's frame", FRAME_BYTES_MAX as usize),
    limit("operands of `array.new_fixed`", ARRAY_NEW_FIXED_MAX as usize),
    limit("catches of a `try_table`", CATCHES_MAX),
    limit("imports", IMPORTS_MAX),
    limit("exports", IMPORTS_MAX),
    limit("bytes of a name of an import or export", NAME_BYTES_MAX),
    limit("globals", GLOBALS_MAX),
    limit("tags", GLOBALS_MAX),
    limit("data segments", SEGMENTS_MAX),
    limit("element segments", SEGMENTS_MAX),
    limit("tables", TABLES_MAX),
    limit("memories", TABLES_MAX),
    limit("elements of a table", TABLE_ELEMENTS_MAX as usize),
    limit("elements of an element segment", TABLE_ELEMENTS_MAX as usize),
];

/// The messages of wasmparser that name a thing but not its limit.
const UNNAMED: [(&str, usize); 9] = [
    ("function params size is out of bounds", PARAMS_MAX),
    ("function returns size is out of bounds", RESULTS_MAX),
    ("struct fields size is out of bounds", FIELDS_MAX),
    ("rec group types size is out of bounds", TYPES_MAX),
    ("catches size is out of bounds", CATCHES_MAX),
    ("too many locals: locals exceed maximum", LOCALS_MAX),
    ("data count section specifies too many data segments", SEGMENTS_MAX),
    ("number of elements is out of bounds", TABLE_ELEMENTS_MAX as usize),
    ("string size out of bounds", NAME_BYTES_MAX),
];

/// Completes such a message.
pub(crate) fn name_the_limit(message: &str) -> String {
    match UNNAMED.iter().find(|(unnamed, _)| *unnamed == message) {
        Some((_, limit)) => format!("{message}: more than the limit of {limit}"),
        None => message.to_owned(),
    }
}
