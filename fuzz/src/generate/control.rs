//! Statements, and expressions that branch.

use super::func::FuncGen;
use super::helpers::{self, Key};
use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::{BlockType, Instruction as I};

/// Statements within statements.
const NESTING: u32 = 3;

impl FuncGen<'_, '_> {
    /// So many statements.
    pub fn statements(&mut self, count: u32) {
        (0..count).for_each(|_| self.statement());
    }

    fn statement(&mut self) {
        let id = self.rng.next();
        if self.cut(id) {
            return;
        }
        let saved = std::mem::replace(&mut self.rng, Rng::new(id));
        self.nesting += 1;
        self.any_statement();
        self.nesting -= 1;
        self.rng = saved;
    }

    fn inner(&mut self) {
        let count = self.rng.range(1, 2);
        self.statements(count);
    }

    fn any_statement(&mut self) {
        let deep = self.nesting > NESTING;
        match self.rng.below(if deep { 66 } else { 100 }) {
            // What the others do calls something.
            49..=62 | 64 | 85..=92 | 98.. if self.calm => self.set_local(),
            0..=3 => (0..3).for_each(|_| self.row_statement()),
            4..=17 => self.set_local(),
            18..=23 => self.observe_something(),
            24..=31 => self.store(),
            32..=36 => self.set_global(),
            37..=42 => self.set_field(),
            43..=48 => self.set_element(),
            49..=52 => self.table_statement(),
            53 | 54 => self.bulk_memory(),
            55 => self.drop_segment(),
            56..=62 => self.call_statement(),
            63 => self.deep_stack(),
            64 => self.maybe_throw(),
            65 => self.nops(),
            66..=71 => self.if_statement(),
            72..=75 => self.block_statement(),
            76..=81 => self.loop_statement(),
            82..=84 => self.switch(),
            85..=92 => self.try_statement(),
            93 | 94 => self.dead_code(),
            95 => self.maybe_return(),
            96 | 97 => self.maybe_trap(),
            98 => self.guarded_tail_call(),
            _ => self.many_values(),
        }
    }

    fn any_value(&mut self) -> Ty {
        *self.rng.pick(&self.m.world.values)
    }

    fn set_local(&mut self) {
        let local = self.rng.below(self.free_locals);
        let ty = self.locals[local as usize];
        self.expr(ty, 3);
        if self.rng.percent(15) {
            self.emit(I::LocalTee(local));
            self.observe(ty);
        } else {
            self.emit(I::LocalSet(local));
        }
    }

    fn observe_something(&mut self) {
        let ty = self.any_value();
        self.operand(ty, 3);
        self.observe(ty);
    }

    fn set_global(&mut self) {
        let ty = self.any_value();
        if let Some(global) = self.free_global(ty, true) {
            self.operand(ty, 3);
            self.emit(I::GlobalSet(global));
        }
    }

    fn nops(&mut self) {
        self.emit(I::Nop);
        if self.rng.percent(50) {
            self.emit(I::AtomicFence);
        }
        self.operand(I32, 2);
        self.emit(I::Drop);
    }

    fn if_statement(&mut self) {
        self.condition(3);
        self.conditions += 1;
        self.open(I::If(BlockType::Empty), &[]);
        self.inner();
        if self.rng.percent(50) {
            self.emit(I::Else);
            self.inner();
        }
        self.close();
        self.conditions -= 1;
    }

    fn block_statement(&mut self) {
        self.open(I::Block(BlockType::Empty), &[]);
        let label = self.labels.len() - 1;
        self.inner();
        if self.rng.percent(70) {
            self.condition(2);
            let depth = self.depth(label);
            self.emit(I::BrIf(depth));
        } else {
            self.branch_on_reference(label);
        }
        self.conditions += 1;
        self.inner();
        self.maybe_branch();
        self.conditions -= 1;
        self.close();
    }

    /// A conditional branch to some block around, which may take values.
    fn maybe_branch(&mut self) {
        let label = self.rng.below(self.labels.len() as u32) as usize;
        if label == 0 {
            return;
        }
        let types = self.labels[label].clone();
        if types.len() > 30 {
            return;
        }
        types.iter().for_each(|ty| self.operand(*ty, 1));
        self.condition(1);
        let depth = self.depth(label);
        self.emit(I::BrIf(depth));
        types.iter().for_each(|_| self.emit(I::Drop));
    }

    /// Opens a loop whose head pays and leaves for `exit` when there is no fuel, whichever branch led to it. The head
    /// takes what the loop carries into locals, which are returned.
    fn open_loop(&mut self, block: BlockType, carried: &[Ty], exit: usize, exit_types: &[Ty]) -> Vec<u32> {
        self.open(I::Loop(block), carried);
        self.pay();
        let out: Vec<u32> = carried.iter().map(|ty| self.take(*ty)).collect();
        out.iter().rev().for_each(|local| self.emit(I::LocalSet(*local)));
        exit_types.iter().for_each(|ty| self.fallback(*ty));
        self.all([I::GlobalGet(self.m.infra.fuel), I::I32Const(0), I::I32LtS]);
        let depth = self.depth(exit);
        self.emit(I::BrIf(depth));
        exit_types.iter().for_each(|_| self.emit(I::Drop));
        out
    }

    /// A loop of a few rounds, with its counter in a local, a global's place or a parameter.
    fn loop_statement(&mut self) {
        let rounds = self.rng.range(2, 12);
        let was_calm = self.calm;
        self.calm |= self.rng.percent(40);
        let counter = self.take(I32);
        let exit_types: Vec<Ty> = if self.rng.percent(25) { vec![self.any_value(), self.any_value()] } else { vec![] };
        let block = self.block_type(&[], &exit_types);
        self.all([I::I32Const(rounds as i32), I::LocalSet(counter)]);
        let carried: Vec<Ty> =
            if self.rng.percent(30) { (0..self.rng.range(1, 3)).map(|_| self.any_value()).collect() } else { vec![] };
        self.open(I::Block(block), &exit_types);
        let exit = self.labels.len() - 1;
        carried.iter().for_each(|ty| self.operand(*ty, 2));
        let loop_type = self.block_type(&carried, &exit_types);
        let out = self.open_loop(loop_type, &carried, exit, &exit_types);
        let again = self.labels.len() - 1;
        self.inner();
        for (ty, local) in carried.iter().zip(&out) {
            if self.rng.percent(50) {
                self.operand(*ty, 2);
            } else {
                self.emit(I::LocalGet(*local));
            }
        }
        self.all([I::LocalGet(counter), I::I32Const(1), I::I32Sub, I::LocalTee(counter)]);
        let depth = self.depth(again);
        self.emit(I::BrIf(depth));
        self.consume_all(&carried);
        exit_types.iter().for_each(|ty| self.operand(*ty, 1));
        self.close_payment();
        self.close();
        self.close();
        self.calm = was_calm;
        self.consume_all(&exit_types);
        out.into_iter().for_each(|local| self.give(local));
        self.give(counter);
    }

    /// `br_table` over a few blocks.
    fn switch(&mut self) {
        let cases = if self.rng.one_in(15) { self.rng.range(5, 40) } else { self.rng.range(1, 4) };
        self.open(I::Block(BlockType::Empty), &[]);
        let out = self.labels.len() - 1;
        (0..cases).for_each(|_| self.open(I::Block(BlockType::Empty), &[]));
        self.operand(I32, 3);
        if self.rng.percent(50) {
            self.all([I::I32Const(7), I::I32And]);
        }
        let count = self.rng.range(0, 2 * cases);
        let targets: Vec<u32> = (0..count).map(|_| self.rng.below(cases + 1)).collect();
        let default = self.rng.below(cases + 1);
        self.emit(I::BrTable(targets.into(), default));
        self.conditions += 1;
        for case in 0..cases {
            self.close();
            if case < 4 {
                self.inner();
            }
            if self.rng.percent(60) && case + 1 < cases {
                let depth = self.depth(out);
                self.emit(I::Br(depth));
            }
        }
        self.conditions -= 1;
        self.close();
    }

    /// What is never executed is compiled, or rather is not.
    fn dead_code(&mut self) {
        self.open(I::Block(BlockType::Empty), &[]);
        self.inner();
        let depth = self.rng.below(1);
        self.emit(I::Br(depth));
        self.conditions += 1;
        match self.rng.below(4) {
            0 => self.inner(),
            // Operands out of nowhere.
            1 => self.all([I::I32Add, I::Drop, I::F64Mul, I::I64TruncF64S, I::Drop, I::Select, I::Drop]),
            2 => {
                self.inner();
                self.emit(I::Unreachable);
                self.all([I::RefIsNull, I::BrIf(0), I::RefAsNonNull, I::Drop]);
            }
            _ => {
                let array = self.m.world.arrays[0];
                self.all([
                    I::ArrayLen,
                    I::If(BlockType::Empty),
                    I::Unreachable,
                    I::RefEq,
                    I::Drop,
                    I::Else,
                    I::Unreachable,
                    I::End,
                ]);
                if self.m.types.has_default(array) {
                    self.all([I::ArrayNewDefault(array), I::Drop]);
                }
            }
        }
        self.conditions -= 1;
        self.close();
    }

    /// An early return under a condition that seldom holds.
    fn maybe_return(&mut self) {
        self.seldom();
        self.conditions += 1;
        self.open(I::If(BlockType::Empty), &[]);
        let few = self.results.len() < 8;
        for ty in self.results.clone() {
            if few { self.operand(ty, 1) } else { self.leaf(ty) }
        }
        if self.rng.percent(50) {
            self.emit(I::Return);
        } else {
            let depth = self.depth(0);
            self.emit(I::Br(depth));
        }
        self.close();
        self.conditions -= 1;
    }

    /// An i32 that is 0 most of the time.
    pub fn seldom(&mut self) {
        self.operand(I32, 2);
        let mask = *self.rng.pick(&[7, 15, 63]);
        self.all([I::I32Const(mask), I::I32And, I::I32Const(5), I::I32Eq]);
    }

    /// A trap under a condition that seldom holds.
    fn maybe_trap(&mut self) {
        if self.m.world.risk == 0 && self.rng.percent(70) {
            return;
        }
        self.seldom();
        self.conditions += 1;
        self.open(I::If(BlockType::Empty), &[]);
        match self.rng.below(13) {
            11 | 12 => self.read_null(),
            8 => {
                let mem = self.rng.below(self.m.mems.len() as u32);
                let memarg = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: mem };
                let wide = self.m.mems[mem as usize].wide;
                self.operand(if wide { I64 } else { I32 }, 1);
                let mask: [I<'static>; 2] =
                    if wide { [I::I64Const(0xff0), I::I64And] } else { [I::I32Const(0xff0), I::I32And] };
                self.all(mask);
                self.transport(if wide { I64 } else { I32 });
                if self.rng.percent(50) {
                    self.operand(I32, 1);
                    self.operand(I64, 1);
                    self.emit(I::MemoryAtomicWait32(memarg));
                } else {
                    self.operand(I64, 1);
                    self.operand(I64, 1);
                    self.emit(I::MemoryAtomicWait64(wasm_encoder::MemArg { align: 3, ..memarg }));
                }
                self.emit(I::Drop);
            }
            9 | 10 if !self.m.legacy => {
                // Null, or what was caught last.
                match self.m.exception {
                    Some(global) if self.rng.percent(70) => self.emit(I::GlobalGet(global)),
                    _ => self.emit(I::RefNull(Heap::Exn.encode())),
                }
                self.emit(I::ThrowRef);
            }
            0 => self.emit(I::Unreachable),
            1 => self.all([I::RefNull(Heap::None.encode()), I::ArrayLen, I::Drop]),
            2 => {
                let signed = self.rng.percent(50);
                self.emit(I::RefNull(Heap::I31.encode()));
                self.all([if signed { I::I31GetS } else { I::I31GetU }, I::Drop]);
            }
            3 => self.all([I::I32Const(1), I::I32Const(0), I::I32DivU, I::Drop]),
            4 => self.all([I::I64Const(i64::MIN), I::I64Const(-1), I::I64DivS, I::Drop]),
            5 => {
                let array = self.m.world.arrays[0];
                self.fallback_ref(Heap::T(array));
                self.all([
                    I::I32Const(1000),
                    I::I32Const(0),
                    I::I32Const(0),
                    I::Drop,
                    I::Drop,
                    I::Drop,
                    I::ArrayLen,
                    I::Drop,
                ]);
                self.emit(I::Unreachable);
            }
            6 => self.all([I::F32Const(f32::NAN.into()), I::I32TruncF32S, I::Drop]),
            _ => {
                self.operand(null(Heap::Any), 2);
                let to = Heap::T(*self.rng.pick(&self.m.world.structs));
                self.all([I::RefCastNonNull(to.encode()), I::Drop]);
            }
        }
        self.close();
        self.conditions -= 1;
    }

    /// A read of a field or element of null.
    fn read_null(&mut self) {
        if self.rng.percent(50) {
            let index = *self.rng.pick(&self.m.world.structs);
            let fields = self.m.types.fields(index).to_vec();
            let number = self.rng.below(fields.len().max(1) as u32);
            let Some(field) = fields.get(number as usize) else { return };
            self.emit(I::RefNull(Heap::T(index).encode()));
            let instruction = self.struct_get(index, number, *field);
            self.all([instruction, I::Drop]);
        } else {
            let index = *self.rng.pick(&self.m.world.arrays);
            self.emit(I::RefNull(Heap::T(index).encode()));
            self.placed(I32);
            let field = self.m.types.element(index);
            let signed = self.rng.percent(50);
            self.emit(match (field.is_packed(), signed) {
                (false, _) => I::ArrayGet(index),
                (true, true) => I::ArrayGetS(index),
                (true, false) => I::ArrayGetU(index),
            });
            self.emit(I::Drop);
        }
    }

    /// Many operands at once, then folded.
    fn deep_stack(&mut self) {
        let count = *self.rng.pick(&[5, 9, 17, 40, 100]);
        let ty = [I32, I64, F64][self.rng.below(3) as usize];
        for _ in 0..count {
            if self.rng.percent(70) { self.leaf(ty) } else { self.operand(ty, 1) }
        }
        if self.rng.percent(40) && !self.calm {
            let nothing = helpers::get(self.m, Key::Nothing);
            self.emit(I::Call(nothing));
        }
        for _ in 1..count {
            match ty {
                I32 => {
                    let op = self.rng.pick(&[I::I32Add, I::I32Xor, I::I32Sub, I::I32Rotl, I::I32Mul]).clone();
                    self.emit(op);
                }
                I64 => {
                    let op = self.rng.pick(&[I::I64Add, I::I64Xor, I::I64Sub, I::I64ShrU, I::I64Mul]).clone();
                    self.emit(op);
                }
                _ => {
                    let op = self.rng.pick(&[I::F64Add, I::F64Max, I::F64Sub]).clone();
                    self.emit(op);
                }
            }
        }
        if ty == F64 {
            self.canonical(crate::ops::Shape::F64);
        }
        self.consume(ty);
    }

    /// A block with several results, and parameters.
    fn many_values(&mut self) {
        let wide = self.rng.one_in(12);
        let count = if wide { self.rng.range(8, 40) } else { self.rng.range(1, 4) };
        let results: Vec<Ty> = (0..count).map(|_| self.any_value()).collect();
        let params: Vec<Ty> = (0..self.rng.below(4)).map(|_| self.any_value()).collect();
        params.iter().for_each(|ty| self.operand(*ty, 2));
        let block = self.block_type(&params, &results);
        let push = |gen_: &mut Self, depth: u32| {
            for ty in &results {
                if wide { gen_.leaf(*ty) } else { gen_.operand(*ty, depth) }
            }
        };
        match self.rng.below(3) {
            0 => {
                self.open(I::Block(block), &results);
                self.consume_all(&params);
                push(self, 2);
                self.condition(2);
                self.emit(I::BrIf(0));
                self.consume_all(&results);
                push(self, 1);
                self.close();
            }
            1 => {
                self.condition(2);
                self.conditions += 1;
                self.open(I::If(block), &results);
                self.consume_all(&params);
                push(self, 2);
                self.emit(I::Else);
                self.consume_all(&params);
                push(self, 1);
                self.close();
                self.conditions -= 1;
            }
            _ => {
                // All ways of a br_table bring the same values.
                self.open(I::Block(block), &results);
                self.consume_all(&params);
                let inner = self.block_type(&[], &results);
                self.open(I::Block(inner), &results);
                push(self, 2);
                self.operand(I32, 2);
                self.emit(I::BrTable(vec![0, 1, 1, 0].into(), 0));
                self.close();
                self.consume_all(&results);
                push(self, 1);
                self.close();
            }
        }
        self.consume_all(&results);
    }

    /// `if` with a result.
    pub fn if_value(&mut self, ty: Ty, depth: u32) {
        self.condition(depth - 1);
        let block = self.block_type(&[], &[ty]);
        self.conditions += 1;
        self.open(I::If(block), &[ty]);
        self.operand(ty, depth - 1);
        if self.rng.one_in(6) {
            self.emit(I::Br(0));
        }
        self.emit(I::Else);
        if self.nesting <= NESTING && self.rng.one_in(8) {
            self.statement();
        }
        self.operand(ty, depth - 1);
        self.close();
        self.conditions -= 1;
    }

    /// A block with a result that may leave early with it.
    pub fn block_value(&mut self, ty: Ty, depth: u32) {
        let block = self.block_type(&[], &[ty]);
        self.open(I::Block(block), &[ty]);
        if self.nesting <= NESTING && self.rng.one_in(5) {
            self.statement();
        }
        self.operand(ty, depth - 1);
        if self.rng.percent(70) {
            self.condition(depth - 1);
            self.emit(I::BrIf(0));
            if self.rng.percent(50) {
                self.emit(I::Drop);
                self.operand(ty, depth - 1);
            }
        }
        self.close();
    }

    /// A loop that is run once, or has its result as parameter.
    pub fn loop_value(&mut self, ty: Ty, depth: u32) {
        let result = self.block_type(&[], &[ty]);
        self.open(I::Block(result), &[ty]);
        let exit = self.labels.len() - 1;
        self.operand(ty, depth - 1);
        let block = self.block_type(&[ty], &[ty]);
        let carried = self.open_loop(block, &[ty], exit, &[ty]);
        self.emit(I::LocalGet(carried[0]));
        self.consume(ty);
        self.operand(ty, depth - 1);
        // Again while there is a little more fuel than none, seldom.
        self.all([I::GlobalGet(self.m.infra.fuel), I::I32Const(15), I::I32And, I::I32Eqz]);
        self.all([I::GlobalGet(self.m.infra.fuel), I::I32Const(0), I::I32GtS, I::I32And, I::BrIf(0)]);
        self.close_payment();
        self.close();
        self.close();
        carried.into_iter().for_each(|local| self.give(local));
    }

    /// `br_table` that brings a value.
    pub fn table_value(&mut self, ty: Ty, depth: u32) {
        let outer = self.block_type(&[], &[ty]);
        self.open(I::Block(outer), &[ty]);
        let inner = self.block_type(&[], &[ty]);
        self.open(I::Block(inner), &[ty]);
        self.operand(ty, depth - 1);
        self.operand(I32, depth - 1);
        let targets: Vec<u32> = (0..self.rng.below(4)).map(|_| self.rng.below(2)).collect();
        let default = self.rng.below(2);
        self.emit(I::BrTable(targets.into(), default));
        self.close();
        self.consume(ty);
        self.operand(ty, depth - 1);
        self.close();
    }
}
