//! The prologue, the epilogue, the poll at the entry, and what else code does with its frame. See `abi` for the
//! picture.

use super::parts::Compiler;
use crate::abi::{
    Builtin, CONTEXT, FRAME_CONTEXT, FunctionRecord, Gpr, HEAP_BASE, MEMORY_BASE, SCRATCH, SCRATCH_XMM, TrapKind,
};
use crate::asm::{Alu, Cond, Imm, Mem, Section, Sse, Width};
use crate::operators::Facts;
use heapwood_gc_abi::{Mutant, Narrow, active, hot};
use heapwood_module::{ContextLayout, ValType};

impl Compiler<'_> {
    /// Begins the function: its frame's label, and the prologue unless that comes later. Parameters are where they
    /// arrive.
    pub(super) fn enter_function(&mut self) {
        self.enter_control_function();
        let in_registers = self.layout.arg_bytes == 0 && self.layout.result_bytes == 0;
        let has_bases = self.cursor.analysis().uses_memory0 || !self.frame.bases().is_empty();
        if self.cursor.analysis().early_exit.is_none() || has_bases || !in_registers {
            self.set_up_frame(self.cursor.analysis().costs.entry());
        } else {
            self.pay_at_entry();
        }
    }

    /// Sets the frame up where the early exit is over (registers and operands stay as they are; flags do not).
    pub(crate) fn need_frame(&mut self) {
        if !self.values.is_framed() {
            self.with_facts(Facts::PROLOGUE, |compiler| compiler.set_up_frame(0));
        }
    }

    /// Prologue: frame, stack check, saves, zeroed reference slots, pinned locals, base of memory 0. Below rsp the
    /// kernel may write at any time (a signal), and what is called does: so rsp moves by a large frame only where there
    /// is room. `cost` is what the function still has to pay for its first block.
    fn set_up_frame(&mut self, cost: u32) {
        self.values.frame_is_set_up();
        self.asm.push(Gpr::RBP);
        self.asm.mov_rr(Width::W64, Gpr::RBP, Gpr::RSP);
        if self.frame.is_compared() && !active(Mutant::LargeFrameNotCompared) {
            self.compare_frame();
        }
        self.asm.alu_ri32(Width::W64, Alu::Sub, Gpr::RSP, 0);
        self.frame.patch_with_size(self.asm, false);
        let stack_refs = self.values.stack_ref_homes(&self.layout.params);
        if stack_refs.is_empty() {
            self.poll(0);
            self.save_registers();
            self.clear_ref_locals();
        } else {
            self.save_registers();
            self.clear_ref_locals();
            for (home, at) in &stack_refs {
                self.asm.copy_memory(
                    ValType::I32,
                    Mem::base(Gpr::RBP, *home),
                    Mem::base(Gpr::RBP, 16 + (*at).narrow::<i32>()),
                );
            }
            self.poll(self.values.ref_locals());
        }
        self.pay_and_check_at_entry(cost, self.values.ref_locals());
        self.initialize_locals();
        if self.cursor.analysis().uses_memory0 {
            let base = self.env.context.memory_offset(0);
            self.asm.load(Width::W64, MEMORY_BASE, Mem::base(CONTEXT, base.narrow()));
        }
        for (memory, gpr) in self.frame.bases() {
            let base = self.env.context.memory_offset(*memory) + ContextLayout::MEMORY_BASE;
            self.asm.load(Width::W64, *gpr, Mem::base(CONTEXT, base.narrow()));
        }
    }

    /// Traps unless the stack above its limit has room for the frame. The difference of two addresses does not wrap
    /// around, as rsp less a large frame might.
    fn compare_frame(&mut self) {
        let exhausted = self.trap_label(TrapKind::StackExhausted);
        self.asm.mov_rr(Width::W64, SCRATCH, Gpr::RBP);
        self.asm.alu_rm(Width::W64, Alu::Sub, SCRATCH, Mem::base(HEAP_BASE, hot::STACK_LIMIT));
        self.asm.jcc(Cond::B, exhausted);
        self.asm.alu_ri32(Width::W64, Alu::Cmp, SCRATCH, 0);
        self.frame.patch_with_size(self.asm, false);
        self.asm.jcc(Cond::B, exhausted);
    }

    /// `cmp rsp, [guard]; jb cold`: stack limit, interrupt and collection request in one compare.
    pub(crate) fn poll(&mut self, ref_count: u32) {
        self.asm.alu_rm(Width::W64, Alu::Cmp, Gpr::RSP, Mem::base(HEAP_BASE, hot::STACK_GUARD));
        let cold = self.asm.new_label();
        self.asm.jcc(Cond::B, cold);
        let resume = self.asm.bound_label();
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.call_slow(Builtin::Poll, ref_count);
        self.asm.jmp(resume);
        self.asm.switch(was);
    }

    fn save_registers(&mut self) {
        if self.values.saves_context() {
            self.asm.store(Width::W64, Mem::base(Gpr::RBP, FRAME_CONTEXT), CONTEXT);
        }
        for (gpr, at) in self.frame.saved_registers().skip(active(Mutant::SavedRegisterNotSaved) as usize) {
            self.asm.store(Width::W64, Mem::base(Gpr::RBP, at), gpr);
        }
    }

    /// Zeroes the reference slots of locals, so that they are valid at the first safe point.
    fn clear_ref_locals(&mut self) {
        let left_out = if active(Mutant::InlinedHomesNotZeroed) { self.plan.ref_homes() } else { 0 };
        self.clear_area(self.values.first_ref_slot(), 4 * (self.values.ref_locals() - left_out));
    }

    /// Zeroes `bytes` (a multiple of 4) at `rbp + start`.
    fn clear_area(&mut self, start: i32, bytes: u32) {
        let mut at = 0;
        if bytes >= 16 {
            self.asm.sse_rr(Sse::XORPS, SCRATCH_XMM, SCRATCH_XMM);
        }
        if bytes > 512 {
            let blocks = bytes / 16 * 16;
            self.asm.mov_ri(SCRATCH, (-i64::from(blocks)).cast_unsigned());
            let again = self.asm.bound_label();
            let to = Mem::indexed(Gpr::RBP, SCRATCH, 0, start + blocks.narrow::<i32>());
            self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, to);
            self.asm.alu_ri(Width::W64, Alu::Add, SCRATCH, 16);
            self.asm.jcc(Cond::Ne, again);
            at = blocks;
        }
        while bytes - at >= 16 {
            self.asm.sse_rm(Sse::MOVUPS_STORE, SCRATCH_XMM, Mem::base(Gpr::RBP, start + at.narrow::<i32>()));
            at += 16;
        }
        while bytes - at >= 8 {
            self.asm.store_imm(Mem::base(Gpr::RBP, start + at.narrow::<i32>()), Imm::B64(0));
            at += 8;
        }
        if bytes > at {
            self.asm.store_imm(Mem::base(Gpr::RBP, start + at.narrow::<i32>()), Imm::B32(0));
        }
    }

    /// Pinned parameters move to their registers; other locals that may be read first are zeroed.
    fn initialize_locals(&mut self) {
        let (params, needs_zero) = (self.layout.params.len(), &self.cursor.analysis().needs_zero);
        for (local, gpr) in self.frame.pins() {
            let index = *local as usize;
            self.values.pin_in_frame(self.asm, *local, *gpr, index < params, needs_zero[index]);
        }
        // Consecutive plain slots are cleared together: homes descend.
        let mut run: Option<(i32, u32)> = None;
        for index in (params..needs_zero.len()).filter(|index| needs_zero[*index]) {
            let Some((home, bytes)) = self.values.plain_home(index.narrow()) else { continue };
            run = match run {
                Some((start, len)) if start == home + bytes.narrow::<i32>() => Some((home, len + bytes)),
                Some((start, len)) => {
                    self.clear_area(start, len);
                    Some((home, bytes))
                }
                None => Some((home, bytes)),
            };
        }
        if let Some((start, len)) = run {
            self.clear_area(start, len);
        }
    }

    /// Restores the saved registers and returns; results are in place.
    pub(crate) fn epilogue(&mut self) {
        if self.values.is_framed() {
            self.leave_frame();
        }
        self.asm.ret(self.layout.arg_bytes);
    }

    /// Restores the saved registers and the caller's frame.
    pub(crate) fn leave_frame(&mut self) {
        self.restore_saved();
        self.asm.leave();
    }

    pub(crate) fn restore_saved(&mut self) {
        for (gpr, at) in self.frame.saved_registers() {
            self.asm.load(Width::W64, gpr, Mem::base(Gpr::RBP, at));
        }
    }

    /// Sets rsp to where this frame ends, after a call has popped arguments or a handler was entered.
    pub(crate) fn restore_rsp(&mut self) {
        self.asm.lea32(Gpr::RSP, Gpr::RBP);
        self.frame.patch_with_size(self.asm, true);
    }

    /// Bytes from rbp down to rsp.
    pub(super) fn frame_bytes(&self) -> u32 {
        self.frame.bytes(self.values.slot_bytes())
    }

    /// How the frame is laid out, its size filled in.
    pub(super) fn frame_record(&mut self) -> FunctionRecord {
        let frame_bytes = self.frame_bytes();
        self.frame.patch(self.asm, frame_bytes);
        FunctionRecord {
            ref_base: self.values.ref_base(),
            frame_bytes,
            saved: self.frame.saved_mask(),
            saves_context: self.values.saves_context(),
            stack_arg_bytes: self.layout.arg_bytes,
        }
    }
}
