//! Functions whose frames have a certain size, for different reasons.

/// Why a frame is large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Locals of 8 bytes.
    Locals,
    /// Locals of 16 bytes.
    Vectors,
    /// Reference locals, which are zeroed before anything else.
    References,
    /// Locals of a function that leaves early without a frame.
    EarlyExit,
    /// Locals of a function with a thousand arguments, most of them on the stack.
    Arguments,
    /// Locals of a function with a thousand arguments that are references: they are copied into the frame.
    ReferenceArguments,
    /// Locals of a function with a thousand results.
    Results,
    /// Locals of a function that calls the host with a thousand values and gets as many.
    HostValues,
    /// Locals of a function that calls one that grows and shrinks its arguments by tail calls.
    TailCalls,
    /// Operands below a call.
    Operands,
}

pub const KINDS: [Kind; 10] = [
    Kind::Locals,
    Kind::Vectors,
    Kind::References,
    Kind::EarlyExit,
    Kind::Arguments,
    Kind::ReferenceArguments,
    Kind::Results,
    Kind::HostValues,
    Kind::TailCalls,
    Kind::Operands,
];

/// Locals of a function, parameters included.
const LOCALS_MAX: usize = 50_000;
/// Values of the functions with many; a place is left for one that counts.
pub const MANY: usize = 999;
/// What an operand takes if one of them is a number in a slot, and one a vector.
const OPERAND_BYTES: usize = 4 + 8 + 16;

impl Kind {
    fn unit(self) -> usize {
        match self {
            Kind::Vectors => 16,
            Kind::References | Kind::ReferenceArguments => 4,
            Kind::Operands => OPERAND_BYTES,
            _ => 8,
        }
    }

    /// The largest frame of the kind in bytes, about.
    pub fn largest(self) -> usize {
        match self {
            Kind::Operands => usize::MAX,
            _ => self.unit() * (LOCALS_MAX - 2 * MANY),
        }
    }

    /// Stack that a frame needs above it for what it calls before it is counted, at most.
    pub fn on_top(self) -> usize {
        if self == Kind::TailCalls { 24 << 10 } else { 0 }
    }

    /// What the frame takes besides what makes it large, at most: outgoing values and the copies of results.
    pub fn besides(self) -> usize {
        match self {
            Kind::Locals | Kind::Vectors | Kind::References | Kind::EarlyExit | Kind::Operands => 256,
            Kind::Arguments | Kind::ReferenceArguments => 24 << 10,
            Kind::Results | Kind::HostValues => 40 << 10,
            Kind::TailCalls => 512,
        }
    }

    /// A module with `f(n)`, which calls itself `n` times and then `h.bottom`; its frame has `bytes` and a little more.
    /// It counts its frames in the global `depth`, and traps with `unreachable` if what it holds was changed.
    pub fn module(self, bytes: usize) -> String {
        let many = "i64 ".repeat(MANY);
        let library = format!(
            r#"
  (import "h" "bottom" (func $bottom))
  (import "h" "many" (func $many (param {many}) (result {many})))
  (type $s (struct (field i32)))
  (global $depth (export "depth") (mut i32) (i32.const 0))
  (func (export "nop"))"#
        );
        let count = (bytes / self.unit()).max(2);
        let body = match self {
            Kind::Locals => simple(count, "i64", "", &integer(count)),
            Kind::Vectors => simple(count, "v128", "", &vector(count)),
            Kind::References => simple(count, "(ref null $s)", "", &reference(count)),
            Kind::EarlyExit => {
                let leave = "(if (i32.eq (local.get $n) (i32.const 0x7fffffff)) (then (return (i32.const 7))))";
                simple(count, "i64", leave, &integer(count))
            }
            Kind::Arguments => with_arguments(count, "i64", "(i64.const 5)", &integer(count)),
            Kind::ReferenceArguments => {
                with_arguments(count, "(ref null $s)", "(struct.new $s (local.get $n))", &reference(count))
            }
            Kind::Results => {
                let made = "(i64.extend_i32_u (local.get $n)) ".repeat(MANY);
                let results = format!("(func $results (param $n i32) (result {many}) {made})");
                let sum = "i64.add ".repeat(MANY - 1);
                let call = format!(
                    "(call $results (local.get $n)) {sum} (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {MANY})) \
                     (i64.ne) (if (then (unreachable)))"
                );
                results + &simple(count, "i64", &call, &integer(count))
            }
            Kind::HostValues => {
                let given = "(i64.extend_i32_u (local.get $n)) ".repeat(MANY);
                let sum = "i64.add ".repeat(MANY - 1);
                let call = format!(
                    "(call $many {given}) {sum} (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const {MANY})) (i64.ne) \
                     (if (then (unreachable)))"
                );
                simple(count, "i64", &call, &integer(count))
            }
            Kind::TailCalls => {
                let passed = "(local.get $v) ".repeat(MANY);
                let tails = format!(
                    r#"
  (func $few (param $n i32) (param $v i64) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (local.get $v))))
    (return_call $lots (i32.sub (local.get $n) (i32.const 1)) {passed}))
  (func $lots (param $n i32) (param $v i64) (param {}) (result i64)
    (return_call $few (local.get $n) (i64.add (local.get $v) (local.get {MANY}))))"#,
                    "i64 ".repeat(MANY - 1)
                );
                let call = "(if (i64.ne (call $few (i32.const 5) (i64.const 1)) (i64.const 32)) (then (unreachable)))";
                tails + &simple(count, "i64", call, &integer(count))
            }
            Kind::Operands => operands(count),
        };
        format!("(module {library}\n{body})")
    }
}

/// What a function puts into its first and last local, and how it finds that they still hold it.
struct Held {
    set: String,
    changed: String,
}

fn integer(count: usize) -> Held {
    let value = "(i64.extend_i32_u (i32.mul (local.get $n) (i32.const 3)))";
    // The one before the last is read before it is written: it is zeroed.
    let last = count - 1;
    Held {
        set: format!("(local.set $first {value}) (local.set $last (i64.add (local.get {last}) {value}))"),
        changed: format!("(i32.or (i64.ne (local.get $first) {value}) (i64.ne (local.get $last) {value}))"),
    }
}

fn vector(_: usize) -> Held {
    let value = "(i32x4.splat (i32.mul (local.get $n) (i32.const 3)))";
    let differs = |local: &str| format!("(v128.any_true (v128.xor (local.get {local}) {value}))");
    Held {
        set: format!("(local.set $first {value}) (local.set $last {value})"),
        changed: format!("(i32.or {} {})", differs("$first"), differs("$last")),
    }
}

fn reference(count: usize) -> Held {
    let differs = |local: &str| format!("(i32.ne (struct.get $s 0 (local.get {local})) (local.get $n))");
    let set = |local: &str| format!("(local.set {local} (struct.new $s (local.get $n)))");
    // One in the middle was zeroed.
    let middle = format!("(i32.eqz (ref.is_null (local.get {})))", count / 2 + 1);
    Held {
        set: format!("{} {}", set("$first"), set("$last")),
        changed: format!("(i32.or (i32.or {} {}) {middle})", differs("$first"), differs("$last")),
    }
}

/// Names the first and the last of so many locals.
fn locals(count: usize, ty: &str) -> String {
    format!("(local $first {ty}) (local {}) (local $last {ty})", format!("{ty} ").repeat(count - 2))
}

/// `before` stands at the beginning.
fn simple(count: usize, ty: &str, before: &str, held: &Held) -> String {
    let Held { set, changed } = held;
    format!(
        r#"
  (func $f (export "f") (param $n i32) (result i32) {} (local $r i32)
    {before}
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    {set}
    (if (i32.eqz (local.get $n))
      (then (call $bottom))
      (else (local.set $r (i32.add (call $f (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))))
    (if {changed} (then (unreachable)))
    (local.get $r))"#,
        locals(count, ty)
    )
}

fn with_arguments(count: usize, ty: &str, argument: &str, held: &Held) -> String {
    let Held { set, changed } = held;
    let changed = changed.replace(&format!("(local.get {})", count / 2 + 1), "(local.get $middle)");
    let set = set.replace(&format!("(local.get {})", count - 1), "(local.get $middle)");
    let half = format!("{ty} ").repeat(count / 2);
    let passed = "(local.get $v) ".repeat(MANY);
    format!(
        r#"
  (func $g (param $n i32) (param $v {ty}) (param {}) (result i32)
    (local $first {ty}) (local {half}) (local $middle {ty}) (local {half}) (local $last {ty}) (local $r i32)
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    {set}
    (if (i32.eqz (local.get $n))
      (then (call $bottom))
      (else (local.set $r (i32.add (call $g (i32.sub (local.get $n) (i32.const 1)) {passed}) (i32.const 1)))))
    (if {changed} (then (unreachable)))
    (local.get $r))
  (func (export "f") (param $n i32) (result i32) (local $v {ty})
    (local.set $v {argument})
    (call $g (local.get $n) {passed}))"#,
        format!("{ty} ").repeat(MANY - 1)
    )
}

/// Constants need no code: so few bytes of a module make a large frame.
fn operands(count: usize) -> String {
    let constants = "i32.const 0 ".repeat(count);
    format!(
        r#"
  (func $f (export "f") (param $n i32) (result i32) (local $r i32)
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    (block $done
      {constants}
      (i32.mul (local.get $n) (i32.const 3)) (i32x4.splat (local.get $n))
      (if (i32.eqz (local.get $n))
        (then (call $bottom))
        (else (local.set $r (i32.add (call $f (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))))
      (v128.xor (i32x4.splat (local.get $n))) (v128.any_true)
      (if (then (unreachable)))
      (i32.ne (i32.mul (local.get $n) (i32.const 3)))
      (if (then (unreachable)))
      (br $done))
    (local.get $r))"#
    )
}
