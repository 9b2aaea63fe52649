//! Modules whose functions are in the middle of a loop when their code is replaced: loops in loops, with parameters and
//! with operands below them; locals of all types, few or many; parameters and results on the stack; memories of all
//! kinds, some of which grow; calls in some loops and none in others; handlers around them, of both proposals;
//! functions that call themselves, or end in a tail call; a caller that keeps values in the registers which a function
//! saves. Wild modules call the host, which calls back, and trap and throw as well.

use super::random::Random;

/// Rounds of each loop.
const ROUNDS: [u32; 3] = [2, 3, 7];
/// Loops that lie in each other at most.
const DEPTH_MAX: u32 = 3;
/// What a function may have as parameters, and as other locals.
const PARAMS_MAX: u32 = 24;
const LOCALS_MAX: u32 = 9;
/// So many that the frame is a large one.
const OTHERS_MANY: u32 = 700;
/// What it may have as results.
const RESULTS_MAX: u32 = 12;

/// The type of a local or an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Object,
    Small,
    Function,
    Outside,
}

const TYPES: [Type; 9] =
    [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128, Type::Object, Type::Small, Type::Function, Type::Outside];

impl Type {
    fn text(self) -> &'static str {
        match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
            Type::Object => "(ref null $o)",
            Type::Small => "(ref null i31)",
            Type::Function => "(ref null $f)",
            Type::Outside => "externref",
        }
    }

    /// From a value on top of the stack to an i64.
    fn to_i64(self) -> &'static str {
        match self {
            Type::I32 => "i64.extend_i32_s",
            Type::I64 => "nop",
            Type::F32 => "i32.reinterpret_f32 i64.extend_i32_u",
            Type::F64 => "i64.reinterpret_f64",
            Type::V128 => "call $fold",
            Type::Object => "call $peek",
            Type::Small => "call $number",
            Type::Function => "call $which",
            Type::Outside => "any.convert_extern ref.cast (ref null i31) call $number",
        }
    }

    /// From an i64 on top of the stack to a value.
    fn of_i64(self) -> &'static str {
        match self {
            Type::I32 => "i32.wrap_i64",
            Type::I64 => "nop",
            Type::F32 => "i32.wrap_i64 i32.const 0xffffff i32.and f32.convert_i32_u",
            Type::F64 => "i64.const 0xffffffffffff i64.and f64.convert_i64_u",
            Type::V128 => "i64x2.splat",
            Type::Object => "ref.null $o struct.new $o",
            Type::Small => "i32.wrap_i64 ref.i31",
            Type::Function => "i32.wrap_i64 i32.const 1 i32.and table.get $t",
            Type::Outside => "i32.wrap_i64 ref.i31 extern.convert_any",
        }
    }

    /// Constants.
    fn constants(self) -> [&'static str; 3] {
        match self {
            Type::I32 => ["i32.const -5", "i32.const 0", "i32.const 0x7fffffff"],
            Type::I64 => ["i64.const -5", "i64.const 0x80000000", "i64.const 0xfedcba9876543210"],
            Type::F32 => ["f32.const -0", "f32.const nan:0x200001", "f32.const 1.5"],
            Type::F64 => ["f64.const -0", "f64.const -nan:0x4000000000001", "f64.const 1e300"],
            Type::V128 => ["v128.const i64x2 0 0", "v128.const i64x2 -1 5", "v128.const i32x4 1 -2 3 -4"],
            Type::Object => ["ref.null none", "ref.null $o", "i64.const 3 ref.null $o struct.new $o"],
            Type::Small => ["ref.null none", "i32.const -7 ref.i31", "i32.const 0x3fffffff ref.i31"],
            Type::Function => ["ref.null nofunc", "ref.func $one", "ref.func $two"],
            Type::Outside => ["ref.null noextern", "i32.const 9 ref.i31 extern.convert_any", "ref.null extern"],
        }
    }
}

/// What all modules have.
const COMMON: &str = "
    (type $o (struct (field (mut i64)) (field (mut (ref null $o)))))
    (type $f (func (param i64) (result i64)))
    (tag $e (param i64))
    (memory 1) (memory $other 1) (memory $wide i64 1) (memory $shared 1 4 shared)
    (global $calls (mut i32) (i32.const 0))
    (table $t 2 (ref null $f))
    (elem (table $t) (i32.const 0) (ref null $f) (ref.func $one) (ref.func $two))
    (func $one (type $f) (i64.add (i64.rotl (local.get 0) (i64.const 9)) (i64.const 77)))
    (func $two (type $f) (struct.get $o 0 (struct.new $o (i64.mul (local.get 0) (i64.const 31)) (ref.null $o))))
    (func $peek (param (ref null $o)) (result i64)
      (if (result i64) (ref.is_null (local.get 0)) (then (i64.const 5)) (else (struct.get $o 0 (local.get 0)))))
    (func $number (param (ref null i31)) (result i64)
      (if (result i64) (ref.is_null (local.get 0))
        (then (i64.const 6)) (else (i64.extend_i32_s (i31.get_s (local.get 0))))))
    (func $which (param (ref null $f)) (result i64)
      (if (result i64) (ref.is_null (local.get 0))
        (then (i64.const 7)) (else (call_ref $f (i64.const 8) (local.get 0)))))
    (func $fold (param v128) (result i64)
      (i64.xor (i64x2.extract_lane 0 (local.get 0)) (i64.mul (i64.const 3) (i64x2.extract_lane 1 (local.get 0)))))
    (func $cut (param (ref null $o)) (result (ref null $o))
      (if (i32.eqz (ref.is_null (local.get 0))) (then (struct.set $o 1 (local.get 0) (ref.null $o))))
      (local.get 0))
    (func $throws (param i64)
      (if (i64.eqz (i64.and (local.get 0) (i64.const 3))) (then (throw $e (local.get 0)))))
    (func $down (param i64) (result i64)
      (if (result i64) (i64.eqz (local.get 0))
        (then (i64.const 11))
        (else
          (i64.xor (local.get 0)
            (i64.mul (i64.const 5) (call $down (i64.sub (local.get 0) (i64.const 1))))))))
    (func $rounds (param i64 (ref null $o)) (result i64) (local $n i32) (local $at (ref null $o))
      (local.set $n (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 3)))
      (loop $again (result i64)
        (local.set 0 (i64.add (local.get 0) (call $peek (local.get 1))))
        (local.set $at (struct.new $o (local.get 0) (local.get $at)))
        (local.set 1 (call $cut (local.get $at)))
        (if (i32.and (i32.eqz (local.get $n)) (i64.ne (i64.shr_u (local.get 0) (i64.const 20)) (i64.const 0)))
          (then (local.set 0 (call $rounds (i64.shr_u (local.get 0) (i64.const 20)) (ref.null $o)))))
        (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))
        (local.get 0)))
";

struct Generator {
    random: Random,
    text: String,
    /// Parameters, then the others. Behind them are a counter for each depth, and a sum.
    locals: Vec<Type>,
    params: usize,
    /// What the function has as results behind its sum.
    results: Vec<Type>,
    is_wild: bool,
}

/// A module that exports `run`, which takes an i64 and gives one, and what calls that.
pub fn module(seed: u64) -> String {
    module_of(seed, false)
}

/// As [`module`], but one that imports `look`, which takes and gives an i64 and may call `run`, and whose calls may
/// trap and throw.
pub fn wild_module(seed: u64) -> String {
    module_of(seed, true)
}

fn module_of(seed: u64, is_wild: bool) -> String {
    let mut random = Random(seed);
    let params = if random.below(3) == 0 { random.below(PARAMS_MAX) } else { random.below(5) };
    let others = if is_wild && random.below(40) == 0 { OTHERS_MANY } else { random.below(LOCALS_MAX) };
    let locals: Vec<Type> = (0..params + others).map(|_| random.of(&TYPES)).collect();
    let results = if random.below(3) == 0 { random.below(RESULTS_MAX) } else { 0 };
    let results: Vec<Type> = (0..results).map(|_| random.of(&TYPES)).collect();
    let params = params as usize;
    let mut generator = Generator { random, text: String::new(), locals, params, results, is_wild };
    generator.function();
    let words =
        |word: &str, types: &[Type]| -> String { types.iter().map(|ty| format!(" ({word} {})", ty.text())).collect() };
    let (declared, others) = generator.locals.split_at(params);
    let (declared, others) = (words("param", declared), words("local", others));
    let results = words("result", &generator.results);
    let counters: String = (0..DEPTH_MAX).map(|depth| format!(" (local $n{depth} i32)")).collect();
    let (passed, taken) = (generator.passed("local.get 0"), generator.taken());
    let look = if is_wild { "(import \"h\" \"look\" (func $look (param i64) (result i64)))" } else { "" };
    // The caller's own locals are used around the call, in a loop of its own.
    format!(
        "(module {look} {COMMON}
        (type $inner (func{declared} (result i64){results}))
        (elem declare func $inner)
        (func $inner (type $inner){others}{counters} (local $sum i64) {})
        (func (export \"run\") (param i64) (result i64)
          (local $a i32) (local $b i32) (local $c i64) (local $n i32) (local $sum i64)
          i32.const 3 local.set $n
          i32.const 6 global.set $calls
          loop $again
            local.get $a i32.const 5 i32.mul local.get $n i32.add local.set $a
            local.get $b local.get $a i32.xor local.set $b
            {passed} call $inner {taken} local.get $sum
            local.get $c i64.const 7 i64.rotl i64.xor local.set $c
            local.get $a local.get $b i32.add i64.extend_i32_s local.get $c i64.add local.set $c
            local.get $n i32.const 1 i32.sub local.tee $n br_if $again
          end
          local.get $c local.get $b i64.extend_i32_u i64.xor))",
        generator.text
    )
}

impl Generator {
    fn emit(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push(' ');
    }

    /// One of the locals.
    fn local(&mut self) -> Option<(u32, Type)> {
        let all: Vec<(u32, Type)> = (0..).zip(self.locals.iter().copied()).collect();
        (!all.is_empty()).then(|| self.random.of(&all))
    }

    /// Takes a value from the stack into the sum.
    fn add(&mut self, ty: Type) {
        self.emit(ty.to_i64());
        self.emit("local.get $sum i64.const 11 i64.rotl i64.xor local.set $sum");
    }

    fn function(&mut self) {
        self.statements();
        self.one_loop(0);
        self.statements();
        for (index, ty) in (0..).zip(self.locals.clone()) {
            self.emit(&format!("local.get {index}"));
            self.add(ty);
        }
        let calls_itself = format!("{} return_call", self.passed("local.get $sum"));
        match self.random.below(8) {
            0 if self.results.is_empty() => self.emit("local.get $sum i64.const 7 i64.and return_call $down"),
            1 => self.if_called_seldom(&format!("{calls_itself} $inner")),
            2 => {
                self.if_called_seldom(&format!("{calls_itself}_ref $inner").replace("return", "ref.func $inner return"))
            }
            _ => {}
        }
        self.emit("local.get $sum");
        self.values(&self.results.clone());
    }

    /// Does something as long as functions were not called too often.
    fn if_called_seldom(&mut self, what: &str) {
        self.emit(&format!(
            "global.get $calls i32.const 0 i32.gt_s
            if global.get $calls i32.const 1 i32.sub global.set $calls {what} end"
        ));
    }

    /// Pushes the function's parameters, made of an i64 that `source` pushes.
    fn passed(&self, source: &str) -> String {
        let params = self.locals[..self.params].iter();
        params.enumerate().map(|(k, ty)| format!(" {source} i64.const {k} i64.add {}", ty.of_i64())).collect()
    }

    /// Takes the function's results into the sum.
    fn taken(&self) -> String {
        let results = self.results.iter().rev().chain(&[Type::I64]);
        results
            .map(|ty| format!(" {} local.get $sum i64.const 11 i64.rotl i64.xor local.set $sum", ty.to_i64()))
            .collect()
    }

    /// Pushes some value of a type.
    fn value(&mut self, ty: Type) {
        let same: Vec<u32> =
            (0..).zip(&self.locals).filter(|(_, known)| **known == ty).map(|(index, _)| index).collect();
        match self.random.below(4) {
            0 if !same.is_empty() => {
                let index = self.random.of(&same);
                self.emit(&format!("local.get {index}"));
            }
            1 => {
                let bits = self.random.next() as i64;
                self.emit(&format!("i64.const {bits} {}", ty.of_i64()));
            }
            2 => {
                let constant = self.random.of(&ty.constants());
                self.emit(constant);
            }
            _ => self.emit(&format!("local.get $sum {}", ty.of_i64())),
        }
    }

    fn statements(&mut self) {
        for _ in 0..self.random.below(5) {
            self.statement();
        }
    }

    fn statement(&mut self) {
        let local = self.local();
        match (self.random.below(20), local) {
            (0, _) => self.emit("i32.const 8 local.get $sum i64.store offset=16"),
            (1, _) => self.emit("i32.const 8 i32.const 8 i64.load $other local.get $sum i64.add i64.store $other"),
            (2, _) => self.emit("i32.const 8 i64.load offset=16 local.get $sum i64.add local.set $sum"),
            (3, _) => self.emit("local.get $sum local.get $sum i32.wrap_i64 i32.const 1 i32.and table.get $t call_ref $f local.set $sum"),
            (4, _) => self.emit("block $h (result i64) try_table (catch $e $h) local.get $sum call $throws end i64.const 3 end local.get $sum i64.add local.set $sum"),
            (5, Some((to, Type::Object))) => {
                self.emit(&format!("local.get $sum local.get {to} call $cut struct.new $o local.set {to}"));
            }
            (6, _) => self.emit("i64.const 8 i64.const 8 i64.load $wide local.get $sum i64.add i64.store $wide"),
            (7, _) => self.emit("i32.const 16 local.get $sum i64.atomic.rmw.add $shared local.get $sum i64.xor local.set $sum"),
            (8, _) => self.grow(),
            (9, _) => self.emit("local.get $sum i64.const 7 i64.and call $down local.get $sum i64.add local.set $sum"),
            (10, _) => self.emit("local.get $sum ref.null $o call $rounds local.get $sum i64.sub local.set $sum"),
            (11, _) => {
                let call = format!("{} call $inner {}", self.passed("local.get $sum"), self.taken());
                self.if_called_seldom(&call);
            }
            (12, _) => self.emit("try (result i64) local.get $sum call $throws i64.const 4 catch $e end local.get $sum i64.add local.set $sum"),
            (13, _) if self.is_wild => self.emit("local.get $sum call $look local.set $sum"),
            (14, _) if self.is_wild => self.emit("local.get $sum i64.const 255 i64.and i64.eqz if unreachable end"),
            (15, _) if self.is_wild => self.emit("local.get $sum i32.wrap_i64 i32.const 0xffff0 i32.and i32.load8_u i64.extend_i32_u local.get $sum i64.add local.set $sum"),
            (_, Some((to, ty))) => {
                self.value(ty);
                self.emit(ty.to_i64());
                self.emit(&format!("local.get $sum i64.sub {} local.set {to}", ty.of_i64()));
            }
            (_, None) => self.emit("local.get $sum i64.const 3 i64.mul local.set $sum"),
        }
    }

    /// A memory grows, up to a few pages.
    fn grow(&mut self) {
        let (memory, number, size) = self.random.of(&[
            ("0", "i32", "i64.extend_i32_s"),
            ("$other", "i32", "i64.extend_i32_s"),
            ("$wide", "i64", ""),
            ("$shared", "i32", "i64.extend_i32_s"),
        ]);
        self.emit(&format!(
            "memory.size {memory} {number}.const 9 {number}.lt_u
            if {number}.const 1 memory.grow {memory} {size} local.get $sum i64.add local.set $sum end"
        ));
    }

    fn types(&mut self, most: u32) -> Vec<Type> {
        (0..self.random.below(most)).map(|_| self.random.of(&TYPES)).collect()
    }

    fn values(&mut self, types: &[Type]) {
        for ty in types {
            self.value(*ty);
        }
    }

    /// Takes values of these types from the stack.
    fn take(&mut self, types: &[Type]) {
        for ty in types.iter().rev() {
            self.add(*ty);
        }
    }

    /// A loop at a depth, with operands below it and parameters; some lie in the body of a handler, or in a handler.
    fn one_loop(&mut self, depth: u32) {
        let below = self.types(4);
        self.values(&below);
        match self.random.below(8) {
            0 | 1 => {
                self.emit("block $h (result i64) try_table (catch $e $h)");
                self.bare_loop(depth, true);
                self.emit("end i64.const 3 end local.get $sum i64.add local.set $sum");
            }
            2 => {
                self.emit("try (result i64)");
                self.bare_loop(depth, true);
                self.emit("i64.const 2 catch $e end local.get $sum i64.add local.set $sum");
            }
            3 => {
                // What was caught, and is thrown again maybe, is below the loop.
                self.emit("try (result i64) try (result i64) i64.const 4 call $throws i64.const 5 catch $e");
                let may_throw = self.random.below(2) == 0;
                self.bare_loop(depth, may_throw);
                self.emit("local.get $sum i64.const 1 i64.and i64.eqz if rethrow 1 end end");
                self.emit("catch $e end local.get $sum i64.add local.set $sum");
            }
            4 => {
                self.emit("local.get $sum i64.const 1 i64.and i32.wrap_i64 if");
                self.bare_loop(depth, false);
                self.emit("end");
            }
            _ => self.bare_loop(depth, false),
        }
        self.take(&below);
    }

    /// A loop with its parameters; one that `may_throw` throws maybe.
    fn bare_loop(&mut self, depth: u32, may_throw: bool) {
        let (params, rounds) = (self.types(3), self.random.of(&ROUNDS));
        let counter = format!("$n{depth}");
        self.emit(&format!("i32.const {rounds} local.set {counter}"));
        self.values(&params);
        let declared: String = params.iter().map(|ty| format!("(param {})", ty.text())).collect();
        let results: String = params.iter().map(|ty| format!(" {}", ty.text())).collect();
        self.emit(&format!("loop $l{depth} {declared} (result{results})"));
        self.take(&params);
        self.statements();
        if self.random.below(4) == 0 {
            // An early way back, with something else on the stack.
            self.emit(&format!(
                "local.get $sum i64.const 3 i64.and i64.eqz
                if local.get {counter} i32.const 1 i32.sub local.tee {counter} if i32.const 7"
            ));
            self.values(&params);
            self.emit(&format!("br $l{depth} end end"));
        }
        if depth + 1 < DEPTH_MAX && self.random.below(2) == 0 {
            self.one_loop(depth + 1);
            self.statements();
        }
        if may_throw && self.random.below(2) == 0 {
            self.emit("local.get $sum call $throws");
        }
        self.values(&params);
        self.emit(&format!(
            "local.get {counter} i32.const 1 i32.sub local.tee {counter} i32.const 0 i32.gt_s br_if $l{depth} end"
        ));
        self.take(&params);
    }
}
