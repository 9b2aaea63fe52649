//! Functions that programs need and that are not random: digests of objects, functions that pass a value on.

use super::module::{FuncDecl, Module, Role};
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::{BlockType, Instruction as I};

/// Which helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// Returns its argument.
    Pass(Ty),
    /// Does nothing: what is in registers goes to the stack.
    Nothing,
}

/// Index of a helper, made where it is missing.
pub fn get(m: &mut Module<'_>, key: Key) -> u32 {
    if let Some(index) = m.helpers.get(&key) {
        return *index;
    }
    let (types, code): (Vec<Ty>, _) = match key {
        Key::Pass(ty) => (vec![ty], vec![I::LocalGet(0)]),
        Key::Nothing => (vec![], vec![I::Nop]),
    };
    let ty = m.types.func(&types, &types);
    m.funcs.push(FuncDecl { ty, role: Role::Helper, import: None, body: Some((vec![], code)) });
    let index = m.funcs.len() as u32 - 1;
    m.helpers.insert(key, index);
    index
}

/// Fields of a struct that are digested.
const FIELDS: usize = 10;

/// `(object, depth) -> i64`: what an object is and what is in it, so deep.
pub fn digest_body(m: &mut Module<'_>, me: u32) -> (Vec<Ty>, Vec<I<'static>>) {
    let any = null(Heap::Any);
    let mut locals = vec![I64, I32];
    let (sum, index) = (2, 3);
    let mut code = vec![
        I::LocalGet(1),
        I::I32Eqz,
        I::LocalGet(0),
        I::RefIsNull,
        I::I32Or,
        I::If(BlockType::Empty),
        I::I64Const(11),
        I::Return,
        I::End,
    ];
    let mix = |code: &mut Vec<I<'static>>, ty: Ty| match ty {
        V128 => {
            code.extend([I::I8x16Bitmask, I::I64ExtendI32U]);
            mixed(code, sum);
        }
        _ => {
            as_number(code, ty, me);
            mixed(code, sum);
        }
    };
    // What is below another comes first.
    let objects: Vec<u32> = m.world.structs.iter().chain(&m.world.arrays).copied().rev().collect();
    for ty in objects {
        let local = 2 + locals.len() as u32;
        locals.push(null(Heap::T(ty)));
        let from = any.encode_ref();
        let to = if ty % 2 == 0 { some(Heap::T(ty)) } else { null(Heap::T(ty)) }.encode_ref();
        code.extend([
            I::Block(BlockType::Result(any.encode())),
            I::LocalGet(0),
            I::BrOnCastFail { relative_depth: 0, from_ref_type: from, to_ref_type: to },
            I::LocalSet(local),
            I::I64Const(ty as i64 + 100),
            I::LocalSet(sum),
        ]);
        match m.types.defs[ty as usize].kind.clone() {
            Kind::Struct(fields) => {
                let last = fields.len().saturating_sub(1);
                for (number, field) in fields.iter().enumerate() {
                    if number >= FIELDS && number != last {
                        continue;
                    }
                    code.push(I::LocalGet(local));
                    let (struct_type_index, field_index) = (ty, number as u32);
                    code.push(match field.storage {
                        Storage::I8 => I::StructGetS { struct_type_index, field_index },
                        Storage::I16 => I::StructGetU { struct_type_index, field_index },
                        Storage::Val(_) => I::StructGet { struct_type_index, field_index },
                    });
                    mix(&mut code, field.ty());
                }
            }
            Kind::Array(field) => {
                code.extend([I::LocalGet(local), I::ArrayLen, I::I64ExtendI32U]);
                mixed(&mut code, sum);
                // All of a small one, the first eight and the last of a large one.
                code.extend([
                    I::I32Const(0),
                    I::LocalSet(index),
                    I::Block(BlockType::Empty),
                    I::Loop(BlockType::Empty),
                ]);
                code.extend([I::LocalGet(index), I::LocalGet(local), I::ArrayLen, I::I32GeU, I::BrIf(1)]);
                code.extend([I::LocalGet(local), I::LocalGet(index)]);
                code.push(match field.storage {
                    Storage::I8 => I::ArrayGetU(ty),
                    Storage::I16 => I::ArrayGetS(ty),
                    Storage::Val(_) => I::ArrayGet(ty),
                });
                mix(&mut code, field.ty());
                code.extend([
                    I::LocalGet(index),
                    I::I32Const(1),
                    I::I32Add,
                    I::LocalTee(index),
                    I::I32Const(8),
                    I::I32LtU,
                    I::BrIf(0),
                ]);
                code.extend([
                    I::LocalGet(local),
                    I::ArrayLen,
                    I::I32Const(1),
                    I::I32Sub,
                    I::LocalGet(index),
                    I::I32GtU,
                ]);
                code.extend([I::If(BlockType::Empty), I::LocalGet(local), I::ArrayLen, I::I32Const(1), I::I32Sub]);
                code.extend([I::LocalSet(index), I::Br(1), I::End, I::End, I::End]);
            }
            Kind::Func(..) => unreachable!("no object"),
        }
        code.extend([I::LocalGet(sum), I::Return, I::End, I::Drop]);
    }
    let i31 = some(Heap::I31).encode_ref();
    code.extend([
        I::Block(BlockType::Result(i31.into())),
        I::LocalGet(0),
        I::BrOnCast { relative_depth: 0, from_ref_type: any.encode_ref(), to_ref_type: i31 },
        I::Drop,
        I::I64Const(77),
        I::Return,
        I::End,
        I::I31GetS,
        I::I64ExtendI32S,
    ]);
    (locals, code)
}

fn as_number(code: &mut Vec<I<'static>>, ty: Ty, digest: u32) {
    match ty {
        I32 => code.push(I::I64ExtendI32S),
        I64 => {}
        F32 => code.extend([I::I32ReinterpretF32, I::I64ExtendI32U]),
        F64 => code.push(I::I64ReinterpretF64),
        V128 => code.push(I::I64x2ExtractLane(1)),
        Ref(_, Heap::Func | Heap::Extern | Heap::Exn) => code.extend([I::RefIsNull, I::I64ExtendI32U]),
        Ref(..) => code.extend([I::LocalGet(1), I::I32Const(1), I::I32Sub, I::Call(digest)]),
    }
}

fn mixed(code: &mut Vec<I<'static>>, sum: u32) {
    code.extend([I::LocalGet(sum), I::I64Const(0x0100_0000_01b3), I::I64Mul, I::I64Xor, I::LocalSet(sum)]);
}

/// `() -> i64`: digest of all references and vectors in globals and tables, and whether functions are there.
pub fn final_digest(m: &mut Module<'_>) -> (Vec<Ty>, Vec<I<'static>>) {
    let (mut locals, mut code) = (vec![I64], Vec::new());
    let sum = 0;
    let digest = m.infra.digest_func;
    for (index, global) in m.globals.iter().enumerate() {
        match global.ty {
            V128 => {
                let local = locals.len() as u32;
                locals.push(V128);
                code.extend([
                    I::GlobalGet(index as u32),
                    I::LocalTee(local),
                    I::I64x2ExtractLane(0),
                    I::LocalGet(local),
                ]);
                code.extend([I::I64x2ExtractLane(1), I::I64Const(7), I::I64Mul, I::I64Xor]);
                mixed(&mut code, sum);
            }
            Ref(_, heap) if m.types.top(heap) == Heap::Any => {
                code.extend([I::GlobalGet(index as u32), I::I32Const(3), I::Call(digest)]);
                mixed(&mut code, sum);
            }
            Ref(..) => {
                code.extend([I::GlobalGet(index as u32), I::RefIsNull, I::I64ExtendI32U]);
                mixed(&mut code, sum);
            }
            // The host reads numbers; here are their bits, NaNs too.
            F32 | F64 => {
                code.push(I::GlobalGet(index as u32));
                as_number(&mut code, global.ty, digest);
                mixed(&mut code, sum);
            }
            _ => {}
        }
    }
    for (index, table) in m.tables.iter().enumerate() {
        for slot in 0..table.len {
            code.push(if table.wide { I::I64Const(slot as i64) } else { I::I32Const(slot as i32) });
            code.push(I::TableGet(index as u32));
            match table.ty {
                Ref(_, heap) if m.types.top(heap) == Heap::Any => code.extend([I::I32Const(2), I::Call(digest)]),
                _ => code.extend([I::RefIsNull, I::I64ExtendI32U]),
            }
            mixed(&mut code, sum);
        }
    }
    code.push(I::LocalGet(sum));
    (locals, code)
}
