//! Functions of a program as WebAssembly text.

use super::program::*;
use super::skeleton::{any_of, getter, int_of};
use std::fmt::Write;

/// Writes one function.
struct Emit<'a> {
    program: &'a Program,
    labels: usize,
    /// Labels of loops, whose counters are locals.
    counters: Vec<usize>,
}

/// Function `index` of a program.
pub fn function(program: &Program, index: usize) -> String {
    Emit { program, labels: 0, counters: Vec::new() }.func(index, &program.funcs[index])
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
