//! Modules that are large in one way each, at the implementation limits and below.

#[allow(dead_code, reason = "not all users of the shapes use these")]
pub mod passing;

use std::fmt::Write;

/// A kind of large module.
pub struct Shape {
    pub name: &'static str,
    /// The size that has to work.
    pub full: usize,
    /// The module of a size, as text.
    pub text: fn(usize) -> String,
}

impl Shape {
    /// The module of a size.
    pub fn module(&self, size: usize) -> Vec<u8> {
        wat::parse_str((self.text)(size)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

const fn shape(name: &'static str, full: usize, text: fn(usize) -> String) -> Shape {
    Shape { name, full, text }
}

pub static SHAPES: [Shape; 51] = [
    shape("types", 1_000_000, |n| module(each(n, |i| format!("(type (struct (field i{})))", 32 << (i % 2))))),
    shape("types, each naming the one before", 1_000_000, |n| {
        module("(type (struct))".to_owned() + &each(n - 1, |i| format!("(type (struct (field (ref {i}))))")))
    }),
    shape("types of a rec group", 100_000, |n| {
        module(format!("(rec {})", each(n, |i| format!("(type (struct (field (ref {}))))", (i + 1) % n))))
    }),
    shape("types of two equal rec groups", 50_000, |n| {
        let group = |from: usize| each(n, |i| format!("(type (struct (field (ref {}))))", from + (i + 1) % n));
        module(format!("(rec {}) (rec {})", group(0), group(n)))
    }),
    shape("subtypes", 100_000, |n| {
        let ty = |i: usize| match i % 60 {
            0 => "(type (sub (struct)))".to_owned(),
            _ => format!("(type (sub {} (struct)))", i - 1),
        };
        module(each(n, ty))
    }),
    shape("fields", 10_000, |n| {
        let fields = "(field (mut i32)) (field (mut anyref)) ".repeat(n / 2);
        let values = "i32.const 1 ref.null none ".repeat(n / 2);
        let gets = each(n, |i| format!("local.get 0 struct.get 0 {i} drop "));
        module(format!("(type (struct {fields})) (func (local (ref null 0)) {values} struct.new 0 local.set 0 {gets})"))
    }),
    shape("operands of array.new_fixed", 10_000, |n| {
        let values = each(n, |i| if i % 2 == 0 { "local.get 0 " } else { "ref.null none " }.to_owned());
        module(format!("(type (array anyref)) (func (param anyref) {values} array.new_fixed 0 {n} drop)"))
    }),
    shape("dead ends above operands", 60_000, |n| {
        let ends = "block unreachable end loop unreachable end block br 1 end ".repeat(n / 3);
        module(format!("(func {} {ends} unreachable)", "i32.const 1 ".repeat(n)))
    }),
    shape("parameters", 1000, |n| {
        let (params, gets) = (mixed(n), each(n, |i| format!("local.get {i} ")));
        module(format!("(func (param {params}) {gets} call 0 {gets} return_call 0)"))
    }),
    shape("results", 1000, |n| {
        let drops = "drop ".repeat(n);
        module(format!("(func (result {}) call 0) (func call 0 {drops} call 0 {drops})", mixed(n)))
    }),
    shape("functions", 100_000, |n| {
        module(each(n, |i| format!("(func (param i32) (result i32) local.get 0 call {})", (i + 1) % n)))
    }),
    shape("functions that are referred to", 100_000, |n| {
        let functions = each(n, |i| format!("(func (export \"{i}\"))"));
        module(format!("{functions} (table {n} funcref) (elem (i32.const 0) {})", each(n, |i| format!("{i} "))))
    }),
    shape("imports", 100_000, |n| module(each(n, |i| format!("(import \"m\" \"{i}\" (func (param i32)))")))),
    shape("globals of references", 100_000, |n| {
        module(format!("(type (struct)) {}", each(n, |_| "(global (mut eqref) (struct.new 0))".to_owned())))
    }),
    shape("globals that are read", 100_000, |n| {
        let gets = each(n, |i| format!("global.get {i} ref.func 0 global.set {i} drop "));
        module(format!("{} (elem declare func 0) (func {gets})", "(global (mut funcref) (ref.null func))".repeat(n)))
    }),
    shape("data segments", 100_000, |n| module("(memory 1)".to_owned() + &"(data (i32.const 8) \"a\")".repeat(n))),
    shape("element segments", 100_000, |n| {
        module("(table 1 funcref) (func)".to_owned() + &"(elem (i32.const 0) func 0)".repeat(n))
    }),
    shape("tags of one type thrown", 100_000, |n| {
        let tags = "(tag)".repeat(n);
        module(format!("{tags} (func (param i32) {})", each(n, |i| format!("local.get 0 if throw {i} end "))))
    }),
    shape("types of thrown tags", 10_000, |n| {
        let types = each(n, |i| format!("(type (func (param (ref null {i}))))"));
        let tags = each(n, |i| format!("(tag (type {}))", i + 1));
        let throws = each(n, |i| format!("local.get 0 if ref.null {i} throw {i} end "));
        module(format!("(type (struct)) {types} {tags} (func (param i32) {throws})"))
    }),
    shape("catches", 10_000, |n| {
        let catches = each(n, |i| format!("(catch {i} 0)"));
        module(format!("{} (func block try_table {catches} call 0 end end)", "(tag)".repeat(n)))
    }),
    shape("a constant expression", 1_000_000, |n| {
        module(format!("(global i32 {} {})", "i32.const 1 ".repeat(n), "i32.add ".repeat(n - 1)))
    }),
    shape("locals", 50_000, |n| {
        let uses = each(n, |i| format!("local.get {i} i32.const 1 i32.add local.set {i} "));
        module(format!("(func (local {}) {uses} {uses})", "i32 ".repeat(n)))
    }),
    shape("locals of references", 50_000, |n| {
        let uses = each(n, |i| format!("local.get {i} call 0 local.set {} ", (i + 1) % n));
        module(format!("(func (local {}) {uses})", "anyref ".repeat(n)))
    }),
    shape("locals that are constants", 50_000, |n| {
        let sets = each(n, |i| format!("i32.const 1 local.set {i} "));
        module(format!("(func (local {}) {sets} {sets} block {sets} end)", "i32 ".repeat(n)))
    }),
    shape("locals in a loop", 50_000, |n| {
        let uses = each(n, |i| format!("local.get {i} i32.const 1 i32.add local.set {i} "));
        module(format!("(func (local {}) loop {uses} loop {uses} i32.const 0 br_if 1 end end)", "i32 ".repeat(n)))
    }),
    shape("locals behind many operands", 50_000, |n| {
        let gets = each(n, |i| format!("local.get {i} "));
        let sets = each(n, |i| format!("i32.const 1 local.set {i} "));
        let (pushes, drops) = ("i32.const 7 ".repeat(n), "drop ".repeat(2 * n));
        module(format!("(func (local {}) {gets} {pushes} {sets} {drops})", "i32 ".repeat(n)))
    }),
    shape("operands", 1_000_000, |n| module(format!("(func {} {})", "i32.const 1 ".repeat(n), "drop ".repeat(n)))),
    shape("operands in registers", 500_000, |n| {
        module(format!("(func (param i32) {} {})", "local.get 0 i32.eqz ".repeat(n), "drop ".repeat(n)))
    }),
    shape("references above many operands", 300_000, |n| {
        let (pushes, drops) = ("i32.const 1 ".repeat(n), "drop ".repeat(n));
        let calls = "struct.new_default 0 call 0 drop ".repeat(n);
        module(format!("(type (struct)) (func {pushes} {calls} {drops})"))
    }),
    shape("blocks above many operands", 300_000, |n| {
        let (pushes, drops) = ("i32.const 1 ".repeat(n), "drop ".repeat(n));
        module(format!("(func (param i32) {pushes} {} {drops})", "block local.get 0 br_if 0 end ".repeat(n)))
    }),
    shape("nested blocks", 20_000, |n| nest(n, "block local.get 0 br_if 0 ", "end ")),
    shape("nested blocks with results", 20_000, |n| nest(n, "block (result i32) ", "local.get 0 br_if 0 end ")),
    shape("idle nested blocks", 1_000_000, |n| nest(n, "block ", "end ")),
    shape("idle nested loops", 1_000_000, |n| nest(n, "loop ", "end ")),
    shape("idle nested blocks above operands", 100_000, |n| nest(n, "i32.const 1 block loop ", "end end drop ")),
    shape("nested loops with a branch each", 50_000, |n| nest(n, "loop ", "local.get 0 br_if 0 end ")),
    shape("element segments of constant expressions", 5_000_000, |n| {
        module(format!("(elem externref {})", "(ref.null extern)".repeat(n)))
    }),
    shape("names of functions", 100_000, |n| module(each(n, |i| format!("(func $function{i})")))),
    shape("nested ifs", 20_000, |n| nest(n, "local.get 0 if ", "else i32.const 1 local.set 0 end ")),
    shape("nested loops", 20_000, |n| {
        nest(n, "loop local.get 0 i32.const 1 i32.add local.set 0 ", "local.get 0 br_if 0 end ")
    }),
    shape("nested try_tables", 20_000, |n| nest(n, "block try_table (catch_all 0) call 1 ", "end end ")),
    shape("a br_table out of nested blocks", 20_000, |n| {
        let labels = each(n, |i| format!("{i} "));
        nest_around(n, "block ", &format!("local.get 0 br_table {labels} 0 "), "end ")
    }),
    shape("a br_table", 65_520, |n| {
        nest_around(1, "block ", &format!("local.get 0 br_table {}", "0 ".repeat(n)), "end ")
    }),
    shape("ifs", 500_000, |n| module(format!("(func (param i32) {})", "local.get 0 if nop end ".repeat(n)))),
    shape("branches to one label", 500_000, |n| {
        module(format!("(func (param i32) block {} end)", "local.get 0 br_if 0 ".repeat(n)))
    }),
    shape("loops", 300_000, |n| {
        let one = "loop local.get 1 i32.const 1 i32.add local.tee 1 br_if 0 end ";
        module(format!("(func (param i32) (local i32) {})", one.repeat(n)))
    }),
    shape("unreachable code", 500_000, |n| module(format!("(func {})", "block br 0 i32.const 1 drop end ".repeat(n)))),
    shape("a body of arithmetic", 500_000, |n| {
        let one = "local.get 0 local.get 1 i32.add i32.const 12345 i32.xor local.set 0 ";
        module(format!("(func (param i32 i32) {})", one.repeat(n)))
    }),
    shape("a body of memory accesses", 500_000, |n| {
        let one = "local.get 0 local.get 0 i32.load offset=8 i32.store offset=4 ";
        module(format!("(memory 1) (func (param i32) {})", one.repeat(n)))
    }),
    shape("a body of objects", 300_000, |n| {
        let one = "local.get 0 local.get 0 struct.get 0 0 struct.new 0 struct.set 0 0 ";
        module(format!("(type (struct (field (mut (ref null 0))))) (func (param (ref null 0)) {})", one.repeat(n)))
    }),
    shape("a body of calls and divisions", 500_000, |n| {
        let one = "local.get 0 local.get 0 i32.div_s call 0 local.set 0 ";
        module(format!("(func (param i32) (result i32) {} local.get 0)", one.repeat(n)))
    }),
];

fn module(fields: String) -> String {
    format!("(module {fields})")
}

fn each(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut all, i| {
        write!(all, "{}", part(i)).expect("a string grows");
        all
    })
}

/// Value types in turns.
fn mixed(n: usize) -> String {
    each(n, |i| format!("{} ", ["i32", "f64", "anyref", "i64", "funcref"][i % 5]))
}

/// A function with `n` openings and as many endings; local 0 is an i32, function 1 does nothing.
fn nest(n: usize, opening: &str, ending: &str) -> String {
    nest_around(n, opening, if opening.contains("result") { "local.get 0 " } else { "" }, ending)
}

fn nest_around(n: usize, opening: &str, inside: &str, ending: &str) -> String {
    let drop = if opening.contains("result") { "drop" } else { "" };
    format!("(module (func (param i32) {} {inside} {} {drop}) (func))", opening.repeat(n), ending.repeat(n))
}
