//! Operands as chapters see them: the functions of [`Values`](super::values::Values) that most instructions are made
//! of, emitting at the compiler's own position.

use super::parts::Compiler;
use super::values::{Moves, Reg, Stored, Value};
use crate::abi::{Gpr, Xmm};
use crate::asm::{Cond, Mem, Width};
use crate::operators::Facts;
use heapwood_module::ValType;

impl Compiler<'_> {
    // ---- the operand stack

    pub(super) fn pop(&mut self) -> Value {
        self.values.pop()
    }

    pub(super) fn push_const(&mut self, ty: ValType, bits: u64) {
        self.values.push_const(ty, bits);
    }

    /// Pushes a register that the instruction owns.
    pub(super) fn push_reg(&mut self, ty: ValType, reg: Reg) {
        self.values.push_reg(ty, reg);
    }

    /// Pushes the result of an instruction that asked for `dst` by [`Self::result_reg`].
    pub(super) fn push_result(&mut self, ty: ValType, dst: Reg) {
        self.values.push_result(ty, dst);
    }

    /// Pushes a popped value back, with a type.
    pub(super) fn push_value(&mut self, ty: ValType, value: Value) {
        self.values.push_value(self.asm, ty, value);
    }

    /// Pushes a condition that is in the flags: as such if the next operator wants it, else as 0 or 1.
    pub(super) fn push_condition(&mut self, cond: Cond) {
        if self.cursor.wants_flags() {
            self.cursor.must(Facts::COMPARE, "a result in the flags");
            return self.values.push_flags(cond);
        }
        let dst = self.result_reg(ValType::I32, None, &[]);
        self.asm.setcc(cond, dst.as_gpr());
        self.asm.movzx(Width::W8, dst.as_gpr(), dst.as_gpr());
        self.push_result(ValType::I32, dst);
    }

    // ---- registers

    /// A register that the instruction owns; evicts if none is free.
    pub(super) fn take(&mut self, xmm: bool) -> Reg {
        self.values.take(self.asm, xmm)
    }

    pub(super) fn take_gpr(&mut self) -> Gpr {
        self.values.take_gpr(self.asm)
    }

    pub(super) fn take_xmm(&mut self) -> Xmm {
        self.values.take_xmm(self.asm)
    }

    pub(super) fn release(&mut self, reg: Reg) {
        self.values.release(reg);
    }

    pub(super) fn release_value(&mut self, value: &Value) {
        self.values.release_value(value);
    }

    /// Unlocks the registers of locals but for those of `values`: the instruction has read the others.
    pub(super) fn keep_locked(&mut self, values: &[&Value]) {
        self.values.keep_locked(values);
    }

    /// A register for the result: the pinned register of the local that is set next if `avoid` does not need it
    /// (it may be written only when all inputs but `first` are consumed), else `first`'s own, else a new one.
    pub(super) fn result_reg(&mut self, ty: ValType, first: Option<&Value>, avoid: &[Option<Reg>]) -> Reg {
        let goes_to = self.cursor.result_local();
        self.values.result_reg(self.asm, goes_to, ty, first, avoid)
    }

    // ---- popped values

    /// The value in some register, which must not be written unless owned.
    pub(super) fn in_reg(&mut self, value: &mut Value) -> Reg {
        self.values.in_reg(self.asm, value)
    }

    pub(super) fn in_gpr(&mut self, value: &mut Value) -> Gpr {
        self.values.in_gpr(self.asm, value)
    }

    pub(super) fn in_xmm(&mut self, value: &mut Value) -> Xmm {
        self.values.in_xmm(self.asm, value)
    }

    /// The value in a register that the instruction owns and may overwrite.
    pub(super) fn owned(&mut self, value: &mut Value) -> Reg {
        self.values.owned(self.asm, value)
    }

    /// Writes a popped value into a register.
    pub(super) fn load_value(&mut self, reg: Reg, value: &Value) {
        self.values.load_value(self.asm, reg, value);
    }

    /// The memory operand of a value that lies in a slot.
    pub(super) fn value_mem(&self, value: &Value) -> Mem {
        self.values.value_mem(value)
    }

    /// Gets a value ready for [`Self::store_value`]: into a register, or it is a constant that the store holds itself.
    /// The scratch register may be used for the place afterwards.
    pub(super) fn prepare_stored(&mut self, to: Stored, value: &mut Value) {
        self.values.prepare_stored(self.asm, to, value);
    }

    /// Stores a value that was made ready. One instruction; uses no scratch register.
    pub(super) fn store_value(&mut self, to: Stored, mem: Mem, value: &Value) {
        value.store(self.asm, to, mem);
    }

    /// Performs the moves. Memory destinations must not overlap memory sources of later moves.
    pub(super) fn parallel_move(&mut self, moves: &Moves) {
        self.values.parallel_move(self.asm, moves);
    }

    // ---- the context

    /// Makes sure that r14 holds the context.
    pub(super) fn need_context(&mut self) {
        self.values.need_context(self.asm);
    }
}
