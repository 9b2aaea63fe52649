//! Exceptions: `throw`, `throw_ref`, `try_table` and its landing pads.
//!
//! 1. Entering a `try_table` costs nothing but that operands below it are in their slots.
//! 2. The safe point of every call inside names the landing pad. At a call all locals are in their home slots.
//! 3. The unwinder enters the pad with the exception in eax, rbp and the callee-saved registers of the frame.
//! 4. The pad tests the tags in order and branches; if none fits, the exception goes to the next pad or frame.

use super::flow::BlockSignature;
use crate::abi::{CONTEXT, Gpr, RelocationTarget, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Imm, Label, Mem, Section, Width};
use crate::compiler::call::entry;
use crate::compiler::objects::{EXN, object_mem};
use crate::compiler::parts::Compiler;
use crate::compiler::values::{PASSING_MAX, Reg, in_xmm};
use heapwood_gc_abi::StructLayout;
use heapwood_gc_abi::layout::{EXCEPTION_OF_REFERENCE, EXCEPTION_TAG_OFFSET, EXCEPTION_TRACE_OFFSET};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{RefType, StorageType, ValType};
use rustc_hash::FxHashSet;
use wasmparser::{Catch, FrameKind};

impl Compiler<'_> {
    fn exception_layout(&self, tag: u32) -> StructLayout {
        let params = &self.info.types.func(self.info.tags[tag as usize]).params;
        let kinds: Vec<_> = params.iter().map(|ty| ty.field_kind()).collect();
        StructLayout::exception(&kinds)
    }

    pub(crate) fn throw(&mut self, tag: u32) {
        let layout = self.exception_layout(tag);
        let ty = self.info.tags[tag as usize];
        let info = self.info;
        let params = &info.types.func(ty).params;
        self.need_context();
        let fresh = self.allocate(layout.object_bytes(), RelocationTarget::ExceptionHeader(ty));
        self.asm.load(Width::W32, SCRATCH, Mem::base(CONTEXT, self.env.context.tag_offset(tag).narrow()));
        self.asm.store(Width::W32, self.fresh_mem(&fresh, EXCEPTION_TAG_OFFSET), SCRATCH);
        let trace = if matches!(params[..], [ValType::Ref(_)]) { EXCEPTION_OF_REFERENCE } else { 0 };
        self.asm.store_imm(self.fresh_mem(&fresh, EXCEPTION_TRACE_OFFSET), Imm::B32(trace));
        let from = self.values.height() - params.len();
        let storages = params.iter().map(|param| StorageType::Val(*param));
        self.initialize_all(&fresh, storages.zip(layout.offsets.iter().copied()), from);
        self.values.drop_operands(params.len());
        self.push_fresh(fresh, EXN);
        self.throw_top();
    }

    pub(crate) fn throw_ref(&mut self) {
        let mut value = self.pop();
        let reg = self.in_gpr(&mut value);
        if !matches!(value.ty, ValType::Ref(RefType { nullable: false, .. })) {
            let trap = self.trap_label(TrapKind::NullException);
            self.asm.test_rr(Width::W32, reg, reg);
            self.asm.jcc(Cond::E, trap);
        }
        self.push_value(EXN, value);
        self.throw_top();
    }

    /// Throws the exception on top of the stack.
    pub(super) fn throw_top(&mut self) {
        self.call_builtin(entry!(Throw, 1), [], None);
        self.flow.leave();
    }

    // ---- try_table

    pub(crate) fn try_table(&mut self, signature: BlockSignature, catches: Vec<Catch>) {
        self.enter_try(FrameKind::TryTable, signature);
        if !catches.is_empty() {
            self.flow.innermost_mut().expect("just entered").catches = catches.into_boxed_slice();
            self.open_pad();
        }
    }

    /// Enters a construct whose handlers find every operand below it in its slot.
    pub(super) fn enter_try(&mut self, kind: FrameKind, signature: BlockSignature) {
        let to = self.below_params(&signature);
        self.values.spill_below(self.asm, self.flow.settled(), to);
        self.enter(kind, signature, to);
    }

    /// Opens a landing pad for the innermost construct: exceptions go there from here on.
    pub(super) fn open_pad(&mut self) {
        let pad = self.tables.new_pad(self.asm);
        self.flow.set_handler(Some(pad));
        self.flow.innermost_mut().expect("just entered").inside = Some(pad);
    }

    pub(crate) fn end_try_table(&mut self) {
        let control = self.flow.innermost_mut().expect("validated body");
        let catches = std::mem::take(&mut control.catches);
        let (height, outer) = (control.height, control.outer_handler);
        let pad = self.flow.set_handler(outer);
        self.end_block();
        let Some(pad) = pad.filter(|_| !catches.is_empty()) else { return };
        if self.tables.pad_is_used(pad) {
            self.out_of_line(height, |c| c.emit_pad(pad, &catches, height, outer));
        }
    }

    /// Emits the landing pad of a construct that has ended; afterwards the state is as it was before.
    pub(super) fn out_of_line(&mut self, height: usize, emit: impl FnOnce(&mut Self)) {
        let open_from = self.values.open_from(self.flow.settled());
        let here = self.values.snapshot(open_from.min(height));
        let was = self.asm.switch(Section::Cold);
        emit(self);
        self.asm.switch(was);
        self.values.restore(&here);
        self.flow.reach();
    }

    /// Where the unwinder and inner pads enter, with the exception in eax.
    pub(super) fn enter_pad(&mut self, pad: u32) {
        self.tables.place_pad(self.asm, pad);
        self.restore_rsp();
        self.values.load_context(self.asm);
    }

    fn emit_pad(&mut self, pad: u32, catches: &[Catch], height: usize, outer: Option<u32>) {
        let state = self.values.pad_state(height);
        self.enter_pad(pad);
        let mut caught = FxHashSet::default();
        for catch in catches {
            if let Catch::One { tag, .. } | Catch::OneRef { tag, .. } = catch
                && !caught.insert(*tag)
            {
                // An earlier catch of this tag takes all of its exceptions.
                continue;
            }
            self.values.end_instruction();
            self.values.restore(&state);
            let exception = self.values.take_fixed(self.asm, Gpr::RAX);
            self.values.mark_reference(Reg::gpr(exception));
            let next = self.asm.new_label();
            match *catch {
                Catch::One { tag, label } => {
                    self.match_tag(exception, tag, next);
                    self.push_payload(exception, tag);
                    self.branch_to(self.flow.index_of(label));
                }
                Catch::OneRef { tag, label } => {
                    self.match_tag(exception, tag, next);
                    self.push_payload(exception, tag);
                    self.push_reg(EXN, Reg::gpr(exception));
                    self.branch_to(self.flow.index_of(label));
                }
                Catch::All { label } => {
                    self.branch_to(self.flow.index_of(label));
                    return;
                }
                Catch::AllRef { label } => {
                    self.push_reg(EXN, Reg::gpr(exception));
                    self.branch_to(self.flow.index_of(label));
                    return;
                }
            }
            self.asm.bind(next);
        }
        self.values.end_instruction();
        self.values.restore(&state);
        self.pass_on(outer);
    }

    /// Passes the exception in eax, which no catch of a pad takes, on to the pad `to`, or out of the function.
    pub(super) fn pass_on(&mut self, to: Option<u32>) {
        if let Some(to) = to {
            return self.tables.jump_to_pad(self.asm, to);
        }
        let handler = self.flow.set_handler(None);
        self.values.take_fixed(self.asm, Gpr::RAX);
        self.push_reg(EXN, Reg::gpr(Gpr::RAX));
        self.call_builtin(entry!(Throw, 1), [], None);
        self.flow.set_handler(handler);
    }

    pub(super) fn match_tag(&mut self, exception: Gpr, tag: u32, next: Label) {
        self.asm.load(Width::W32, SCRATCH, object_mem(exception, EXCEPTION_TAG_OFFSET));
        let tag = Mem::base(CONTEXT, self.env.context.tag_offset(tag).narrow());
        self.asm.alu_rm(Width::W32, Alu::Cmp, SCRATCH, tag);
        if !active(Mutant::TagNotCompared) {
            self.asm.jcc(Cond::Ne, next);
        }
    }

    /// Pushes the exception's values, many of them into their slots; the exception stays in its register.
    pub(super) fn push_payload(&mut self, exception: Gpr, tag: u32) {
        let layout = self.exception_layout(tag);
        let params = self.info.types.func(self.info.tags[tag as usize]).params.clone();
        if params.len() > PASSING_MAX {
            let from = |k: usize| object_mem(exception, layout.offsets[k]);
            return self.values.push_copies(self.asm, (0..params.len()).map(|k| (params[k], from(k))));
        }
        for (k, param) in params.iter().enumerate() {
            let reg = self.take(in_xmm(*param));
            self.asm.load_reg(*param, reg, object_mem(exception, layout.offsets[k]));
            self.push_reg(*param, reg);
        }
    }
}
