//! Modules in which a thousand values pass a label, a call or a handler again and again, with each instruction that can
//! do that: their copies are to be made in one place, not at each of them.

use super::{Shape, each, module, shape};

/// Values that pass: nearly as many as a function may have.
pub const VALUES: usize = 990;

/// What passes.
#[derive(Clone, Copy)]
pub struct Values {
    pub name: &'static str,
    /// The types, in turns, with an instruction that makes one.
    types: &'static [(&'static str, &'static str)],
}

/// Kinds of values, by where their slots lie.
pub static KINDS: [Values; 3] = [
    Values { name: "integers", types: &[("i32", "i32.const 1 ")] },
    Values { name: "references", types: &[("anyref", "local.get 1 ")] },
    Values {
        name: "mixed values",
        types: &[
            ("i32", "i32.const 1 "),
            ("f64", "f64.const 2 "),
            ("anyref", "local.get 1 "),
            ("i64", "i64.const 3 "),
            ("funcref", "ref.null func "),
        ],
    },
];

/// What repeats, and the module around it.
pub struct Passing {
    pub name: &'static str,
    /// What is repeated, with the values on the stack before and after. `LAST` stands for an instruction that makes the
    /// last of them.
    repeated: &'static str,
    around: Around,
}

/// Where it repeats.
#[derive(Clone, Copy)]
enum Around {
    /// In a block that has one more operand below the values, so that each has to move at a branch to `$l`. Around it
    /// is `$r`, which expects the values and a reference.
    Block,
    /// In a block `$l` at the end of a function that returns the values.
    Tail,
    /// In a block `$c` that expects the values; the stack is empty.
    Handlers,
    /// In the list of catches of a `try_table` in `$c`.
    Catches,
}

const fn passing(name: &'static str, around: Around, repeated: &'static str) -> Passing {
    Passing { name, repeated, around }
}

pub static PASSING: [Passing; 30] = {
    use Around::{Block, Catches, Handlers, Tail};
    [
        passing("br", Block, "local.get 0 if (type $pass) br $l end "),
        passing("br_if", Block, "local.get 0 br_if $l "),
        passing("br_if with a new last value", Block, "drop LAST local.get 0 br_if $l "),
        passing("br_if behind a br_if", Block, "local.get 0 br_if $l local.get 0 br_if $m "),
        passing("br_table", Block, "local.get 0 if (type $pass) local.get 0 br_table $l 0 $m $l end "),
        passing("br_on_null", Block, "local.get 1 br_on_null $l drop "),
        passing("br_on_non_null", Block, "local.get 1 br_on_non_null $r "),
        passing("br_on_cast", Block, "local.get 1 br_on_cast $r anyref (ref null i31) drop "),
        passing("br_on_cast_fail", Block, "local.get 1 br_on_cast_fail $r anyref (ref null i31) drop "),
        passing("br out of the function", Tail, "local.get 0 if (type $pass) br $l end "),
        passing("br_if out of the function", Tail, "local.get 0 br_if $l "),
        passing("br_if out of the function with a new last value", Tail, "drop LAST local.get 0 br_if $l "),
        passing("br_table out of the function", Tail, "local.get 0 if (type $pass) local.get 0 br_table $l 0 $l end "),
        passing("return", Tail, "local.get 0 if (type $pass) return end "),
        passing("return_call", Tail, "local.get 0 if (type $pass) local.get 1 return_call $same end "),
        passing("call", Block, "local.get 1 call $same "),
        passing("throw", Block, "local.get 0 if (type $pass) throw $t0 end "),
        passing("struct.new", Block, "struct.new $struct drop call $fresh "),
        passing("block", Block, "block (type $pass) local.get 0 br_if 0 end "),
        passing("loop", Block, "loop (type $pass) local.get 0 br_if 0 end "),
        passing("if", Block, "local.get 0 if (type $pass) end "),
        passing("if with else", Block, "local.get 0 if (type $pass) call $nothing else end "),
        passing("try_table", Block, "try_table (type $pass) (catch_all $e) call $nothing end "),
        passing("a call in an if", Block, "local.get 0 if (type $pass) local.get 1 call $same end "),
        passing("a catch of one tag", Catches, "(catch $t0 $c) "),
        passing("a catch of another tag", Catches, "(catch $tINDEX $c) "),
        passing("a catch_ref of another tag", Catches, "(catch_ref $tINDEX $x) "),
        passing("a try_table that catches", Handlers, "try_table (catch $t0 $c) call $nothing end "),
        passing(
            "a try_table that catches two tags",
            Handlers,
            "try_table (catch $t0 $c) (catch $t1 $c) call $nothing end ",
        ),
        passing("a nested try_table that catches", Handlers, "block try_table (catch $t0 $c) call $nothing end end "),
    ]
};

impl Values {
    fn each(&self, part: impl Fn(&(&'static str, &'static str)) -> &'static str) -> String {
        each(VALUES, |i| format!("{} ", part(&self.types[i % self.types.len()])))
    }

    fn last(&self) -> &'static str {
        self.types[(VALUES - 1) % self.types.len()].1
    }
}

impl Passing {
    /// The module with `n` repetitions.
    pub fn module(&self, n: usize, values: &Values) -> Vec<u8> {
        let text = self.text(n, values);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{} of {}: {error}", self.name, values.name))
    }

    fn text(&self, n: usize, values: &Values) -> String {
        let (types, push) = (values.each(|v| v.0), values.each(|v| v.1));
        let (gets, drops) = (each(VALUES, |i| format!("local.get {i} ")), "drop ".repeat(VALUES));
        let repeated = self.repeated.replace("LAST", values.last());
        let repeated = each(n, |i| repeated.replace("INDEX", &i.to_string()));
        let tags = if self.repeated.contains("INDEX") { n } else { 2 };
        let tags = each(tags, |i| format!("(tag $t{i} (type $taken)) "));
        let results = if matches!(self.around, Around::Tail) { format!("(result {types})") } else { String::new() };
        let body = match self.around {
            Around::Block => format!(
                "block $e block $m (type $many) i64.const 5 block $l (type $many) i64.const 6 block $r (type $more)
                 i64.const 7 {push} {repeated} local.get 1 br $r end drop br $l end br $m end {drops} end"
            ),
            Around::Tail => format!("block $l (type $many) {push} {repeated} end"),
            Around::Handlers => format!("block $c (type $many) {repeated} {push} end {drops}"),
            Around::Catches => format!(
                "block $x (type $thrown) block $c (type $many) try_table {repeated} call $nothing end {push} end
                 {drops} unreachable end drop {drops}"
            ),
        };
        format!(
            "(module (type $many (func (result {types}))) (type $more (func (result {types} anyref)))
             (type $thrown (func (result {types} exnref)))
             (type $pass (func (param {types}) (result {types}))) (type $taken (func (param {types})))
             (type $struct (struct (field {types})))
             {tags} (func $nothing) (func $fresh (type $many) (local i32 anyref) {push})
             (func $same (param {types} anyref) (result {types}) {gets})
             (func (param i32 anyref) {results} {body}))"
        )
    }
}

/// A module in which many locals are known constants at each of `n` calls that have a handler.
pub static CONSTANT_LOCALS: Shape = shape("calls beside constant locals, with a handler", 100_000, |n| {
    let sets = each(64, |i| format!("i32.const {i} local.set {i} "));
    let gets = each(64, |i| format!("local.get {i} drop "));
    let locals = "i32 ".repeat(64);
    format!(
        "(module (func (local {locals}) {sets} block try_table (catch_all 0) {} end end {gets}) (func))",
        "call 1 ".repeat(n)
    )
});

/// Calls and nothing else: of all instructions the one with the most memory for its size.
pub static CALLS: Shape = shape("calls", 1_000_000, |n| module(format!("(func {}) ", "call 0 ".repeat(n))));
