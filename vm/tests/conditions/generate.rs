//! Programs of nested conditions, and their text.

use crate::random::Random;
use std::fmt::Write;

/// Locals of a program: numbers, and references to objects with a number.
pub const INTS: u32 = 5;
pub const REFS: u32 = 3;

/// A condition.
pub enum Cond {
    /// A local, true if it is not 0.
    Local(u32),
    Constant(i32),
    Less(u32, u32),
    LessWide(u32, i64),
    LessFloat(u32, u32),
    IsNull(u32),
    /// Whether the reference is to an object of the type, or null if that is allowed.
    IsObject(u32, bool),
    /// Hashes a number; the condition is a local.
    Note(i32, u32),
    /// Adds to a local, whose new value is the condition.
    Add(u32, i32),
    /// A local becomes a new object of a local's value, which is the condition.
    New(u32, u32),
    /// A small function of two locals, whose result is a joined condition.
    Range(u32, u32),
    Not(Box<Cond>),
    Joined(Box<Joined>),
}

/// Two conditions that are joined.
pub struct Joined {
    pub and: bool,
    pub first: Cond,
    pub second: Cond,
    /// Whether the constant is the first arm; the first condition is negated then, or else, as it takes.
    pub constant_first: bool,
    /// What stands for true.
    pub one: i32,
}

/// What takes a condition.
pub enum Statement {
    If(Cond, Vec<Statement>, Option<Vec<Statement>>),
    /// The same, with a hint what the condition usually is: the other arm goes to another part of the code.
    IfHinted(bool, Box<Statement>),
    /// The local is one of two others.
    Choose(u32, Cond, u32, u32),
    /// An `if` that takes a local and leaves a number.
    IfWithParam(u32, Cond, i32),
    BrIf(Cond, Vec<Statement>),
    BrIfNot(Cond, Vec<Statement>),
    /// A `br_if` that takes a value along.
    BrIfValue(u32, Cond, u32),
    /// At most so many rounds, as long as the condition holds.
    Loop(u32, Cond, Vec<Statement>),
    /// The number itself.
    Value(u32, Cond),
    Set(u32, i32),
    Copy(u32, u32),
    Note(u32),
    Null(u32),
    /// An object of the type, or of the other one.
    New(u32, i32, bool),
    /// Casts to the type, or null, and hashes the number; traps if the object is of the other type.
    Cast(u32),
    /// A local and a reference are operands below the statements, and hashed after them.
    Above(u32, u32, Vec<Statement>),
}

pub struct Program {
    pub statements: Vec<Statement>,
}

struct Generator {
    random: Random,
    left: u32,
}

impl Program {
    pub fn new(seed: u64) -> Program {
        let mut generator = Generator { random: Random(seed), left: 40 };
        Program { statements: generator.statements(6, 0) }
    }

    /// How many conditions are joined.
    pub fn joined(&self) -> u64 {
        text(&self.statements).matches(";; joined").count() as u64
    }
}

impl Generator {
    fn int(&mut self) -> u32 {
        self.random.below(INTS)
    }

    fn reference(&mut self) -> u32 {
        self.random.below(REFS)
    }

    fn small(&mut self) -> i32 {
        self.random.below(9) as i32 - 4
    }

    fn statements(&mut self, most: u32, depth: u32) -> Vec<Statement> {
        let count = 1 + self.random.below(most);
        (0..count).map(|_| self.statement(depth)).collect()
    }

    fn statement(&mut self, depth: u32) -> Statement {
        self.left = self.left.saturating_sub(1);
        if depth > 3 || self.left == 0 {
            return self.simple();
        }
        let inner = |this: &mut Generator| this.statements(3, depth + 1);
        match self.random.below(14) {
            0 | 1 => {
                let (cond, first) = (self.cond(3), inner(self));
                let second = (self.random.below(3) > 0).then(|| inner(self));
                let plain = Statement::If(cond, first, second);
                match self.random.below(4) {
                    hint @ 0..=1 => Statement::IfHinted(hint == 1, Box::new(plain)),
                    _ => plain,
                }
            }
            2 => Statement::Choose(self.int(), self.cond(3), self.int(), self.int()),
            3 => Statement::IfWithParam(self.int(), self.cond(3), self.small()),
            4 => Statement::BrIf(self.cond(3), inner(self)),
            5 => Statement::BrIfNot(self.cond(3), inner(self)),
            6 => Statement::BrIfValue(self.int(), self.cond(3), self.int()),
            7 => Statement::Loop(1 + self.random.below(3), self.cond(3), inner(self)),
            8 => Statement::Value(self.int(), self.cond(2)),
            9 | 10 => Statement::Above(self.int(), self.reference(), inner(self)),
            _ => self.simple(),
        }
    }

    fn simple(&mut self) -> Statement {
        match self.random.below(9) {
            5 => Statement::New(self.reference(), self.small(), true),
            6 | 7 => self.cast_if_tested(),
            8 if self.random.below(8) == 0 => Statement::Cast(self.reference()),
            0 => Statement::Set(self.int(), self.small()),
            1 => Statement::Copy(self.int(), self.int()),
            2 => Statement::Note(self.int()),
            3 => Statement::Null(self.reference()),
            _ => Statement::New(self.reference(), self.small(), false),
        }
    }

    /// Casts a reference behind a test of it, perhaps after something else happened to it.
    fn cast_if_tested(&mut self) -> Statement {
        let tested = self.reference();
        let mut cond = Cond::IsObject(tested, self.random.below(3) == 0);
        if self.random.below(2) == 0 {
            let (second, constant_first) = (self.cond(1), self.random.below(2) == 0);
            cond = Cond::Joined(Box::new(Joined { and: true, first: cond, second, constant_first, one: 1 }));
        }
        let between = match self.random.below(12) {
            0 => Statement::New(tested, self.small(), self.random.below(2) == 0),
            1 => Statement::Loop(2, self.cond(1), vec![Statement::Cast(tested), Statement::Null(tested)]),
            2 => Statement::If(self.cond(1), vec![Statement::New(tested, 5, false)], None),
            _ => Statement::Note(0),
        };
        let body = vec![between, Statement::Cast(tested)];
        if self.random.below(3) == 0 {
            return Statement::BrIf(Cond::Not(Box::new(cond)), body);
        }
        Statement::If(cond, body, None)
    }

    fn cond(&mut self, depth: u32) -> Cond {
        if depth > 0 && self.random.below(5) > 0 {
            if self.random.below(6) == 0 {
                return Cond::Not(Box::new(self.cond(depth - 1)));
            }
            let (and, constant_first) = (self.random.below(2) == 0, self.random.below(2) == 0);
            // Most compilers join what they have joined already with one more.
            let (left, right) = if self.random.below(3) == 0 { (0, depth - 1) } else { (depth - 1, 0) };
            let (first, second) = (self.cond(left), self.cond(right));
            let one = self.random.of(&[1, 1, 7, -1]);
            return Cond::Joined(Box::new(Joined { and, first, second, constant_first, one }));
        }
        match self.random.below(13) {
            0 => Cond::Local(self.int()),
            1 => Cond::Constant(self.small().max(0)),
            2 | 3 => Cond::Less(self.int(), self.int()),
            4 => Cond::LessWide(self.int(), self.small().into()),
            5 => Cond::LessFloat(self.int(), self.int()),
            6 => Cond::IsNull(self.reference()),
            7 => Cond::IsObject(self.reference(), self.random.below(2) == 0),
            8 => Cond::Note(self.small(), self.int()),
            9 => Cond::Add(self.int(), self.small()),
            10 => Cond::New(self.reference(), self.int()),
            11 => Cond::Range(self.int(), self.int()),
            _ => Cond::Less(self.int(), self.int()),
        }
    }
}

/// A module whose `run` is the program.
pub fn module(program: &Program) -> String {
    format!(
        "(module
  (type $t (struct (field i32)))
  (type $other (struct (field i64)))
  (global $hash (mut i32) (i32.const 0))
  (func $note (param i32)
    (global.set $hash (i32.mul (i32.xor (global.get $hash) (local.get 0)) (i32.const 0x01000193))))
  (func $noted (param i32 i32) (result i32) (call $note (local.get 0)) (local.get 1))
  (func $mix (param i32 anyref)
    (call $note (local.get 0))
    (if (ref.is_null (local.get 1)) (then (call $note (i32.const 99)))
      (else (if (ref.test (ref $t) (local.get 1))
        (then (call $note (struct.get $t 0 (ref.cast (ref $t) (local.get 1)))))
        (else (call $note (i32.wrap_i64 (struct.get $other 0 (ref.cast (ref $other) (local.get 1))))))))))
  (func $show (param (ref null $t))
    (if (ref.is_null (local.get 0)) (then (call $note (i32.const 98)))
      (else (call $note (struct.get $t 0 (local.get 0))))))
  (func $range (param i32 i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 0))
      (then (i32.const 1)) (else (i32.ge_s (local.get 0) (local.get 1)))))
  (func (export \"run\") (param i32) (result i32)
    (local i32 i32 i32 i32 anyref anyref anyref i32 i32 i32 i32 i32 i32)
    (global.set $hash (i32.const 17))
{}{}{}
    (global.get $hash)))",
        text(&program.statements),
        (0..INTS).map(|local| format!("    (call $note (local.get {local}))\n")).collect::<String>(),
        (0..REFS)
            .map(|local| format!("    (call $mix (i32.const 5) (local.get {}))\n", INTS + local))
            .collect::<String>(),
    )
}

fn text(statements: &[Statement]) -> String {
    let mut out = String::new();
    write_all(&mut out, statements, 0);
    out
}

/// `loops` is the number of loops around.
fn write_all(out: &mut String, statements: &[Statement], loops: u32) {
    for statement in statements {
        write_one(out, statement, loops);
    }
}

fn write_if(out: &mut String, statement: &Statement, hint: &str, loops: u32) {
    let Statement::If(cond, first, second) = statement else { unreachable!("an `if` has hints") };
    write_cond(out, cond);
    writeln!(out, "{hint} if").unwrap();
    write_all(out, first, loops);
    if let Some(second) = second {
        out.push_str("else\n");
        write_all(out, second, loops);
    }
    out.push_str("end\n");
}

fn write_one(out: &mut String, statement: &Statement, loops: u32) {
    let reference = |local: &u32| INTS + local;
    match statement {
        Statement::If(..) => write_if(out, statement, "", loops),
        Statement::IfHinted(likely, plain) => {
            let hint =
                if *likely { r#"(@metadata.code.branch_hint "\01")"# } else { r#"(@metadata.code.branch_hint "\00")"# };
            write_if(out, plain, hint, loops);
        }
        Statement::Choose(to, cond, first, second) => {
            write_cond(out, cond);
            writeln!(out, "if (result i32) local.get {first} else local.get {second} end local.set {to}").unwrap();
        }
        Statement::IfWithParam(local, cond, add) => {
            writeln!(out, "local.get {local}").unwrap();
            write_cond(out, cond);
            writeln!(out, "if (param i32) (result i32) i32.const {add} i32.add else i32.const {add} i32.sub end")
                .unwrap();
            writeln!(out, "local.set {local}").unwrap();
        }
        Statement::BrIf(cond, rest) | Statement::BrIfNot(cond, rest) => {
            out.push_str("block\n");
            write_cond(out, cond);
            if matches!(statement, Statement::BrIfNot(..)) {
                out.push_str("i32.eqz\n");
            }
            out.push_str("br_if 0\n");
            write_all(out, rest, loops);
            out.push_str("end\n");
        }
        Statement::BrIfValue(to, cond, other) => {
            writeln!(out, "block (result i32) local.get {to}").unwrap();
            write_cond(out, cond);
            writeln!(out, "br_if 0 drop local.get {other} i32.const 1 i32.add end local.set {to}").unwrap();
        }
        Statement::Loop(rounds, cond, body) => {
            let counter = INTS + REFS + loops;
            writeln!(out, "i32.const {rounds} local.set {counter} loop").unwrap();
            write_all(out, body, loops + 1);
            writeln!(out, "local.get {counter} i32.const 1 i32.sub local.tee {counter}").unwrap();
            out.push_str("if (result i32)\n");
            write_cond(out, cond);
            out.push_str("else i32.const 0 end\nbr_if 0 end\n");
        }
        Statement::Value(to, cond) => {
            write_cond(out, cond);
            writeln!(out, "i32.const 0 i32.ne local.set {to}").unwrap();
        }
        Statement::Set(to, value) => writeln!(out, "i32.const {value} local.set {to}").unwrap(),
        Statement::Copy(to, from) => writeln!(out, "local.get {from} local.set {to}").unwrap(),
        Statement::Note(local) => writeln!(out, "local.get {local} call $note").unwrap(),
        Statement::Null(local) => writeln!(out, "ref.null none local.set {}", reference(local)).unwrap(),
        Statement::New(to, value, false) => {
            writeln!(out, "i32.const {value} struct.new $t local.set {}", reference(to)).unwrap();
        }
        Statement::New(to, value, true) => {
            writeln!(out, "i64.const {value} struct.new $other local.set {}", reference(to)).unwrap();
        }
        Statement::Cast(local) => {
            let local = reference(local);
            writeln!(out, "local.get {local} ref.cast (ref null $t) call $show").unwrap();
        }
        Statement::Above(local, object, inner) => {
            writeln!(out, "local.get {local} i32.const 3 i32.mul local.get {}", reference(object)).unwrap();
            write_all(out, inner, loops);
            out.push_str("call $mix\n");
        }
    }
}

fn write_cond(out: &mut String, cond: &Cond) {
    let reference = |local: &u32| INTS + local;
    match cond {
        Cond::Local(local) => writeln!(out, "local.get {local}").unwrap(),
        Cond::Constant(value) => writeln!(out, "i32.const {value}").unwrap(),
        Cond::Less(a, b) => writeln!(out, "local.get {a} local.get {b} i32.lt_s").unwrap(),
        Cond::LessWide(a, b) => writeln!(out, "local.get {a} i64.extend_i32_s i64.const {b} i64.lt_s").unwrap(),
        Cond::LessFloat(a, b) => {
            writeln!(out, "local.get {a} f64.convert_i32_s local.get {b} f64.convert_i32_s f64.lt").unwrap();
        }
        Cond::IsNull(local) => writeln!(out, "local.get {} ref.is_null", reference(local)).unwrap(),
        Cond::IsObject(local, nullable) => {
            // As Kotlin's compiler writes it.
            let (local, null) = (reference(local), i32::from(*nullable));
            writeln!(out, ";; joined\nlocal.get {local} ref.is_null if (result i32) i32.const {null}").unwrap();
            writeln!(out, "else local.get {local} ref.test (ref $t) end").unwrap();
        }
        Cond::Note(value, local) => writeln!(out, "i32.const {value} local.get {local} call $noted").unwrap(),
        Cond::Add(local, value) => {
            writeln!(out, "local.get {local} i32.const {value} i32.add local.tee {local}").unwrap();
        }
        Cond::New(to, from) => {
            writeln!(out, "local.get {from} struct.new $t local.set {} local.get {from}", reference(to)).unwrap();
        }
        Cond::Range(a, b) => writeln!(out, "local.get {a} local.get {b} call $range").unwrap(),
        Cond::Not(inner) => {
            write_cond(out, inner);
            out.push_str("i32.eqz\n");
        }
        Cond::Joined(joined) => write_joined(out, joined),
    }
}

fn write_joined(out: &mut String, joined: &Joined) {
    let Joined { and, first, second, constant_first, one } = joined;
    write_cond(out, first);
    out.push_str(";; joined\n");
    // The first condition decides by being false for "and", true for "or".
    let constant = if *and { 0 } else { *one };
    if *and == *constant_first {
        out.push_str("i32.eqz\n");
    }
    out.push_str("if (result i32)\n");
    if *constant_first {
        writeln!(out, "i32.const {constant}\nelse").unwrap();
        write_cond(out, second);
    } else {
        write_cond(out, second);
        writeln!(out, "else\ni32.const {constant}").unwrap();
    }
    out.push_str("end\n");
}
