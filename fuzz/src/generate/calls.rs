//! Calls: by name, through tables, by reference; of the host; in place of a return; and those that the host makes.
//!
//! Calls by name lead to functions behind the caller, leaves last, so that they end. Whatever may lead back is guarded:
//! it counts in a global how deep it is ([`FuncGen::guarded`]).

use super::func::FuncGen;
use super::module::{FAMILY_SLOTS, FuncDecl, Plan, Role};
use super::world::World;
use super::{Arg, Call, InstanceSpec};
use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::Instruction as I;

/// Guarded calls within guarded calls.
const DEPTH: i32 = 4;

/// What is called.
#[derive(Clone, Copy, Debug)]
enum Target {
    Name(u32),
    Table(u32),
    Ref(u32),
}

impl FuncGen<'_, '_> {
    /// Functions that may be called by name, with whether that has to be guarded.
    fn callable(&self) -> Vec<(u32, bool)> {
        let low = matches!(self.role, Role::Leaf | Role::Callback);
        let may = |(index, func): (u32, &FuncDecl)| match func.role {
            Role::Host => Some((index, false)),
            Role::Foreign => Some((index, low)),
            Role::Reenter => Some((index, true)),
            Role::Normal if !low && index > self.me => Some((index, false)),
            Role::Leaf if index > self.me || self.role == Role::Callback => Some((index, false)),
            Role::Normal | Role::Leaf => Some((index, true)),
            Role::HostThrow | Role::Entry | Role::Callback | Role::Helper => None,
        };
        (0..).zip(&self.m.funcs).filter_map(may).collect()
    }

    fn target(&mut self) -> (Target, u32, bool) {
        let low = matches!(self.role, Role::Leaf | Role::Callback);
        let kind = self.rng.below(10);
        let number = self.rng.below(self.m.world.families.len() as u32);
        let family = self.m.world.families[number as usize];
        match kind {
            0 | 1 if self.m.tables.iter().any(|table| table.families) => (Target::Table(number), family, low),
            2 => (Target::Ref(family), family, low),
            _ => {
                let list = self.callable();
                let (index, guarded) = *self.rng.pick(&list);
                (Target::Name(index), self.m.funcs[index as usize].ty, guarded)
            }
        }
    }

    fn arguments(&mut self, params: &[Ty]) {
        for ty in params {
            if params.len() > 7 { self.leaf(*ty) } else { self.operand(*ty, 2) }
        }
    }

    /// Pushes what a call of a target needs besides its arguments, and calls.
    fn transfer(&mut self, target: Target, tail: bool) {
        match (target, tail) {
            (Target::Name(index), false) => self.emit(I::Call(index)),
            (Target::Name(index), true) => self.emit(I::ReturnCall(index)),
            (Target::Ref(ty), _) => {
                if self.risk() {
                    self.operand(null(Heap::T(ty)), 1);
                } else {
                    self.expr(some(Heap::T(ty)), 2);
                }
                self.transport(null(Heap::T(ty)));
                self.emit(if tail { I::ReturnCallRef(ty) } else { I::CallRef(ty) });
            }
            (Target::Table(number), _) => {
                let table = self.m.tables.iter().position(|table| table.families).expect("checked before");
                let wide = self.m.tables[table].wide;
                // The third family is below the second.
                let slot = if number == 1 && self.rng.one_in(3) { 2 } else { number };
                let slot = if self.risk() { self.rng.below(4) } else { slot };
                let base = slot * FAMILY_SLOTS;
                if self.rng.percent(40) {
                    let at = base + self.rng.below(FAMILY_SLOTS);
                    self.emit(if wide { I::I64Const(at as i64) } else { I::I32Const(at as i32) });
                } else if wide {
                    self.operand(I64, 1);
                    self.all([I::I64Const(7), I::I64And, I::I64Const(base as i64), I::I64Add]);
                } else {
                    self.operand(I32, 1);
                    self.all([I::I32Const(7), I::I32And, I::I32Const(base as i32), I::I32Or]);
                }
                self.transport(if wide { I64 } else { I32 });
                let type_index = self.m.world.families[number as usize];
                let table_index = table as u32;
                self.emit(if tail {
                    I::ReturnCallIndirect { type_index, table_index }
                } else {
                    I::CallIndirect { type_index, table_index }
                });
            }
        }
    }

    /// Runs something only if not too deep; else its results are something.
    fn guarded(&mut self, results: &[Ty], inner: impl FnOnce(&mut Self)) {
        let depth = self.m.infra.depth;
        self.all([I::GlobalGet(depth), I::I32Const(DEPTH), I::I32LtS]);
        let block = self.block_type(&[], results);
        self.conditions += 1;
        self.open(I::If(block), results);
        self.all([I::GlobalGet(depth), I::I32Const(1), I::I32Add, I::GlobalSet(depth)]);
        inner(self);
        self.all([I::GlobalGet(depth), I::I32Const(1), I::I32Sub, I::GlobalSet(depth)]);
        self.emit(I::Else);
        results.iter().for_each(|ty| self.fallback(*ty));
        self.close();
        self.conditions -= 1;
    }

    /// A call; its results are on the stack.
    fn call(&mut self) -> Vec<Ty> {
        let (target, ty, guarded) = self.target();
        let (params, results) = self.m.types.sig(ty);
        let (params, results) = (params.to_vec(), results.to_vec());
        let make = |gen_: &mut Self| {
            gen_.arguments(&params);
            gen_.transfer(target, false);
        };
        if guarded {
            self.guarded(&results, make)
        } else {
            make(self)
        }
        results
    }

    /// A statement: a call, its results are consumed.
    pub fn call_statement(&mut self) {
        if self.tries > 0 && self.rng.one_in(8) {
            // The host throws.
            let throws = self.m.funcs.iter().position(|func| func.role == Role::HostThrow).expect("imported");
            self.seldom();
            self.conditions += 1;
            self.open(I::If(wasm_encoder::BlockType::Empty), &[]);
            self.operand(I32, 2);
            self.emit(I::Call(throws as u32));
            self.close();
            self.conditions -= 1;
            return;
        }
        let results = self.call();
        self.consume_all(&results);
    }

    /// A call for one of its results.
    pub fn call_value(&mut self, ty: Ty, depth: u32) {
        let world: Vec<(u32, bool)> = self
            .callable()
            .into_iter()
            .filter(|(index, _)| {
                let (params, results) = self.m.types.sig(self.m.funcs[*index as usize].ty);
                params.len() < 30 && results.iter().any(|result| self.m.types.below(*result, ty))
            })
            .collect();
        if world.is_empty() {
            return self.leaf(ty);
        }
        let (index, guarded) = *self.rng.pick(&world);
        let (params, results) = self.m.types.sig(self.m.funcs[index as usize].ty);
        let (params, results) = (params.to_vec(), results.to_vec());
        let make = |gen_: &mut Self| {
            for param in &params {
                if params.len() > 7 { gen_.leaf(*param) } else { gen_.operand(*param, depth.min(2) - 1) }
            }
            gen_.emit(I::Call(index));
        };
        if guarded {
            self.guarded(&results, make)
        } else {
            make(self)
        }
        let at = results.iter().position(|result| self.m.types.below(*result, ty)).expect("filtered");
        self.consume_all(&results[at + 1..]);
        if at > 0 {
            let local = self.take(results[at]);
            self.emit(I::LocalSet(local));
            self.consume_all(&results[..at]);
            self.emit(I::LocalGet(local));
            self.give(local);
        }
    }

    /// A call in place of a return. False if nothing returns what this function returns.
    pub fn tail_call(&mut self) -> bool {
        let wanted = self.results.clone();
        let fits = |ty: u32| self.m.types.sig(ty).1 == wanted;
        let mut targets: Vec<(Target, u32)> = Vec::new();
        for (index, guarded) in self.callable() {
            let func = &self.m.funcs[index as usize];
            if !guarded && fits(func.ty) {
                targets.push((Target::Name(index), func.ty));
            }
        }
        let table = self.m.tables.iter().any(|table| table.families);
        for (number, family) in (0..).zip(&self.m.world.families) {
            if fits(*family) {
                targets.push((Target::Ref(*family), *family));
                if table {
                    targets.push((Target::Table(number), *family));
                }
            }
        }
        if targets.is_empty() {
            return false;
        }
        let (target, ty) = *self.rng.pick(&targets);
        let params = self.m.types.sig(ty).0.to_vec();
        self.arguments(&params);
        self.transfer(target, true);
        true
    }

    /// A statement: a call in place of a return, under a condition that seldom holds.
    pub fn guarded_tail_call(&mut self) {
        self.seldom();
        self.conditions += 1;
        self.open(I::If(wasm_encoder::BlockType::Empty), &[]);
        self.tail_call();
        self.close();
        self.conditions -= 1;
    }
}

fn argument(ty: Ty, rng: &mut Rng) -> Arg {
    match ty {
        I32 => Arg::I32(super::expr::integer(rng) as i32),
        I64 => Arg::I64(super::expr::integer(rng)),
        F32 => Arg::F32((super::expr::integer(rng) as f32 / 4.0).to_bits()),
        F64 => Arg::F64((super::expr::integer(rng) as f64 / 4.0).to_bits()),
        Ref(_, Heap::Extern) => Arg::Extern(rng.percent(70).then(|| rng.below(8))),
        Ref(..) => Arg::Any(rng.percent(70).then(|| (super::expr::integer(rng) as i32) << 1 >> 1)),
        V128 => panic!("vectors do not cross"),
    }
}

/// Calls that the host makes: each entry a few times, then digests.
pub fn from_host(_world: &World, plans: &[Plan], instances: &[InstanceSpec], rng: &mut Rng) -> Vec<Call> {
    let mut calls = Vec::new();
    for (instance, spec) in instances.iter().enumerate() {
        let plan = &plans[spec.module];
        for (index, func) in plan.funcs.iter().enumerate().filter(|(_, func)| func.role == Role::Entry) {
            for _ in 0..rng.range(1, 3) {
                let (params, results) = plan.types.sig(func.ty);
                let args = params.iter().map(|ty| argument(*ty, rng)).collect();
                let results = super::letters(&plan.types, results);
                calls.push(Call { instance, export: format!("f{index}"), args, results });
            }
        }
    }
    // Instances in turns.
    if rng.percent(50) {
        calls.sort_by_key(|call| (call.export.clone(), call.instance));
    }
    let digest = |instance| Call { instance, export: "digest".to_owned(), args: vec![], results: "l".to_owned() };
    calls.extend((0..instances.len()).map(digest));
    calls
}
