//! The frame: where slots lie, prologue, epilogue, entry poll. See `abi` for the picture.

use super::state::{Loc, Local, Owner, Reg, in_xmm};
use super::{Buffers, CompileEnv, Compiler};
use crate::abi::{
    Builtin, CALLEE_SAVED, CONTEXT, CallLayout, FRAME_BYTES_UNCOMPARED, FRAME_CONTEXT, FRAME_SAVED, Gpr, HEAP_BASE,
    MEMORY_BASE, Place, SCRATCH, SCRATCH_XMM, TrapKind,
};
use crate::asm::{Alu, Assembler, Cond, Imm, Mem, Position, Section, Sse, Width};
use crate::first_look::FirstLook;
use crate::operators::Facts;
use heapwood_gc_abi::hot;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, FuncType, ValType};
use smallvec::SmallVec;
use std::cell::Cell;

/// Accesses, weighted by loop depth, for which a memory's base is kept in a register: one in a loop.
const BASE_WORTH: u32 = 8;

/// Where the slots of a frame lie.
#[derive(Default)]
pub(crate) struct FrameLayout {
    /// Reference slot i lies at `rbp - ref_base + 4 * i`.
    pub(crate) ref_base: u32,
    /// Reference slots of parameters and locals.
    pub(crate) ref_locals: u32,
    /// Bit k: `CALLEE_SAVED[k]` is saved.
    pub(crate) saved_mask: u8,
    /// Lowest byte in use, below rbp.
    low: u32,
    /// Locals that live in callee-saved registers once the frame is set up.
    pins: SmallVec<[(u32, Gpr); 3]>,
    /// Memories whose base is in a callee-saved register, but for memory 0.
    bases: SmallVec<[(u32, Gpr); 3]>,
    height_max: u32,
    plain_temps: Option<u32>,
    vector_temps: Option<u32>,
    /// Bytes for outgoing arguments and results.
    outgoing: u32,
    /// The frame is compared with the stack's limit before rsp moves.
    pub(crate) compared: bool,
    /// 32-bit fields that receive the frame's size; negated if so marked.
    patches: SmallVec<[(Position, bool); 4]>,
}

impl FrameLayout {
    /// The register that holds the base of a memory other than 0, if one does.
    pub(crate) fn base_of(&self, memory: u32) -> Option<Gpr> {
        self.bases.iter().find(|base| base.0 == memory).map(|base| base.1)
    }

    /// Offset from rbp of reference slot `index`.
    pub(crate) fn ref_slot(&self, index: u32) -> i32 {
        (4 * index).narrow::<i32>() - self.ref_base.narrow::<i32>()
    }

    /// Offset from rbp of the slot of the `index`-th plain operand; its area is made when first needed.
    pub(crate) fn plain_temp(&mut self, index: usize, vector: bool) -> i32 {
        let bytes = if vector { 16 } else { 8 };
        let area = if vector { &mut self.vector_temps } else { &mut self.plain_temps };
        let base = *area.get_or_insert_with(|| {
            self.low += self.height_max * bytes;
            self.low
        });
        (index * bytes as usize).narrow::<i32>() - base.narrow::<i32>()
    }

    /// Makes room for outgoing arguments and results.
    pub(crate) fn need_outgoing(&mut self, bytes: u32) {
        self.outgoing = self.outgoing.max(bytes);
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        env: &CompileEnv<'a>,
        look: &'a FirstLook,
        signature: &'a FuncType,
        declared: &[(u32, ValType)],
        asm: &'a mut Assembler,
        buffers: Buffers,
    ) -> Compiler<'a> {
        let Buffers {
            mut locals,
            stack,
            ref_heights,
            control,
            relocations,
            safe_points,
            traps,
            trap_labels,
            pads,
            copies,
        } = buffers;
        let types = signature.params.iter().copied();
        let declared = declared.iter().flat_map(|(count, ty)| std::iter::repeat_n(*ty, *count as usize));
        let plain = |ty| Local { ty, home: 0, loc: Loc::Slot, aliases: 0, is_stored: false, pinned: false };
        locals.extend(types.chain(declared).map(plain));
        let mut compiler = Compiler {
            env: *env,
            info: env.info,
            look,
            results: &signature.results,
            layout: CallLayout::new(&signature.params, &signature.results),
            op: 0,
            offset: 0,
            next_hint: 0,
            next_loop: 0,
            next_dead: 0,
            next_idle: 0,
            branch_hints: &[],
            body_start: 0,
            locals,
            stack,
            closed: 0,
            ref_heights,
            control,
            loop_pins: Vec::new(),
            regs: Default::default(),
            const_locals: SmallVec::new(),
            context_valid: true,
            framed: false,
            misses_frame: Cell::new(false),
            unreachable: false,
            after_tail: false,
            handler: None,
            frame: FrameLayout::default(),
            asm,
            relocations,
            safe_points,
            traps,
            trap_labels,
            source_map: Vec::new(),
            pads,
            copies,
            kept_bytes: 0,
            error: None,
            facts: Facts::PROLOGUE,
        };
        compiler.lay_out_frame();
        compiler.frame.compared |= compiler.frame.low > FRAME_BYTES_UNCOMPARED;
        compiler
    }

    /// Chooses the locals that live in callee-saved registers: the heaviest integers, if they earn the save.
    fn choose_callee_saved(&mut self) -> SmallVec<[(u32, Gpr); 3]> {
        let look = self.look;
        let mut registers: SmallVec<[Gpr; 3]> = CALLEE_SAVED.iter().copied().collect();
        if look.uses_memory0 {
            registers.retain(|r| *r != MEMORY_BASE);
        }
        if !look.has_calls {
            // Loops pin their locals in other registers.
            self.choose_bases(&mut registers);
        }
        let worth = if look.has_calls { 5 } else { 24 };
        let mut heavy: SmallVec<[(u32, u32); 8]> = SmallVec::new();
        for (local, info) in (0..).zip(&self.locals) {
            let weight = look.weight[local as usize];
            if weight >= worth && matches!(info.ty, ValType::I32 | ValType::I64) {
                heavy.push((weight, local));
                if heavy.len() == 8 {
                    heavy.sort_unstable_by_key(|h| (std::cmp::Reverse(h.0), h.1));
                    heavy.truncate(3);
                }
            }
        }
        heavy.sort_unstable_by_key(|h| (std::cmp::Reverse(h.0), h.1));
        let pins: SmallVec<[(u32, Gpr); 3]> = heavy.iter().map(|h| h.1).zip(registers.iter().copied()).collect();
        registers.drain(..pins.len());
        self.choose_bases(&mut registers);
        pins
    }

    /// Gives registers to the bases of memories that are accessed often, as far as there are.
    fn choose_bases(&mut self, registers: &mut SmallVec<[Gpr; 3]>) {
        let mut hot: SmallVec<[(u32, u32); 4]> = self.look.memory_weight.clone();
        hot.retain(|memory| memory.1 >= BASE_WORTH && self.frame.base_of(memory.0).is_none());
        hot.sort_unstable_by_key(|memory| (std::cmp::Reverse(memory.1), memory.0));
        for (memory, _) in hot {
            let Some(register) = registers.pop() else { return };
            self.frame.bases.push((memory, register));
        }
    }

    fn lay_out_frame(&mut self) {
        self.frame.pins = self.choose_callee_saved();
        for (_, gpr) in &self.frame.pins {
            self.frame.saved_mask |= 1 << CALLEE_SAVED.iter().position(|r| r == gpr).expect("one of them");
        }
        for (_, gpr) in &self.frame.bases {
            self.frame.saved_mask |= 1 << CALLEE_SAVED.iter().position(|r| r == gpr).expect("one of them");
        }
        if self.look.uses_memory0 {
            self.frame.saved_mask |= 1 << CALLEE_SAVED.iter().position(|r| *r == MEMORY_BASE).expect("one of them");
        }
        let frame = &mut self.frame;
        let saves = (-FRAME_CONTEXT).cast_unsigned() + 8 * frame.saved_mask.count_ones();
        frame.height_max = self.look.height_max;
        frame.ref_locals = self.locals.iter().filter(|l| l.ty.is_ref()).count().narrow();
        frame.ref_base = (saves + 4 * (frame.ref_locals + frame.height_max)).next_multiple_of(8);
        frame.low = frame.ref_base;
        let mut next_ref = 0;
        for (index, local) in self.locals.iter_mut().enumerate() {
            if local.ty.is_ref() {
                local.home = frame.ref_slot(next_ref);
                next_ref += 1;
            } else if let Some(Place::Stack(at)) = self.layout.params.get(index) {
                local.home = 16 + (*at).narrow::<i32>();
            } else {
                frame.low += if local.ty == ValType::V128 { 16 } else { 8 };
                local.home = -frame.low.narrow::<i32>();
            }
        }
    }

    /// The function's own label, the prologue, the parameters where they arrive.
    pub(super) fn enter_function(&mut self) {
        for (index, place) in self.layout.params.iter().enumerate() {
            let reg = match place {
                Place::Gpr(gpr) => Reg::gpr(*gpr),
                Place::Xmm(xmm) => Reg::xmm(*xmm),
                Place::Stack(_) => continue,
            };
            self.locals[index].loc = Loc::Reg { reg, dirty: true };
            self.regs.set(reg, Owner::Local(index.narrow()), self.locals[index].ty.is_ref());
        }
        self.enter_control_function();
        let in_registers = self.layout.arg_bytes == 0 && self.layout.result_bytes == 0;
        let has_bases = self.look.uses_memory0 || !self.frame.bases.is_empty();
        if self.look.early_exit.is_none() || has_bases || !in_registers {
            self.set_up_frame();
        }
    }

    /// Sets the frame up where the early exit is over (registers and operands stay as they are; flags do not).
    pub(crate) fn need_frame(&mut self) {
        if !self.framed {
            self.with_facts(Facts::PROLOGUE, Self::set_up_frame);
        }
    }

    /// Prologue: frame, stack check, saves, zeroed reference slots, pinned locals, base of memory 0. Below rsp the kernel
    /// may write at any time (a signal), and what is called does: so rsp moves by a large frame only where there is room.
    fn set_up_frame(&mut self) {
        self.framed = true;
        self.asm.push(Gpr::RBP);
        self.asm.mov_rr(Width::W64, Gpr::RBP, Gpr::RSP);
        if self.frame.compared && !active(Mutant::LargeFrameNotCompared) {
            self.compare_frame();
        }
        self.asm.alu_ri32(Width::W64, Alu::Sub, Gpr::RSP, 0);
        self.patch_with_frame(false);
        let stack_refs = self.stack_ref_params();
        if stack_refs.is_empty() {
            self.poll(0);
            self.save_registers();
            self.clear_ref_locals();
        } else {
            self.save_registers();
            self.clear_ref_locals();
            for (home, at) in &stack_refs {
                self.copy_memory(
                    ValType::I32,
                    Mem::base(Gpr::RBP, *home),
                    Mem::base(Gpr::RBP, 16 + (*at).narrow::<i32>()),
                );
            }
            self.poll(self.frame.ref_locals);
        }
        self.initialize_locals();
        if self.look.uses_memory0 {
            let base = self.env.context.memory_offset(0);
            self.asm.load(Width::W64, MEMORY_BASE, Mem::base(CONTEXT, base.narrow()));
        }
        for (memory, gpr) in &self.frame.bases {
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
        self.patch_with_frame(false);
        self.asm.jcc(Cond::B, exhausted);
    }

    /// The 4 bytes just written receive the frame's size.
    fn patch_with_frame(&mut self, negated: bool) {
        let field = self.asm.position().minus(4);
        self.frame.patches.push((field, negated));
    }

    fn stack_ref_params(&self) -> SmallVec<[(i32, u32); 4]> {
        let params = self.layout.params.iter().zip(&self.locals);
        params
            .filter_map(|(place, local)| match place {
                Place::Stack(at) if local.ty.is_ref() => Some((local.home, *at)),
                _ => None,
            })
            .collect()
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
        if self.saves_context() {
            self.asm.store(Width::W64, Mem::base(Gpr::RBP, FRAME_CONTEXT), CONTEXT);
        }
        for (gpr, at) in self.saved_registers().skip(active(Mutant::SavedRegisterNotSaved) as usize) {
            self.asm.store(Width::W64, Mem::base(Gpr::RBP, at), gpr);
        }
    }

    /// A function that calls nothing never reloads its context.
    pub(super) fn saves_context(&self) -> bool {
        self.look.has_calls || self.look.has_cold_calls
    }

    fn saved_registers(&self) -> impl Iterator<Item = (Gpr, i32)> + use<> {
        let mask = self.frame.saved_mask;
        let saved = (0..3usize).filter(move |k| mask & (1 << k) != 0);
        saved.enumerate().map(|(slot, k)| (CALLEE_SAVED[k], FRAME_SAVED - 8 * slot.narrow::<i32>()))
    }

    /// Reference slots of locals hold zero before the first safe point.
    fn clear_ref_locals(&mut self) {
        let bytes = 4 * self.frame.ref_locals;
        self.clear_area(self.frame.ref_slot(0), bytes);
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
        let params = self.layout.params.len();
        for (index, gpr) in self.frame.pins.clone() {
            let local = self.locals[index as usize];
            let reg = Reg::gpr(gpr);
            match local.loc {
                Loc::Reg { reg: from, .. } => {
                    self.move_reg(local.ty, reg, from);
                    self.regs.free(from);
                }
                _ if (index as usize) < params => self.load_reg(local.ty, reg, Mem::base(Gpr::RBP, local.home)),
                _ if self.look.needs_zero[index as usize] => self.asm.alu_rr(Width::W32, Alu::Xor, gpr, gpr),
                _ => {}
            }
            self.locals[index as usize].pinned = true;
            self.locals[index as usize].loc = Loc::Reg { reg, dirty: true };
            self.regs.set(reg, Owner::Local(index), false);
        }
        // Consecutive plain slots are cleared together: homes descend.
        let mut run: Option<(i32, u32)> = None;
        for index in params..self.locals.len() {
            let local = self.locals[index];
            if !self.look.needs_zero[index] || local.ty.is_ref() || local.pinned {
                continue;
            }
            let bytes = if local.ty == ValType::V128 { 16 } else { 8 };
            run = match run {
                Some((start, len)) if start == local.home + bytes.narrow::<i32>() => Some((local.home, len + bytes)),
                Some((start, len)) => {
                    self.clear_area(start, len);
                    Some((local.home, bytes))
                }
                None => Some((local.home, bytes)),
            };
        }
        if let Some((start, len)) = run {
            self.clear_area(start, len);
        }
        debug_assert!(
            self.locals.iter().all(|l| !matches!(l.loc, Loc::Reg { reg, .. } if in_xmm(l.ty) != reg.is_xmm()))
        );
    }

    /// Restores the saved registers and returns; results are in place.
    pub(crate) fn epilogue(&mut self) {
        if self.framed {
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
        for (gpr, at) in self.saved_registers() {
            self.asm.load(Width::W64, gpr, Mem::base(Gpr::RBP, at));
        }
    }

    /// rsp of this frame after calls popped arguments or a handler was entered.
    pub(crate) fn restore_rsp(&mut self) {
        self.asm.lea32(Gpr::RSP, Gpr::RBP);
        self.patch_with_frame(true);
    }

    /// Bytes from rbp down to rsp.
    pub(super) fn frame_bytes(&self) -> u32 {
        (self.frame.low + self.frame.outgoing).next_multiple_of(16)
    }

    /// Fills in the frame's size; returns it.
    pub(super) fn patch_frame(&mut self) -> u32 {
        let bytes = self.frame_bytes();
        for (field, negated) in std::mem::take(&mut self.frame.patches) {
            self.asm.patch_u32(field, if negated { bytes.wrapping_neg() } else { bytes });
        }
        bytes
    }

    /// A place in the frame. Without a frame the code is worthless: the function is compiled again, with one.
    pub(crate) fn in_frame(&self, at: i32) -> Mem {
        if !self.framed {
            self.misses_frame.set(true);
        }
        Mem::base(Gpr::RBP, at)
    }

    /// The context in r14.
    pub(crate) fn need_context(&mut self) {
        if !self.context_valid {
            assert!(self.saves_context() || !self.framed, "the context is read from where nobody saved it");
            self.asm.load(Width::W64, CONTEXT, self.in_frame(FRAME_CONTEXT));
            self.context_valid = true;
        }
    }
}
