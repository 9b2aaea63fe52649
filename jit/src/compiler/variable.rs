//! Locals and globals.

use super::Compiler;
use super::state::{Loc, Owner, Place};
use super::stored::Stored;
use super::values::{At, Value};
use crate::abi::{Builtin, CONTEXT, SCRATCH};
use crate::asm::{Alu, Cond, Mem, Section, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, ValType};

/// So many locals may be constants: every label looks at them.
const CONST_LOCALS_MAX: usize = 64;

impl Compiler<'_> {
    pub(crate) fn local_get(&mut self, local: u32) {
        self.locals[local as usize].aliases += 1;
        let info = &self.locals[local as usize];
        let ty = info.ty;
        self.push_operand(ty, Place::Alias(local));
    }

    pub(crate) fn local_set(&mut self, local: u32) {
        let value = self.pop();
        self.assign(local, value);
    }

    pub(crate) fn local_tee(&mut self, local: u32) {
        // The operand keeps its own, perhaps narrower type: reads of it need fewer checks.
        let value = self.pop();
        let ty = value.ty;
        self.assign(local, value);
        self.locals[local as usize].aliases += 1;
        self.push_operand(ty, Place::Alias(local));
    }

    fn assign(&mut self, local: u32, mut value: Value) {
        if self.locals[local as usize].aliases > 0 && value.at != self.at_of(local) {
            self.settle_aliases_of(local);
        }
        let info = self.locals[local as usize];
        if let (true, Loc::Reg { reg, .. }) = (info.pinned, info.loc) {
            if value.reg() != Some(reg) {
                value.ty = info.ty;
                self.load_value(reg, &value);
                self.release_value(&value);
            }
            return;
        }
        if matches!(value.at, At::Local(_, same) | At::Home(same) if same == local) {
            return;
        }
        match info.loc {
            Loc::Reg { reg, .. } => self.regs.free(reg),
            Loc::Const(_) => self.const_locals.retain(|l| *l != local),
            Loc::Slot => {}
        }
        self.locals[local as usize].loc = Loc::Slot;
        // Without a frame there is no home slot that it could settle in.
        let has_room = self.const_locals.len() < CONST_LOCALS_MAX && self.framed;
        if let (At::Const(bits), true) = (value.at, info.ty != ValType::V128 && has_room) {
            self.locals[local as usize].loc = Loc::Const(bits);
            self.locals[local as usize].is_stored = false;
            self.const_locals.push(local);
            return;
        }
        value.ty = info.ty;
        let reg = self.owned(&mut value);
        self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
        self.locals[local as usize].loc = Loc::Reg { reg, dirty: true };
    }

    fn at_of(&self, local: u32) -> At {
        match self.locals[local as usize].loc {
            Loc::Reg { reg, .. } => At::Local(reg, local),
            Loc::Const(bits) => At::Const(bits),
            Loc::Slot => At::Home(local),
        }
    }

    /// Operands that stand for a local which is about to change become values of their own.
    fn settle_aliases_of(&mut self, local: u32) {
        for height in (self.closed..self.stack.len()).rev() {
            if self.stack[height].place == Place::Alias(local) {
                let taken = self.regs.locked;
                self.settle_aliases(height, height + 1);
                self.regs.locked = taken;
                if self.locals[local as usize].aliases == 0 {
                    break;
                }
            }
        }
    }

    // ---- globals

    /// Where a global's cell lies: in the context, or behind a pointer there (in the scratch register).
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
        self.load_reg(ty, dst, cell);
        self.push_result(ty, dst);
    }

    pub(crate) fn global_set(&mut self, global: u32) {
        let ty = self.info.globals[global as usize].val;
        let mut value = self.pop();
        value.ty = ty;
        // The cell's address may need the scratch register, so the value is in a register of its own (or small).
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
        let refs = self.safepoint_refs();
        self.call_slow(Builtin::LogGlobal, refs);
        self.asm.jmp(resume);
        self.asm.switch(was);
    }
}
