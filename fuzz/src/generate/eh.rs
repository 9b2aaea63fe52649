//! Exceptions, in the new form (`try_table`, `throw_ref`) or the old one (`try`, `delegate`, `rethrow`).

use super::func::FuncGen;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::{BlockType, Catch, Instruction as I};

impl FuncGen<'_, '_> {
    fn tag(&mut self) -> (u32, Vec<Ty>) {
        let tag = self.rng.below(self.m.tags.len() as u32);
        let (payload, _) = self.m.types.sig(self.m.tags[tag as usize].0);
        (tag, payload.to_vec())
    }

    /// A throw under a condition that seldom holds, or often inside of a try.
    pub fn maybe_throw(&mut self) {
        if self.tries > 0 && self.rng.percent(60) {
            self.condition(2);
        } else if self.tries > 0 || self.rng.one_in(4) {
            self.seldom();
        } else {
            return;
        }
        self.conditions += 1;
        self.open(I::If(BlockType::Empty), &[]);
        let (tag, payload) = self.tag();
        payload.iter().for_each(|ty| if payload.len() > 8 { self.leaf(*ty) } else { self.operand(*ty, 2) });
        self.emit(I::Throw(tag));
        self.close();
        self.conditions -= 1;
    }

    fn body_of_try(&mut self) {
        self.tries += 1;
        let count = self.rng.range(1, 3);
        self.statements(count);
        self.maybe_throw();
        self.tries -= 1;
    }

    /// A statement: a try with its handlers.
    pub fn try_statement(&mut self) {
        if self.m.legacy {
            self.legacy_try();
        } else {
            self.try_table();
        }
    }

    /// Blocks for the handlers, the innermost first in the list of catches.
    fn try_table(&mut self) {
        let out_types: Vec<Ty> = if self.rng.percent(30) { vec![*self.rng.pick(&self.m.world.values)] } else { vec![] };
        let out_block = self.block_type(&[], &out_types);
        self.open(I::Block(out_block), &out_types);
        let out = self.labels.len() - 1;
        let depth_local = self.take(I32);
        self.all([I::GlobalGet(self.m.infra.depth), I::LocalSet(depth_local)]);
        let count = self.rng.range(1, 3);
        let mut handlers = Vec::new();
        for _ in 0..count {
            let with_ref = self.rng.percent(50);
            let (tag, mut types) = if self.rng.percent(60) {
                let (tag, payload) = self.tag();
                (Some(tag), payload)
            } else {
                (None, vec![])
            };
            if with_ref {
                types.push(some(Heap::Exn));
            }
            let block = self.block_type(&[], &types);
            self.open(I::Block(block), &types);
            handlers.push((tag, with_ref, types));
        }
        let catches: Vec<Catch> = (handlers.iter().rev().zip(0..))
            .map(|((tag, with_ref, _), label)| match (tag, with_ref) {
                (Some(tag), false) => Catch::One { tag: *tag, label },
                (Some(tag), true) => Catch::OneRef { tag: *tag, label },
                (None, false) => Catch::All { label },
                (None, true) => Catch::AllRef { label },
            })
            .collect();
        let results: Vec<Ty> = if self.rng.percent(25) { vec![*self.rng.pick(&self.m.world.values)] } else { vec![] };
        let block = self.block_type(&[], &results);
        self.open(I::TryTable(block, catches.into()), &results);
        self.body_of_try();
        results.iter().for_each(|ty| self.operand(*ty, 2));
        self.close();
        self.consume_all(&results);
        self.conditions += 1;
        for (_, _, types) in handlers.iter().rev() {
            out_types.iter().for_each(|ty| self.operand(*ty, 1));
            let depth = self.depth(out);
            self.emit(I::Br(depth));
            self.close();
            self.all([I::LocalGet(depth_local), I::GlobalSet(self.m.infra.depth)]);
            self.caught(types);
        }
        self.conditions -= 1;
        self.give(depth_local);
        out_types.iter().for_each(|ty| self.operand(*ty, 1));
        self.close();
        self.consume_all(&out_types);
    }

    /// A payload is consumed; the reference to the exception is kept, dropped or thrown again.
    fn caught(&mut self, types: &[Ty]) {
        for ty in types.iter().rev() {
            if *ty != some(Heap::Exn) {
                self.consume(*ty);
                continue;
            }
            match self.rng.below(6) {
                0 => {
                    let local = self.take(null(Heap::Exn));
                    self.emit(I::LocalSet(local));
                    self.seldom();
                    self.open(I::If(BlockType::Empty), &[]);
                    self.all([I::LocalGet(local), I::ThrowRef]);
                    self.close();
                    self.give(local);
                }
                1 => {
                    // Thrown again, and caught again at once.
                    let exn = some(Heap::Exn);
                    let local = self.take(exn);
                    self.emit(I::LocalSet(local));
                    let block = self.block_type(&[], &[exn]);
                    self.open(I::Block(block), &[exn]);
                    self.open(I::TryTable(BlockType::Empty, vec![Catch::AllRef { label: 0 }].into()), &[]);
                    self.emit(I::LocalGet(local));
                    self.transport(exn);
                    self.emit(I::ThrowRef);
                    self.close();
                    self.emit(I::Unreachable);
                    self.close();
                    self.emit(I::Drop);
                    self.give(local);
                }
                2 => {
                    self.all([I::RefIsNull, I::I64ExtendI32U]);
                    self.consume(I64);
                }
                3 if self.m.exception.is_some() => {
                    let global = self.m.exception.expect("there is one");
                    self.emit(I::GlobalSet(global));
                    self.seldom();
                    self.open(I::If(BlockType::Empty), &[]);
                    self.all([I::GlobalGet(global), I::ThrowRef]);
                    self.close();
                }
                _ => self.emit(I::Drop),
            }
        }
    }

    fn legacy_try(&mut self) {
        let out_types: Vec<Ty> = if self.rng.percent(30) { vec![*self.rng.pick(&self.m.world.values)] } else { vec![] };
        let block = self.block_type(&[], &out_types);
        let depth_local = self.take(I32);
        self.all([I::GlobalGet(self.m.infra.depth), I::LocalSet(depth_local)]);
        if self.rng.percent(25) {
            self.delegated(depth_local);
        }
        self.open(I::Try(block), &out_types);
        self.body_of_try();
        out_types.iter().for_each(|ty| self.operand(*ty, 2));
        self.conditions += 1;
        for _ in 0..self.rng.below(3) {
            let (tag, payload) = self.tag();
            self.emit(I::Catch(tag));
            self.handler(&payload, depth_local);
            out_types.iter().for_each(|ty| self.operand(*ty, 1));
        }
        if self.rng.percent(75) {
            self.emit(I::CatchAll);
            self.handler(&[], depth_local);
            out_types.iter().for_each(|ty| self.operand(*ty, 1));
        }
        self.conditions -= 1;
        self.close();
        self.consume_all(&out_types);
        self.give(depth_local);
    }

    fn handler(&mut self, payload: &[Ty], depth_local: u32) {
        self.catches.push(self.labels.len() - 1);
        self.all([I::LocalGet(depth_local), I::GlobalSet(self.m.infra.depth)]);
        self.consume_all(payload);
        if self.rng.percent(40) {
            let count = self.rng.range(1, 2);
            self.statements(count);
        }
        if self.rng.percent(30) {
            self.seldom();
            self.open(I::If(BlockType::Empty), &[]);
            let label = *self.rng.pick(&self.catches.clone());
            let depth = self.depth(label);
            self.emit(I::Rethrow(depth));
            self.close();
        }
        self.catches.pop();
    }

    /// `delegate` to a try around it, which has a handler for everything.
    fn delegated(&mut self, depth_local: u32) {
        self.open(I::Try(BlockType::Empty), &[]);
        self.open(I::Block(BlockType::Empty), &[]);
        self.open(I::Try(BlockType::Empty), &[]);
        self.body_of_try();
        self.labels.pop();
        // Past the block, to the try.
        self.emit(I::Delegate(1));
        self.close();
        self.emit(I::CatchAll);
        self.all([I::LocalGet(depth_local), I::GlobalSet(self.m.infra.depth)]);
        self.close();
    }

    /// An expression in a try.
    pub fn try_value(&mut self, ty: Ty, depth: u32) {
        if self.nesting > 3 {
            return self.leaf(ty);
        }
        let block = self.block_type(&[], &[ty]);
        if self.m.legacy {
            self.open(I::Try(block), &[ty]);
            self.tries += 1;
            self.operand(ty, depth - 1);
            self.maybe_throw();
            self.tries -= 1;
            self.emit(I::CatchAll);
            self.conditions += 1;
            self.operand(ty, depth - 1);
            self.conditions -= 1;
            self.close();
            return;
        }
        self.open(I::Block(block), &[ty]);
        self.open(I::Block(BlockType::Empty), &[]);
        let inner = self.block_type(&[], &[ty]);
        self.open(I::TryTable(inner, vec![Catch::All { label: 0 }].into()), &[ty]);
        self.tries += 1;
        self.operand(ty, depth - 1);
        self.maybe_throw();
        self.tries -= 1;
        self.close();
        self.emit(I::Br(1));
        self.close();
        self.conditions += 1;
        self.operand(ty, depth - 1);
        self.conditions -= 1;
        self.close();
    }

    /// An exception as a value: one that is thrown here.
    pub fn exception(&mut self, nullable: bool, _depth: u32) {
        if self.m.legacy {
            return self.constant(Ref(nullable, Heap::NoExn));
        }
        let exn = some(Heap::Exn);
        let block = self.block_type(&[], &[exn]);
        self.open(I::Block(block), &[exn]);
        self.open(I::TryTable(BlockType::Empty, vec![Catch::AllRef { label: 0 }].into()), &[]);
        let (tag, payload) = self.tag();
        payload.iter().for_each(|ty| self.leaf(*ty));
        self.emit(I::Throw(tag));
        self.close();
        self.emit(I::Unreachable);
        self.close();
    }
}
