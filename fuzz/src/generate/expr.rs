//! Expressions: a value of a type goes to the operand stack.
//!
//! An operand is a constant, a local, or any expression, whose value may then be moved to another place
//! ([`FuncGen::transport`]): through a local, a call, memory of a kind, or to the stack across a call.

use super::func::FuncGen;
use super::helpers::{self, Key};
use crate::ops::{BY_RESULT, Care, LOADS, OPEN, OPS, Op, Relaxed, Shape, WIDE};
use crate::rng::Rng;
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::Instruction as I;

/// Constants that have hurt.
const INTS: [i64; 34] = [
    0,
    1,
    -1,
    2,
    3,
    -2,
    7,
    10,
    31,
    32,
    33,
    63,
    64,
    100,
    127,
    128,
    -128,
    255,
    256,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    -0x8000_0000,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    -0x8000_0001,
    0x5555_5555,
    0x00ff_00ff_00ff_00ff,
    i64::MAX,
    i64::MIN,
    0x1234_5678_9abc_def0,
];

const F32S: [u32; 20] = [
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fa0_0000,
    0xffff_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
    0x5f00_0000,
    0x3f00_0000,
    0x4b00_0001,
];

const F64S: [u64; 20] = [
    0,
    1 << 63,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    1,
    (1 << 63) | 1,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff4_0000_0000_0000,
    u64::MAX,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x7fff_ffff,
    0xffff_ffff_8000_0000,
];

/// An integer: one that has hurt, a small one, or any.
pub fn integer(rng: &mut Rng) -> i64 {
    match rng.below(8) {
        0..=3 => *rng.pick(&INTS),
        4 | 5 => rng.below(200) as i64 - 100,
        6 => 1 << rng.below(64),
        _ => rng.next() as i64,
    }
}

/// Instructions for a constant number; for integers sometimes several that fold.
pub fn number(ty: Ty, rng: &mut Rng) -> Vec<I<'static>> {
    let value = integer(rng);
    vec![match ty {
        I32 => I::I32Const(value as i32),
        I64 => I::I64Const(value),
        F32 if rng.percent(60) => I::F32Const(wasm_encoder::Ieee32::new(*rng.pick(&F32S))),
        F32 => I::F32Const((value as f32 / 8.0).into()),
        F64 if rng.percent(60) => I::F64Const(wasm_encoder::Ieee64::new(*rng.pick(&F64S))),
        F64 => I::F64Const((value as f64 / 8.0).into()),
        V128 => {
            let wide = match rng.below(4) {
                0 => 0,
                1 => u128::from(*rng.pick(&F64S)) | u128::from(*rng.pick(&F64S)) << 64,
                2 => (0..4).fold(0, |all, _| all << 32 | u128::from(*rng.pick(&F32S))),
                _ => u128::from(rng.next()) << 64 | u128::from(rng.next()),
            };
            I::V128Const(wide as i128)
        }
        Ref(..) => panic!("no number"),
    }]
}

impl FuncGen<'_, '_> {
    /// A value of a type, without use of anything that runs code.
    pub fn fallback(&mut self, ty: Ty) {
        match ty {
            I32 => self.emit(I::I32Const(0)),
            I64 => self.emit(I::I64Const(0)),
            F32 => self.emit(I::F32Const(0.0.into())),
            F64 => self.emit(I::F64Const(0.0.into())),
            V128 => self.emit(I::V128Const(0)),
            Ref(true, heap) => self.emit(I::RefNull(heap.encode())),
            Ref(false, heap) => self.fallback_ref(heap),
        }
    }

    /// A constant of a type.
    pub fn constant(&mut self, ty: Ty) {
        match ty {
            Ref(true, heap) => {
                let heap = if self.rng.percent(50) { heap } else { self.m.types.bottom(heap) };
                self.emit(I::RefNull(heap.encode()));
            }
            Ref(false, heap) => self.fallback_ref(heap),
            _ => number(ty, &mut self.rng).into_iter().for_each(|instruction| self.emit(instruction)),
        }
    }

    /// A local whose type is this one, or below it if the local is only read.
    pub fn free_local(&mut self, ty: Ty, exact: bool) -> Option<u32> {
        let start = self.rng.below(self.free_locals);
        let fits = |local: &u32| {
            let own = self.locals[*local as usize];
            own == ty || !exact && self.m.types.below(own, ty)
        };
        let found = (start..self.free_locals).take(200).find(fits);
        found.or_else(|| (0..self.free_locals).take(60).find(fits))
    }

    /// A global of this type (or below it, if it is only read).
    pub fn free_global(&mut self, ty: Ty, set: bool) -> Option<u32> {
        let count = self.m.globals.len() as u32;
        let start = self.rng.below(count);
        let fits = |index: &u32| {
            let global = &self.m.globals[*index as usize];
            if !global.free {
                return false;
            }
            if set { global.mutable && global.ty == ty } else { self.m.types.below(global.ty, ty) }
        };
        (start..count).chain(0..start).find(fits)
    }

    /// A value without operators.
    pub fn leaf(&mut self, ty: Ty) {
        // A loop that calls nothing has many locals in registers.
        match self.rng.below(if self.calm { 7 } else { 10 }) {
            0..=4 => match self.free_local(ty, false) {
                Some(local) => self.emit(I::LocalGet(local)),
                None => self.constant_or_null(ty),
            },
            5 | 6 => match self.free_global(ty, false) {
                Some(global) => self.emit(I::GlobalGet(global)),
                None => self.constant_or_null(ty),
            },
            _ => self.constant_or_null(ty),
        }
    }

    /// A constant; a reference is seldom null.
    fn constant_or_null(&mut self, ty: Ty) {
        match ty {
            Ref(_, heap) if self.rng.percent(80) => self.fallback_ref(heap),
            _ => self.constant(ty),
        }
    }

    /// A value.
    pub fn expr(&mut self, ty: Ty, depth: u32) {
        if depth == 0 {
            return self.leaf(ty);
        }
        let id = self.rng.next();
        if self.cut(id) {
            return self.fallback(ty);
        }
        let saved = std::mem::replace(&mut self.rng, Rng::new(id));
        self.any_expr(ty, depth);
        self.rng = saved;
    }

    /// A value, in some place.
    pub fn operand(&mut self, ty: Ty, depth: u32) {
        match self.rng.below(100) {
            0..=17 => self.constant(ty),
            18..=37 => self.leaf(ty),
            _ => {
                self.expr(ty, depth.saturating_sub(1));
                self.transport(ty);
            }
        }
    }

    /// What is on the stack goes through another place, or stays.
    pub fn transport(&mut self, ty: Ty) {
        match self.rng.below(20) {
            2..=5 | 7 if self.calm => {}
            0 => {
                let local = self.take(ty);
                self.all([I::LocalSet(local), I::LocalGet(local)]);
                self.give(local);
            }
            1 => {
                let local = self.take(ty);
                self.emit(I::LocalTee(local));
                self.give(local);
            }
            2 | 3 => {
                let nothing = helpers::get(self.m, Key::Nothing);
                self.emit(I::Call(nothing));
            }
            4 | 5 => {
                let pass = helpers::get(self.m, Key::Pass(ty));
                self.emit(I::Call(pass));
            }
            6 => {
                if let Some(global) = self.free_global(ty, true) {
                    self.all([I::GlobalSet(global), I::GlobalGet(global)]);
                }
            }
            7 => {
                let local = self.take(ty);
                let nothing = helpers::get(self.m, Key::Nothing);
                self.all([I::LocalSet(local), I::Call(nothing), I::LocalGet(local)]);
                self.give(local);
            }
            8 => {
                // It enters a block as its parameter.
                let block = self.block_type(&[ty], &[ty]);
                self.open(I::Block(block), &[ty]);
                self.close();
            }
            _ => {}
        }
    }

    fn any_expr(&mut self, ty: Ty, depth: u32) {
        let kind = self.rng.below(100);
        match kind {
            0..=4 => self.leaf(ty),
            5..=7 => self.select(ty, depth),
            8..=11 => self.if_value(ty, depth),
            12..=15 => self.block_value(ty, depth),
            16 => self.loop_value(ty, depth),
            17..=18 => self.table_value(ty, depth),
            19..=22 | 25 if self.calm => self.leaf(ty),
            19..=22 => self.call_value(ty, depth),
            23..=24 => self.tee(ty, depth),
            25 => self.try_value(ty, depth),
            26..=30 => self.field_value(ty, depth),
            31..=33 => {
                if let Some(global) = self.free_global(ty, false) {
                    self.emit(I::GlobalGet(global));
                } else {
                    self.leaf(ty);
                }
            }
            _ => match ty {
                Ref(nullable, heap) => self.reference(nullable, heap, depth),
                _ if kind < 44 => self.load_value(ty, depth),
                I32 if kind < 52 => self.question(depth),
                I64 if kind == 44 && self.m.world.ours_only => {
                    let op = *self.rng.pick(&WIDE);
                    op.params.iter().for_each(|ty| self.operand(*ty, depth));
                    self.emit((op.make)(0));
                    self.consume(I64);
                }
                _ => self.row(ty, depth),
            },
        }
    }

    fn tee(&mut self, ty: Ty, depth: u32) {
        self.expr(ty, depth - 1);
        if let Some(local) = self.free_local(ty, true) {
            self.emit(I::LocalTee(local));
        }
    }

    fn select(&mut self, ty: Ty, depth: u32) {
        self.operand(ty, depth);
        self.operand(ty, depth);
        self.condition(depth - 1);
        match ty {
            Ref(..) => self.emit(I::TypedSelect(ty.encode())),
            _ if self.rng.percent(80) => self.emit(I::Select),
            _ => self.emit(I::TypedSelect(ty.encode())),
        }
    }

    /// An i32 that is mostly a compare.
    pub fn condition(&mut self, depth: u32) {
        match self.rng.below(10) {
            0..=5 => {
                let wanted = [I32, I64, F32, F64][self.rng.below(4) as usize];
                let rows = &BY_RESULT[&I32];
                for _ in 0..40 {
                    let op = *self.rng.pick(rows);
                    if op.params.first() == Some(&wanted) && op.params.len() == 2 && op.care == Care::None {
                        return self.emit_row(op, depth.max(1));
                    }
                }
                self.leaf(I32);
            }
            6 => {
                self.expr(I32, depth);
                self.emit(I::I32Eqz);
            }
            7 => self.question(depth.max(1)),
            _ => self.operand(I32, depth),
        }
    }

    /// A value in a place that is chosen evenly: constant, local, stack slot, result of a call, of a load.
    pub fn placed(&mut self, ty: Ty) {
        match self.rng.below(5) {
            0 => self.constant(ty),
            2 | 3 if self.calm => self.leaf(ty),
            1 => {
                let local = self.take(ty);
                self.leaf(ty);
                self.all([I::LocalSet(local), I::LocalGet(local)]);
                self.give(local);
            }
            2 => {
                self.leaf(ty);
                let nothing = helpers::get(self.m, Key::Nothing);
                self.emit(I::Call(nothing));
            }
            3 => {
                self.leaf(ty);
                let pass = helpers::get(self.m, Key::Pass(ty));
                self.emit(I::Call(pass));
            }
            _ => match self.free_global(ty, false) {
                Some(global) => self.emit(I::GlobalGet(global)),
                None => self.leaf(ty),
            },
        }
    }

    /// A statement: any row, all of them as often, with each operand in a place that is chosen evenly.
    pub fn row_statement(&mut self) {
        let op = loop {
            let op = self.rng.pick(&OPS);
            let vectors = op.params.contains(&V128) || op.results.contains(&V128);
            if (!vectors || self.m.world.simd) && (!op.ours_only || self.m.world.ours_only) {
                break op;
            }
        };
        if op.care != Care::None {
            self.open_row(op, 2);
        } else {
            op.params.iter().for_each(|ty| self.placed(*ty));
            let lane = if op.lanes == 1 { 0 } else { self.rng.below(op.lanes) };
            self.emit((op.make)(lane));
        }
        if let Some(shape) = op.open {
            self.canonical(shape);
        }
        self.consume_all(op.results);
    }

    /// A row with this result.
    fn row(&mut self, ty: Ty, depth: u32) {
        let rows = &BY_RESULT[&ty];
        let op = loop {
            let op = *self.rng.pick(rows);
            let vectors = op.params.contains(&V128) || ty == V128;
            if (!vectors || self.m.world.simd) && (!op.ours_only || self.m.world.ours_only) {
                break op;
            }
        };
        self.emit_row(op, depth);
    }

    /// A row and its operands. Afterwards the bits of the result are known.
    fn emit_row(&mut self, op: &'static Op, depth: u32) {
        let finite = op.open.is_some() && op.params.iter().all(|ty| matches!(ty, F32 | F64)) && self.rng.percent(40);
        if finite && op.open == op.blind {
            return self.finite(op.results[0], depth.min(2));
        }
        self.open_row(op, depth);
        if let Some(shape) = op.open {
            self.canonical(shape);
        }
    }

    /// A row and its operands. The result may be any NaN.
    fn open_row(&mut self, op: &'static Op, depth: u32) {
        match op.care {
            Care::None => {
                for ty in op.params {
                    match op.blind {
                        Some(shape) if *ty != I32 && *ty != I64 => self.blind_operand(shape, *ty, depth),
                        _ => self.operand(*ty, depth),
                    }
                }
            }
            Care::Divisor => {
                self.operand(op.params[0], depth);
                self.divisor(op.params[0], depth);
            }
            Care::Convertible => {
                if self.risk() {
                    self.operand(op.params[0], depth);
                } else {
                    self.convertible(op.params[0], depth);
                }
            }
            Care::Relaxed(kind) => self.relaxed_operands(kind, depth),
        }
        let lane = if op.lanes == 1 { 0 } else { self.rng.below(op.lanes) };
        self.emit((op.make)(lane));
    }

    fn divisor(&mut self, ty: Ty, depth: u32) {
        if self.risk() {
            return self.operand(ty, depth);
        }
        match self.rng.below(3) {
            0 => {
                // A constant that is not 0 and not -1.
                let value = integer(&mut self.rng);
                let value = if matches!(value as i32, 0 | -1) || value == -1 { 7 } else { value };
                self.emit(if ty == I32 { I::I32Const(value as i32) } else { I::I64Const(value) });
            }
            _ => {
                self.operand(ty, depth);
                if ty == I32 {
                    self.all([I::I32Const(0x7fff_ffff), I::I32And, I::I32Const(1), I::I32Or]);
                } else {
                    self.all([I::I64Const(i64::MAX), I::I64And, I::I64Const(1), I::I64Or]);
                }
                self.transport(ty);
            }
        }
    }

    /// A float that every conversion to an integer takes.
    fn convertible(&mut self, ty: Ty, depth: u32) {
        if self.rng.one_in(5) {
            let value = self.rng.below(300_000) as f32 / 8.0 - 0.875;
            return self.emit(if ty == F32 { I::F32Const(value.into()) } else { I::F64Const((value as f64).into()) });
        }
        self.operand(I32, depth);
        self.all([I::I32Const(0x7fff), I::I32And]);
        if ty == F32 {
            self.all([I::F32ConvertI32S, I::F32Const(0.75.into()), I::F32Mul]);
        } else {
            self.all([I::F64ConvertI32U, I::F64Const(0.75.into()), I::F64Sub]);
        }
        self.transport(ty);
    }

    /// A float that is neither NaN nor infinite, made of floats of this kind: nothing stands between their operators.
    pub fn finite(&mut self, ty: Ty, depth: u32) {
        if depth == 0 {
            if self.rng.percent(40) {
                let value = (self.rng.below(2000) as f64 - 1000.0) / 16.0 + 0.03125;
                return self.emit(if ty == F32 {
                    I::F32Const((value as f32).into())
                } else {
                    I::F64Const(value.into())
                });
            }
            self.operand(I32, 1);
            self.all([I::I32Const(0xffff), I::I32And]);
            return self.emit(if ty == F32 { I::F32ConvertI32S } else { I::F64ConvertI32U });
        }
        let two: [I<'static>; 6] = if ty == F32 {
            [I::F32Add, I::F32Sub, I::F32Mul, I::F32Min, I::F32Max, I::F32Copysign]
        } else {
            [I::F64Add, I::F64Sub, I::F64Mul, I::F64Min, I::F64Max, I::F64Copysign]
        };
        let one: [I<'static>; 6] = if ty == F32 {
            [I::F32Abs, I::F32Neg, I::F32Floor, I::F32Ceil, I::F32Nearest, I::F32Trunc]
        } else {
            [I::F64Abs, I::F64Neg, I::F64Floor, I::F64Ceil, I::F64Nearest, I::F64Trunc]
        };
        self.finite(ty, depth - 1);
        self.transport(ty);
        match self.rng.below(10) {
            0..=5 => {
                self.finite(ty, depth - 1);
                self.transport(ty);
                let which = self.rng.below(6) as usize;
                self.emit(two[which].clone());
            }
            6 => {
                let divisor = self.rng.range(1, 9) as f64 * 0.375;
                if ty == F32 {
                    self.all([I::F32Const((divisor as f32).into()), I::F32Div]);
                } else {
                    self.all([I::F64Const(divisor.into()), I::F64Div]);
                }
            }
            7 if ty == F32 => self.all([I::F32Abs, I::F32Sqrt]),
            7 => self.all([I::F64Abs, I::F64Sqrt]),
            8 if ty == F32 => self.all([I::F64PromoteF32, I::F32DemoteF64]),
            _ => {
                let which = self.rng.below(6) as usize;
                self.emit(one[which].clone());
            }
        }
    }

    /// An operand whose NaNs' bits are not seen.
    fn blind_operand(&mut self, shape: Shape, ty: Ty, depth: u32) {
        if depth > 1 && self.rng.percent(40) {
            let id = self.rng.next();
            if self.cut(id) {
                return self.fallback(ty);
            }
            let saved = std::mem::replace(&mut self.rng, Rng::new(id));
            let op = *self.rng.pick(&OPEN[&shape]);
            self.open_row(op, depth - 1);
            self.rng = saved;
        } else {
            self.operand(ty, depth);
        }
    }

    /// Makes the bits of NaNs on the stack canonical.
    pub fn canonical(&mut self, shape: Shape) {
        let nan32 = 0x7fc0_0000u32;
        let nan64 = 0x7ff8_0000_0000_0000u64;
        let (ty, nan, equal, choose) = match shape {
            Shape::F32 => (F32, I::F32Const(wasm_encoder::Ieee32::new(nan32)), I::F32Eq, I::Select),
            Shape::F64 => (F64, I::F64Const(wasm_encoder::Ieee64::new(nan64)), I::F64Eq, I::Select),
            Shape::F32x4 => {
                let all = (0..4).fold(0u128, |all, _| all << 32 | nan32 as u128);
                (V128, I::V128Const(all as i128), I::F32x4Eq, I::V128Bitselect)
            }
            Shape::F64x2 => {
                let all = (nan64 as u128) << 64 | nan64 as u128;
                (V128, I::V128Const(all as i128), I::F64x2Eq, I::V128Bitselect)
            }
        };
        let local = self.take(ty);
        self.all([I::LocalTee(local), nan, I::LocalGet(local), I::LocalGet(local), equal, choose]);
        self.give(local);
    }

    fn relaxed_operands(&mut self, kind: Relaxed, depth: u32) {
        let masked = |gen_: &mut Self, mask: u128, convert: &[I<'static>]| {
            if gen_.rng.one_in(5) {
                // Random operands that are masked or converted already, as a constant.
                let any = u128::from(gen_.rng.next()) << 64 | u128::from(gen_.rng.next());
                let lanes = |bits: u32, float: fn(u32) -> u128| {
                    (0..128 / bits)
                        .fold(0, |all, lane| all | float((any >> (32 * (lane % 4))) as u32 & 0x3ff) << (lane * bits))
                };
                return gen_.emit(I::V128Const(match convert.first() {
                    None => (any & mask) as i128,
                    Some(I::F32x4ConvertI32x4S | I::F32x4ConvertI32x4U) => {
                        lanes(32, |lane| (lane as f32).to_bits() as u128) as i128
                    }
                    Some(_) => lanes(64, |lane| (lane as f64).to_bits() as u128) as i128,
                }));
            }
            gen_.operand(V128, depth);
            gen_.all([I::V128Const(mask as i128), I::V128And]);
            convert.iter().for_each(|instruction| gen_.emit(instruction.clone()));
            gen_.transport(V128);
        };
        let every = |bits: u32, value: u128| (0..128 / bits).fold(0u128, |all, lane| all | value << (lane * bits));
        let small = every(32, 0x3ff);
        match kind {
            Relaxed::Swizzle => {
                self.operand(V128, depth);
                masked(self, every(8, 15), &[]);
            }
            Relaxed::TruncF32 => masked(self, small, &[I::F32x4ConvertI32x4S]),
            Relaxed::TruncF64 => masked(self, small, &[I::F64x2ConvertLowI32x4S]),
            Relaxed::MaddF32 => (0..3).for_each(|_| masked(self, small, &[I::F32x4ConvertI32x4U])),
            Relaxed::MaddF64 => (0..3).for_each(|_| masked(self, small, &[I::F64x2ConvertLowI32x4U])),
            Relaxed::MinMaxF32 => (0..2).for_each(|_| masked(self, small, &[I::F32x4ConvertI32x4S])),
            Relaxed::MinMaxF64 => (0..2).for_each(|_| masked(self, small, &[I::F64x2ConvertLowI32x4S])),
            Relaxed::Q15 => (0..2).for_each(|_| masked(self, every(16, 0x7fff), &[])),
            Relaxed::Dot => {
                self.operand(V128, depth);
                masked(self, every(8, 0x7f), &[]);
            }
            Relaxed::DotAdd => {
                self.operand(V128, depth);
                masked(self, every(8, 0x7f), &[]);
                self.operand(V128, depth);
            }
            Relaxed::Select8 | Relaxed::Select16 | Relaxed::Select32 | Relaxed::Select64 => {
                self.operand(V128, depth);
                self.operand(V128, depth);
                self.operand(V128, depth);
                self.operand(V128, depth - 1);
                self.emit(match kind {
                    Relaxed::Select8 => I::I8x16GtS,
                    Relaxed::Select16 => I::I16x8GtS,
                    Relaxed::Select32 => I::I32x4GtS,
                    _ => I::I64x2GtS,
                });
                self.transport(V128);
            }
        }
    }

    fn load_value(&mut self, ty: Ty, depth: u32) {
        let ops = &LOADS[&ty];
        let op = *self.rng.pick(ops);
        self.access(op, depth);
    }
}
