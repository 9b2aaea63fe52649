//! Constant expressions: where they lie in the module's bytes, and what an instance evaluates.
//!
//! A module that has few of them keeps their instructions from its first instance on ([`Constants`]), since each
//! instance evaluates all. Of more than that nothing is kept but their places, and they are decoded as they are
//! evaluated: there may be millions.

use crate::convert::heap_type;
use crate::{ElementItems, HeapType, ModuleError, ModuleInfo, SegmentMode, TypeIndex};
use std::ops::Range;
use std::slice;
use std::sync::OnceLock;
use wasmparser::{BinaryReader, Operator, OperatorsReader, OperatorsReaderAllocations, WasmFeatures};

/// One instruction of a constant expression, decoded.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the specification's instruction names")]
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    F32Const(u32),
    F64Const(u64),
    /// The low half, then the high one: so an instruction takes 24 bytes.
    V128Const([u64; 2]),
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
    /// The number of its first instruction among those of the module.
    first: u32,
}

/// Valid constant expressions that follow each other in the module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConstItems {
    place: ConstExpr,
    count: u32,
}

/// Instructions of constant expressions, in postfix order. The iteration ends at the end of an expression; if another
/// one follows, it goes on with that.
pub struct ConstOps<'m>(Source<'m>);

enum Source<'m> {
    Kept(slice::Iter<'m, Option<ConstOp>>),
    Bytes(BytesSource<'m>),
}

struct BytesSource<'m> {
    rest: BinaryReader<'m>,
    allocations: OperatorsReaderAllocations,
}

/// Most instructions that a module keeps, ends included: 1.5 MB.
const KEPT_MAX: usize = 1 << 16;

/// The instructions of all constant expressions of a module, in the order in which they stand there.
#[derive(Debug, Default)]
pub(crate) struct Constants {
    /// How many there are, ends included.
    count: usize,
    /// They, from the first time on that somebody asks; none stands for the end of an expression.
    kept: OnceLock<Box<[Option<ConstOp>]>>,
}

impl Constants {
    /// So many instructions, ends included.
    pub(crate) fn of(count: usize) -> Constants {
        Constants { count, kept: OnceLock::new() }
    }

    /// How many there are, ends included.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// They, unless there are too many.
    fn kept<'m>(&'m self, module: &'m ModuleInfo) -> Option<&'m [Option<ConstOp>]> {
        (self.count <= KEPT_MAX).then(|| &**self.kept.get_or_init(|| decode_all(module, self.count)))
    }
}

#[cold]
fn decode_all(module: &ModuleInfo, count: usize) -> Box<[Option<ConstOp>]> {
    let mut ops = vec![None; count].into_boxed_slice();
    each_place(module, |place, expressions| {
        let (mut bytes, mut ops) = (place.bytes(module), &mut ops[place.first as usize..]);
        for _ in 0..expressions {
            while let Some(op) = bytes.next() {
                ops[0] = Some(op);
                ops = &mut ops[1..];
            }
            ops = &mut ops[1..];
        }
    });
    ops
}

/// Calls `each` with the constant expressions of a module: where one, or several that follow each other, begin, and how
/// many these are.
fn each_place(module: &ModuleInfo, mut each: impl FnMut(ConstExpr, usize)) {
    let inits = module.table_inits.iter().flatten().chain(&module.global_inits);
    inits.for_each(|init| each(*init, 1));
    let mut each_offset = |mode: &SegmentMode| {
        if let SegmentMode::Active { offset, .. } = mode {
            each(*offset, 1);
        }
    };
    module.elements.iter().for_each(|segment| each_offset(&segment.mode));
    module.data.iter().for_each(|segment| each_offset(&segment.mode));
    for segment in &module.elements {
        if let ElementItems::Expressions(items) = &segment.items {
            each(items.place, items.len());
        }
    }
}

impl ConstExpr {
    /// The expression that a module's bytes have in `range`, of at most 4 GiB, behind `first` instructions of others.
    fn at(range: Range<usize>, first: usize) -> ConstExpr {
        let narrow = |at| u32::try_from(at).expect("a module is smaller than 4 GiB");
        ConstExpr { start: narrow(range.start), end: narrow(range.end), first: narrow(first) }
    }

    /// The place in words.
    pub(crate) fn to_words(self) -> [u32; 3] {
        [self.start, self.end, self.first]
    }

    /// The place that is these words; none if it is not one of a module of `bytes` with so many `instructions`.
    pub(crate) fn of_words([start, end, first]: [u32; 3], bytes: usize, instructions: u32) -> Option<ConstExpr> {
        (start <= end && end as usize <= bytes && first <= instructions).then_some(ConstExpr { start, end, first })
    }

    /// The expression's instructions, without the `end`; `module` is the one that it was decoded from.
    pub fn ops<'m>(&self, module: &'m ModuleInfo) -> ConstOps<'m> {
        ConstOps(match module.constants.kept(module) {
            Some(kept) => Source::Kept(kept[self.first as usize..].iter()),
            None => Source::Bytes(self.bytes(module)),
        })
    }

    fn bytes<'m>(&self, module: &'m ModuleInfo) -> BytesSource<'m> {
        let (start, end) = (self.start as usize, self.end as usize);
        let bytes = &module.bytes[start..end];
        let rest = BinaryReader::new_features(bytes, start, WasmFeatures::all());
        BytesSource { rest, allocations: OperatorsReaderAllocations::default() }
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

    /// The places in words.
    pub(crate) fn to_words(self) -> [u32; 4] {
        let [start, end, first] = self.place.to_words();
        [start, end, first, self.count]
    }

    /// The places that are these words, as in [`ConstExpr::of_words`].
    pub(crate) fn of_words(words: [u32; 4], bytes: usize, instructions: u32) -> Option<ConstItems> {
        let [start, end, first, count] = words;
        let place = ConstExpr::of_words([start, end, first], bytes, instructions)?;
        (count <= instructions - first).then_some(ConstItems { place, count })
    }

    /// The instructions of the first, then those of the next, [`ConstItems::len`] times.
    pub fn ops<'m>(&self, module: &'m ModuleInfo) -> ConstOps<'m> {
        self.place.ops(module)
    }
}

impl Iterator for ConstOps<'_> {
    type Item = ConstOp;

    fn next(&mut self) -> Option<ConstOp> {
        match &mut self.0 {
            Source::Kept(kept) => *kept.next().expect("an expression has an end"),
            Source::Bytes(bytes) => bytes.next(),
        }
    }
}

impl BytesSource<'_> {
    /// The next instruction; none for the end of an expression.
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

/// Checks that a valid constant expression can be evaluated, counts its instructions, and hands every function that it
/// references to `escapes`.
pub(crate) fn decode_const_expr(
    expr: &wasmparser::ConstExpr<'_>,
    constants: &mut Constants,
    escapes: impl FnMut(u32),
) -> Result<ConstExpr, ModuleError> {
    let first = constants.count;
    check_const_expr(expr, constants, escapes)?;
    Ok(ConstExpr::at(expr.get_binary_reader().range(), first))
}

/// Decodes and checks the constant expressions of an element segment. If each is a single `ref.func`, they become a
/// list of functions.
pub(crate) fn decode_const_items(
    items: wasmparser::SectionLimited<'_, wasmparser::ConstExpr<'_>>,
    constants: &mut Constants,
    mut escapes: impl FnMut(u32),
) -> Result<ElementItems, ModuleError> {
    let (count, first) = (items.count(), constants.count);
    let mut functions = Some(Vec::new());
    let mut range = items.range().end..items.range().end;
    for (index, item) in items.into_iter().enumerate() {
        let item = item?;
        let ops = check_const_expr(&item, constants, &mut escapes)?;
        if index == 0 {
            range.start = item.get_binary_reader().range().start;
        }
        match (ops, &mut functions) {
            (Ops::Function(function), Some(functions)) => functions.push(function),
            _ => functions = None,
        }
    }
    Ok(match functions {
        Some(functions) => {
            constants.count = first;
            ElementItems::Functions(functions.into_boxed_slice())
        }
        None => ElementItems::Expressions(ConstItems { place: ConstExpr::at(range, first), count }),
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

fn check_const_expr(
    expr: &wasmparser::ConstExpr<'_>,
    constants: &mut Constants,
    mut escapes: impl FnMut(u32),
) -> Result<Ops, ModuleError> {
    let mut reader = expr.get_operators_reader();
    let (mut ops, mut count) = (Ops::Others, 0u32);
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let op = decode_const_op(operator, offset)?;
        constants.count += 1;
        let Some(op) = op else { continue };
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
        Operator::V128Const { value } => {
            let bits = value.i128().cast_unsigned();
            ConstOp::V128Const([bits as u64, (bits >> 64) as u64])
        }
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
    use crate::{Features, decode};

    /// Every instruction, in globals, tables and segments: as it is kept, and as it is decoded again.
    #[test]
    fn what_is_kept_is_what_the_bytes_say() {
        /// Of globals, of a table, of element segments (offsets and items), of data.
        const PLACES: usize = 13 + 1 + 5 + 1;
        let text = r#"(module
            (type $s (struct (field i32) (field anyref))) (type $d (struct (field (mut i64))))
            (type $a (array (mut i8))) (type $r (array (mut anyref)))
            (import "h" "g" (global $g i32)) (func $f)
            (global i32 (i32.mul (i32.add (i32.const -1) (global.get $g)) (i32.sub (i32.const 7) (i32.const 500))))
            (global i64 (i64.mul (i64.add (i64.const -1) (i64.const 3)) (i64.sub (i64.const 7) (i64.const 500))))
            (global f32 (f32.const -1.5)) (global f64 (f64.const nan))
            (global v128 (v128.const i64x2 0x0123456789abcdef -2))
            (global anyref (ref.i31 (i32.const 5))) (global externref (ref.null extern)) (global funcref (ref.func $f))
            (global anyref (struct.new $s (i32.const 3) (struct.new_default $d)))
            (global anyref (array.new $a (i32.const 1) (i32.const 2))) (global anyref (array.new_default $a (i32.const 9)))
            (global anyref (array.new_fixed $r 2 (ref.null any) (any.convert_extern (ref.null extern))))
            (global externref (extern.convert_any (ref.null any)))
            (table 1 funcref (ref.func $f)) (memory 1)
            (elem (offset (i32.const 0)) funcref (ref.func $f))
            (elem (offset (i32.const 0)) funcref (ref.null func) (ref.func $f))
            (elem declare funcref (ref.null func)) (elem anyref (ref.i31 (i32.const 1)) (ref.null i31))
            (data (offset (i32.const 7)) "x"))"#;
        let info = decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info;
        let mut all = Vec::new();
        each_place(&info, |place, expressions| all.push((place, expressions)));
        let mut ops = 0;
        for (place, count) in &all {
            let (mut kept, mut bytes) = (place.ops(&info), place.bytes(&info));
            assert!(matches!(kept.0, Source::Kept(_)));
            for _ in 0..*count {
                loop {
                    let op = kept.next();
                    assert_eq!(format!("{op:?}"), format!("{:?}", bytes.next()));
                    ops += 1;
                    if op.is_none() {
                        break;
                    }
                }
            }
        }
        assert_eq!((all.len(), ops), (PLACES, info.constants.count), "what is in a list of functions is not kept");
        assert_eq!(size_of::<Option<ConstOp>>(), 24);
    }

    #[test]
    fn a_module_with_too_many_keeps_none() {
        for (globals, keeps) in [(KEPT_MAX / 2, true), (KEPT_MAX / 2 + 1, false)] {
            let text = format!("(module {})", "(global i32 (i32.const 1))".repeat(globals));
            let info = decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info;
            assert_eq!(info.constants.count, 2 * globals);
            let ops = info.global_inits[globals - 1].ops(&info);
            assert_eq!(matches!(ops.0, Source::Kept(_)), keeps);
            assert_eq!(ops.collect::<Vec<_>>(), [ConstOp::I32Const(1)]);
        }
    }

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
