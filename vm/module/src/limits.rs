//! Implementation limits: those of the WebAssembly JavaScript interface.
//!
//! wasmparser enforces all but [`MODULE_BYTES_MAX`] while it decodes and validates; they stand here for messages and
//! for whoever sizes things by them. Two of its limits are below the JavaScript interface's: 100 tables instead of
//! 100,000, and 1,000,000 for imports and exports with the parameters and results of those that are functions.

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

/// The messages of wasmparser that name a thing but not its limit.
const UNNAMED: [(&str, usize); 5] = [
    ("function params", PARAMS_MAX),
    ("function returns", RESULTS_MAX),
    ("struct fields", FIELDS_MAX),
    ("rec group types", TYPES_MAX),
    ("catches", 10_000),
];

/// Completes a message "… size is out of bounds" with the limit.
pub(crate) fn name_the_limit(message: &str) -> String {
    let Some(thing) = message.strip_suffix(" size is out of bounds") else {
        return message.to_owned();
    };
    match UNNAMED.iter().find(|(name, _)| *name == thing) {
        Some((_, limit)) => format!("{message}: more than the limit of {limit}"),
        None => message.to_owned(),
    }
}
