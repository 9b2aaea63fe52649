//! Structs: allocation and field access; the one emitter of reference stores with its barrier.

use super::Compiler;
use super::call::Arg;
use super::moves::Source;
use super::state::{Owner, Reg};
use super::values::{Value, width};
use crate::abi::{ALLOC_TOP, Builtin, Gpr, HEAP_BASE, RelocationTarget, SCRATCH, SCRATCH_XMM, TrapKind};
use crate::asm::{Alu, Cond, Mem, Section, Sse, Width};
use crate::first_look::struct_by_call;
use heapwood_gc_abi::{FieldKind, header, hot, space};
use heapwood_module::{HeapType, RefType, StorageType, TypeIndex, ValType};

/// How a packed field extends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extend {
    /// Not packed.
    None,
    Signed,
    Unsigned,
}

/// A byte of an object.
pub(crate) fn object_mem(object: Gpr, offset: u32) -> Mem {
    Mem::indexed(HEAP_BASE, object, 2, offset as i32)
}

/// Width of a stored integer or reference.
pub(crate) fn storage_width(storage: StorageType) -> Width {
    match storage {
        StorageType::I8 => Width::W8,
        StorageType::I16 => Width::W16,
        StorageType::Val(ty) => width(ty),
    }
}

impl Compiler<'_> {
    // ---- allocation

    /// Bumps by a constant number of bytes; the header word is written last but one by the caller.
    pub(crate) fn allocate(&mut self, bytes: u32) -> Gpr {
        debug_assert!(bytes <= space::INLINE_BYTES_MAX && bytes.is_multiple_of(8));
        let object = self.take_gpr();
        let words = (bytes / space::REF_SCALE) as i32;
        let cold = self.asm.new_label();
        let retry = self.asm.bound_label();
        self.asm.mov_rr(Width::W32, object, ALLOC_TOP);
        self.asm.alu_ri(Width::W32, Alu::Add, ALLOC_TOP, words);
        self.asm.alu_rm(Width::W32, Alu::Cmp, ALLOC_TOP, Mem::base(HEAP_BASE, hot::ALLOC_LIMIT));
        self.asm.jcc(Cond::A, cold);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.asm.alu_ri(Width::W32, Alu::Sub, ALLOC_TOP, words);
        self.asm.mov_ri(SCRATCH, bytes as u64);
        let refs = self.safepoint_refs();
        self.call_slow(Builtin::Allocate, refs);
        self.asm.jmp(retry);
        self.asm.switch(was);
        object
    }

    pub(crate) fn write_header(&mut self, object: Gpr, target: RelocationTarget) {
        self.asm.store_imm32_narrow(object_mem(object, 0));
        self.relocate(target);
    }

    pub(crate) fn struct_new(&mut self, ty: TypeIndex) {
        let count = self.info.types.fields(ty).len();
        let object = self.allocate_struct(ty);
        let from = self.stack.len() - count;
        for k in 0..count {
            let storage = self.info.types.fields(ty)[k].storage;
            let offset = self.info.types.layout(ty).offsets[k];
            self.initialize(storage, object_mem(object, offset), from + k);
        }
        self.drop_operands(count);
        self.push_object(ty, object);
    }

    pub(crate) fn struct_new_default(&mut self, ty: TypeIndex) {
        let object = self.allocate_struct(ty);
        let end = self.info.types.layout(ty).end;
        self.clear_object(object, header::HEADER_BYTES, end);
        self.push_object(ty, object);
    }

    fn allocate_struct(&mut self, ty: TypeIndex) -> Gpr {
        if struct_by_call(self.info, ty) {
            self.call_builtin(Builtin::StructAlloc, &[Arg::TypeId(ty)], 0, Some(ValType::I32));
            let object = self.pop();
            return object.reg().expect("the result register").as_gpr();
        }
        let object = self.allocate(self.info.types.layout(ty).object_bytes());
        self.write_header(object, RelocationTarget::TypeHeader(ty));
        object
    }

    pub(crate) fn push_object(&mut self, ty: TypeIndex, object: Gpr) {
        let ty = ValType::Ref(RefType::new(false, HeapType::Type(ty)));
        self.push_reg(ty, Reg::gpr(object));
    }

    /// Pops `count` operands without using them any more.
    pub(crate) fn drop_operands(&mut self, count: usize) {
        for _ in 0..count {
            let value = self.pop();
            self.release_value(&value);
        }
        self.regs.locked = 0;
    }

    /// An initialising store of the operand at `height` into a fresh young object: no barrier.
    pub(crate) fn initialize(&mut self, storage: StorageType, mem: Mem, height: usize) {
        let ty = storage.unpacked();
        let w = storage_width(storage);
        match self.operand_source(height) {
            Source::Reg(reg) if reg.is_xmm() => self.store_reg(ty, mem, reg),
            Source::Reg(reg) => self.asm.store(w, mem, reg.as_gpr()),
            Source::Const(bits) => match ty {
                ValType::I32 | ValType::Ref(_) => self.asm.store_imm(w, mem, bits as u32 as i32),
                _ => self.store_const(ty, mem, bits),
            },
            Source::Mem(slot) if matches!(w, Width::W8 | Width::W16) => {
                self.asm.load(Width::W32, SCRATCH, slot);
                self.asm.store(w, mem, SCRATCH);
            }
            Source::Mem(slot) => self.copy_memory(ty, mem, slot),
        }
    }

    /// Zeroes the bytes `from..to` of a fresh object (`from` is a multiple of 4).
    pub(crate) fn clear_object(&mut self, object: Gpr, from: u32, to: u32) {
        let mut at = from;
        if at % 8 == 4 && at < to {
            self.asm.store_imm(Width::W32, object_mem(object, at), 0);
            at += 4;
        }
        if to.saturating_sub(at) >= 32 {
            self.asm.sse_rr(Sse::XORPS, SCRATCH_XMM, SCRATCH_XMM);
            if to - at > 512 {
                at = self.clear_loop(object, at, to);
            }
            while to - at >= 16 {
                self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, object_mem(object, at));
                at += 16;
            }
        }
        while at < to {
            // Objects are whole multiples of 8 bytes: the padding may be cleared too.
            self.asm.store_imm(Width::W64, object_mem(object, at), 0);
            at += 8;
        }
    }

    /// A loop over the 16-byte pieces of `from..to`; returns where it ends.
    fn clear_loop(&mut self, object: Gpr, from: u32, to: u32) -> u32 {
        let bytes = (to - from) / 16 * 16;
        let base = self.take_gpr();
        self.asm.lea(Width::W64, base, object_mem(object, from + bytes));
        self.asm.mov_ri(SCRATCH, (bytes as i64).wrapping_neg() as u64);
        let again = self.asm.bound_label();
        self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, Mem::indexed(base, SCRATCH, 0, 0));
        self.asm.alu_ri(Width::W64, Alu::Add, SCRATCH, 16);
        self.asm.jcc(Cond::Ne, again);
        self.release(Reg::gpr(base));
        from + bytes
    }

    // ---- access

    /// Notes that a null operand faults at the next instruction.
    pub(crate) fn null_site(&mut self, object: &Value, kind: TrapKind) {
        if !matches!(object.ty, ValType::Ref(RefType { nullable: false, .. })) {
            self.trap_site(kind);
        }
    }

    pub(crate) fn struct_get(&mut self, ty: TypeIndex, field: u32, extend: Extend) {
        let storage = self.info.types.fields(ty)[field as usize].storage;
        let offset = self.info.types.layout(ty).offsets[field as usize];
        let mut object = self.pop();
        let reg = self.in_gpr(&mut object);
        self.load_element(storage, extend, &object, object_mem(reg, offset), TrapKind::NullStruct);
    }

    /// Loads a field or element and pushes it; a null `object` faults as `kind`.
    pub(crate) fn load_element(
        &mut self,
        storage: StorageType,
        extend: Extend,
        object: &Value,
        mem: Mem,
        kind: TrapKind,
    ) {
        let ty = storage.unpacked();
        let dst = self.result_reg(ty, Some(object), &[]);
        self.null_site(object, kind);
        match (storage, extend) {
            (StorageType::Val(_), _) => self.load_reg(ty, dst, mem),
            (_, Extend::Signed) => self.asm.load_sx(storage_width(storage), Width::W32, dst.as_gpr(), mem),
            _ => self.asm.load_zx(storage_width(storage), dst.as_gpr(), mem),
        }
        if dst.is_xmm() {
            self.release_value(object);
        }
        self.push_result(ty, dst);
    }

    pub(crate) fn struct_set(&mut self, ty: TypeIndex, field: u32) {
        let storage = self.info.types.fields(ty)[field as usize].storage;
        let offset = self.info.types.layout(ty).offsets[field as usize];
        let mut value = self.pop();
        let mut object = self.pop();
        self.prepare_stored(&mut value);
        let reg = self.in_gpr(&mut object);
        self.null_site(&object, TrapKind::NullStruct);
        if storage.field_kind() == FieldKind::Ref {
            self.barrier(reg, None);
        }
        self.store_element(storage, &value, object_mem(reg, offset));
        self.release_value(&value);
        self.release_value(&object);
    }

    /// A value to store: in a register, or a constant that the store holds itself.
    pub(crate) fn prepare_stored(&mut self, value: &mut Value) {
        let small = value.imm32().is_some();
        if !small {
            self.in_reg(value);
        }
        if let (Some(reg), true) = (value.reg(), value.ty.is_ref()) {
            // A reference in a register of the instruction: a collector must see it.
            if self.regs.owner(reg) == Owner::Taken {
                self.regs.set(reg, Owner::Taken, true);
            }
        }
    }

    pub(crate) fn store_element(&mut self, storage: StorageType, value: &Value, mem: Mem) {
        match value.reg() {
            Some(reg) if reg.is_xmm() => self.store_reg(storage.unpacked(), mem, reg),
            Some(reg) => self.asm.store(storage_width(storage), mem, reg.as_gpr()),
            None => self.asm.store_imm(storage_width(storage), mem, value.imm32().expect("prepared")),
        }
    }

    /// The write barrier: the first reference store into an old object since the last collection goes out of line.
    /// `element`: the index, for arrays.
    pub(crate) fn barrier(&mut self, object: Gpr, element: Option<Element>) {
        let (cold, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.test_mi8(object_mem(object, 0), header::UNLOGGED as u8);
        self.asm.jcc(Cond::Ne, cold);
        self.asm.bind(resume);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        let refs = self.safepoint_refs();
        match element {
            None => {
                self.asm.mov_rr(Width::W32, SCRATCH, object);
                self.call_slow(Builtin::Log, refs);
            }
            Some(element) => {
                match element {
                    Element::Reg(index) => {
                        self.asm.mov_rr(Width::W32, SCRATCH, index);
                        self.asm.shift_ri(Width::W64, crate::asm::ShiftOp::Shl, SCRATCH, 32);
                    }
                    Element::Const(index) => self.asm.mov_ri(SCRATCH, (index as u64) << 32),
                }
                self.asm.alu_rr(Width::W64, Alu::Or, SCRATCH, object);
                self.call_slow(Builtin::LogElement, refs);
            }
        }
        self.asm.jmp(resume);
        self.asm.switch(was);
    }
}

/// The index of an array element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element {
    Reg(Gpr),
    Const(u32),
}
