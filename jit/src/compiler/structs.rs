//! Structs: allocation and field access; the write barrier.

use super::call::{Arg, entry};
use super::fresh::Fresh;
use super::objects::{object_mem, reference_to};
use super::parts::Compiler;
use super::values::{Stored, Value};
use crate::abi::{Builtin, Gpr, HEAP_BASE, RelocationTarget, SCRATCH, TrapKind};
use crate::analysis::struct_by_call;
use crate::asm::{Alu, Cond, Label, Mem, Section, Width};
use heapwood_gc_abi::{FieldKind, Mutant, Narrow, active, header, hot};
use heapwood_module::{RefType, StorageType, TypeIndex, ValType};

/// How the value of a packed field is extended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extend {
    /// The field is not packed.
    None,
    Signed,
    Unsigned,
}

impl Compiler<'_> {
    // ---- allocation

    pub(crate) fn struct_new(&mut self, ty: TypeIndex) {
        let count = self.info.types.fields(ty).len();
        let fresh = match struct_by_call(self.info, ty) {
            true => self.struct_new_by_call(ty),
            false => self.allocate_struct(ty),
        };
        let from = self.values.height() - count;
        let types = &self.info.types;
        let storages = types.fields(ty).iter().map(|field| field.storage);
        self.initialize_all(&fresh, storages.zip(types.layout(ty).offsets.iter().copied()), from);
        self.values.drop_operands(count);
        self.push_fresh(fresh, reference_to(ty));
    }

    pub(crate) fn struct_new_default(&mut self, ty: TypeIndex) {
        if struct_by_call(self.info, ty) {
            return self.call_builtin(entry!(StructAlloc, 0), [Arg::TypeId(ty)], Some(reference_to(ty)));
        }
        let fresh = self.allocate_struct(ty);
        let end = self.info.types.layout(ty).end;
        self.clear_object(&fresh, header::HEADER_BYTES, end);
        self.push_fresh(fresh, reference_to(ty));
    }

    fn allocate_struct(&mut self, ty: TypeIndex) -> Fresh {
        self.allocate(self.info.types.layout(ty).object_bytes(), RelocationTarget::TypeHeader(ty))
    }

    // ---- access

    /// Records that the next instruction faults if the operand is null.
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
        let packed = match storage {
            StorageType::Val(_) => None,
            StorageType::I8 | StorageType::I16 => Stored::of(storage).width(),
        };
        match (packed, extend) {
            (None, _) => self.asm.load_reg(ty, dst, mem),
            (Some(width), extend) if extend == Extend::Signed || active(Mutant::PackedReadSigned) => {
                self.asm.load_sx(width, Width::W32, dst.as_gpr(), mem)
            }
            (Some(width), _) => self.asm.load_zx(width, dst.as_gpr(), mem),
        }
        if dst.is_xmm() {
            self.release_value(object);
        }
        self.push_result(ty, dst);
    }

    pub(crate) fn struct_set(&mut self, ty: TypeIndex, field: u32) {
        let storage = self.info.types.fields(ty)[field as usize].storage;
        let offset = self.info.types.layout(ty).offsets[field as usize];
        let to = Stored::of(storage);
        let mut value = self.pop();
        let mut object = self.pop();
        self.prepare_stored(to, &mut value);
        let reg = self.in_gpr(&mut object);
        self.null_site(&object, TrapKind::NullStruct);
        if storage.field_kind() == FieldKind::Ref && !active(Mutant::StructSetNotLogged) {
            self.barrier(reg, None, &value);
        }
        self.store_value(to, object_mem(reg, offset), &value);
        self.release_value(&value);
        self.release_value(&object);
    }

    /// The write barrier: the first store of a young object into an old one since the last collection goes out of line,
    /// and, while the collector has to know what is overwritten or what leads where, the first store of any `value`.
    /// `element`: the index, for arrays.
    pub(crate) fn barrier(&mut self, object: Gpr, element: Option<Element>, value: &Value) {
        let (cold, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.test_mi8(object_mem(object, 0), header::UNLOGGED.narrow());
        self.asm.jcc(Cond::Ne, cold);
        self.asm.bind(resume);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.pass_barrier(value, resume);
        let refs = self.values.safepoint_refs();
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

impl Compiler<'_> {
    /// Goes on at `resume` if the value may be stored without a log entry (`hot::BARRIER_FLOOR`: null's predecessor is
    /// above all others). A constant is null or an i31: it always passes while something does.
    fn pass_barrier(&mut self, value: &Value, resume: Label) {
        let floor = Mem::base(HEAP_BASE, hot::BARRIER_FLOOR);
        match value.reg() {
            Some(reg) => {
                self.asm.lea(Width::W32, SCRATCH, Mem::base(reg.as_gpr(), -1));
                self.asm.alu_rm(Width::W32, Alu::Cmp, SCRATCH, floor);
                self.asm.jcc(Cond::A, resume);
            }
            None => {
                self.asm.alu_mi(Width::W32, Alu::Cmp, floor, -1);
                self.asm.jcc(Cond::Ne, resume);
            }
        }
    }
}

/// The index of an array element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element {
    Reg(Gpr),
    Const(u32),
}
