//! Arrays: allocation, element access, block operations.

use super::call::{Arg, ColdArg, Entry, entry};
use super::fresh::Fresh;
use super::objects::{object_mem, reference_to};
use super::parts::Compiler;
use super::structs::{Element, Extend};
use super::values::{Reg, Stored, Value};
use crate::abi::{ALLOC_TOP, Builtin, Gpr, HEAP_BASE, RelocationTarget, SCRATCH, SCRATCH_XMM, TrapKind};
use crate::analysis::array_by_call;
use crate::asm::{Alu, Cond, Imm, Mem, Section, ShiftOp, Sse, Width};
use crate::stubs::element_argument;
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, ARRAY_LENGTH_OFFSET, array_bytes};
use heapwood_gc_abi::{FieldKind, Mutant, Narrow, active, hot, low32, space};
use heapwood_module::{StorageType, TypeIndex, ValType};

impl Compiler<'_> {
    // ---- allocation

    /// `array.new_fixed`: allocates the array and stores its elements one after the other.
    pub(crate) fn array_new_fixed(&mut self, ty: TypeIndex, count: u32) {
        let storage = self.info.types.element(ty).storage;
        let kind = storage.field_kind();
        let fresh = match array_by_call(self.info, ty, count) {
            true => self.array_new_by_call(ty, count),
            false => self.allocate_array(ty, count),
        };
        let from = self.values.height() - count as usize;
        let elements = (0..count).map(|k| (storage, ARRAY_ELEMENTS_OFFSET + k * kind.bytes()));
        self.initialize_all(&fresh, elements, from);
        self.values.drop_operands(count as usize);
        self.push_fresh(fresh, reference_to(ty));
    }

    /// An array of a constant number of elements that is allocated inline.
    fn allocate_array(&mut self, ty: TypeIndex, count: u32) -> Fresh {
        let shift = self.info.types.element(ty).storage.field_kind().shift();
        let fresh = self.allocate(array_bytes(shift, count).narrow(), RelocationTarget::TypeHeader(ty));
        self.asm.store_imm(self.fresh_mem(&fresh, ARRAY_LENGTH_OFFSET), Imm::B32(count));
        fresh
    }

    /// `array.new_default`: the operand is the length.
    pub(crate) fn array_new_default(&mut self, ty: TypeIndex) {
        let shift = self.info.types.element(ty).storage.field_kind().shift();
        if let Some(len) = self.values.literal_at(self.values.height() - 1) {
            let bytes = array_bytes(shift, low32(len));
            if bytes <= 512 {
                self.pop();
                let fresh = self.allocate_array(ty, low32(len));
                self.clear_object(&fresh, ARRAY_ELEMENTS_OFFSET, bytes.narrow());
                return self.push_fresh(fresh, reference_to(ty));
            }
        }
        self.array_new_dynamic(ty, None);
    }

    /// `array.new`: the operands are the value and the length.
    pub(crate) fn array_new(&mut self, ty: TypeIndex) {
        let height = self.values.height() - 2;
        if self.values.literal_at(height) == Some(0) {
            // An array filled with zeros is what `array.new_default` makes.
            let mut len = self.pop();
            self.in_gpr(&mut len);
            self.drop_value();
            self.push_value(ValType::I32, len);
            return self.array_new_dynamic(ty, None);
        }
        self.array_new_dynamic(ty, Some(height));
    }

    /// An array of a length known at run time only: inline up to the limit, else by the runtime. The operands stay
    /// on the stack until the object is complete.
    fn array_new_dynamic(&mut self, ty: TypeIndex, value: Option<usize>) {
        let storage = self.info.types.element(ty).storage;
        let shift = storage.field_kind().shift();
        let len = self.values.lock_operand(self.asm, self.values.height() - 1).as_gpr();
        let value = value.map(|height| self.values.lock_operand(self.asm, height));
        let object = self.take_gpr();
        let (big, slow, retry, done) =
            (self.asm.new_label(), self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        let len_max = (space::INLINE_BYTES_MAX - ARRAY_ELEMENTS_OFFSET) >> shift;
        self.asm.bind(retry);
        // One compare finds length 0 and lengths beyond the inline limit.
        self.asm.lea(Width::W32, SCRATCH, Mem::base(len, -1));
        self.asm.alu_ri(Width::W32, Alu::Cmp, SCRATCH, len_max.narrow::<i32>() - 1);
        self.asm.jcc(Cond::Ae, big);
        self.words_of(len, shift);
        self.asm.mov_rr(Width::W32, object, ALLOC_TOP);
        self.asm.alu_rr(Width::W32, Alu::Add, ALLOC_TOP, SCRATCH);
        self.asm.alu_rm(Width::W32, Alu::Cmp, ALLOC_TOP, Mem::base(HEAP_BASE, hot::ALLOC_LIMIT));
        self.asm.jcc(Cond::A, slow);
        self.write_header(object, RelocationTarget::TypeHeader(ty));
        self.asm.store(Width::W32, object_mem(object, ARRAY_LENGTH_OFFSET), len);
        self.fill_pattern(storage, value);
        self.fill_words(object);
        self.asm.bind(done);

        let was = self.asm.switch(Section::Cold);
        self.asm.bind(slow);
        self.asm.alu_rr(Width::W32, Alu::Sub, ALLOC_TOP, SCRATCH);
        self.asm.shift_ri(Width::W64, ShiftOp::Shl, SCRATCH, 2);
        let refs = self.values.safepoint_refs();
        self.call_slow(Builtin::Allocate, refs);
        self.asm.jmp(retry);
        self.asm.bind(big);
        self.cold_call(entry!(ArrayAlloc, 0), [ColdArg::TypeId(ty), ColdArg::Reg(len)], object);
        if let Some(value) = value {
            self.cold_fill(object, value, len);
        }
        self.asm.jmp(done);
        self.asm.switch(was);
        self.values.drop_operands(1 + value.is_some() as usize);
        self.push_reg(reference_to(ty), Reg::gpr(object));
    }

    /// Computes the words of an array object of `len` (at least 1) elements in the scratch register.
    fn words_of(&mut self, len: Gpr, shift: u8) {
        self.asm.mov_rr(Width::W32, SCRATCH, len);
        if shift > 0 {
            self.asm.shift_ri(Width::W32, ShiftOp::Shl, SCRATCH, shift);
        }
        self.asm.alu_ri(Width::W32, Alu::Add, SCRATCH, ARRAY_ELEMENTS_OFFSET.narrow::<i32>() + 7);
        self.asm.alu_ri(Width::W32, Alu::And, SCRATCH, -8);
        self.asm.shift_ri(Width::W32, ShiftOp::Shr, SCRATCH, 2);
    }

    /// Fills the vector scratch register with copies of the element's bits; keeps the integer scratch register.
    fn fill_pattern(&mut self, storage: StorageType, value: Option<Reg>) {
        let Some(reg) = value else {
            return self.asm.sse_rr(Sse::XORPS, SCRATCH_XMM, SCRATCH_XMM);
        };
        match storage {
            StorageType::I8 | StorageType::I16 => {
                self.asm.movd_to_xmm(Width::W32, SCRATCH_XMM, reg.as_gpr());
                if storage == StorageType::I8 {
                    self.asm.punpck(0x60, SCRATCH_XMM);
                }
                self.asm.pshuflw(SCRATCH_XMM, 0);
                self.asm.pshufd(SCRATCH_XMM, 0);
            }
            StorageType::Val(ValType::V128) => self.asm.movaps(SCRATCH_XMM, reg.as_xmm()),
            StorageType::Val(ValType::I32 | ValType::Ref(_)) => {
                self.asm.movd_to_xmm(Width::W32, SCRATCH_XMM, reg.as_gpr());
                self.asm.pshufd(SCRATCH_XMM, 0);
            }
            StorageType::Val(ValType::I64) => {
                self.asm.movd_to_xmm(Width::W64, SCRATCH_XMM, reg.as_gpr());
                self.asm.pshufd(SCRATCH_XMM, if active(Mutant::PatternOfOneHalf) { 0 } else { 0x44 });
            }
            StorageType::Val(ValType::F32) => {
                self.asm.movaps(SCRATCH_XMM, reg.as_xmm());
                self.asm.pshufd(SCRATCH_XMM, 0);
            }
            StorageType::Val(ValType::F64) => {
                self.asm.movaps(SCRATCH_XMM, reg.as_xmm());
                self.asm.pshufd(SCRATCH_XMM, 0x44);
            }
        }
    }

    /// Fills the elements of an object that was just bumped, from its end (the allocation top) down.
    fn fill_words(&mut self, object: Gpr) {
        let (again, tail, done) = (self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        self.asm.mov_rr(Width::W32, SCRATCH, ALLOC_TOP);
        self.asm.alu_ri(Width::W32, Alu::Add, object, 6);
        self.asm.alu_rr(Width::W32, Alu::Cmp, SCRATCH, object);
        self.asm.jcc(Cond::B, tail);
        self.asm.bind(again);
        self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, Mem::indexed(HEAP_BASE, SCRATCH, 2, -16));
        self.asm.alu_ri(Width::W32, Alu::Sub, SCRATCH, 4);
        self.asm.alu_rr(Width::W32, Alu::Cmp, SCRATCH, object);
        self.asm.jcc(Cond::Ae, again);
        self.asm.bind(tail);
        // object + 2: the first element.
        self.asm.alu_ri(Width::W32, Alu::Sub, object, 4);
        self.asm.alu_rr(Width::W32, Alu::Cmp, SCRATCH, object);
        self.asm.jcc(Cond::E, done);
        self.asm.sse_rm(Sse::MOVSD_STORE, SCRATCH_XMM, object_mem(object, 0));
        self.asm.bind(done);
        self.asm.alu_ri(Width::W32, Alu::Sub, object, 2);
    }

    /// In the cold section: fills an array that the runtime made. The object cannot move while that goes on.
    fn cold_fill(&mut self, object: Gpr, value: Reg, len: Gpr) {
        let outgoing = |k: i32| Mem::base(Gpr::RSP, 8 * k);
        self.asm.store_imm(outgoing(3), Imm::B64(0));
        if value.is_xmm() {
            self.asm.sse_rm(Sse::MOVUPS_STORE, value.as_xmm(), outgoing(2));
        } else {
            self.asm.store(Width::W64, outgoing(2), value.as_gpr());
        }
        self.asm.store(Width::W64, outgoing(4), len);
        self.frame.need_outgoing(8 * 5);
        self.asm.store_imm(outgoing(1), Imm::B64(0));
        self.cold_call(entry!(ArrayFill, 4), [ColdArg::Reg(object)], SCRATCH);
        // The runtime does not change its arguments, so the length is still there.
        self.asm.load(Width::W32, object, outgoing(0));
    }

    pub(crate) fn array_new_data(&mut self, ty: TypeIndex, segment: u32) {
        self.array_new_segment(entry!(ArrayNewData, 2), ty, segment);
    }

    pub(crate) fn array_new_elem(&mut self, ty: TypeIndex, segment: u32) {
        self.array_new_segment(entry!(ArrayNewElem, 2), ty, segment);
    }

    fn array_new_segment(&mut self, entry: Entry<2>, ty: TypeIndex, segment: u32) {
        self.call_builtin(entry, [Arg::TypeId(ty), Arg::Number(segment)], Some(reference_to(ty)));
    }

    // ---- access

    /// Compares the index with the length and traps if it is out of bounds; a null reference faults before.
    fn check_index(&mut self, array: &Value, object: Gpr, index: &mut Value) -> Element {
        let out = self.trap_label(TrapKind::ArrayOutOfBounds);
        let length = object_mem(object, ARRAY_LENGTH_OFFSET);
        if let Some(constant) = index.imm32() {
            self.null_site(array, TrapKind::NullArray);
            self.asm.alu_mi(Width::W32, Alu::Cmp, length, constant);
            self.asm.jcc(if active(Mutant::ConstantIndexAtLength) { Cond::B } else { Cond::Be }, out);
            return Element::Const(constant.cast_unsigned());
        }
        let reg = self.in_gpr(index);
        self.null_site(array, TrapKind::NullArray);
        self.asm.alu_rm(Width::W32, Alu::Cmp, reg, length);
        self.asm.jcc(if active(Mutant::ArrayIndexAtLength) { Cond::A } else { Cond::Ae }, out);
        Element::Reg(reg)
    }

    /// The operand of an element whose index was checked; may use the scratch register.
    fn element_mem(&mut self, kind: FieldKind, object: Gpr, element: Element) -> Mem {
        let offset = ARRAY_ELEMENTS_OFFSET.narrow::<i32>();
        match element {
            Element::Const(index) => {
                let at = offset as u64 + ((index as u64) << kind.shift());
                if let Ok(disp) = i32::try_from(at) {
                    return Mem::indexed(HEAP_BASE, object, 2, disp);
                }
                self.asm.mov_ri(SCRATCH, at);
                self.asm.alu_rr(Width::W64, Alu::Add, SCRATCH, HEAP_BASE);
                Mem::indexed(SCRATCH, object, 2, 0)
            }
            Element::Reg(index) if kind.shift() == 2 => {
                self.asm.lea(Width::W64, SCRATCH, Mem::indexed(object, index, 0, 0));
                Mem::indexed(HEAP_BASE, SCRATCH, 2, offset)
            }
            Element::Reg(index) if kind.shift() < 4 => {
                self.asm.lea(Width::W64, SCRATCH, object_mem(object, 0));
                Mem::indexed(SCRATCH, index, kind.shift(), offset)
            }
            Element::Reg(index) => {
                // 16-byte elements: index * 4 in words, plus the object's reference.
                self.asm.lea(Width::W64, SCRATCH, Mem::indexed(object, index, 2, 0));
                Mem::indexed(HEAP_BASE, SCRATCH, 2, offset)
            }
        }
    }

    pub(crate) fn array_get(&mut self, ty: TypeIndex, extend: Extend) {
        let storage = self.info.types.element(ty).storage;
        let mut index = self.pop();
        let mut array = self.pop();
        let object = self.in_gpr(&mut array);
        let element = self.check_index(&array, object, &mut index);
        let mem = self.element_mem(storage.field_kind(), object, element);
        self.release_value(&index);
        // The length compare has faulted on null already.
        let checked = Value { ty: reference_to(ty), ..array };
        self.load_element(storage, extend, &checked, mem, TrapKind::NullArray);
    }

    pub(crate) fn array_set(&mut self, ty: TypeIndex) {
        let storage = self.info.types.element(ty).storage;
        let to = Stored::of(storage);
        let mut value = self.pop();
        let mut index = self.pop();
        let mut array = self.pop();
        self.prepare_stored(to, &mut value);
        let object = self.in_gpr(&mut array);
        let element = self.check_index(&array, object, &mut index);
        if storage.field_kind() == FieldKind::Ref && !active(Mutant::ArraySetNotLogged) {
            self.barrier(object, Some(element), &value);
        }
        let mem = self.element_mem(storage.field_kind(), object, element);
        self.store_value(to, mem, &value);
        for v in [&value, &index, &array] {
            self.release_value(v);
        }
    }

    pub(crate) fn array_len(&mut self) {
        let mut array = self.pop();
        let object = self.in_gpr(&mut array);
        let dst = self.result_reg(ValType::I32, Some(&array), &[]);
        self.null_site(&array, TrapKind::NullArray);
        self.asm.load(Width::W32, dst.as_gpr(), object_mem(object, ARRAY_LENGTH_OFFSET));
        self.push_result(ValType::I32, dst);
    }

    // ---- block operations

    pub(crate) fn array_copy(&mut self, ty: TypeIndex) {
        let element = element_argument(self.info.types.element(ty).storage.field_kind());
        self.call_builtin(entry!(ArrayCopy, 5), [Arg::Number(element)], None);
    }

    /// `array.fill` of array, index, value and length. The runtime takes the value as two words.
    pub(crate) fn array_fill(&mut self, ty: TypeIndex) {
        let value_ty = self.info.types.element(ty).storage.unpacked();
        let len = self.pop();
        let mut value = self.pop();
        if value_ty == ValType::V128 {
            return self.array_fill_vector(len, value);
        }
        if matches!(value_ty, ValType::F32 | ValType::F64) {
            let wide = if value_ty == ValType::F32 { ValType::I32 } else { ValType::I64 };
            self.push_value(value_ty, value);
            self.reinterpret(value_ty, wide);
            value = self.pop();
        }
        self.push_value(value.ty, value);
        self.push_const(ValType::I64, 0);
        self.push_value(ValType::I32, len);
        self.call_builtin(entry!(ArrayFill, 5), [], None);
    }

    /// `array.fill` with a vector, an operand of two words, which is written to the arguments here.
    fn array_fill_vector(&mut self, len: Value, mut value: Value) {
        let xmm = self.in_xmm(&mut value);
        let low = self.take_gpr();
        let high = self.take_gpr();
        self.asm.movd_from_xmm(Width::W64, low, xmm);
        self.asm.movaps(SCRATCH_XMM, xmm);
        self.asm.pshufd(SCRATCH_XMM, 0xee);
        self.asm.movd_from_xmm(Width::W64, high, SCRATCH_XMM);
        self.release_value(&value);
        self.push_reg(ValType::I64, Reg::gpr(low));
        self.push_reg(ValType::I64, Reg::gpr(high));
        self.push_value(ValType::I32, len);
        self.call_builtin(entry!(ArrayFill, 5), [], None);
    }

    /// `array.init_data` and `array.init_elem`: the runtime takes array and index, the number of the segment, then
    /// offset and length.
    pub(crate) fn array_init(&mut self, entry: Entry<0>, segment: u32) {
        let len = self.pop();
        let offset = self.pop();
        self.push_const(ValType::I32, segment as u64);
        self.push_value(ValType::I32, offset);
        self.push_value(ValType::I32, len);
        self.call_builtin(entry, [], None);
    }
}
