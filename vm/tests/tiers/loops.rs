//! Modules whose functions are in the middle of a loop when their code is replaced: loops in loops, with parameters and
//! with operands below them; locals of all types, few or many; parameters on the stack; bases of memories; calls in
//! some loops and none in others; handlers around them; a caller that keeps values in the registers which a function
//! saves.

use super::random::Random;

/// Rounds of each loop.
const ROUNDS: [u32; 3] = [2, 3, 7];
/// Loops that lie in each other at most.
const DEPTH_MAX: u32 = 3;
/// What a function may have as parameters, and as other locals.
const PARAMS_MAX: u32 = 24;
const LOCALS_MAX: u32 = 9;

/// The type of a local or an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Object,
}

const TYPES: [Type; 6] = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128, Type::Object];

impl Type {
    fn text(self) -> &'static str {
        match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
            Type::Object => "(ref null $o)",
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
        }
    }
}

/// What all modules have.
const COMMON: &str = "
    (type $o (struct (field (mut i64)) (field (mut (ref null $o)))))
    (type $f (func (param i64) (result i64)))
    (tag $e (param i64))
    (memory 1) (memory $other 1)
    (table $t 2 (ref null $f))
    (elem (table $t) (i32.const 0) (ref null $f) (ref.func $one) (ref.func $two))
    (func $one (type $f) (i64.add (i64.rotl (local.get 0) (i64.const 9)) (i64.const 77)))
    (func $two (type $f) (struct.get $o 0 (struct.new $o (i64.mul (local.get 0) (i64.const 31)) (ref.null $o))))
    (func $peek (param (ref null $o)) (result i64)
      (if (result i64) (ref.is_null (local.get 0)) (then (i64.const 5)) (else (struct.get $o 0 (local.get 0)))))
    (func $fold (param v128) (result i64)
      (i64.xor (i64x2.extract_lane 0 (local.get 0)) (i64.mul (i64.const 3) (i64x2.extract_lane 1 (local.get 0)))))
    (func $cut (param (ref null $o)) (result (ref null $o))
      (if (i32.eqz (ref.is_null (local.get 0))) (then (struct.set $o 1 (local.get 0) (ref.null $o))))
      (local.get 0))
    (func $throws (param i64)
      (if (i64.eqz (i64.and (local.get 0) (i64.const 3))) (then (throw $e (local.get 0)))))
";

struct Generator {
    random: Random,
    text: String,
    /// Parameters, then the others. Behind them are a counter for each depth, and a sum.
    locals: Vec<Type>,
}

/// A module that exports `run`, which takes an i64 and gives one, and what calls that.
pub fn module(seed: u64) -> String {
    let mut random = Random(seed);
    let params = if random.below(3) == 0 { random.below(PARAMS_MAX) } else { random.below(5) };
    let count = params + random.below(LOCALS_MAX);
    let locals: Vec<Type> = (0..count).map(|_| random.of(&TYPES)).collect();
    let mut generator = Generator { random, text: String::new(), locals };
    generator.function();
    let params = &generator.locals[..params as usize];
    let declared: String = params.iter().map(|ty| format!(" (param {})", ty.text())).collect();
    let others: String = generator.locals[params.len()..].iter().map(|ty| format!(" (local {})", ty.text())).collect();
    let counters: String = (0..DEPTH_MAX).map(|depth| format!(" (local $n{depth} i32)")).collect();
    let passed: String =
        (0u32..).zip(params).map(|(k, ty)| format!(" local.get 0 i64.const {k} i64.add {}", ty.of_i64())).collect();
    // The caller's own locals are used around the call, in a loop of its own.
    format!(
        "(module {COMMON}
        (func $inner{declared} (result i64){others}{counters} (local $sum i64) {} local.get $sum)
        (func (export \"run\") (param i64) (result i64) (local $a i32) (local $b i32) (local $c i64) (local $n i32)
          i32.const 3 local.set $n
          loop $again
            local.get $a i32.const 5 i32.mul local.get $n i32.add local.set $a
            local.get $b local.get $a i32.xor local.set $b
            {passed} call $inner
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
    }

    /// Pushes some value of a type.
    fn value(&mut self, ty: Type) {
        let same: Vec<u32> =
            (0..).zip(&self.locals).filter(|(_, known)| **known == ty).map(|(index, _)| index).collect();
        match self.random.below(3) {
            0 if !same.is_empty() => {
                let index = self.random.of(&same);
                self.emit(&format!("local.get {index}"));
            }
            1 => {
                let bits = self.random.next() as i64;
                self.emit(&format!("i64.const {bits} {}", ty.of_i64()));
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
        match (self.random.below(8), local) {
            (0, _) => self.emit("i32.const 8 local.get $sum i64.store offset=16"),
            (1, _) => self.emit("i32.const 8 i32.const 8 i64.load $other local.get $sum i64.add i64.store $other"),
            (2, _) => self.emit("i32.const 8 i64.load offset=16 local.get $sum i64.add local.set $sum"),
            (3, _) => self.emit("local.get $sum local.get $sum i32.wrap_i64 i32.const 1 i32.and table.get $t call_ref $f local.set $sum"),
            (4, _) => self.emit("block $h (result i64) try_table (catch $e $h) local.get $sum call $throws end i64.const 3 end local.get $sum i64.add local.set $sum"),
            (5, Some((to, Type::Object))) => {
                self.emit(&format!("local.get $sum local.get {to} call $cut struct.new $o local.set {to}"));
            }
            (_, Some((to, ty))) => {
                self.value(ty);
                self.emit(ty.to_i64());
                self.emit(&format!("local.get $sum i64.sub {} local.set {to}", ty.of_i64()));
            }
            (_, None) => self.emit("local.get $sum i64.const 3 i64.mul local.set $sum"),
        }
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

    /// A loop at a depth, with operands below it and parameters; some lie in the body of a handler.
    fn one_loop(&mut self, depth: u32) {
        let (below, params, rounds) = (self.types(4), self.types(3), self.random.of(&ROUNDS));
        let counter = format!("$n{depth}");
        let is_guarded = self.random.below(4) == 0;
        self.values(&below);
        if is_guarded {
            self.emit("block $h (result i64) try_table (catch $e $h)");
        }
        self.emit(&format!("i32.const {rounds} local.set {counter}"));
        self.values(&params);
        let declared: String = params.iter().map(|ty| format!("(param {})", ty.text())).collect();
        let results: String = params.iter().map(|ty| format!(" {}", ty.text())).collect();
        self.emit(&format!("loop $l{depth} {declared} (result{results})"));
        self.take(&params);
        self.statements();
        if depth + 1 < DEPTH_MAX && self.random.below(2) == 0 {
            self.one_loop(depth + 1);
            self.statements();
        }
        if is_guarded && self.random.below(2) == 0 {
            self.emit("local.get $sum call $throws");
        }
        self.values(&params);
        self.emit(&format!("local.get {counter} i32.const 1 i32.sub local.tee {counter} br_if $l{depth} end"));
        self.take(&params);
        if is_guarded {
            self.emit("end i64.const 3 end local.get $sum i64.add local.set $sum");
        }
        self.take(&below);
    }
}
