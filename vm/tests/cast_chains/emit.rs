//! A program as a module: `run` takes the numbers of two values.

use crate::program::{Form, Program, Statement, TYPES, Test, VALUES};
use std::fmt::Write;

const DECLARATIONS: &str = "
    (type $s0 (sub (struct (field i32))))
    (type $s1 (sub $s0 (struct (field i32) (field i64))))
    (type $s2 (sub final $s1 (struct (field i32) (field i64) (field anyref))))
    (type $t1 (sub $s0 (struct (field i32) (field f32))))
    (type $t2 (sub $t1 (struct (field i32) (field f32))))
    (type $d3 (sub $t2 (struct (field i32) (field f32) (field i32))))
    (type $d4 (sub $d3 (struct (field i32) (field f32) (field i32))))
    (type $d5 (sub $d4 (struct (field i32) (field f32) (field i32))))
    (type $d6 (sub $d5 (struct (field i32) (field f32) (field i32))))
    (type $d7 (sub $d6 (struct (field i32) (field f32) (field i32))))
    (type $d8 (sub $d7 (struct (field i32) (field f32) (field i32))))
    (type $deep (sub $d8 (struct (field i32) (field f32) (field i32))))
    (type $a0 (sub (array anyref)))
    (type $a1 (sub final $a0 (array eqref)))";

/// Writes one program.
struct Emit<'p> {
    program: &'p Program,
    text: String,
    labels: usize,
}

pub fn module(program: &Program) -> String {
    let mut emit = Emit { program, text: String::new(), labels: 0 };
    emit.statements(&program.body);
    let cast = match program.ty {
        "(ref null $s0)" => {
            "(if (ref.test (ref $s0) (local.get $v)) (then (return (ref.cast (ref $s0) (local.get $v)))))
            (ref.null $s0)"
        }
        "eqref" => "(ref.cast eqref (local.get $v))",
        _ => "(local.get $v)",
    };
    let mut make = String::from("(unreachable)");
    for (number, (value, _)) in VALUES.iter().enumerate() {
        make =
            format!("(if (result anyref) (i32.eq (local.get $n) (i32.const {number})) (then {value}) (else {make}))");
    }
    let (ty, body, seed) = (program.ty, emit.text, program.seed as u32);
    format!(
        "(module {DECLARATIONS}
        (func $make (param $n i32) (result anyref) {make})
        (func $narrow (param $v anyref) (result {ty}) {cast})
        (func $body (param $x0 {ty}) (param $x1 {ty}) (result i32)
            (local $hash i32) (local $kept {ty})
            (local.set $hash (i32.const {seed}))
            {body}
            (local.get $hash))
        (func (export \"run\") (param i32 i32) (result i32)
            (call $body (call $narrow (call $make (local.get 0))) (call $narrow (call $make (local.get 1))))))"
    )
}

impl Emit<'_> {
    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes it");
        self.text.push('\n');
    }

    fn label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Hash(number) => self.add(format_args!(
                "(local.set $hash (i32.add (i32.mul (local.get $hash) (i32.const 31)) (i32.const {number})))"
            )),
            Statement::Swap => {
                self.add(format_args!("(local.get $x0) (local.get $x1) (local.set $x0) (local.set $x1)"))
            }
            Statement::Copy => self.add(format_args!("(local.set $x1 (local.get $x0))")),
            Statement::Join(tests) => {
                let end = self.label();
                self.add(format_args!("(block $l{end}"));
                for test in tests {
                    self.add(format_args!("(br_if $l{end} {})", asked(test)));
                }
                self.add(format_args!(")"));
            }
            Statement::Either(form, test, yes, no) => self.either(*form, test, yes, no),
            Statement::Chain(local, arms, none) => self.chain(*local, arms, none),
        }
    }

    fn either(&mut self, form: Form, test: &Test, yes: &[Statement], no: &[Statement]) {
        let (end, other) = (self.label(), self.label());
        match form {
            Form::If => {
                self.add(format_args!("(if {} (then", asked(test)));
                self.statements(yes);
                self.add(format_args!(") (else"));
                self.statements(no);
                self.add(format_args!("))"));
            }
            Form::BrIf => {
                self.add(format_args!("(block $l{end} (block $l{other} (br_if $l{other} {})", asked(test)));
                self.statements(no);
                self.add(format_args!("(br $l{end}))"));
                self.statements(yes);
                self.add(format_args!(")"));
            }
            Form::BrOnCastFail => {
                let (ty, to, local) = (self.program.ty, TYPES[test.ty].0, test.local);
                self.add(format_args!(
                    "(block $l{end} (block $l{other} (result {ty})
                        (br_on_cast_fail $l{other} {ty} (ref {to}) (local.get $x{local})) (drop)"
                ));
                self.statements(yes);
                self.add(format_args!("(br $l{end})) (drop)"));
                self.statements(no);
                self.add(format_args!(")"));
            }
        }
    }

    /// `(block $end (block $a (result A) (block $b (result B) x (br_on_cast $b B) (br_on_cast $a A) drop none (br $end))
    /// drop b (br $end)) drop a)`.
    fn chain(&mut self, local: usize, arms: &[(usize, Vec<Statement>)], none: &[Statement]) {
        let end = self.label();
        let labels: Vec<usize> = arms.iter().map(|_| self.label()).collect();
        self.add(format_args!("(block $l{end}"));
        for ((ty, _), label) in arms.iter().zip(&labels).rev() {
            self.add(format_args!("(block $l{label} (result (ref {}))", TYPES[*ty].0));
        }
        self.add(format_args!("(local.get $x{local})"));
        for ((ty, _), label) in arms.iter().zip(&labels) {
            self.add(format_args!("(br_on_cast $l{label} {} (ref {}))", self.program.ty, TYPES[*ty].0));
        }
        self.add(format_args!("(drop)"));
        self.statements(none);
        for (_, arm) in arms {
            self.add(format_args!("(br $l{end})) (drop)"));
            self.statements(arm);
        }
        self.add(format_args!(")"));
    }
}

fn asked(test: &Test) -> String {
    format!("(ref.test (ref {}) (local.get $x{}))", TYPES[test.ty].0, test.local)
}
