//! Modules of small functions that call each other: what they take, leave, hold and do, and where their calls stand,
//! follows from a seed. Every function calls earlier ones only, so that programs end.

use crate::random::Random;
use std::fmt::Write;

/// Small functions of a module.
const FUNCTIONS: usize = 28;
/// Functions that call them, which are exported and catch exceptions.
pub const CALLERS: usize = 5;

/// How functions are called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// By name.
    Names,
    /// Half of them by a reference, which is one of two functions of the same type, or rarely null.
    References,
}

/// A type of values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    I32,
    I64,
    F64,
    Node,
    Ints,
}

const TYPES: [Type; 5] = [Type::I32, Type::I64, Type::F64, Type::Node, Type::Ints];

impl Type {
    fn text(self) -> &'static str {
        match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F64 => "f64",
            Type::Node => "(ref null $node)",
            Type::Ints => "(ref null $ints)",
        }
    }
}

/// What a function takes and leaves.
#[derive(Clone, PartialEq, Eq)]
struct Signature {
    params: Vec<Type>,
    results: Vec<Type>,
}

/// The function that is made.
struct Body {
    locals: Vec<Type>,
    results: Vec<Type>,
    is_caller: bool,
    /// Expressions and statements that may still be made.
    left: u32,
}

pub struct Generator {
    random: Random,
    calls: Calls,
    made: Vec<Signature>,
    body: Body,
}

/// The text of a module.
#[allow(dead_code, reason = "each test binary calls one of two")]
pub fn module(seed: u64) -> String {
    module_with(seed, Calls::Names)
}

/// The text of a module with calls of this kind.
pub fn module_with(seed: u64, calls: Calls) -> String {
    let body = Body { locals: Vec::new(), results: Vec::new(), is_caller: false, left: 0 };
    let mut generator = Generator { random: Random(seed), calls, made: Vec::new(), body };
    let mut text = HEAD.to_owned();
    for _ in 0..FUNCTIONS {
        generator.function(&mut text);
    }
    for caller in 0..CALLERS {
        generator.caller(caller, &mut text);
    }
    if calls == Calls::References {
        generator.declare(&mut text);
    }
    text.push(')');
    text
}

const HEAD: &str = r#"(module
    (import "h" "look" (func $look (param i32)))
    (type $node (sub (struct (field $v (mut i32)) (field $next (mut (ref null $node))))))
    (type $wide (sub final $node (struct (field (mut i32)) (field (mut (ref null $node))) (field $d (mut f64)))))
    (type $ints (array (mut i32)))
    (tag $t (param i32))
    (memory 1)
    (global $g (export "g") (mut i32) (i32.const 3))
    (global $kept (mut (ref null $node)) (ref.null none))
    (func $throws (param i32) (if (i32.eqz (i32.rem_s (local.get 0) (i32.const 13))) (then (throw $t (local.get 0)))))
    (func $count (export "count") (result i32) (local $n i32) (local $at (ref null $node))
      (local.set $at (global.get $kept))
      (block $end (loop $next
        (br_if $end (ref.is_null (local.get $at)))
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 31)) (struct.get $node $v (local.get $at))))
        (local.set $at (struct.get $node $next (local.get $at)))
        (br_if $next (i32.lt_u (i32.clz (local.get $n)) (i32.const 33)))))
      (local.get $n))
"#;

impl Generator {
    fn types(&mut self, most: u32) -> Vec<Type> {
        (0..self.random.below(most + 1)).map(|_| self.random.of(&TYPES)).collect()
    }

    fn function(&mut self, text: &mut String) {
        let (mut params, locals, mut results) = (self.types(3), self.types(2), self.types(2));
        if self.calls == Calls::References && self.random.below(3) != 0 && !self.made.is_empty() {
            // One more function of a type.
            let signature = self.made[self.random.index(self.made.len().min(4))].clone();
            (params, results) = (signature.params, signature.results);
        }
        let left = [3, 8, 20][self.random.index(3)];
        let all = params.iter().chain(&locals).copied().collect();
        self.body = Body { locals: all, results: results.clone(), is_caller: false, left };
        write!(text, "  (func $f{}", self.made.len()).unwrap();
        for (word, types) in [("param", &params), ("result", &results), ("local", &locals)] {
            types.iter().for_each(|ty| write!(text, " ({word} {})", ty.text()).unwrap());
        }
        let guards = [self.guards(&params), String::new()];
        let is_late = self.random.below(6) == 0;
        let [early, late] = if is_late { [&guards[1], &guards[0]] } else { [&guards[0], &guards[1]] };
        let count = self.random.below(3);
        let statements = self.statements(count, 0);
        let zero = params.len();
        let set: String = (zero..self.body.locals.len()).map(|local| self.first_value(local)).collect();
        let end = match self.random.below(8) {
            0 => format!("(return {})", self.results()),
            // A return drops what lies below its values.
            2 => format!("(i64.const 1) (return {})", self.results()),
            1 if self.random.below(8) == 0 => "(unreachable)".to_owned(),
            _ => self.results(),
        };
        writeln!(text, " {early} {set} {late} {statements} {end})").unwrap();
        self.made.push(Signature { params, results });
    }

    /// Function types, by the number of a function each, and what may be referenced.
    fn declare(&self, text: &mut String) {
        for (number, Signature { params, results }) in self.made.iter().enumerate() {
            write!(text, "  (type $s{number} (func").unwrap();
            for (word, types) in [("param", params), ("result", results)] {
                types.iter().for_each(|ty| write!(text, " ({word} {})", ty.text()).unwrap());
            }
            text.push_str("))\n");
        }
        let all: String = (0..self.made.len()).map(|function| format!(" $f{function}")).collect();
        writeln!(text, "  (elem declare func{all})").unwrap();
    }

    /// A call of a function, or of one that has its type.
    fn call_of(&mut self, function: usize) -> String {
        if self.calls == Calls::Names || self.random.below(2) == 0 {
            return format!("(call $f{function} {})", self.arguments(function));
        }
        let arguments = self.arguments(function);
        let alike: Vec<usize> = (0..self.made.len()).filter(|at| self.made[*at] == self.made[function]).collect();
        let other = alike[self.random.index(alike.len())];
        let other = match self.random.below(24) {
            0 => "ref.null nofunc".to_owned(),
            _ => format!("ref.func $f{other}"),
        };
        let condition = self.expression(Type::I32, 1);
        format!(
            "(call_ref $s{function} {arguments} (if (result (ref null $s{function})) {condition}
              (then (ref.func $f{function})) (else ({other}))))"
        )
    }

    /// Checks of parameters and of what the program keeps, each with an arm that mostly throws or traps. Sometimes
    /// something with an effect stands between two.
    fn guards(&mut self, params: &[Type]) -> String {
        let count = [0, 0, 1, 1, 1, 2][self.random.index(6)];
        let mut text = String::new();
        for _ in 0..count {
            text += &self.guard(params);
            if self.random.below(4) == 0 {
                text += &self.statement(0);
            }
        }
        text
    }

    fn guard(&mut self, params: &[Type]) -> String {
        let number = self.random.below(40);
        let param = if params.is_empty() { 0 } else { self.random.index(params.len()) };
        let condition = match params.get(param) {
            Some(Type::I32) => format!("(i32.gt_s (local.get {param}) (i32.const {number}))"),
            Some(Type::I64) => format!("(i64.lt_s (local.get {param}) (i64.const {number}))"),
            Some(Type::F64) => format!("(f64.lt (local.get {param}) (f64.const {number}))"),
            Some(Type::Node) => format!("(ref.is_null (local.get {param}))"),
            Some(Type::Ints) => {
                format!("(i32.eq (array.get $ints (local.get {param}) (i32.const 1)) (i32.const {number}))")
            }
            None => format!("(i32.eq (global.get $g) (i32.const {}))", number % 8),
        };
        let statements = self.random.below(3);
        let arm = self.statements(statements, 1);
        let arm = match self.random.below(10) {
            0 => format!("{arm} (unreachable)"),
            // It comes back.
            1 => arm,
            2 => format!("{arm} (if {condition} (then (return {}))) (throw $t (i32.const 7))", self.results()),
            3 => format!("(block {arm} (br_if 0 {condition}) (throw $t (i32.const 8)))"),
            4 => format!("(loop {arm} (br_if 1 {condition}) (throw $t (i32.const 9)))"),
            _ => format!("{arm} (throw $t (i32.const {number}))"),
        };
        match self.random.below(4) {
            0 => format!("(if (i32.eqz {condition}) (then) (else {arm}))"),
            1 => format!("(if (i32.eqz {condition}) (then (global.set $g (i32.const {number}))) (else {arm}))"),
            _ => format!("(if {condition} (then {arm}))"),
        }
    }

    fn caller(&mut self, number: usize, text: &mut String) {
        let locals = [Type::I32, Type::I32, Type::Node, Type::Ints, Type::I64, Type::F64, Type::I32];
        self.body = Body { locals: locals[..6].to_vec(), results: vec![Type::I32], is_caller: true, left: 60 };
        write!(text, "  (func (export \"run{number}\") (param i32) (result i32)").unwrap();
        locals[1..].iter().for_each(|ty| write!(text, " (local {})", ty.text()).unwrap());
        let set: String = (1..6).map(|local| self.first_value(local)).collect();
        let (before, inside) = (self.statements(2, 0), self.statements(4, 1));
        let after = self.expression(Type::I32, 3);
        // The last local counts: no statement knows of it.
        writeln!(
            text,
            " {set} {before} (local.set 6 (i32.const 3)) (loop $again {inside}
              (br_if $again (local.tee 6 (i32.sub (local.get 6) (i32.const 1))))) {after})"
        )
        .unwrap();
    }

    /// Mostly, a local is not zero or null for long.
    fn first_value(&mut self, local: usize) -> String {
        if self.random.below(6) == 0 {
            return String::new();
        }
        format!("(local.set {local} {})", self.leaf(self.body.locals[local]))
    }

    /// Values of the function's results.
    fn results(&mut self) -> String {
        let results = self.body.results.clone();
        results.iter().map(|ty| self.expression(*ty, 3)).collect()
    }

    /// So many statements, in so many constructs with a label.
    fn statements(&mut self, count: u32, labels: u32) -> String {
        (0..count).map(|_| self.statement(labels)).collect()
    }

    fn spend(&mut self) -> bool {
        self.body.left = self.body.left.saturating_sub(1);
        self.body.left > 0
    }

    fn local_of(&mut self, ty: Type) -> Option<usize> {
        let of: Vec<usize> = (0..self.body.locals.len()).filter(|local| self.body.locals[*local] == ty).collect();
        (!of.is_empty()).then(|| of[self.random.index(of.len())])
    }

    fn statement(&mut self, labels: u32) -> String {
        if !self.spend() {
            return String::new();
        }
        match self.random.below(13) {
            0 | 1 if !self.body.locals.is_empty() => {
                let local = self.random.index(self.body.locals.len());
                format!("(local.set {local} {})", self.expression(self.body.locals[local], 3))
            }
            2 => format!("(global.set $g {})", self.expression(Type::I32, 3)),
            3 => format!("(global.set $kept {})", self.expression(Type::Node, 3)),
            4 => {
                let node = self.expression(Type::Node, 2);
                format!("(struct.set $node $v {node} {})", self.expression(Type::I32, 2))
            }
            5 => {
                let (condition, count) = (self.expression(Type::I32, 2), 1 + self.random.below(2));
                let (then, other) = (self.statements(count, labels + 1), self.statements(1, labels + 1));
                format!("(if {condition} (then {then}) (else {other}))")
            }
            6 => {
                let condition = self.expression(Type::I32, 2);
                format!("(block (br_if 0 {condition}) {})", self.statements(2, labels + 1))
            }
            7 => {
                let (condition, results) = (self.expression(Type::I32, 2), self.results());
                format!("(if {condition} (then (return {results})))")
            }
            8 => format!("(call $look {})", self.expression(Type::I32, 2)),
            9 => format!("(call $throws {})", self.expression(Type::I32, 2)),
            10 => {
                let (array, at) = (self.expression(Type::Ints, 2), self.expression(Type::I32, 1));
                format!("(array.set $ints {array} (i32.and {at} (i32.const 3)) {})", self.expression(Type::I32, 2))
            }
            11 => {
                let index = self.expression(Type::I32, 2);
                let (first, second) = (self.statements(1, labels + 2), self.statements(1, labels + 1));
                format!("(block (block (br_table 0 1 0 {index})) {first} {second})")
            }
            _ => self.call_for_effect(),
        }
    }

    fn arguments(&mut self, function: usize) -> String {
        let params = self.made[function].params.clone();
        params.iter().map(|ty| self.expression(*ty, 2)).collect()
    }

    fn call_for_effect(&mut self) -> String {
        if self.made.is_empty() {
            return String::new();
        }
        let function = self.random.index(self.made.len());
        let results = self.made[function].results.len();
        self.call_of(function) + &"(drop)".repeat(results)
    }

    fn call(&mut self, ty: Type) -> Option<String> {
        let of: Vec<usize> = (0..self.made.len()).filter(|at| self.made[*at].results == [ty]).collect();
        if of.is_empty() {
            return None;
        }
        let function = of[self.random.index(of.len())];
        Some(self.call_of(function))
    }

    /// An expression of a type, nested to a depth.
    fn expression(&mut self, ty: Type, depth: u32) -> String {
        let is_leaf = !self.spend() || depth == 0;
        if let Some(local) = self.local_of(ty).filter(|_| self.random.below(3) == 0 || is_leaf) {
            return format!("(local.get {local})");
        }
        if is_leaf {
            return self.leaf(ty);
        }
        let inner = depth - 1;
        match self.random.below(8) {
            0..=2 => {
                if let Some(call) = self.call(ty) {
                    return call;
                }
            }
            3 => {
                let (condition, then) = (self.expression(Type::I32, inner), self.expression(ty, inner));
                let other = self.expression(ty, inner);
                return format!("(if (result {}) {condition} (then {then}) (else {other}))", ty.text());
            }
            4 => {
                let (value, condition) = (self.expression(ty, inner), self.expression(Type::I32, inner));
                let other = self.expression(ty, inner);
                return format!("(block (result {}) (br_if 0 {value} {condition}) (drop) {other})", ty.text());
            }
            5 => {
                if let Some(local) = self.local_of(ty) {
                    return format!("(local.tee {local} {})", self.expression(ty, inner));
                }
            }
            6 if self.body.is_caller && ty == Type::I32 => {
                let guarded = self.expression(ty, depth);
                return format!(
                    "(block $h (result i32) (try_table (result i32) (catch $t $h) {guarded}) (i32.add (i32.const 1)))"
                );
            }
            _ => {}
        }
        self.operation(ty, inner)
    }

    fn leaf(&mut self, ty: Type) -> String {
        let number = self.random.below(40);
        match ty {
            Type::I32 if number.is_multiple_of(8) => "(global.get $g)".to_owned(),
            Type::I32 => format!("(i32.const {})", i64::from(number) - 2),
            Type::I64 => format!("(i64.const {})", u64::from(number) << 33),
            Type::F64 => format!("(f64.const {number}.5)"),
            Type::Node if number % 8 == 1 => "(global.get $kept)".to_owned(),
            Type::Node if number == 2 => "(ref.null none)".to_owned(),
            Type::Node => format!("(struct.new $node (i32.const {number}) (ref.null none))"),
            Type::Ints if number == 0 => "(ref.null none)".to_owned(),
            Type::Ints => format!("(array.new $ints (i32.const {number}) (i32.const 4))"),
        }
    }

    fn operation(&mut self, ty: Type, depth: u32) -> String {
        let choice = self.random.below(9);
        let mut operand = |ty| self.expression(ty, depth);
        match (ty, choice) {
            (Type::I32, 0) => format!("(struct.get $node $v {})", operand(Type::Node)),
            (Type::I32, 1) => {
                format!("(array.get $ints {} (i32.and {} (i32.const 3)))", operand(Type::Ints), operand(Type::I32))
            }
            (Type::I32, 2) => format!("(ref.is_null {})", operand(Type::Node)),
            (Type::I32, 3) => format!("(f64.lt {} {})", operand(Type::F64), operand(Type::F64)),
            (Type::I32, 4) => format!("(i32.wrap_i64 (i64.shr_u {} (i64.const 32)))", operand(Type::I64)),
            (Type::I32, 5) => {
                format!("(i32.div_s {} (i32.or {} (i32.const 16)))", operand(Type::I32), operand(Type::I32))
            }
            (Type::I32, 6) => format!("(i32.load (i32.and {} (i32.const 0xffff)))", operand(Type::I32)),
            (Type::I32, 7) => format!("(ref.test (ref $wide) {})", operand(Type::Node)),
            (Type::I32, _) => format!("(i32.add {} {})", operand(Type::I32), operand(Type::I32)),
            (Type::I64, 0..4) => format!("(i64.mul {} {})", operand(Type::I64), operand(Type::I64)),
            (Type::I64, 4..6) => format!("(i64.extend_i32_s {})", operand(Type::I32)),
            (Type::I64, _) => format!("(i64.sub {} {})", operand(Type::I64), operand(Type::I64)),
            (Type::F64, 0..4) => format!("(f64.convert_i32_s {})", operand(Type::I32)),
            (Type::F64, 4) => {
                let node = operand(Type::Node);
                format!(
                    "(block $not (result f64) (block $is (result (ref $wide))
                      (br_on_cast $is (ref null $node) (ref $wide) {node}) (drop) (br $not (f64.const 0.25)))
                      (struct.get $wide $d))"
                )
            }
            (Type::F64, _) => format!("(f64.mul {} {})", operand(Type::F64), operand(Type::F64)),
            (Type::Node, 0..2) => {
                let (node, other) = (operand(Type::Node), operand(Type::Node));
                format!("(block (result (ref null $node)) (br_on_non_null 0 (struct.get $node $next {node})) {other})")
            }
            (Type::Node, 2) => format!("(struct.get $node $next {})", operand(Type::Node)),
            (Type::Node, 3) => {
                let (value, next) = (operand(Type::I32), operand(Type::Node));
                format!("(struct.new $wide {value} {next} {})", operand(Type::F64))
            }
            (Type::Node, 4) => format!("(ref.as_non_null {})", operand(Type::Node)),
            (Type::Node, _) => format!("(struct.new $node {} {})", operand(Type::I32), operand(Type::Node)),
            (Type::Ints, 0..4) => {
                let values = [operand(Type::I32), operand(Type::I32), operand(Type::I32), operand(Type::I32)];
                format!("(array.new_fixed $ints 4 {})", values.concat())
            }
            (Type::Ints, _) => {
                let (condition, then) = (operand(Type::I32), operand(Type::Ints));
                format!("(select (result (ref null $ints)) {then} {} {condition})", operand(Type::Ints))
            }
        }
    }
}
