//! Constant expressions: where they lie in the module's bytes, and what an instance evaluates, decoded as it goes.
//!
//! Nothing is kept of an expression but its place: a module may have millions of them.

use crate::convert::heap_type;
use crate::{ElementItems, HeapType, ModuleError, ModuleInfo, TypeIndex};
use std::ops::Range;
use wasmparser::{BinaryReader, Operator, OperatorsReader, OperatorsReaderAllocations, WasmFeatures};

/// One instruction of a constant expression, decoded.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's instruction names")]
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    F32Const(u32),
    F64Const(u64),
    V128Const(u128),
    RefNull(HeapType),
    RefFunc(u32),
    GlobalGet(u32),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
    RefI31,
    StructNew(TypeIndex),
    StructNewDefault(TypeIndex),
    ArrayNew(TypeIndex),
    ArrayNewDefault(TypeIndex),
    ArrayNewFixed(TypeIndex, u32),
    AnyConvertExtern,
    ExternConvertAny,
}

/// A valid constant expression: its place in the module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConstExpr {
    start: u32,
    end: u32,
}

/// Valid constant expressions that follow each other in the module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConstItems {
    place: ConstExpr,
    count: u32,
}

/// Instructions of constant expressions, in postfix order. The iteration ends at the end of an expression; if another
/// one follows, it goes on with that.
pub struct ConstOps<'m> {
    rest: BinaryReader<'m>,
    allocations: OperatorsReaderAllocations,
}

impl ConstExpr {
    /// The expression that a module's bytes have in `range`, of at most 4 GiB.
    fn at(range: Range<usize>) -> ConstExpr {
        let narrow = |at| u32::try_from(at).expect("a module is smaller than 4 GiB");
        ConstExpr { start: narrow(range.start), end: narrow(range.end) }
    }

    /// The expression's instructions, without the `end`; `module` is the one that it was decoded from.
    pub fn ops<'m>(&self, module: &'m ModuleInfo) -> ConstOps<'m> {
        let (start, end) = (self.start as usize, self.end as usize);
        let bytes = &module.bytes[start..end];
        let rest = BinaryReader::new_features(bytes, start, WasmFeatures::all());
        ConstOps { rest, allocations: OperatorsReaderAllocations::default() }
    }
}

impl ConstItems {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The instructions of the first, then those of the next, [`ConstItems::len`] times.
    pub fn ops<'m>(&self, module: &'m ModuleInfo) -> ConstOps<'m> {
        self.place.ops(module)
    }
}

impl Iterator for ConstOps<'_> {
    type Item = ConstOp;

    fn next(&mut self) -> Option<ConstOp> {
        let mut ahead = self.rest.clone();
        if let Some(op) = common_op(&mut ahead) {
            self.rest = ahead;
            return op;
        }
        // There is nothing but one block at each instruction, so any of them may be the first.
        let mut reader = OperatorsReader::new_with_allocs(self.rest.clone(), std::mem::take(&mut self.allocations));
        let (operator, offset) = reader.read_with_offset().expect("a constant expression was decoded before");
        self.rest = reader.get_binary_reader();
        self.allocations = reader.into_allocations();
        decode_const_op(operator, offset).expect("a constant expression was decoded before")
    }
}

/// The next instruction, none for `end`, if it is one of those that nearly all expressions consist of: an instance of a
/// Kotlin program evaluates thousands, and the general way took a third of its time. No answer for any other.
#[inline]
fn common_op(reader: &mut BinaryReader<'_>) -> Option<Option<ConstOp>> {
    Some(Some(match reader.read_u8().ok()? {
        0x0b => return Some(None),
        0x23 => ConstOp::GlobalGet(reader.read_var_u32().ok()?),
        0x41 => ConstOp::I32Const(reader.read_var_i32().ok()?),
        0x42 => ConstOp::I64Const(reader.read_var_i64().ok()?),
        0xd2 => ConstOp::RefFunc(reader.read_var_u32().ok()?),
        0xfb => match reader.read_var_u32().ok()? {
            0x00 => ConstOp::StructNew(reader.read_var_u32().ok()?),
            _ => return None,
        },
        _ => return None,
    }))
}

/// Checks that a valid constant expression can be evaluated, and hands every function that it references to `escapes`.
pub(crate) fn decode_const_expr(
    expr: &wasmparser::ConstExpr<'_>,
    escapes: impl FnMut(u32),
) -> Result<ConstExpr, ModuleError> {
    check_const_expr(expr, escapes)?;
    Ok(ConstExpr::at(expr.get_binary_reader().range()))
}

/// Decodes and checks the constant expressions of an element segment. If each is a single `ref.func`, they become a
/// list of functions.
pub(crate) fn decode_const_items(
    items: wasmparser::SectionLimited<'_, wasmparser::ConstExpr<'_>>,
    mut escapes: impl FnMut(u32),
) -> Result<ElementItems, ModuleError> {
    let count = items.count();
    let mut functions = Some(Vec::new());
    let mut range = items.range().end..items.range().end;
    for (index, item) in items.into_iter().enumerate() {
        let item = item?;
        let ops = check_const_expr(&item, &mut escapes)?;
        if index == 0 {
            range.start = item.get_binary_reader().range().start;
        }
        match (ops, &mut functions) {
            (Ops::Function(function), Some(functions)) => functions.push(function),
            _ => functions = None,
        }
    }
    Ok(match functions {
        Some(functions) => ElementItems::Functions(functions.into_boxed_slice()),
        None => ElementItems::Expressions(ConstItems { place: ConstExpr::at(range), count }),
    })
}

/// What a constant expression consists of.
#[derive(Clone, Copy)]
enum Ops {
    /// One `ref.func`.
    Function(u32),
    /// Anything else.
    Others,
}

fn check_const_expr(expr: &wasmparser::ConstExpr<'_>, mut escapes: impl FnMut(u32)) -> Result<Ops, ModuleError> {
    let mut reader = expr.get_operators_reader();
    let (mut ops, mut count) = (Ops::Others, 0u32);
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let Some(op) = decode_const_op(operator, offset)? else { continue };
        count = count.saturating_add(1);
        ops = Ops::Others;
        if let ConstOp::RefFunc(function) = op {
            escapes(function);
            ops = if count == 1 { Ops::Function(function) } else { Ops::Others };
        }
    }
    Ok(ops)
}

/// The instruction; none for `end`.
fn decode_const_op(operator: Operator<'_>, offset: usize) -> Result<Option<ConstOp>, ModuleError> {
    Ok(Some(match operator {
        Operator::End => return Ok(None),
        Operator::I32Const { value } => ConstOp::I32Const(value),
        Operator::I64Const { value } => ConstOp::I64Const(value),
        Operator::F32Const { value } => ConstOp::F32Const(value.bits()),
        Operator::F64Const { value } => ConstOp::F64Const(value.bits()),
        Operator::V128Const { value } => ConstOp::V128Const(value.i128() as u128),
        Operator::RefNull { hty } => ConstOp::RefNull(heap_type(hty, offset)?),
        Operator::RefFunc { function_index } => ConstOp::RefFunc(function_index),
        Operator::GlobalGet { global_index } => ConstOp::GlobalGet(global_index),
        Operator::I32Add => ConstOp::I32Add,
        Operator::I32Sub => ConstOp::I32Sub,
        Operator::I32Mul => ConstOp::I32Mul,
        Operator::I64Add => ConstOp::I64Add,
        Operator::I64Sub => ConstOp::I64Sub,
        Operator::I64Mul => ConstOp::I64Mul,
        Operator::RefI31 => ConstOp::RefI31,
        Operator::StructNew { struct_type_index } => ConstOp::StructNew(struct_type_index),
        Operator::StructNewDefault { struct_type_index } => ConstOp::StructNewDefault(struct_type_index),
        Operator::ArrayNew { array_type_index } => ConstOp::ArrayNew(array_type_index),
        Operator::ArrayNewDefault { array_type_index } => ConstOp::ArrayNewDefault(array_type_index),
        Operator::ArrayNewFixed { array_type_index, array_size } => {
            ConstOp::ArrayNewFixed(array_type_index, array_size)
        }
        Operator::AnyConvertExtern => ConstOp::AnyConvertExtern,
        Operator::ExternConvertAny => ConstOp::ExternConvertAny,
        other => {
            let message = format!("{other:?} is not supported in constant expressions");
            return Err(ModuleError::at(offset, message));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every instruction that the short way knows, with operands of each length, is what the general one says it is.
    #[test]
    fn the_short_way_decodes_what_the_general_one_does() {
        let numbers: [&[u8]; 6] =
            [&[0], &[0x7f], &[0x40], &[0xff, 0x01], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0x80, 0x80, 0x80, 0x80, 0x08]];
        let (mut short, mut general) = (0, 0);
        for start in 0..=255u8 {
            for number in numbers {
                let second: &[u8] = if start == 0xfb { &[0] } else { &[] };
                let bytes = [&[start], second, number, &[0x0b]].concat();
                let reader = || BinaryReader::new_features(&bytes, 0, WasmFeatures::all());
                let mut ahead = reader();
                let Some(op) = common_op(&mut ahead) else { continue };
                short += 1;
                let mut operators = OperatorsReader::new(reader());
                let Ok((operator, offset)) = operators.read_with_offset() else { continue };
                general += 1;
                assert_eq!(op, decode_const_op(operator, offset).expect("a constant"), "{bytes:x?}");
                let end = operators.get_binary_reader().original_position();
                assert_eq!(ahead.original_position(), end, "{bytes:x?}");
            }
        }
        // `end` has no operand; indices of more than 32 bits are none.
        assert!(general >= 5 * numbers.len() && short >= general, "{short}, {general}");
    }
}
