//! The body of a function: locals, fuel, statements.
//!
//! Every function and loop begins with a payment: operators that follow on the straight way are taken from the fuel
//! ([`FuncGen::pay`]); without fuel, loops are left and functions return something at once.

use super::module::{Module, Role};
use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::{BlockType, Instruction as I};

/// A function that is being made.
pub struct FuncGen<'m, 'w> {
    /// Its module.
    pub m: &'m mut Module<'w>,
    /// Its index.
    pub me: u32,
    /// What it is for.
    pub role: Role,
    /// Numbers of the current part.
    pub rng: Rng,
    /// Its code so far.
    pub code: Vec<I<'static>>,
    /// Types of parameters and locals.
    pub locals: Vec<Ty>,
    /// Locals below this may be read by anything.
    pub free_locals: u32,
    /// Locals that may be taken again.
    pub spare: Vec<u32>,
    /// What a branch to each label takes, outermost first.
    pub labels: Vec<Vec<Ty>>,
    /// What it returns.
    pub results: Vec<Ty>,
    /// Number of parameters.
    pub params: u32,
    /// Payments that are open: place of the constant, operators, conditions around it.
    fuel: Vec<(usize, u32, u32)>,
    /// Conditions around the current place.
    pub conditions: u32,
    /// Tries around the current place.
    pub tries: u32,
    /// Labels of `catch` blocks around the current place.
    pub catches: Vec<usize>,
    /// Statements around the current place.
    pub nesting: u32,
    /// In a loop that calls nothing, neither functions nor the runtime: such loops keep locals in registers.
    pub calm: bool,
}

impl<'m, 'w> FuncGen<'m, 'w> {
    /// Begins function `me`.
    pub fn new(m: &'m mut Module<'w>, me: u32, seed: u64) -> FuncGen<'m, 'w> {
        let func = &m.funcs[me as usize];
        let (params, results) = m.types.sig(func.ty);
        let (locals, results) = (params.to_vec(), results.to_vec());
        FuncGen {
            me,
            role: func.role,
            rng: Rng::new(seed),
            code: Vec::new(),
            params: locals.len() as u32,
            free_locals: 0,
            spare: Vec::new(),
            labels: vec![results.clone()],
            results,
            locals,
            fuel: Vec::new(),
            conditions: 0,
            tries: 0,
            catches: Vec::new(),
            nesting: 0,
            calm: false,
            m,
        }
    }

    /// Locals behind the parameters, and code.
    pub fn body(mut self) -> (Vec<Ty>, Vec<I<'static>>) {
        self.declare();
        self.begin();
        let count = match self.role {
            Role::Entry => self.rng.range(3, 8),
            Role::Callback => self.rng.range(1, 3),
            _ => self.rng.range(1, 5),
        };
        self.statements(count);
        self.end();
        while !self.fuel.is_empty() {
            self.close_payment();
        }
        (self.locals.split_off(self.params as usize), self.code)
    }

    fn declare(&mut self) {
        let values = self.m.world.values.clone();
        let count = if self.m.world.big_frames && self.rng.percent(40) {
            *self.rng.pick(&[200, 700, 1300, 2500])
        } else {
            self.rng.range(3, 14)
        };
        for _ in 0..count {
            let ty = *self.rng.pick(&values);
            self.locals.push(ty);
        }
        self.locals.extend([I32, I64]);
        self.free_locals = self.locals.len() as u32;
    }

    /// Fuel, then values for some locals and all that have none.
    fn begin(&mut self) {
        if self.role == Role::Entry {
            let infra = self.m.infra;
            self.all([
                I::GlobalGet(infra.operators),
                I::I32Const(self.m.world.fuel),
                I::GlobalGet(infra.fuel),
                I::I32Sub,
            ]);
            self.all([I::I64ExtendI32S, I::I64Add, I::GlobalSet(infra.operators)]);
            self.all([
                I::I32Const(self.m.world.fuel),
                I::GlobalSet(infra.fuel),
                I::I32Const(0),
                I::GlobalSet(infra.depth),
            ]);
        }
        self.pay();
        self.all([I::GlobalGet(self.m.infra.fuel), I::I32Const(0), I::I32LtS, I::If(BlockType::Empty)]);
        for ty in self.results.clone() {
            self.fallback(ty);
        }
        self.all([I::Return, I::End]);
        for local in self.params..self.free_locals {
            let ty = self.locals[local as usize];
            if !ty.has_default() {
                self.fallback(ty);
                self.emit(I::LocalSet(local));
            }
        }
        let mut set = 0;
        for local in self.params..self.free_locals {
            let ty = self.locals[local as usize];
            if (ty.is_ref() || self.rng.percent(40)) && set < 5 {
                self.expr(ty, 1);
                self.emit(I::LocalSet(local));
                set += 1;
            }
        }
    }

    /// The results, or a call in their place.
    fn end(&mut self) {
        let id = self.rng.next();
        let saved = std::mem::replace(&mut self.rng, Rng::new(id));
        if self.cut(id) || !(self.rng.percent(30) && self.tail_call()) {
            for ty in self.results.clone() {
                self.expr(ty, 2);
            }
        }
        self.rng = saved;
    }

    /// Whether the part of this name is left out; it is noted.
    pub fn cut(&mut self, id: u64) -> bool {
        self.m.parts.push(id);
        self.m.cut.parts.contains(&id)
    }

    /// Appends an instruction.
    pub fn emit(&mut self, instruction: I<'static>) {
        if let Some((_, count, conditions)) = self.fuel.last_mut()
            && *conditions == self.conditions
        {
            *count += 1;
        }
        self.code.push(instruction);
    }

    /// Appends instructions.
    pub fn all<const N: usize>(&mut self, instructions: [I<'static>; N]) {
        instructions.into_iter().for_each(|instruction| self.emit(instruction));
    }

    /// Takes what is to follow from the fuel.
    pub fn pay(&mut self) {
        let fuel = self.m.infra.fuel;
        self.fuel.push((self.code.len() + 1, 0, self.conditions));
        self.all([I::GlobalGet(fuel), I::I32Const(0), I::I32Sub, I::GlobalSet(fuel)]);
    }

    /// What followed since the last payment is known.
    pub fn close_payment(&mut self) {
        let (place, count, _) = self.fuel.pop().expect("a payment is open");
        self.code[place] = I::I32Const(count as i32);
    }

    /// Adds to what the last payment takes.
    pub fn extra(&mut self, operators: u32) {
        if let Some((_, count, _)) = self.fuel.last_mut() {
            *count += operators;
        }
    }

    /// A local that only the caller uses, until it gives it back.
    pub fn take(&mut self, ty: Ty) -> u32 {
        if let Some(at) = self.spare.iter().position(|local| self.locals[*local as usize] == ty) {
            return self.spare.swap_remove(at);
        }
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    /// Gives a local back.
    pub fn give(&mut self, local: u32) {
        self.spare.push(local);
    }

    /// The type of a block.
    pub fn block_type(&mut self, params: &[Ty], results: &[Ty]) -> BlockType {
        match (params, results) {
            ([], []) => BlockType::Empty,
            ([], [ty]) if self.rng.percent(80) => BlockType::Result(ty.encode()),
            _ => BlockType::FunctionType(self.m.types.func(params, results)),
        }
    }

    /// Opens a block whose label takes `label`.
    pub fn open(&mut self, instruction: I<'static>, label: &[Ty]) {
        self.emit(instruction);
        self.labels.push(label.to_vec());
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.labels.pop();
        self.emit(I::End);
    }

    /// Depth of a label.
    pub fn depth(&self, label: usize) -> u32 {
        (self.labels.len() - 1 - label) as u32
    }

    /// Whether something that traps may stand here.
    pub fn risk(&mut self) -> bool {
        self.m.world.risk != 0 && self.rng.one_in(self.m.world.risk)
    }

    /// A value that is on the stack is consumed.
    pub fn consume(&mut self, ty: Ty) {
        let target = match self.rng.below(10) {
            0..=4 => self.free_local(ty, true).map(I::LocalSet),
            5..=7 => return self.observe(ty),
            8 => self.free_global(ty, true).map(I::GlobalSet),
            _ => None,
        };
        self.emit(target.unwrap_or(I::Drop));
    }

    /// Values that are on the stack are consumed, the last first.
    pub fn consume_all(&mut self, types: &[Ty]) {
        types.iter().rev().for_each(|ty| self.consume(*ty));
    }

    /// A value that is on the stack goes into the digest.
    pub fn observe(&mut self, ty: Ty) {
        let infra = self.m.infra;
        match ty {
            I32 => self.emit(I::I64ExtendI32S),
            I64 => {}
            F32 => self.all([I::I32ReinterpretF32, I::I64ExtendI32U]),
            F64 => self.emit(I::I64ReinterpretF64),
            V128 => {
                let local = self.take(V128);
                self.all([I::LocalTee(local), I::I64x2ExtractLane(0), I::LocalGet(local), I::I64x2ExtractLane(1)]);
                self.all([I::I64Const(1), I::I64Rotl, I::I64Xor]);
                self.give(local);
            }
            Ref(_, heap) => match self.m.types.top(heap) {
                _ if self.calm => self.all([I::RefIsNull, I::I64ExtendI32U]),
                Heap::Any => self.all([I::I32Const(2), I::Call(infra.digest_func)]),
                Heap::Extern if self.rng.percent(50) => {
                    self.all([I::AnyConvertExtern, I::I32Const(2), I::Call(infra.digest_func)]);
                }
                _ => self.all([I::RefIsNull, I::I64ExtendI32U]),
            },
        }
        self.all([
            I::GlobalGet(infra.digest),
            I::I64Const(0x0100_0000_01b3),
            I::I64Mul,
            I::I64Xor,
            I::GlobalSet(infra.digest),
        ]);
    }
}
