//! Tail calls: the callee takes over the frame's place below the fixed upper end of the argument area.
//!
//! 1. Register arguments go to their registers; stack arguments are staged in the outgoing area, above three words:
//!    the callee's code, the caller's rbp and the return address.
//! 2. The saved registers are restored.
//! 3. The staged block moves up (highest word first) so that its arguments end where this function's arguments end.
//! 4. rsp is set to the block, which is popped: code, rbp, and the return address stays for the callee.
//!
//! Without stack arguments on either side this is `leave` and a jump.

use super::call::Callee;
use super::parts::Compiler;
use super::values::{Dest, Move, MoveSource, Moves};
use crate::abi::{CONTEXT, CallLayout, Gpr, Place, SCRATCH, SCRATCH_XMM};
use crate::asm::{Mem, Sse, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, TypeIndex, ValType};
use smallvec::{SmallVec, smallvec};

/// Bytes of code address, rbp and return address below the staged arguments.
const STAGED_WORDS: u32 = 3;

impl Compiler<'_> {
    pub(crate) fn return_call(&mut self, function: u32) {
        let ty = self.info.functions[function as usize];
        self.tail_call(ty, Callee::Function(function));
    }

    pub(crate) fn return_call_ref(&mut self, ty: TypeIndex) {
        let mut callee = self.pop();
        self.need_frame();
        self.callee_to_context(&mut callee);
        self.tail_call(ty, Callee::NullableObject);
    }

    pub(crate) fn return_call_indirect(&mut self, ty: TypeIndex, table: u32) {
        self.need_frame();
        self.table_callee(ty, table);
        self.tail_call(ty, Callee::Object);
    }

    fn tail_call(&mut self, ty: TypeIndex, callee: Callee) {
        self.need_frame();
        let layout = self.call_layout(ty);
        let staged = layout.arg_bytes != 0 || self.layout.arg_bytes != 0;
        let offset = if staged { 8 * STAGED_WORDS } else { 0 };
        self.frame.need_outgoing(offset + layout.arg_bytes);
        let from = self.values.height() - layout.params.len();
        let moves = self.values.place_moves(from, &layout.params, Gpr::RSP, offset);
        self.parallel_move(&moves);
        self.values.pop_many(layout.params.len());
        self.load_tail_callee(callee);
        if staged {
            self.replace_frame(ty, &layout);
        } else {
            self.leave_frame();
            self.asm.jmp_reg(SCRATCH);
        }
        self.flow.leave();
    }

    /// Loads the callee's code address and context. A callee that may be a function of the host is told whose context
    /// called it.
    fn load_tail_callee(&mut self, callee: Callee) {
        if matches!(callee, Callee::Function(function) if function >= self.info.imported_functions) {
            return self.load_callee(callee);
        }
        // The parallel moves are done: nothing lies in the scratch registers.
        self.asm.sse_rm(Sse::MOVSD_LOAD, SCRATCH_XMM, self.values.saved_context());
        self.load_callee(callee);
        let caller = Mem::base(CONTEXT, ContextLayout::TAIL_CALLER.narrow());
        if !active(Mutant::TailCallerNotTold) {
            self.asm.sse_rm(Sse::MOVSD_STORE, SCRATCH_XMM, caller);
        }
    }

    /// The width of each staged word: a processor forwards what was just stored to a load of no more bytes only, so
    /// what has four is copied as four.
    fn staged_types(&self, ty: TypeIndex, layout: &CallLayout) -> SmallVec<[ValType; 16]> {
        let mut types = smallvec![ValType::F64; (STAGED_WORDS + layout.arg_bytes / 8) as usize];
        for (param, place) in self.info.types.func(ty).params.iter().zip(&layout.params) {
            if let (Place::Stack(at), ValType::I32 | ValType::F32 | ValType::Ref(_)) = (place, param) {
                types[(STAGED_WORDS + at / 8) as usize] = ValType::F32;
            }
        }
        types
    }

    /// Steps 2 to 4; the code's address is in the scratch register.
    fn replace_frame(&mut self, ty: TypeIndex, layout: &CallLayout) {
        let word = |k: u32| Mem::base(Gpr::RSP, (8 * k).narrow());
        self.asm.store(Width::W64, word(0), SCRATCH);
        for (k, at) in [(1, 0), (2, 8)] {
            self.asm.load(Width::W64, SCRATCH, Mem::base(Gpr::RBP, at));
            self.asm.store(Width::W64, word(k), SCRATCH);
        }
        self.restore_saved();
        let words = STAGED_WORDS + layout.arg_bytes / 8;
        let end = 16 + self.layout.arg_bytes.narrow::<i32>();
        let start = end - (8 * words).narrow::<i32>();
        let types = self.staged_types(ty, layout);
        let up = |k: u32| Move {
            ty: types[k as usize],
            from: MoveSource::Mem(word(k)),
            to: Dest::Mem(Mem::base(Gpr::RBP, start + (8 * k).narrow::<i32>())),
        };
        let word_at = |k: u32| if active(Mutant::TailArgumentsUpwards) { k } else { words - 1 - k };
        let moves: Moves = (0..words).map(|k| up(word_at(k))).collect();
        self.parallel_move(&moves);
        self.asm.lea(Width::W64, Gpr::RSP, Mem::base(Gpr::RBP, start));
        self.asm.pop(SCRATCH);
        self.asm.pop(Gpr::RBP);
        self.asm.jmp_reg(SCRATCH);
    }
}
