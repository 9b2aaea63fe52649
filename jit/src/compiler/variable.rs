//! Locals and globals.

use super::parts::Compiler;
use super::values::Stored;
use crate::abi::{Builtin, CONTEXT, SCRATCH};
use crate::asm::{Alu, Cond, Mem, Section, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ContextLayout;

impl Compiler<'_> {
    pub(crate) fn local_get(&mut self, local: u32) {
        self.values.local_get(local);
    }

    pub(crate) fn local_set(&mut self, local: u32) {
        self.values.local_set(self.asm, local);
    }

    pub(crate) fn local_tee(&mut self, local: u32) {
        self.values.local_tee(self.asm, local);
    }

    // ---- globals

    /// The memory operand of a global's cell: in the context, or behind a pointer in the context, which is loaded into
    /// the scratch register.
    fn global_cell(&mut self, global: u32) -> Mem {
        self.need_context();
        let at = Mem::base(CONTEXT, self.env.context.global_offset(global).narrow());
        if global < self.info.imported_globals {
            self.asm.load(Width::W64, SCRATCH, at);
            Mem::base(SCRATCH, 0)
        } else {
            at
        }
    }

    pub(crate) fn global_get(&mut self, global: u32) {
        let ty = self.info.globals[global as usize].val;
        let dst = self.result_reg(ty, None, &[]);
        let cell = self.global_cell(global);
        self.asm.load_reg(ty, dst, cell);
        self.push_result(ty, dst);
    }

    pub(crate) fn global_set(&mut self, global: u32) {
        let ty = self.info.globals[global as usize].val;
        let mut value = self.pop();
        value.ty = ty;
        // The cell's address may need the scratch register, so the value is in another register, or a small constant.
        let to = Stored::value(ty);
        self.prepare_stored(to, &mut value);
        let cell = self.global_cell(global);
        if ty.is_ref() && !active(Mutant::GlobalSetNotLogged) {
            self.log_global(cell);
        }
        self.store_value(to, cell, &value);
        self.release_value(&value);
    }

    /// The remembered set of globals: the first store since the last collection goes out of line.
    fn log_global(&mut self, cell: Mem) {
        let state = cell.plus(ContextLayout::GLOBAL_STATE.narrow());
        let (cold, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.alu_mi(Width::W32, Alu::Cmp, state, 0);
        self.asm.jcc(Cond::E, cold);
        self.asm.bind(resume);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.asm.lea(Width::W64, SCRATCH, cell);
        let refs = self.values.safepoint_refs();
        self.call_slow(Builtin::LogGlobal, refs);
        self.asm.jmp(resume);
        self.asm.switch(was);
    }
}
