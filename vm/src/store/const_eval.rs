//! Constant expressions.
//!
//! Values are kept on a stack; references on it live among the temporaries, where the collector finds them.
//! Objects are immortal if nothing in them can ever reference what is not, else they are pretenured.

use super::StoreOpaque;
use super::field::Field;
use super::pieces::PIECE_BYTES;
use crate::errors::Result;
use crate::module::Module;
use crate::rt::value::RawVal;
use heapwood_gc_abi::header::IMMORTAL;
use heapwood_gc_abi::layout::array_bytes;
use heapwood_gc_abi::{FieldKind, RawRef, i31_encode, is_i31};
use heapwood_module::{CompositeType, ConstOp, ConstOps, FieldType};
use smallvec::SmallVec;

/// Largest object that constant expressions make immortal.
const IMMORTAL_BYTES_MAX: u64 = 64 << 10;

/// The value of a constant expression. A reference is not rooted: it must be stored before anything collects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConstValue {
    /// i32 and f32 zero-extended.
    Number(RawVal),
    /// A reference.
    Reference(RawRef),
}

impl ConstValue {
    /// The value in the form in which compiled code has it.
    pub fn raw(self) -> RawVal {
        match self {
            ConstValue::Number(value) => value,
            ConstValue::Reference(reference) => [reference as u64, 0],
        }
    }

    /// The reference.
    pub fn reference(self) -> RawRef {
        match self {
            ConstValue::Reference(reference) => reference,
            ConstValue::Number(_) => panic!("validation excludes a number here"),
        }
    }
}

/// The operands of one evaluation: numbers here, references by their place among the temporaries.
#[derive(Clone, Copy)]
enum Slot {
    Number(RawVal),
    Temporary,
}

struct Evaluation<'s> {
    store: &'s mut StoreOpaque,
    module: &'s Module,
    instance: u32,
    stack: SmallVec<[Slot; 4]>,
}

impl StoreOpaque {
    /// Evaluates the constant expression of an instance of `module` whose instructions come next. May collect.
    ///
    /// # Errors
    /// The heap is exhausted; the guest was interrupted.
    pub fn evaluate(&mut self, instance: u32, module: &Module, expr: &mut ConstOps<'_>) -> Result<ConstValue> {
        self.check_interrupt()?;
        let mark = self.guest().temporaries().len();
        let mut evaluation = Evaluation { store: self, module, instance, stack: SmallVec::new() };
        let ended = expr.try_for_each(|op| evaluation.step(op));
        if let Err(error) = ended {
            self.guest_mut().temporaries_mut().truncate(mark);
            return Err(error);
        }
        let value = evaluation.pop();
        assert!(evaluation.stack.is_empty(), "a constant expression has one value");
        Ok(value)
    }
}

impl Evaluation<'_> {
    fn push(&mut self, value: ConstValue) {
        self.stack.push(match value {
            ConstValue::Number(value) => Slot::Number(value),
            ConstValue::Reference(reference) => {
                self.store.guest_mut().temporaries_mut().push(reference);
                Slot::Temporary
            }
        });
    }

    fn pop(&mut self) -> ConstValue {
        match self.stack.pop().expect("validation counts operands") {
            Slot::Number(value) => ConstValue::Number(value),
            Slot::Temporary => {
                ConstValue::Reference(self.store.guest_mut().temporaries_mut().pop().expect("one for each reference"))
            }
        }
    }

    fn number(&mut self, value: u64) {
        self.push(ConstValue::Number([value, 0]));
    }

    fn reference(&mut self, value: RawRef) {
        self.push(ConstValue::Reference(value));
    }

    fn binary_i32(&mut self, f: impl FnOnce(u32, u32) -> u32) {
        let (b, a) = (self.pop().raw()[0] as u32, self.pop().raw()[0] as u32);
        self.number(f(a, b) as u64);
    }

    fn binary_i64(&mut self, f: impl FnOnce(u64, u64) -> u64) {
        let (b, a) = (self.pop().raw()[0], self.pop().raw()[0]);
        self.number(f(a, b));
    }

    fn step(&mut self, op: ConstOp) -> Result<()> {
        match op {
            ConstOp::I32Const(value) => self.number(value as u32 as u64),
            ConstOp::I64Const(value) => self.number(value as u64),
            ConstOp::F32Const(bits) => self.number(bits as u64),
            ConstOp::F64Const(bits) => self.number(bits),
            ConstOp::V128Const(value) => self.push(ConstValue::Number(value)),
            ConstOp::RefNull(_) => self.reference(0),
            ConstOp::RefFunc(function) => {
                let object = self.store.instance(self.instance).function_object(function);
                self.reference(object.expect("functions of constant expressions escape"));
            }
            ConstOp::GlobalGet(global) => {
                let global = self.store.instance(self.instance).global(global);
                let value = self.store.global_get_raw(global);
                match self.store.global_type(global).val.is_ref() {
                    true => self.reference(value[0] as u32),
                    false => self.push(ConstValue::Number(value)),
                }
            }
            ConstOp::I32Add => self.binary_i32(u32::wrapping_add),
            ConstOp::I32Sub => self.binary_i32(u32::wrapping_sub),
            ConstOp::I32Mul => self.binary_i32(u32::wrapping_mul),
            ConstOp::I64Add => self.binary_i64(u64::wrapping_add),
            ConstOp::I64Sub => self.binary_i64(u64::wrapping_sub),
            ConstOp::I64Mul => self.binary_i64(u64::wrapping_mul),
            ConstOp::RefI31 => {
                let value = self.pop().raw()[0] as u32;
                self.reference(i31_encode(value));
            }
            ConstOp::StructNew(ty) => self.struct_new(ty, true)?,
            ConstOp::StructNewDefault(ty) => self.struct_new(ty, false)?,
            ConstOp::ArrayNew(ty) => {
                let length = self.pop().raw()[0] as u32;
                self.array_new(ty, length, Fill::Same)?;
            }
            ConstOp::ArrayNewDefault(ty) => {
                let length = self.pop().raw()[0] as u32;
                self.array_new(ty, length, Fill::Default)?;
            }
            ConstOp::ArrayNewFixed(ty, length) => self.array_new(ty, length, Fill::Each)?,
            // The bits of a reference do not change.
            ConstOp::AnyConvertExtern | ConstOp::ExternConvertAny => {}
        }
        Ok(())
    }

    /// Whether the topmost `count` operands are numbers or references that an immortal object may hold.
    fn top_is_immortal(&self, count: usize) -> bool {
        let operands = &self.stack[self.stack.len() - count..];
        let references = operands.iter().filter(|slot| matches!(slot, Slot::Temporary)).count();
        let temporaries = self.store.guest().temporaries().as_slice();
        temporaries[temporaries.len() - references..].iter().all(|reference| self.is_immortal(*reference))
    }

    fn is_immortal(&self, reference: RawRef) -> bool {
        reference == 0 || is_i31(reference) || self.store.heap().read_i32(reference, 0) & IMMORTAL != 0
    }

    fn struct_new(&mut self, index: u32, with_operands: bool) -> Result<()> {
        let types = self.module.type_ids();
        let (id, ty) = (types.id(index), types.definition(index));
        let CompositeType::Struct(fields) = &ty.composite else { panic!("type {index} is no struct type") };
        let operands = if with_operands { fields.len() } else { 0 };
        let immortal = !fields.iter().any(is_mutable_reference) && self.top_is_immortal(operands);
        let object = self.store.with_room(|heap, guest| match immortal {
            true => heap.alloc_immortal_object(id),
            false => heap.alloc_old_struct(id, guest),
        })?;
        for field in (0..operands).rev() {
            let value = self.pop().raw();
            self.write(object, Field::of_layout(&ty.layout, field), value, immortal);
        }
        self.reference(object);
        Ok(())
    }

    fn array_new(&mut self, index: u32, length: u32, fill: Fill) -> Result<()> {
        let types = self.module.type_ids();
        let (id, ty) = (types.id(index), types.definition(index));
        let CompositeType::Array(element) = &ty.composite else { panic!("type {index} is no array type") };
        let kind = element.storage.field_kind();
        let operands = match fill {
            Fill::Default => 0,
            Fill::Same => 1,
            Fill::Each => length as usize,
        };
        self.store.check_interrupt()?;
        self.store.check_array_size(id, length)?;
        let small = array_bytes(kind.shift(), length) <= IMMORTAL_BYTES_MAX;
        let immortal = small && !is_mutable_reference(element) && self.top_is_immortal(operands);
        let object = self.store.with_room(|heap, guest| match immortal {
            true => heap.alloc_immortal_array(id, length),
            false => heap.alloc_old_array(id, length, guest),
        })?;
        match fill {
            Fill::Default => {}
            Fill::Same => {
                let value = self.pop().raw();
                let (object, value) = self.promoted_for_fill(object, length, kind, value);
                self.fill(object, length, kind, value, immortal)?;
                self.reference(object);
                return Ok(());
            }
            Fill::Each => {
                for element in (0..length).rev() {
                    let value = self.pop().raw();
                    self.write_element(object, element, kind, value, immortal);
                }
            }
        }
        self.reference(object);
        Ok(())
    }

    /// The array and the value, which is promoted if the array's log would have thousands of entries otherwise.
    fn promoted_for_fill(&mut self, array: RawRef, length: u32, kind: FieldKind, value: RawVal) -> (RawRef, RawVal) {
        let store = &mut *self.store;
        if kind != FieldKind::Ref || !store.heap().fill_wants_promotion(array, length, value[0] as u32) {
            return (array, value);
        }
        let [array, value] = store.promote_all([array, value[0] as u32]);
        (array, [value as u64, 0])
    }

    /// All elements of a new array, a piece at a time. Nothing collects meanwhile.
    fn fill(&mut self, array: RawRef, length: u32, kind: FieldKind, value: RawVal, immortal: bool) -> Result<()> {
        let piece = (PIECE_BYTES >> kind.shift()) as usize;
        for start in (0..length).step_by(piece) {
            self.store.check_interrupt()?;
            let count = (length - start).min(piece as u32);
            let heap = self.store.heap_mut();
            match kind {
                FieldKind::Ref if immortal => (start..start + count)
                    .for_each(|element| Field::of_array(kind, element).init_immortal(heap, array, &value)),
                FieldKind::Ref => heap.array_fill_ref(array, start, count, value[0] as u32),
                _ => heap.array_fill_bits(array, start, count, value[0] as u128 | (value[1] as u128) << 64),
            }
        }
        Ok(())
    }

    fn write_element(&mut self, array: RawRef, index: u32, kind: FieldKind, value: RawVal, immortal: bool) {
        if kind == FieldKind::Ref && !immortal {
            self.store.heap_mut().array_set_ref(array, index, value[0] as u32);
        } else {
            self.write(array, Field::of_array(kind, index), value, immortal);
        }
    }

    fn write(&mut self, object: RawRef, field: Field, value: RawVal, immortal: bool) {
        let heap = self.store.heap_mut();
        if immortal { field.init_immortal(heap, object, &value) } else { field.write(heap, object, &value) }
    }
}

/// Where the elements of a new array come from.
#[derive(Clone, Copy)]
enum Fill {
    Default,
    Same,
    Each,
}

fn is_mutable_reference(field: &FieldType) -> bool {
    field.mutable && field.storage.field_kind() == FieldKind::Ref
}
