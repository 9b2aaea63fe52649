//! The derive macros of Heapwood. `heapwood::GcStruct` and `heapwood::GcEnum` say what they mean, with examples.
//!
//! What they write is plain safe code: it implements a trait, and functions that call those of `heapwood-vm`, whose
//! types refuse whatever does not fit. A fault here is a program that does not compile, never one that does the wrong
//! thing.

mod attributes;
mod field_type;
mod structure;
mod sum;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Makes a Rust struct stand for a struct type of a guest. See the trait `GcStruct`, which it implements.
///
/// Attributes: `#[wasm(mutable)]` of a field; `#[wasm(name = "…")]`, `#[wasm(type_index = 3)]`,
/// `#[wasm(extends = Base)]`, `#[wasm(prefix)]` and `#[wasm(crate = path)]` (the crate to be named, else `::heapwood`)
/// of the struct.
#[proc_macro_derive(GcStruct, attributes(wasm))]
pub fn derive_gc_struct(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    structure::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a Rust enum the choice between bound types. See the trait `GcEnum`, which it implements.
///
/// Attribute: `#[wasm(crate = path)]` (the crate to be named, else `::heapwood`).
#[proc_macro_derive(GcEnum, attributes(wasm))]
pub fn derive_gc_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    sum::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}
