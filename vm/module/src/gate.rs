//! What stands in a function body needs its feature, whether or not wasmparser's validator asks for it.
//!
//! The validator asks for the feature of each instruction and of most types, but not for that of a heap type to cast
//! to: with custom descriptors off it takes `ref.test (ref (exact $t))` for valid. Here every type that an instruction
//! names is looked at, in code that cannot be reached too; so is the one limit that wasmparser does not know. Whoever
//! validates a body does it through [`gate`], so that validating and compiling refuse the same modules, and what has
//! passed converts to our types ([`crate::convert`]).

use crate::convert;
use crate::detect::flags_of_group;
use crate::limits::ARRAY_NEW_FIXED_MAX;
use crate::{Features, ModuleError};
use heapwood_gc_abi::{Mutant, active};
use wasmparser::{
    AbstractHeapType, BlockType, FrameKind, FrameStack, FuncValidator, HeapType, RefType, ValType, ValidatorResources,
    VisitOperator, VisitSimdOperator, WasmFeatures,
};

/// A type that stands in an instruction.
#[derive(Clone, Copy)]
pub(crate) enum Named {
    /// A value type.
    Val(ValType),
    /// A heap type without a word on null.
    Heap(HeapType),
    /// A function type, of a block with parameters or several results.
    BlockFunc,
}

/// An immediate of an instruction. One of a new kind does not compile before it says which types it names.
pub(crate) trait Immediate {
    /// Hands over the types that it names.
    fn each_type(&self, _visit: &mut impl FnMut(Named)) {}
}

macro_rules! without_types {
    ($($ty:ty),*) => { $(impl Immediate for $ty {})* };
}
without_types!(
    u32,
    i32,
    i64,
    u8,
    [u8; 16],
    wasmparser::MemArg,
    wasmparser::Ieee32,
    wasmparser::Ieee64,
    wasmparser::V128,
    wasmparser::Ordering,
    wasmparser::BrTable<'_>,
    wasmparser::ResumeTable
);

impl Immediate for ValType {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        visit(Named::Val(*self));
    }
}

impl Immediate for Vec<ValType> {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        self.iter().for_each(|ty| visit(Named::Val(*ty)));
    }
}

impl Immediate for RefType {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        visit(Named::Val(ValType::Ref(*self)));
    }
}

impl Immediate for HeapType {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        visit(Named::Heap(*self));
    }
}

impl Immediate for BlockType {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        match self {
            BlockType::Empty => {}
            BlockType::Type(ty) => visit(Named::Val(*ty)),
            BlockType::FuncType(_) => visit(Named::BlockFunc),
        }
    }
}

impl Immediate for wasmparser::TryTable {
    fn each_type(&self, visit: &mut impl FnMut(Named)) {
        self.ty.each_type(visit);
    }
}

/// The features that a heap type needs apart from reference types. A defined type is brought by function references or
/// by garbage collection: what is given for it is for the caller to choose.
pub(crate) fn heap_type_needs(heap: HeapType, defined: WasmFeatures) -> WasmFeatures {
    use AbstractHeapType::*;
    match heap {
        HeapType::Concrete(_) => defined,
        HeapType::Exact(_) => WasmFeatures::CUSTOM_DESCRIPTORS,
        HeapType::Abstract { shared, ty } => {
            let needs = match ty {
                Func | Extern => WasmFeatures::empty(),
                Any | None | NoExtern | NoFunc | Eq | Struct | Array | I31 => WasmFeatures::GC,
                Exn | NoExn => WasmFeatures::EXCEPTIONS,
                Cont | NoCont => WasmFeatures::STACK_SWITCHING,
            };
            if shared { needs | WasmFeatures::SHARED_EVERYTHING_THREADS } else { needs }
        }
    }
}

/// The features that a type in an instruction needs, of a module with the features `on`.
fn needs(named: Named, on: WasmFeatures) -> WasmFeatures {
    let defined = if on.gc() { WasmFeatures::empty() } else { WasmFeatures::FUNCTION_REFERENCES };
    let reference = |heap| WasmFeatures::REFERENCE_TYPES | heap_type_needs(heap, defined);
    match named {
        Named::Val(ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64) => WasmFeatures::empty(),
        Named::Val(ValType::V128) => WasmFeatures::SIMD,
        Named::Val(ValType::Ref(ty)) => reference(ty.heap_type()),
        Named::Heap(heap) => reference(heap),
        Named::BlockFunc => WasmFeatures::MULTI_VALUE,
    }
}

/// Refuses what needs features that are not on; `needed` may have members that are.
pub(crate) fn require(needed: WasmFeatures, on: WasmFeatures, offset: usize) -> Result<(), ModuleError> {
    if on.contains(needed) || active(Mutant::GateOpen) {
        return Ok(());
    }
    Err(ModuleError::at(offset, Features::from_flags(needed.difference(on)).to_string()))
}

/// Refuses an import of a kind that needs a feature which is not on, where the validator does not ask for it.
pub(crate) fn import(ty: &wasmparser::TypeRef, on: WasmFeatures, offset: usize) -> Result<(), ModuleError> {
    match ty {
        wasmparser::TypeRef::FuncExact(_) => require(WasmFeatures::CUSTOM_DESCRIPTORS, on, offset),
        _ => Ok(()),
    }
}

/// A validator of instructions with its gate; one instruction long.
pub struct Gate<V> {
    validator: V,
    on: WasmFeatures,
    offset: usize,
    frame: Option<FrameKind>,
}

/// The validator of a body, at the instruction at `offset`, with its gate.
pub fn gate<'this, 'a: 'this>(
    validator: &'this mut FuncValidator<ValidatorResources>,
    offset: usize,
) -> Gate<impl VisitSimdOperator<'a, Output = Result<(), wasmparser::Error>> + 'this> {
    let (on, frame) = (*validator.features(), validator.get_control_frame(0).map(|frame| frame.kind));
    Gate { validator: validator.simd_visitor(offset), on, offset, frame }
}

impl<V> Gate<V> {
    /// Lets an immediate pass whose types have their features, and are types of ours.
    #[inline]
    fn admit(&self, immediate: &impl Immediate) -> Result<(), Box<ModuleError>> {
        let mut result = Ok(());
        immediate.each_type(&mut |named| {
            if result.is_ok() {
                result = self.admit_type(named);
            }
        });
        result
    }

    fn admit_type(&self, named: Named) -> Result<(), Box<ModuleError>> {
        require(needs(named, self.on), self.on, self.offset)?;
        // With features that Heapwood does not have, which only `explain` switches on, there are types of theirs.
        if Features::all().wasm().contains(self.on) {
            match named {
                Named::Val(ty) => drop(convert::val_type(ty, self.offset)?),
                Named::Heap(heap) => drop(convert::heap_type(heap, self.offset)?),
                Named::BlockFunc => {}
            }
        }
        Ok(())
    }
}

impl<V> FrameStack for Gate<V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.frame
    }
}

/// The limit of an instruction that wasmparser does not know. It must be checked first: wasmparser pops as many
/// operands as the instruction says, and in unreachable code there is no end to them.
macro_rules! check_limit {
    ($gate:ident ArrayNewFixed $ty:ident $count:ident) => {
        if $count > ARRAY_NEW_FIXED_MAX {
            let message =
                format!("array.new_fixed of {} elements: more than the limit of {ARRAY_NEW_FIXED_MAX}", $count);
            return Err(ModuleError::at($gate.offset, message).into());
        }
    };
    ($gate:ident $($other:ident)*) => {};
}

macro_rules! visit_all {
    ($(@$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(#[inline]
        fn $visit(&mut self $($(,$arg: $argty)*)?) -> Self::Output {
            check_limit!(self $op $($($arg)*)?);
            if const { !Features::ALL.wasm().contains(flags_of_group!($group)) } {
                require(flags_of_group!($group), self.on, self.offset)?;
            }
            $($(self.admit(&$arg)?;)*)?
            self.validator.$visit($($($arg),*)?)?;
            Ok(())
        })*
    };
}

impl<'a, V> VisitOperator<'a> for Gate<V>
where
    V: VisitSimdOperator<'a, Output = Result<(), wasmparser::Error>>,
{
    type Output = Result<(), Box<ModuleError>>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_all);
}

impl<'a, V> VisitSimdOperator<'a> for Gate<V>
where
    V: VisitSimdOperator<'a, Output = Result<(), wasmparser::Error>>,
{
    wasmparser::for_each_visit_simd_operator!(visit_all);
}
