//! Strings as JavaScript has them: the functions of `wasm:js-string`, `wasm:text-encoder` and `wasm:text-decoder`, and
//! imported string constants.
//!
//! The strings are objects of the store's heap ([`StringRef`](crate::StringRef)), which guests have as `externref`. A
//! constant is an import of an immutable global of type `externref` or `(ref extern)`, from a module name on which
//! producers and hosts have agreed; its text is the field name, or an entry of a table in the module.
//!
//! | module name | producer | text |
//! |---|---|---|
//! | `_` | MoonBit | field name |
//! | `S` | Dart | field name |
//! | `'` | Scala.js, `wasm_of_ocaml` | field name |
//! | `string_constants` | loopdive/js2 | field name |
//! | `string.const` | J2CL | the field name is a number, of an entry of the JSON array in the custom section `string.consts` |
//!
//! ```
//! use heapwood::surfaces::js_string;
//! use heapwood::{Engine, Linker, Module, Store};
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
//!     (import "_" "grün" (global $text (ref extern)))
//!     (func (export "length") (result i32) (call $length (global.get $text))))"#)?;
//! let mut linker = Linker::new(&engine);
//! js_string::add_to_linker(&mut linker)?;
//! js_string::add_constants(&mut linker, "_");
//! let mut store = Store::new(&engine, ());
//! let instance = linker.instantiate(&mut store, &module)?;
//! assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "length")?.call(&mut store, ())?, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{Error, Linker, Module, ModuleInfo, Resolved, Result, cut};
use heapwood_surfaces::parse_string_table;
use std::collections::HashSet;

/// The modules of the functions.
pub const MODULES: [&str; 3] = ["wasm:js-string", "wasm:text-decoder", "wasm:text-encoder"];

/// Module names from which producers have agreed to import strings by their field names.
const NAMESPACES: [&str; 4] = ["_", "S", "'", "string_constants"];

/// The module of constants that a table in the module has.
const TABLE_MODULE: &str = "string.const";

/// The custom section with the table.
const TABLE_SECTION: &str = "string.consts";

/// Defines all functions of the three modules ([`Linker::define_js_string`]).
///
/// # Errors
/// A name is defined already, or the engine's type table is full.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.define_js_string().map(drop)
}

/// Serves imports of strings from a module name: each is the string of its field name.
pub fn add_constants<T: 'static>(linker: &mut Linker<T>, namespace: &str) {
    linker
        .resolve_with(namespace, |import| Ok(Some(Resolved::string(&import.name.encode_utf16().collect::<Vec<_>>()))));
}

/// Serves the imports of a module from `string.const`: each is the string of its number in the module's table. One
/// whose name is no number of an entry is not served.
///
/// # Errors
/// The module has no custom section `string.consts`, or that is no JSON array of strings.
pub fn add_constant_table<T: 'static>(linker: &mut Linker<T>, module: &Module) -> Result<()> {
    let table = table_of(module.info())?;
    linker.resolve_with(TABLE_MODULE, move |import| {
        let entry = import.name.parse().ok().and_then(|number: usize| table.get(number));
        Ok(entry.map(|units| Resolved::string(units)))
    });
    Ok(())
}

fn table_of(info: &ModuleInfo) -> Result<Vec<Vec<u16>>> {
    let section = info.custom_sections().find(|section| section.name == TABLE_SECTION);
    let section = section.ok_or_else(|| Error::msg(format!("the module has no custom section `{TABLE_SECTION}`")))?;
    parse_string_table(&info.bytes[section.range.clone()])
        .map_err(|error| Error::msg(format!("custom section `{TABLE_SECTION}`, {}", cut(&error, 200))))
}

/// Whether a module imports functions of this surface.
pub fn is_wanted_by(module: &Module) -> bool {
    module.imports().any(|import| has_module(import.module))
}

/// Whether the surface has functions under this module name.
pub fn has_module(name: &str) -> bool {
    MODULES.contains(&name)
}

/// Whether a module has its constants in a table.
pub fn has_constant_table(module: &Module) -> bool {
    constant_modules(module.info()).contains(&TABLE_MODULE)
}

/// The module names from which a module imports nothing but strings, and those that producers have agreed on from which
/// it imports strings among others.
pub fn namespaces(module: &Module) -> Vec<&str> {
    constant_modules(module.info()).into_iter().filter(|name| *name != TABLE_MODULE).collect()
}

/// The module names from which a decoded module, compiled or not, imports strings: its [`namespaces`], and that of a
/// table.
pub fn constant_modules(info: &ModuleInfo) -> Vec<&str> {
    let (constants, others): (Vec<_>, Vec<_>) = info.imports.iter().partition(|import| import.ty.may_be_string());
    let mixed: HashSet<&str> = others.iter().map(|import| &*import.module).collect();
    let is_agreed = |name: &str| NAMESPACES.contains(&name) || name == TABLE_MODULE;
    let mut seen = HashSet::new();
    let names = constants.into_iter().map(|import| &*import.module);
    names.filter(|name| (is_agreed(name) || !mixed.contains(name)) && seen.insert(*name)).collect()
}
