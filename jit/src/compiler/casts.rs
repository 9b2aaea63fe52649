//! References: null tests, casts, i31, function references, conversions.

use super::call::{ColdArg, entry};
use super::control::Condition;
use super::objects::object_mem;
use super::parts::Compiler;
use super::values::Reg;
use crate::abi::{CONTEXT, Gpr, HEAP_BASE, RelocationTarget, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Label, Mem, Section, ShiftOp, Width};
use heapwood_gc_abi::descriptor::DISPLAY_DEPTH;
use heapwood_gc_abi::{Descriptor, Mutant, Narrow, ObjectKind, active, disp, header, low32, space};
use heapwood_module::{HeapType, RefType, TypeIndex, ValType};

/// The reference type of a value. Code that nothing reaches is skipped, so an operand has the type that it was pushed
/// with.
fn ref_type(ty: ValType) -> RefType {
    match ty {
        ValType::Ref(ty) => ty,
        _ => unreachable!("validated body: {ty:?} is no reference"),
    }
}

fn may_be_i31(heap: HeapType) -> bool {
    matches!(heap, HeapType::Any | HeapType::Eq | HeapType::I31)
}

/// A word of the type descriptor whose id is in the scratch register.
fn descriptor_mem(offset: i32) -> Mem {
    Mem::indexed(HEAP_BASE, SCRATCH, 3, space::TYPE_TABLE_DISP + offset)
}

const KIND_OFFSET: i32 = disp(std::mem::offset_of!(Descriptor, kind));

impl Compiler<'_> {
    // ---- null

    pub(crate) fn ref_is_null(&mut self) {
        let local = self.values.top_alias();
        let mut value = self.pop();
        let ty = ref_type(value.ty);
        if !ty.nullable {
            self.release_value(&value);
            return self.push_const(ValType::I32, 0);
        }
        let reg = self.in_gpr(&mut value);
        self.asm.test_rr(Width::W32, reg, reg);
        self.release_value(&value);
        self.push_condition(Cond::E);
        self.values.note_test(local, None, Some(ValType::Ref(ty.non_null())));
    }

    pub(crate) fn ref_as_non_null(&mut self) {
        let mut value = self.pop();
        let ty = ref_type(value.ty);
        if ty.nullable {
            let reg = self.in_gpr(&mut value);
            self.asm.test_rr(Width::W32, reg, reg);
            let trap = self.trap_label(TrapKind::NullReference);
            self.asm.jcc(Cond::E, trap);
        }
        self.push_value(ValType::Ref(ty.non_null()), value);
    }

    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let mut value = self.pop();
        let ty = ref_type(value.ty);
        if ty.nullable {
            let reg = self.in_gpr(&mut value);
            self.asm.test_rr(Width::W32, reg, reg);
            let null = if active(Mutant::NullBranchInverted) { Cond::Ne } else { Cond::E };
            self.branch_if(depth, Condition::Flags(null));
        }
        self.push_value(ValType::Ref(ty.non_null()), value);
    }

    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let mut value = self.pop();
        let ty = ref_type(value.ty);
        let reg = self.in_gpr(&mut value);
        self.push_value(ValType::Ref(ty.non_null()), value);
        if ty.nullable {
            self.asm.test_rr(Width::W32, reg, reg);
            self.branch_if(depth, Condition::Flags(Cond::Ne));
        } else {
            self.branch_if(depth, Condition::Always(true));
        }
        self.drop_value();
    }

    pub(crate) fn ref_eq(&mut self) {
        self.int_compare(ValType::I32, Cond::E);
    }

    // ---- i31

    pub(crate) fn ref_i31(&mut self) {
        let ty = ValType::Ref(RefType::new(false, HeapType::I31));
        let mut value = self.pop();
        if let Some(bits) = value.constant() {
            return self.push_const(ty, heapwood_gc_abi::i31_encode(low32(bits)).into());
        }
        let reg = self.owned(&mut value);
        self.asm.shift_ri(Width::W32, ShiftOp::Shl, reg.as_gpr(), 1);
        self.asm.alu_ri(Width::W32, Alu::Or, reg.as_gpr(), 1);
        self.push_reg(ty, reg);
    }

    pub(crate) fn i31_get(&mut self, signed: bool) {
        let mut value = self.pop();
        let nullable = ref_type(value.ty).nullable;
        value.ty = ValType::I32;
        let reg = self.owned(&mut value);
        if nullable {
            self.asm.test_ri8(reg.as_gpr(), 1);
            let trap = self.trap_label(TrapKind::NullI31);
            self.asm.jcc(Cond::E, trap);
        }
        let shift = if signed && !active(Mutant::I31GetUnsigned) { ShiftOp::Sar } else { ShiftOp::Shr };
        self.asm.shift_ri(Width::W32, shift, reg.as_gpr(), 1);
        self.push_reg(ValType::I32, reg);
    }

    // ---- functions and conversions

    pub(crate) fn ref_func(&mut self, function: u32) {
        self.need_context();
        let at = self.env.context.function_object_offset(function).expect("validated: a declared function");
        let ty = HeapType::Type(self.info.functions[function as usize]);
        let reg = self.take(false);
        self.asm.load(Width::W32, reg.as_gpr(), Mem::base(CONTEXT, at.narrow()));
        self.push_reg(ValType::Ref(RefType::new(false, ty)), reg);
    }

    /// `any.convert_extern` and `extern.convert_any` keep the bits: a host value is a heap cell either way.
    pub(crate) fn convert_reference(&mut self, heap: HeapType) {
        let value = self.pop();
        let ty = RefType::new(ref_type(value.ty).nullable, heap);
        self.push_value(ValType::Ref(ty), value);
    }

    // ---- casts

    /// Jumps to `fail` unless the (non-null, non-i31) object has the type; faults on null at the first instruction.
    pub(crate) fn check_type_id(&mut self, object: Gpr, ty: TypeIndex, fail: Label) {
        self.read_type_id(object);
        if self.compare_type_id(ty) {
            self.asm.jcc(Cond::Ne, fail);
        } else {
            self.check_deep(object, ty, fail);
        }
    }

    /// Puts the type id of the (non-null, non-i31) object into the scratch register; faults on null.
    fn read_type_id(&mut self, object: Gpr) {
        self.asm.load(Width::W32, SCRATCH, object_mem(object, 0));
        self.asm.shift_ri(Width::W32, ShiftOp::Shr, SCRATCH, header::TYPE_ID_SHIFT.narrow());
    }

    /// Compares the type id in the scratch register with the type: equal flags mean it has it. `false`: the type
    /// is too deep for the display.
    fn compare_type_id(&mut self, ty: TypeIndex) -> bool {
        if !self.is_in_display(ty) {
            return false;
        }
        let is_exact = self.info.types.is_final(ty) || active(Mutant::CastToExactTypeOnly);
        let offset = Descriptor::display_offset(self.info.types.depth[ty as usize] as usize);
        self.asm.keeping_type_id(|asm| match is_exact {
            true => asm.alu_ri32(Width::W32, Alu::Cmp, SCRATCH, 0),
            false => asm.alu_mi32(Width::W32, Alu::Cmp, descriptor_mem(offset), 0),
        });
        self.relocate(RelocationTarget::TypeId(ty));
        true
    }

    /// Whether one comparison tells if an object has the type: it has no subtypes, or is not too deep for the display.
    fn is_in_display(&self, ty: TypeIndex) -> bool {
        let types = &self.info.types;
        types.is_final(ty) || (types.depth[ty as usize] as usize) < DISPLAY_DEPTH
    }

    /// Puts the type id of the reference in `object`, of this static type, into the scratch register: 0, which no type
    /// has, for null and i31s. There is nothing to do right behind a comparison of it.
    fn load_type_id(&mut self, object: Gpr, from: RefType) {
        if self.asm.type_id() == Some(object) {
            return;
        }
        let i31_possible = may_be_i31(from.heap);
        let known = self.asm.new_label();
        if from.nullable || i31_possible {
            self.asm.alu_rr(Width::W32, Alu::Xor, SCRATCH, SCRATCH);
        }
        if from.nullable {
            self.asm.test_rr(Width::W32, object, object);
            self.asm.jcc(Cond::E, known);
        }
        if i31_possible {
            self.asm.test_ri8(object, 1);
            self.asm.jcc(Cond::Ne, known);
        }
        self.read_type_id(object);
        self.asm.bind(known);
        self.asm.note_type_id(object);
    }

    /// Compares the type of the reference in `object` with one of the display: equal flags mean that it has it.
    fn compare_type(&mut self, object: Gpr, from: RefType, ty: TypeIndex) {
        self.load_type_id(object, from);
        let in_display = self.compare_type_id(ty);
        debug_assert!(in_display, "deep types take the general way");
    }

    /// The type for which one comparison decides whether a reference of the type `from` has the type `to`.
    fn decided_by_id(&self, from: RefType, to: RefType) -> Option<TypeIndex> {
        match to.heap {
            HeapType::Type(ty)
                if !to.nullable && !self.info.types.heap_is_subtype(from.heap, to.heap) && self.is_in_display(ty) =>
            {
                Some(ty)
            }
            _ => None,
        }
    }

    fn check_deep(&mut self, object: Gpr, ty: TypeIndex, fail: Label) {
        let (cold, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.jmp(cold);
        self.asm.bind(resume);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.cold_call(entry!(CastDeep, 0), [ColdArg::Reg(object), ColdArg::TypeId(ty)], SCRATCH);
        self.asm.test_rr(Width::W32, SCRATCH, SCRATCH);
        self.asm.jcc(Cond::E, fail);
        self.asm.jmp(resume);
        self.asm.switch(was);
    }

    /// Jumps to `fail` unless the reference in `object` (an operand on the stack) has type `to`.
    fn check_cast(&mut self, object: Gpr, from: RefType, to: RefType, fail: Label) {
        let success = self.asm.new_label();
        // The bit of an i31 is clear in null.
        let bit_decides =
            to == RefType::new(false, HeapType::I31) && !self.info.types.heap_is_subtype(from.heap, to.heap);
        if from.nullable && !bit_decides {
            self.asm.test_rr(Width::W32, object, object);
            self.asm.jcc(Cond::E, if to.nullable || active(Mutant::CastOfNullSucceeds) { success } else { fail });
        }
        self.check_heap_type(object, from.heap, to.heap, success, fail);
        self.asm.bind(success);
    }

    /// Checks whether `object`, which is not null and of the static type `from`, has the type `to`. If it does not, the
    /// code jumps to `fail`; if it does, to `success`, or it goes on behind the check.
    fn check_heap_type(&mut self, object: Gpr, from: HeapType, to: HeapType, success: Label, fail: Label) {
        let types = &self.info.types;
        if types.heap_is_subtype(from, to) {
            return;
        }
        let i31_possible = may_be_i31(from) && !active(Mutant::CastForgetsI31);
        match to {
            HeapType::I31 => {
                self.asm.test_ri8(object, 1);
                self.asm.jcc(Cond::E, fail);
            }
            HeapType::Eq | HeapType::Struct | HeapType::Array => {
                if i31_possible {
                    self.asm.test_ri8(object, 1);
                    self.asm.jcc(Cond::Ne, if to == HeapType::Eq { success } else { fail });
                }
                self.read_type_id(object);
                self.check_kind(to, fail);
            }
            HeapType::Type(ty) => {
                if i31_possible {
                    self.asm.test_ri8(object, 1);
                    self.asm.jcc(Cond::Ne, fail);
                }
                self.check_type_id(object, ty, fail);
            }
            // Bottom types have no values but null; tops were subtypes above.
            _ => self.asm.jmp(fail),
        }
    }

    /// Checks for an abstract type (`struct`, `array`, `eq`) by the kind in the object's type descriptor: structs come
    /// first, then the two kinds of arrays.
    fn check_kind(&mut self, to: HeapType, fail: Label) {
        const {
            assert!(
                ObjectKind::Struct as u8 == 0 && ObjectKind::ArrayData as u8 == 1 && ObjectKind::ArrayRef as u8 == 2
            )
        };
        let kind = descriptor_mem(KIND_OFFSET);
        match to {
            HeapType::Struct => {
                self.asm.alu_mi(Width::W8, Alu::Cmp, kind, ObjectKind::Struct as i32);
                self.asm.jcc(Cond::Ne, fail);
            }
            HeapType::Eq => {
                self.asm.alu_mi(Width::W8, Alu::Cmp, kind, ObjectKind::ArrayRef as i32);
                self.asm.jcc(Cond::A, fail);
            }
            _ => {
                self.asm.load_zx(Width::W8, SCRATCH, kind);
                let first =
                    if active(Mutant::KindOfArrayForStruct) { ObjectKind::Struct } else { ObjectKind::ArrayData };
                self.asm.alu_ri(Width::W32, Alu::Sub, SCRATCH, first as i32);
                self.asm.alu_ri(Width::W32, Alu::Cmp, SCRATCH, 1);
                self.asm.jcc(Cond::A, fail);
            }
        }
    }

    pub(crate) fn ref_cast(&mut self, to: RefType) {
        let from = ref_type(self.values.top_type());
        let statically = self.info.types.heap_is_subtype(from.heap, to.heap);
        let narrowed = self.narrowed(from, to);
        let local = self.values.top_alias();
        if !(statically && (to.nullable || !from.nullable)) {
            let object = self.values.top_in_register(self.asm);
            let fail = self.trap_label(TrapKind::CastFailure);
            let concrete = matches!(to.heap, HeapType::Type(_)) && !may_be_i31(from.heap) && !statically;
            if from.nullable && !to.nullable && concrete {
                // A null reference faults at the load of the header, which is the cast's failure.
                self.trap_site(TrapKind::CastFailure);
                self.check_cast(object, from.non_null(), to, fail);
            } else {
                self.check_cast(object, from, to, fail);
            }
            if let Some(local) = local {
                self.values.refine(local, ValType::Ref(narrowed));
            }
        }
        self.values.set_top_type(ValType::Ref(narrowed));
    }

    /// What is known after a successful cast: the more precise of the two.
    fn narrowed(&self, from: RefType, to: RefType) -> RefType {
        let heap = if self.info.types.heap_is_subtype(from.heap, to.heap) { from.heap } else { to.heap };
        RefType::new(from.nullable && to.nullable, heap)
    }

    pub(crate) fn ref_test(&mut self, to: RefType) {
        let from = ref_type(self.values.top_type());
        let statically = self.info.types.heap_is_subtype(from.heap, to.heap);
        if statically && (to.nullable || !from.nullable) {
            self.drop_value();
            return self.push_const(ValType::I32, 1);
        }
        match (to.heap, self.decided_by_id(from, to)) {
            (HeapType::I31, _) if !to.nullable => self.ref_test_i31(),
            (_, Some(ty)) => self.ref_test_concrete(from, ty),
            _ => self.ref_test_general(from, to),
        }
    }

    /// `ref.test` of a defined type that is not too deep for the display.
    fn ref_test_concrete(&mut self, from: RefType, ty: TypeIndex) {
        let local = self.values.top_alias();
        let mut value = self.pop();
        let object = self.in_gpr(&mut value);
        self.compare_type(object, from, ty);
        self.release_value(&value);
        self.push_condition(Cond::E);
        self.values.note_test(local, Some(ValType::Ref(RefType::new(false, HeapType::Type(ty)))), None);
    }

    /// `ref.test (ref i31)`: one bit decides, which is clear in null.
    fn ref_test_i31(&mut self) {
        let mut value = self.pop();
        let object = self.in_gpr(&mut value);
        self.asm.test_ri8(object, 1);
        self.release_value(&value);
        self.push_condition(Cond::Ne);
    }

    fn ref_test_general(&mut self, from: RefType, to: RefType) {
        let object = self.values.top_in_register(self.asm);
        self.values.lock(Reg::gpr(object));
        let dst = self.take_gpr();
        let (fail, done) = (self.asm.new_label(), self.asm.new_label());
        self.check_cast(object, from, to, fail);
        self.asm.mov_ri(dst, 1);
        self.asm.jmp(done);
        self.asm.bind(fail);
        self.asm.mov_ri(dst, 0);
        self.asm.bind(done);
        self.values.drop_operands(1);
        self.push_reg(ValType::I32, Reg::gpr(dst));
    }

    /// `br_on_cast`: the reference is on top of the label's values.
    pub(crate) fn br_on_cast(&mut self, depth: u32, to: RefType) {
        let from = ref_type(self.values.top_type());
        let index = self.flow.index_of(depth);
        let arity = self.prepare_branch(index);
        let object = self.values.top_in_register(self.asm);
        match self.decided_by_id(from, to) {
            Some(ty) => {
                self.compare_type(object, from, ty);
                self.jump_to(index, arity, Cond::E);
            }
            None => {
                let fail = self.asm.new_label();
                self.check_cast(object, from, to, fail);
                self.take_branch(index, arity);
                self.asm.bind(fail);
            }
        }
        // A value that falls through does not have the type `to`, so it can be null only if `to` excludes null.
        let rest = RefType::new(from.nullable && !to.nullable, from.heap);
        self.values.set_top_type(ValType::Ref(rest));
    }

    pub(crate) fn br_on_cast_fail(&mut self, depth: u32, to: RefType) {
        let from = ref_type(self.values.top_type());
        let index = self.flow.index_of(depth);
        let arity = self.prepare_branch(index);
        let object = self.values.top_in_register(self.asm);
        let fail = self.asm.new_label();
        self.check_cast(object, from, to, fail);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(fail);
        self.take_branch(index, arity);
        self.asm.switch(was);
        let narrowed = self.narrowed(from, to);
        self.values.set_top_type(ValType::Ref(narrowed));
    }
}
