//! What an import is declared as, and what it is: casts and indirect calls go by what it is.
//!
//! Types form a chain `$0 :> $1 :> $2 :> $3`. The library exports an entity of each type; modules import the one of
//! type `actual` as `declared` (above it, or linking fails) and try every `wanted` type of the chain, and one outside
//! of it.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::{ErrorKind, TrapKind};
use std::fmt::Write;

in_all_modes!(imported_functions_are_what_they_are, imported_values_are_what_they_are);

/// Parameters widen and results narrow on the way down; `$alike` has the shape of `$1` and is another type.
const FUNCTIONS: &str = r#"
    (type $p0 (sub (struct))) (type $p1 (sub $p0 (struct (field i32)))) (type $p2 (sub $p1 (struct (field i32 i32))))
    (type $0 (sub (func (param (ref null $p2)) (result (ref null eq)))))
    (type $1 (sub $0 (func (param (ref null $p1)) (result (ref null struct)))))
    (type $2 (sub $1 (func (param (ref null $p0)) (result (ref null $p0)))))
    (type $3 (sub final $2 (func (param (ref null struct)) (result (ref null $p1)))))
    (type $alike (func (param (ref null $p1)) (result (ref null struct))))"#;

const STRUCTS: &str = r#"
    (type $0 (sub (struct (field i32))))
    (type $1 (sub $0 (struct (field i32) (field i32))))
    (type $2 (sub $1 (struct (field i32) (field i32) (field i64))))
    (type $3 (sub final $2 (struct (field i32) (field i32) (field i64) (field anyref))))
    (type $alike (struct (field i32) (field i32)))"#;

const CHAIN: u32 = 4;

/// A wanted type by name, and whether what has the type `actual` belongs to it.
fn wanted(actual: u32) -> Vec<(String, bool)> {
    let chain = (0..CHAIN).map(|wanted| (wanted.to_string(), wanted <= actual));
    chain.chain([("alike".to_owned(), false)]).collect()
}

/// Casts of `value` (of static type `$declared`) to `$to`, where the validator has them: 1, 0 or the trap.
fn cast_functions(text: &mut String, top: &str, value: &str, to: &str) {
    writeln!(
        text,
        r#"(func (export "test {to}") (result i32) (ref.test (ref ${to}) (block (result {top}) {value})))
           (func (export "cast {to}") (result i32) (drop (ref.cast (ref ${to}) (block (result {top}) {value}))) (i32.const 1))
           (func (export "branch {to}") (result i32)
             (block $yes (result (ref ${to})) (drop (br_on_cast $yes {top} (ref ${to}) {value})) (return (i32.const 0)))
             (drop) (i32.const 1))
           (func (export "branch fail {to}") (result i32)
             (block $no (result {top}) (drop (br_on_cast_fail $no {top} (ref ${to}) {value})) (return (i32.const 1)))
             (drop) (i32.const 0))"#
    )
    .unwrap();
}

fn check_casts(lab: &mut Lab, to: &str, belongs: bool, what: &str) {
    let answer = Ok(vec![belongs as u128]);
    for name in ["test", "branch", "branch fail"] {
        assert_eq!(lab.call(&format!("{name} {to}"), &[]), answer, "{name} {to} of {what}");
    }
    let cast = if belongs { Ok(vec![1]) } else { Err(TrapKind::CastFailure) };
    assert_eq!(lab.call(&format!("cast {to}"), &[]), cast, "cast {to} of {what}");
}

/// Instantiates, or sees that the declared type is no supertype.
fn link(mode: usize, library: &str, text: &str, links: bool) -> Option<Lab> {
    match Lab::try_new(mode, &[("library", library)], text) {
        Ok(lab) => {
            assert!(links, "linked, though the actual type is above the declared one: {text}");
            Some(lab)
        }
        Err(error) => {
            assert!(!links && matches!(error.kind(), ErrorKind::Link(_)), "{error}: {text}");
            None
        }
    }
}

fn imported_functions_are_what_they_are(mode: usize) {
    let mut library = format!("(module {FUNCTIONS} (global $made (mut i32) (i32.const 0))");
    for k in 0..CHAIN {
        writeln!(library, r#"(func $f{k} (export "f{k}") (type ${k}) (struct.new $p1 (i32.const {k})))"#).unwrap();
        writeln!(library, r#"(table (export "t{k}") 2 2 (ref null ${k}) (ref.func $f{k}))"#).unwrap();
        writeln!(library, r#"(global (export "g{k}") (ref ${k}) (ref.func $f{k}))"#).unwrap();
    }
    library.push(')');
    for actual in 0..CHAIN {
        for declared in 0..CHAIN {
            let mut text = format!(
                r#"(module {FUNCTIONS}
                    (import "library" "f0" (func $another (type $0)))
                    (import "library" "f{actual}" (func $f (type ${declared})))
                    (import "library" "g{actual}" (global $g (ref ${declared})))
                    (table $any 3 funcref) (table $own 3 (ref null ${declared}))
                    (elem (table $any) (i32.const 1) func $f) (elem declare func $f)
                    (elem (table $own) (i32.const 1) (ref ${declared}) (item (global.get $g)))
                    (func $kind (param (ref null eq)) (result i32)
                      (struct.get $p1 0 (ref.cast (ref $p1) (local.get 0))))
                    (func (export "call") (result i32) (call $kind (call $f (ref.null none))))
                    (func (export "call ref") (result i32) (call $kind (call_ref ${declared} (ref.null none) (ref.func $f))))
                    (func (export "call global") (result i32)
                      (call $kind (call_ref ${declared} (ref.null none) (global.get $g))))"#
            );
            for (to, _) in wanted(actual) {
                for table in ["any", "own"].into_iter().filter(|table| *table == "any" || to != "alike") {
                    writeln!(
                        text,
                        r#"(func (export "{table} {to}") (result i32)
                             (call $kind (call_indirect ${table} (type ${to}) (ref.null none) (i32.const 1))))"#
                    )
                    .unwrap();
                }
                cast_functions(&mut text, "funcref", "(ref.func $f)", &to);
            }
            // The function alone: the global above is refused for reasons of its own.
            let alone = format!(r#"(module {FUNCTIONS} (import "library" "f{actual}" (func (type ${declared}))))"#);
            link(mode, &library, &alone, declared <= actual);
            let Some(mut lab) = link(mode, &library, &(text + ")"), declared <= actual) else { continue };
            let what = format!("a function of type {actual} imported as {declared}");
            let answer = Ok(vec![actual as u128]);
            for name in ["call", "call ref", "call global"] {
                assert_eq!(lab.call(name, &[]), answer, "{name} of {what}");
            }
            for (to, belongs) in wanted(actual) {
                let answer = if belongs { answer.clone() } else { Err(TrapKind::IndirectCallTypeMismatch) };
                assert_eq!(lab.call(&format!("any {to}"), &[]), answer, "call_indirect {to} of {what}");
                if to != "alike" {
                    assert_eq!(lab.call(&format!("own {to}"), &[]), answer, "call_indirect {to} of {what}");
                }
                check_casts(&mut lab, &to, belongs, &what);
            }
        }
        // Tables are invariant.
        for declared in 0..CHAIN {
            let text =
                format!(r#"(module {FUNCTIONS} (import "library" "t{actual}" (table 2 2 (ref null ${declared}))))"#);
            link(mode, &library, &text, declared == actual);
        }
    }
}

fn imported_values_are_what_they_are(mode: usize) {
    let mut library = format!("(module {STRUCTS}");
    for k in 0..CHAIN {
        writeln!(library, r#"(global (export "g{k}") (ref ${k}) (struct.new_default ${k}))"#).unwrap();
        writeln!(library, r#"(global (export "m{k}") (mut (ref null ${k})) (struct.new_default ${k}))"#).unwrap();
        writeln!(library, r#"(func (export "f{k}") (result (ref ${k})) (struct.new_default ${k}))"#).unwrap();
    }
    library.push(')');
    for actual in 0..CHAIN {
        for declared in 0..CHAIN {
            for value in ["(global.get $g)", "(call $make)"] {
                let import = match value {
                    "(global.get $g)" => format!("\"g{actual}\" (global $g (ref ${declared})))"),
                    // The library's function type has no supertype of its own: only the same one links.
                    _ => format!("\"f{actual}\" (func $make (result (ref ${declared}))))"),
                };
                let mut text = format!(r#"(module {STRUCTS} (import "library" {import}"#);
                wanted(actual).iter().for_each(|(to, _)| cast_functions(&mut text, "anyref", value, to));
                let links = if value == "(call $make)" { declared == actual } else { declared <= actual };
                let Some(mut lab) = link(mode, &library, &(text + ")"), links) else { continue };
                for (to, belongs) in wanted(actual) {
                    check_casts(&mut lab, &to, belongs, &format!("{value} of type {actual} imported as {declared}"));
                }
            }
            // Mutable globals are invariant.
            let text =
                format!(r#"(module {STRUCTS} (import "library" "m{actual}" (global (mut (ref null ${declared})))))"#);
            link(mode, &library, &text, declared == actual);
        }
    }
}
