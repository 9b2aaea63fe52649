//! What a program does.

use crate::generate::{Cond, INTS, Joined, Program, REFS, Statement};

/// What a run shows.
pub struct Seen {
    /// None if it traps.
    pub hash: Option<i32>,
    /// How often the first of two joined conditions decided, and how often the second one did.
    pub decided: [u64; 2],
}

struct State {
    ints: [i32; INTS as usize],
    /// The number in the object, if there is one, and whether it is of the other type.
    refs: [Option<(i32, bool)>; REFS as usize],
    /// A cast has failed.
    is_over: bool,
    hash: i32,
    decided: [u64; 2],
}

pub fn run(program: &Program, argument: i32) -> Seen {
    let mut ints = [0; INTS as usize];
    ints[0] = argument;
    let mut state = State { ints, refs: [None; REFS as usize], is_over: false, hash: 17, decided: [0, 0] };
    state.execute(&program.statements);
    for local in 0..INTS as usize {
        state.note(state.ints[local]);
    }
    for local in 0..REFS as usize {
        state.mix(5, state.refs[local]);
    }
    Seen { hash: (!state.is_over).then_some(state.hash), decided: state.decided }
}

impl State {
    fn int(&mut self, local: u32) -> &mut i32 {
        &mut self.ints[local as usize]
    }

    fn note(&mut self, value: i32) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0100_0193);
    }

    fn mix(&mut self, number: i32, object: Option<(i32, bool)>) {
        self.note(number);
        self.note(object.map_or(99, |object| object.0));
    }

    fn execute(&mut self, statements: &[Statement]) {
        for statement in statements {
            if self.is_over {
                return;
            }
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::If(cond, first, second) => {
                if self.holds(cond) {
                    self.execute(first);
                } else if let Some(second) = second {
                    self.execute(second);
                }
            }
            Statement::IfHinted(_, plain) => self.statement(plain),
            Statement::Choose(to, cond, first, second) => {
                let chosen = if self.holds(cond) { first } else { second };
                *self.int(*to) = *self.int(*chosen);
            }
            Statement::IfWithParam(local, cond, add) => {
                let before = *self.int(*local);
                let sum = if self.holds(cond) { before.wrapping_add(*add) } else { before.wrapping_sub(*add) };
                *self.int(*local) = sum;
            }
            Statement::BrIf(cond, rest) => {
                if !self.holds(cond) {
                    self.execute(rest);
                }
            }
            Statement::BrIfNot(cond, rest) => {
                if self.holds(cond) {
                    self.execute(rest);
                }
            }
            Statement::BrIfValue(to, cond, other) => {
                let before = *self.int(*to);
                let holds = self.holds(cond);
                *self.int(*to) = if holds { before } else { self.int(*other).wrapping_add(1) };
            }
            Statement::Loop(rounds, cond, body) => {
                for round in 1..=*rounds {
                    self.execute(body);
                    if round == *rounds || !self.holds(cond) {
                        break;
                    }
                }
            }
            Statement::Value(to, cond) => *self.int(*to) = i32::from(self.holds(cond)),
            Statement::Set(to, value) => *self.int(*to) = *value,
            Statement::Copy(to, from) => *self.int(*to) = *self.int(*from),
            Statement::Note(local) => self.note(self.ints[*local as usize]),
            Statement::Null(local) => self.refs[*local as usize] = None,
            Statement::New(to, value, other) => self.refs[*to as usize] = Some((*value, *other)),
            Statement::Cast(local) => match self.refs[*local as usize] {
                Some((_, true)) => self.is_over = true,
                Some((number, false)) => self.note(number),
                None => self.note(98),
            },
            Statement::Above(local, object, inner) => {
                let (number, object) = (self.int(*local).wrapping_mul(3), self.refs[*object as usize]);
                self.execute(inner);
                self.mix(number, object);
            }
        }
    }

    fn holds(&mut self, cond: &Cond) -> bool {
        match cond {
            Cond::Local(local) => *self.int(*local) != 0,
            Cond::Constant(value) => *value != 0,
            Cond::Less(a, b) | Cond::LessFloat(a, b) => *self.int(*a) < *self.int(*b),
            Cond::LessWide(a, b) => i64::from(*self.int(*a)) < *b,
            Cond::IsNull(local) => self.refs[*local as usize].is_none(),
            Cond::IsObject(local, nullable) => self.refs[*local as usize].map_or(*nullable, |object| !object.1),
            Cond::Note(value, local) => {
                self.note(*value);
                *self.int(*local) != 0
            }
            Cond::Add(local, value) => {
                let sum = self.int(*local).wrapping_add(*value);
                *self.int(*local) = sum;
                sum != 0
            }
            Cond::New(to, from) => {
                let value = *self.int(*from);
                self.refs[*to as usize] = Some((value, false));
                value != 0
            }
            Cond::Range(a, b) => *self.int(*a) < 0 || *self.int(*a) >= *self.int(*b),
            Cond::Not(inner) => !self.holds(inner),
            Cond::Joined(joined) => self.joined(joined),
        }
    }

    fn joined(&mut self, joined: &Joined) -> bool {
        let first = self.holds(&joined.first);
        let decides = first != joined.and;
        self.decided[usize::from(!decides)] += 1;
        if decides { first } else { self.holds(&joined.second) }
    }
}
