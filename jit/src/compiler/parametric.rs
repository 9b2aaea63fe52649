//! `drop` and `select`.

use super::control::Condition;
use super::parts::Compiler;
use super::values::width;
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;

impl Compiler<'_> {
    pub(crate) fn drop_value(&mut self) {
        let value = self.pop();
        self.release_value(&value);
    }

    /// `select`; with a type, the result has that type.
    pub(crate) fn select(&mut self, ty: Option<ValType>) {
        let condition = self.pop_condition();
        // The register of the condition is free from here on, since nothing below changes the flags.
        let cond = self.test_condition(&condition);
        self.release_condition(&condition);
        if !active(Mutant::ConditionKeepsItsRegister) {
            self.keep_locked(&[]);
        }
        let mut second = self.pop();
        let mut first = self.pop();
        let ty = ty.unwrap_or(first.ty);
        let Some(cond) = cond else {
            let chosen = matches!(condition, Condition::Always(true));
            let (keep, other) = if chosen { (first, second) } else { (second, first) };
            self.release_value(&other);
            return self.push_value(ty, keep);
        };
        first.ty = ty;
        second.ty = ty;
        let other = self.in_reg(&mut second);
        let dst = self.owned(&mut first);
        if dst.is_xmm() {
            let keep = self.asm.new_label();
            self.asm.jcc(cond, keep);
            self.asm.move_reg(ty, dst, other);
            self.asm.bind(keep);
        } else {
            let w = width(ty);
            self.asm.cmov(w, cond.negate(), dst.as_gpr(), other.as_gpr());
        }
        self.release_value(&second);
        self.push_reg(ty, dst);
    }
}
