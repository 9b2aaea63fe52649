//! Programs that test two references for types, again and again, and what they compute.

use crate::random::Random;

/// Types that a reference is tested for, each with the one directly above it.
pub const TYPES: [(&str, &str); 8] = [
    ("$s0", ""),
    ("$s1", "$s0"),
    ("$s2", "$s1"),
    ("$t1", "$s0"),
    ("$t2", "$t1"),
    // Deeper than one comparison tells.
    ("$deep", "$t2"),
    ("$a0", ""),
    ("$a1", "$a0"),
];

/// What the references can be: an expression, and its type among [`TYPES`], if it has one of them.
pub const VALUES: [(&str, &str); 11] = [
    ("(ref.null none)", ""),
    ("(ref.i31 (i32.const 0))", ""),
    ("(ref.i31 (i32.const 77))", ""),
    ("(struct.new_default $s0)", "$s0"),
    ("(struct.new_default $s1)", "$s1"),
    ("(struct.new_default $s2)", "$s2"),
    ("(struct.new_default $t1)", "$t1"),
    ("(struct.new_default $t2)", "$t2"),
    ("(struct.new_default $deep)", "$deep"),
    ("(array.new_default $a0 (i32.const 3))", "$a0"),
    ("(array.new_default $a1 (i32.const 1))", "$a1"),
];

/// Static types that the two references may have: of `$s0`, what is none is null.
pub const STATIC: [&str; 3] = ["anyref", "eqref", "(ref null $s0)"];

/// A test: which of the two references, and for which of [`TYPES`].
#[derive(Clone, Copy)]
pub struct Test {
    pub local: usize,
    pub ty: usize,
}

/// How a test that has two ways is written.
#[derive(Clone, Copy)]
pub enum Form {
    If,
    BrIf,
    BrOnCastFail,
}

pub enum Statement {
    /// The result is multiplied, and this is added.
    Hash(u32),
    /// What is done if the test holds, and what if not.
    Either(Form, Test, Vec<Statement>, Vec<Statement>),
    /// `br_on_cast` of one reference to each type in turn, with what is done there; and what is done if none fits.
    Chain(usize, Vec<(usize, Vec<Statement>)>, Vec<Statement>),
    /// Branches to one label, with nothing between and behind.
    Join(Vec<Test>),
    /// The references change their places.
    Swap,
    /// The second one becomes the first.
    Copy,
}

pub struct Program {
    pub seed: u64,
    pub ty: &'static str,
    pub body: Vec<Statement>,
}

impl Program {
    pub fn new(seed: u64) -> Program {
        let mut random = Random(seed);
        let ty = random.of(&STATIC);
        // Arrays are no subtypes of a struct.
        let types = if ty == STATIC[2] { 6 } else { TYPES.len() };
        let mut maker = Maker { random, types, left: 40 };
        let body = maker.statements(0);
        Program { seed, ty, body }
    }

    /// What it computes of two of [`VALUES`].
    pub fn model(&self, mut values: [usize; 2]) -> u32 {
        if self.ty == STATIC[2] {
            values = values.map(|value| if has(value, 0) { value } else { 0 });
        }
        let mut hash = self.seed as u32;
        execute(&self.body, &mut values, &mut hash);
        hash
    }
}

/// Whether one of [`VALUES`] has one of [`TYPES`].
fn has(value: usize, ty: usize) -> bool {
    let mut at = VALUES[value].1;
    while at != TYPES[ty].0 {
        match TYPES.iter().find(|row| row.0 == at) {
            Some((_, above)) => at = above,
            None => return false,
        }
    }
    true
}

fn execute(statements: &[Statement], values: &mut [usize; 2], hash: &mut u32) {
    for statement in statements {
        match statement {
            Statement::Hash(number) => *hash = hash.wrapping_mul(31).wrapping_add(*number),
            Statement::Either(_, test, yes, no) => {
                execute(if has(values[test.local], test.ty) { yes } else { no }, values, hash);
            }
            Statement::Chain(local, arms, none) => {
                let fits = arms.iter().find(|arm| has(values[*local], arm.0));
                execute(fits.map_or(none, |arm| &arm.1), values, hash);
            }
            Statement::Join(_) => {}
            Statement::Swap => values.swap(0, 1),
            Statement::Copy => values[1] = values[0],
        }
    }
}

struct Maker {
    random: Random,
    types: usize,
    /// Statements that may still be made.
    left: usize,
}

impl Maker {
    fn statements(&mut self, depth: u32) -> Vec<Statement> {
        let count = 1 + self.random.below(if depth == 0 { 8 } else { 3 });
        (0..count).map(|_| self.statement(depth)).collect()
    }

    fn test(&mut self) -> Test {
        Test { local: self.random.index(2), ty: self.random.index(self.types) }
    }

    fn statement(&mut self, depth: u32) -> Statement {
        self.left = self.left.saturating_sub(1);
        if depth == 5 || self.left == 0 {
            return Statement::Hash(self.random.below(1000));
        }
        match self.random.below(10) {
            0 | 1 => Statement::Hash(self.random.below(1000)),
            2 => Statement::Swap,
            3 => Statement::Copy,
            4 => Statement::Join((0..1 + self.random.below(4)).map(|_| self.test()).collect()),
            5 | 6 => {
                let local = self.random.index(2);
                let count = 1 + self.random.below(4);
                let arms = (0..count).map(|_| (self.random.index(self.types), self.statements(depth + 1))).collect();
                Statement::Chain(local, arms, self.statements(depth + 1))
            }
            _ => {
                let form = self.random.of(&[Form::If, Form::If, Form::BrIf, Form::BrOnCastFail]);
                let test = self.test();
                // The same reference is often asked next.
                Statement::Either(form, test, self.statements(depth + 1), self.statements(depth + 1))
            }
        }
    }
}
