//! A program as WebAssembly text.

use super::program::*;
use std::fmt::Write;

/// The text of a module that exports `run (fuel, mask) -> i32`. Lengths of large arrays and depths are masked.
pub fn module(program: &Program) -> String {
    let mut text = String::from("(module\n");
    text += &types(program);
    text += IMPORTS;
    text += &globals(program);
    text += &sum(program);
    text += DEEP;
    for (index, body) in program.funcs.iter().enumerate() {
        text += &Emit { program, labels: 0, counters: Vec::new() }.func(index, body);
    }
    let _ = write!(text, "(func (export \"f0\") (type $fn) (call $f0 (local.get 0) (local.get 1) (local.get 2)))");
    text += &run();
    text + ")"
}

const IMPORTS: &str = r#"
(import "h" "put" (func $put (param i32 anyref)))
(import "h" "get" (func $get (param i32) (result anyref)))
(import "h" "collect" (func $collect (param i32)))
(import "h" "value" (func $value (param i32) (result externref)))
(import "h" "read" (func $read (param externref) (result i32)))
(import "h" "call" (func $host (param anyref anyref i32) (result anyref i32)))
(tag $e (param anyref i32))
(global $fuel (mut i32) (i32.const 0)) (global $mask (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))
(func $mix (param i32)
  (global.set $h (i32.add (i32.mul (global.get $h) (i32.const 31)) (local.get 0))))
(func $rem (param i32 i32) (result i32) (i32.rem_u (local.get 0) (local.get 1)))
(func $at (param $i i32) (param $len i32) (result i32) (i32.rem_u (local.get $i) (i32.add (local.get $len) (i32.const 1))))
"#;

/// `n` frames deep, each with a node; at the bottom a return, or an exception that every 64th frame catches.
const DEEP: &str = r#"
(func $deep (param $n i32) (param $throw i32) (param $r anyref) (result (ref null $s0))
  (local $mine (ref $s0)) (local $i i32) (local $caught anyref)
  (local.set $mine (struct.new $s0 (local.get $r) (local.get $n) (ref.null $s0)))
  (if (i32.eqz (local.get $n))
    (then
      (if (local.get $throw) (then (throw $e (local.get $mine) (i32.const 3))))
      (return (local.get $mine))))
  (if (i32.rem_u (local.get $n) (i32.const 64))
    (then
      (struct.set $s0 2 (local.get $mine)
        (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $throw) (local.get $mine))))
    (else
      (block $caught (result anyref i32)
        (struct.set $s0 2 (local.get $mine)
          (try_table (result (ref null $s0)) (catch $e $caught)
            (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $throw) (local.get $mine))))
        (ref.null any) (i32.const 0))
      (local.set $i) (local.set $caught)
      (if (local.get $i)
        (then (struct.set $s0 0 (local.get $mine) (local.get $caught)) (call $mix (local.get $i))))))
  (call $mix (local.get $n))
  (local.get $mine))
"#;

fn storage(kind: Kind) -> String {
    match kind {
        Kind::I8 => "i8".into(),
        Kind::I16 => "i16".into(),
        Kind::I32 => "i32".into(),
        Kind::I64 => "i64".into(),
        Kind::F64 => "f64".into(),
        Kind::Any => "anyref".into(),
        Kind::Struct(ty) => format!("(ref null $s{ty})"),
        Kind::Array(ty) => format!("(ref null $a{ty})"),
        Kind::Extern => "externref".into(),
        Kind::Func => "(ref null $fn)".into(),
    }
}

fn mutable(kind: Kind, mutable: bool) -> String {
    if mutable { format!("(mut {})", storage(kind)) } else { storage(kind) }
}

fn types(program: &Program) -> String {
    let mut text = String::from("(rec (type $fn (func (param anyref anyref i32) (result anyref i32)))\n");
    for (index, ty) in program.structs.iter().enumerate() {
        let parent = ty.parent.map_or(String::new(), |parent| format!(" $s{parent}"));
        let fields: String =
            ty.fields.iter().map(|field| format!(" (field {})", mutable(field.kind, field.mutable))).collect();
        let _ = writeln!(text, "(type $s{index} (sub{parent} (struct{fields})))");
    }
    for (index, kind) in program.arrays.iter().enumerate() {
        let _ = writeln!(text, "(type $a{index} (array {}))", mutable(*kind, true));
    }
    text + ")\n"
}

fn globals(program: &Program) -> String {
    let mut text = String::new();
    for index in 0..GLOBALS {
        // The first ones hold objects of constant expressions: immortal if nothing of them can change.
        let init = program.segment.get(index).map_or(item(&Item::Null), item);
        let _ = writeln!(text, "(global $g{index} (mut anyref) {init})");
    }
    for index in 0..EXTERNS {
        let _ = writeln!(text, "(global $x{index} (mut externref) (ref.null extern))");
    }
    let items: String = program.segment.iter().map(|at| format!(" (item {})", item(at))).collect();
    let _ = writeln!(text, "(elem $seg anyref{items})");
    let funcs: String = (0..program.funcs.len()).map(|index| format!(" $f{index}")).collect();
    let _ = writeln!(text, "(table $ft funcref (elem{funcs}))");
    let _ = writeln!(text, "(table $t {TABLE} {TABLE_MAX} anyref)");
    let bytes: String = program.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let _ = writeln!(text, "(data $data \"{bytes}\")");
    text
}

fn item(item: &Item) -> String {
    match item {
        Item::I31(value) => format!("(ref.i31 (i32.const {value}))"),
        Item::Struct(ty) => format!("(struct.new_default $s{ty})"),
        Item::Array(ty, len) => format!("(array.new_default $a{ty} (i32.const {len}))"),
        Item::Null => "(ref.null any)".into(),
    }
}

/// An integer of what was read from a field or element of a kind; `signed` for packed ones.
fn int_of(kind: Kind, read: &str) -> String {
    match kind {
        // The halves together.
        Kind::I64 => format!("(call $fold {read})"),
        Kind::F64 => format!("(i32.trunc_sat_f64_s {read})"),
        _ => read.to_owned(),
    }
}

/// A read accessor: packed fields are read with and without sign in turns.
fn getter(of: &str, kind: Kind, number: usize) -> String {
    match kind {
        Kind::I8 | Kind::I16 if number.is_multiple_of(2) => format!("{of}.get_s"),
        Kind::I8 | Kind::I16 => format!("{of}.get_u"),
        _ => format!("{of}.get"),
    }
}

/// An anyref of what was read.
fn any_of(kind: Kind, read: String) -> String {
    match kind {
        Kind::Extern => format!("(any.convert_extern {read})"),
        _ => read,
    }
}

/// The function that hashes what a reference leads to, so many steps far.
fn sum(program: &Program) -> String {
    let mut text = String::from(
        "(func $fold (param i64) (result i32)
           (i32.wrap_i64 (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 32)))))
         (func $sum (param $v anyref) (param $d i32) (result i32) (local $h i32) (local $k i32) (local $step i32)
         (if (ref.is_null (local.get $v)) (then (return (i32.const 7))))
         (if (ref.test (ref i31) (local.get $v))
           (then (return (i32.add (i32.mul (i31.get_s (ref.cast (ref i31) (local.get $v))) (i32.const 3)) (i32.const 1)))))\n",
    );
    let part = |kind: Kind, number: usize, read: String| match kind {
        Kind::Func => format!("(ref.is_null {read})"),
        kind if !kind.is_int() && number >= SUMMED_FIELDS => format!("(ref.is_null {})", any_of(kind, read)),
        kind if kind.is_int() => int_of(kind, &read),
        kind => {
            let any = any_of(kind, read);
            format!(
                "(if (result i32) (local.get $d) (then (call $sum {any} (i32.sub (local.get $d) (i32.const 1))))
                   (else (ref.is_null {any})))"
            )
        }
    };
    for (index, ty) in program.structs.iter().enumerate().rev() {
        let _ = writeln!(
            text,
            "(if (ref.test (ref $s{index}) (local.get $v)) (then (local.set $h (i32.const {}))",
            100 + index
        );
        for (number, field) in ty.fields.iter().enumerate() {
            let get = getter("struct", field.kind, number);
            let read = format!("({get} $s{index} {number} (ref.cast (ref $s{index}) (local.get $v)))");
            let part = part(field.kind, number, read);
            let _ = writeln!(text, "(local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31)) {part}))");
        }
        text += "(return (local.get $h))))\n";
    }
    for (index, kind) in program.arrays.iter().enumerate() {
        let array = format!("(ref.cast (ref $a{index}) (local.get $v))");
        let part = part(*kind, 0, format!("({} $a{index} {array} (local.get $k))", getter("array", *kind, index)));
        let _ = writeln!(
            text,
            "(if (ref.test (ref $a{index}) (local.get $v)) (then
               (local.set $h (array.len {array}))
               (local.set $step (i32.add (i32.div_u (local.get $h) (i32.const 8)) (i32.const 1)))
               (loop $l
                 (if (i32.ge_u (local.get $k) (array.len {array})) (then (return (local.get $h))))
                 (local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31)) {part}))
                 (local.set $k (i32.add (local.get $k) (local.get $step)))
                 (br $l))))"
        );
    }
    text + "(i32.add (i32.const 13) (call $read (extern.convert_any (local.get $v)))))\n"
}

fn run() -> String {
    let mut text = String::from(
        r#"(func (export "run") (param $fuel i32) (param $mask i32) (result i32)
        (global.set $fuel (local.get $fuel)) (global.set $mask (local.get $mask)) (global.set $h (i32.const 0))
        (block $thrown
          (try_table (catch_all $thrown)
            (call $f0 (global.get $g0) (global.get $g1) (i32.const 5))
            (call $mix) (call $mix (call $sum (i32.const 3)))))
        "#,
    );
    for index in 0..GLOBALS {
        let _ = writeln!(text, "(call $mix (call $sum (global.get $g{index}) (i32.const 3)))");
    }
    for index in 0..TABLE {
        let _ = writeln!(text, "(call $mix (call $sum (table.get $t (i32.const {index})) (i32.const 2)))");
    }
    text + "(global.get $h))"
}

/// Writes one function.
struct Emit<'a> {
    program: &'a Program,
    labels: usize,
    /// Labels of loops, whose counters are locals.
    counters: Vec<usize>,
}

impl Emit<'_> {
    fn func(&mut self, index: usize, body: &[Stmt]) -> String {
        let mut text = format!(
            "(func $f{index} (type $fn) (param $r0 anyref) (param $r1 anyref) (param $i0 i32) (result anyref i32)\n"
        );
        (2..REFS).for_each(|reg| text += &format!("(local $r{reg} anyref) "));
        (1..INTS).for_each(|reg| text += &format!("(local $i{reg} i32) "));
        text += "(local $ti i32) (local $tr anyref) (local $p i32) (local $q i32) (local $x exnref)\n";
        for ty in 0..self.program.arrays.len() {
            let _ = writeln!(text, "(local $a{ty} (ref null $a{ty})) (local $b{ty} (ref null $a{ty}))");
        }
        let code = self.block(body);
        self.counters.drain(..).for_each(|label| text += &format!("(local $c{label} i32) "));
        text += "(global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (return (local.get $r0) (i32.const 0))))\n";
        text += &code;
        text + "(local.get $r0) (local.get $i1))\n"
    }

    fn block(&mut self, body: &[Stmt]) -> String {
        body.iter().map(|stmt| self.stmt(stmt) + "\n").collect()
    }

    fn label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }

    fn stmt(&mut self, stmt: &Stmt) -> String {
        match stmt {
            Stmt::SetRef(reg, value) => format!("(local.set $r{reg} {})", self.reference(value)),
            Stmt::SetInt(reg, value) => format!("(local.set $i{reg} {})", self.int(value)),
            Stmt::Mix(value) => format!("(call $mix {})", self.int(value)),
            Stmt::SetField(object, field, value) => self.set_field(object, *field, value),
            Stmt::SetElem(array, ty, index, value) => self.set_elem(array, *ty, index, value),
            Stmt::Fill(reg, ty, at, len, value) => self.fill(*reg, *ty, at, len, value),
            Stmt::Copy { ty, dst, src, at, from, len } => self.copy(*ty, *dst, *src, [at, from, len]),
            Stmt::SetGlobal(index, value) => format!("(global.set $g{index} {})", self.reference(value)),
            Stmt::SetTable(index, value) => format!("(table.set $t {} {})", self.place(index), self.reference(value)),
            Stmt::TableFill(at, len, value) => {
                let value = self.reference(value);
                let clamp = self.clamp("(table.size $t)", "(table.size $t)", at, at, len);
                format!(
                    "(local.set $tr {value}) {clamp} (table.fill $t (local.get $p) (local.get $tr) (local.get $ti))"
                )
            }
            Stmt::TableCopy(at, from, len) => {
                let clamp = self.clamp("(table.size $t)", "(table.size $t)", at, from, len);
                format!("{clamp} (table.copy $t $t (local.get $p) (local.get $q) (local.get $ti))")
            }
            Stmt::TableGrow(by, value) => {
                format!("(call $mix (table.grow $t {} (i32.const {by})))", self.reference(value))
            }
            Stmt::SetExtern(index, value) => {
                format!("(global.set $x{index} (extern.convert_any {}))", self.reference(value))
            }
            Stmt::HostPut(index, value) => format!("(call $put {} {})", self.int(index), self.reference(value)),
            Stmt::Collect(kind) => format!("(call $collect (i32.const {kind}))"),
            Stmt::If(condition, then, other) => format!(
                "(if (i32.and {} (i32.const 1)) (then {}) (else {}))",
                self.int(condition),
                self.block(then),
                self.block(other)
            ),
            Stmt::Loop(count, body) => self.repeat(*count, body),
            Stmt::Try(catch, reg, body) => self.try_(*catch, *reg, body),
            Stmt::Throw(condition, value, number) => format!(
                "(if {} (then (throw $e {} {})))",
                self.rarely(condition),
                self.reference(value),
                self.int(number)
            ),
            Stmt::Rethrow(condition) => format!(
                "(if {} (then (if (i32.eqz (ref.is_null (local.get $x))) (then (throw_ref (local.get $x))))))",
                self.rarely(condition)
            ),
            Stmt::TailCall(condition, func, args) => {
                let condition = self.rarely(condition);
                format!("(if {condition} (then (return_call $f{func} {})))", self.args(args))
            }
            Stmt::Deep(depth, throws, reg) => self.deep(*depth, *throws, *reg),
        }
    }

    /// A condition that holds once in eight times.
    fn rarely(&mut self, condition: &Int) -> String {
        format!("(i32.eq (i32.and {} (i32.const 7)) (i32.const 3))", self.int(condition))
    }

    fn place(&mut self, index: &Int) -> String {
        format!("(call $rem {} (table.size $t))", self.int(index))
    }

    /// Sets $p to a position in `to`, $q to one in `from`, $ti to a length that fits both.
    fn clamp(&mut self, to: &str, from: &str, at: &Int, start: &Int, len: &Int) -> String {
        format!(
            "(local.set $p (call $at {} {to})) (local.set $q (call $at {} {from}))
             (local.set $ti (call $at {} (select (i32.sub {to} (local.get $p)) (i32.sub {from} (local.get $q))
               (i32.lt_u (i32.sub {to} (local.get $p)) (i32.sub {from} (local.get $q))))))",
            self.int(at),
            self.int(start),
            self.int(len)
        )
    }

    /// `then` with an object of type `ty` on the stack, `otherwise` if the reference is none.
    fn with(&mut self, ty: &str, object: String, result: &str, then: &str, otherwise: &str) -> String {
        let label = self.label();
        let results = if result.is_empty() { String::new() } else { format!("(result {result})") };
        format!(
            "(block $d{label} {results} (block $n{label} (result anyref)
               (br_on_cast_fail $n{label} anyref (ref {ty}) {object}) {then} (br $d{label})) (drop) {otherwise})"
        )
    }

    fn set_field(&mut self, object: &Ref, FieldOf { ty, field }: FieldOf, value: &Value) -> String {
        let kind = self.program.structs[ty].fields[field].kind;
        let (object, value) = (self.reference(object), self.value(kind, value));
        let then = format!("{value} (struct.set $s{ty} {field})");
        self.with(&format!("$s{ty}"), object, "", &then, "")
    }

    fn set_elem(&mut self, array: &Ref, ty: usize, index: &Int, value: &Value) -> String {
        let kind = self.program.arrays[ty];
        let (array, index, value) = (self.reference(array), self.int(index), self.value(kind, value));
        let then = format!(
            "(local.set $a{ty})
             (if (array.len (local.get $a{ty})) (then (array.set $a{ty} (local.get $a{ty})
               (call $rem {index} (array.len (local.get $a{ty}))) {value})))"
        );
        self.with(&format!("$a{ty}"), array, "", &then, "")
    }

    fn fill(&mut self, reg: usize, ty: usize, at: &Int, len: &Int, value: &Value) -> String {
        let value = self.value(self.program.arrays[ty], value);
        let size = format!("(array.len (local.get $a{ty}))");
        let clamp = self.clamp(&size, &size, at, at, len);
        let then = format!(
            "(local.set $a{ty}) {clamp} (array.fill $a{ty} (local.get $a{ty}) (local.get $p) {value} (local.get $ti))"
        );
        // The value is simple (see `random`): it uses no temporaries.
        self.with(&format!("$a{ty}"), format!("(local.get $r{reg})"), "", &then, "")
    }

    fn copy(&mut self, ty: usize, dst: usize, src: usize, [at, from, len]: [&Int; 3]) -> String {
        let clamp = self.clamp(
            &format!("(array.len (local.get $a{ty}))"),
            &format!("(array.len (local.get $b{ty}))"),
            at,
            from,
            len,
        );
        let copy = format!(
            "(local.set $b{ty}) {clamp} (array.copy $a{ty} $a{ty} (local.get $a{ty}) (local.get $p)
               (local.get $b{ty}) (local.get $q) (local.get $ti))"
        );
        let inner = self.with(&format!("$a{ty}"), format!("(local.get $r{src})"), "", &copy, "");
        let then = format!("(local.set $a{ty}) {inner}");
        self.with(&format!("$a{ty}"), format!("(local.get $r{dst})"), "", &then, "")
    }

    fn repeat(&mut self, count: u32, body: &[Stmt]) -> String {
        let label = self.label();
        self.counters.push(label);
        let body = self.block(body);
        format!(
            "(local.set $c{label} (i32.const {count})) (block $b{label} (loop $l{label}
               (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
               (br_if $b{label} (i32.lt_s (global.get $fuel) (i32.const 0)))
               {body}
               (br_if $l{label} (local.tee $c{label} (i32.sub (local.get $c{label}) (i32.const 1))))))"
        )
    }

    fn try_(&mut self, catch: Catch, reg: usize, body: &[Stmt]) -> String {
        let label = self.label();
        let body = self.block(body);
        let (results, clause, handler) = match catch {
            Catch::Tag => {
                ("anyref i32", "catch $e", format!("(local.set $ti) (local.set $r{reg}) (call $mix (local.get $ti))"))
            }
            Catch::TagRef => (
                "anyref i32 exnref",
                "catch_ref $e",
                format!("(local.set $x) (local.set $ti) (local.set $r{reg}) (call $mix (local.get $ti))"),
            ),
            Catch::All => ("", "catch_all", "(call $mix (i32.const 9))".to_owned()),
            Catch::AllRef => ("exnref", "catch_all_ref", "(local.set $x)".to_owned()),
        };
        let results = if results.is_empty() { String::new() } else { format!("(result {results})") };
        format!(
            "(block $d{label} (block $h{label} {results} (try_table ({clause} $h{label}) {body}) (br $d{label})) {handler})"
        )
    }

    fn deep(&mut self, depth: u32, throws: bool, reg: usize) -> String {
        let label = self.label();
        let throws = throws as u32;
        format!(
            "(global.set $fuel (i32.sub (global.get $fuel) (i32.const {DEEP_FUEL})))
             (block $d{label} (br_if $d{label} (i32.lt_s (global.get $fuel) (i32.const 0)))
             (block $h{label} (result anyref i32) (try_table (catch $e $h{label}) (local.set $r{reg}
                 (call $deep (i32.and (i32.const {depth}) (global.get $mask)) (i32.const {throws}) (local.get $r{reg}))))
               (br $d{label})) (call $mix) (local.set $r{reg}))"
        )
    }

    fn args(&mut self, args: &Args) -> String {
        format!("{} {} {}", self.reference(&args.a), self.reference(&args.b), self.int(&args.i))
    }

    fn value(&mut self, kind: Kind, value: &Value) -> String {
        match (kind, value) {
            (Kind::I64, Value::Int(int)) => {
                format!("(i64.mul (i64.extend_i32_s {}) (i64.const 0x100000001))", self.int(int))
            }
            (Kind::F64, Value::Int(int)) => format!("(f64.convert_i32_s {})", self.int(int)),
            (_, Value::Int(int)) => self.int(int),
            (_, Value::Func(None)) => "(ref.null $fn)".to_owned(),
            (_, Value::Func(Some(func))) => format!("(ref.func $f{func})"),
            (kind, Value::Ref(reference)) => {
                let reference = self.reference(reference);
                self.as_kind(kind, reference)
            }
        }
    }

    /// An anyref as a reference of a kind: null if it is something else.
    fn as_kind(&mut self, kind: Kind, reference: String) -> String {
        let ty = match kind {
            Kind::Struct(ty) => format!("$s{ty}"),
            Kind::Array(ty) => format!("$a{ty}"),
            Kind::Extern => return format!("(extern.convert_any {reference})"),
            _ => return reference,
        };
        let label = self.label();
        format!(
            "(block $k{label} (result (ref null {ty}))
               (drop (br_on_cast $k{label} anyref (ref null {ty}) {reference})) (ref.null {ty}))"
        )
    }

    fn heap_type(kind: Kind) -> String {
        match kind {
            Kind::Struct(ty) => format!("$s{ty}"),
            Kind::Array(ty) => format!("$a{ty}"),
            kind => panic!("{kind:?} is no type to cast to"),
        }
    }

    fn reference(&mut self, reference: &Ref) -> String {
        match reference {
            Ref::Null => "(ref.null any)".to_owned(),
            Ref::Reg(reg) => format!("(local.get $r{reg})"),
            Ref::Global(index) => format!("(global.get $g{index})"),
            Ref::Table(index) => format!("(table.get $t {})", self.place(index)),
            Ref::Extern(index) => format!("(any.convert_extern (global.get $x{index}))"),
            Ref::Host(index) => format!("(call $get {})", self.int(index)),
            Ref::HostValue(value) => format!("(any.convert_extern (call $value {}))", self.int(value)),
            Ref::I31(value) => format!("(ref.i31 {})", self.int(value)),
            Ref::Struct(ty, values) => {
                let kinds = self.program.structs[*ty].fields.clone();
                let values: String =
                    kinds.iter().zip(values).map(|(field, value)| self.value(field.kind, value) + " ").collect();
                format!("(struct.new $s{ty} {values})")
            }
            Ref::Default(ty) => format!("(struct.new_default $s{ty})"),
            Ref::Array(ty, new) => self.new_array(*ty, new),
            Ref::Field(object, FieldOf { ty, field }) => {
                let kind = self.program.structs[*ty].fields[*field].kind;
                let convert = if kind == Kind::Extern { " (any.convert_extern)" } else { "" };
                let then = format!("(struct.get $s{ty} {field}){convert}");
                let object = self.reference(object);
                self.with(&format!("$s{ty}"), object, "anyref", &then, "(ref.null any)")
            }
            Ref::Elem(array, ty, index) => {
                let kind = self.program.arrays[*ty];
                let read = format!("(array.get $a{ty} (local.get $a{ty}) {})", self.elem_index(*ty, index));
                let then = format!(
                    "(local.set $a{ty}) (if (result anyref) (array.len (local.get $a{ty})) (then {}) (else (ref.null any)))",
                    any_of(kind, read)
                );
                let array = self.reference(array);
                self.with(&format!("$a{ty}"), array, "anyref", &then, "(ref.null any)")
            }
            Ref::Call(callee, args) => self.call(callee, args),
            Ref::RoundTrip(inner) => format!("(any.convert_extern (extern.convert_any {}))", self.reference(inner)),
            Ref::Select(a, b, condition) => {
                let (a, b) = (self.reference(a), self.reference(b));
                format!("(select (result anyref) {a} {b} (i32.and {} (i32.const 1)))", self.int(condition))
            }
            Ref::If(condition, a, b) => format!(
                "(if (result anyref) (i32.and {} (i32.const 1)) (then {}) (else {}))",
                self.int(condition),
                self.reference(a),
                self.reference(b)
            ),
            Ref::Cast(kind, inner) => {
                let inner = self.reference(inner);
                self.as_kind(*kind, inner)
            }
        }
    }

    fn elem_index(&mut self, ty: usize, index: &Int) -> String {
        format!("(call $rem {} (array.len (local.get $a{ty})))", self.int(index))
    }

    fn length(&mut self, length: &Int, large: bool) -> String {
        let mask = if large { "(global.get $mask)" } else { "(i32.const 15)" };
        format!("(i32.and {} {mask})", self.int(length))
    }

    fn new_array(&mut self, ty: usize, new: &NewArray) -> String {
        let kind = self.program.arrays[ty];
        match new {
            NewArray::Default(length, large) => format!("(array.new_default $a{ty} {})", self.length(length, *large)),
            NewArray::Filled(length, large, value) => {
                format!("(array.new $a{ty} {} {})", self.value(kind, value), self.length(length, *large))
            }
            NewArray::Fixed(values) => {
                let count = values.len();
                let values: String = values.iter().map(|value| self.value(kind, value) + " ").collect();
                format!("(array.new_fixed $a{ty} {count} {values})")
            }
            NewArray::Data(at, len) => format!("(array.new_data $a{ty} $data (i32.const {at}) (i32.const {len}))"),
            NewArray::Elem(at, len) => format!("(array.new_elem $a{ty} $seg (i32.const {at}) (i32.const {len}))"),
        }
    }

    /// A call's reference; its integer goes into the hash.
    fn call(&mut self, callee: &Callee, args: &Args) -> String {
        let operands = self.args(args);
        let call = match callee {
            Callee::Direct(func) => format!("(call $f{func} {operands})"),
            Callee::Host => format!("(call $host {operands})"),
            Callee::Indirect(index) => {
                let index = self.int(index);
                format!("(call_indirect $ft (type $fn) {operands} (call $rem {index} (table.size $ft)))")
            }
            Callee::Field(reg, FieldOf { ty, field }) => {
                let func = self.with(
                    &format!("$s{ty}"),
                    format!("(local.get $r{reg})"),
                    "(ref null $fn)",
                    &format!("(struct.get $s{ty} {field})"),
                    "(ref.null $fn)",
                );
                return format!(
                    "(block (result anyref) {operands}
                       (if (param anyref anyref i32) (result anyref) (ref.is_null {func})
                         (then (drop) (drop)) (else {func} (call_ref $fn) (call $mix))))"
                );
            }
        };
        format!("(block (result anyref) {call} (call $mix))")
    }

    fn int(&mut self, int: &Int) -> String {
        match int {
            Int::Const(value) => format!("(i32.const {value})"),
            Int::Local(reg) => format!("(local.get $i{reg})"),
            Int::Add(a, b) => format!("(i32.add {} {})", self.int(a), self.int(b)),
            Int::Mul(a, b) => format!("(i32.mul {} {})", self.int(a), self.int(b)),
            Int::Xor(a, b) => format!("(i32.xor {} {})", self.int(a), self.int(b)),
            Int::Field(object, FieldOf { ty, field }) => {
                let kind = self.program.structs[*ty].fields[*field].kind;
                let get = format!("({} $s{ty} {field})", getter("struct", kind, *field));
                let then = match kind {
                    Kind::I64 => get + " (call $fold)",
                    Kind::F64 => get + " (i32.trunc_sat_f64_s)",
                    _ => get,
                };
                let object = self.reference(object);
                self.with(&format!("$s{ty}"), object, "i32", &then, "(i32.const -1)")
            }
            Int::Elem(array, ty, index) => {
                let kind = self.program.arrays[*ty];
                let index = self.elem_index(*ty, index);
                let read = format!("({} $a{ty} (local.get $a{ty}) {index})", getter("array", kind, *ty));
                let then = format!(
                    "(local.set $a{ty}) (if (result i32) (array.len (local.get $a{ty})) (then {}) (else (i32.const -2)))",
                    int_of(kind, &read)
                );
                let array = self.reference(array);
                self.with(&format!("$a{ty}"), array, "i32", &then, "(i32.const -3)")
            }
            Int::Len(array, ty) => {
                let array = self.reference(array);
                self.with(&format!("$a{ty}"), array, "i32", "(array.len)", "(i32.const -4)")
            }
            Int::I31(reference) => {
                let reference = self.reference(reference);
                self.with("i31", reference, "i32", "(i31.get_u)", "(i32.const -5)")
            }
            Int::Eq(a, b) => {
                let label = self.label();
                let (a, b) = (self.reference(a), self.reference(b));
                let eq = |operand: String, at: u32| {
                    format!(
                        "(block $e{at}x{label} (result eqref)
                           (drop (br_on_cast $e{at}x{label} anyref eqref {operand})) (ref.null eq))"
                    )
                };
                format!("(ref.eq {} {})", eq(a, 0), eq(b, 1))
            }
            Int::Test(reference, kind) => {
                let ty = Self::heap_type(*kind);
                format!("(ref.test (ref {ty}) {})", self.reference(reference))
            }
            Int::IsNull(reference) => format!("(ref.is_null {})", self.reference(reference)),
            Int::Sum(reference, depth) => format!("(call $sum {} (i32.const {depth}))", self.reference(reference)),
            Int::TableSize => "(table.size $t)".to_owned(),
        }
    }
}
