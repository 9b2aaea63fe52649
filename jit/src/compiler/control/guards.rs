//! Guards: a comparison of a function reference with a function, and what comes in place of a call of it.
//!
//! A guard is an `if` around the call: one arm is the function's body, the other one is the call, or the next guard.
//! The function is compared as an object, which the instance's context holds; so what equals it is this instance's.

use super::flow::BlockSignature;
use crate::abi::{CONTEXT, Gpr};
use crate::asm::{Alu, Cond, Mem, Section, Width};
use crate::compiler::parts::Compiler;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{HeapType, RefType, TypeIndex, ValType};

impl Compiler<'_> {
    /// Begins the arm in which the reference on top of the stack, which is dropped, is that of a function; its
    /// arguments are on top then. [`Compiler::begin_else`] begins the other one, where both are there; it rarely runs
    /// if it has no other guard.
    pub(crate) fn begin_guard(&mut self, ty: TypeIndex, function: u32, is_last: bool) {
        let signature = BlockSignature::Guard(ty);
        let settled = self.settle_for_arms(&signature);
        let reference = self.reference_in_register(ty);
        self.need_context();
        let object = self.env.context.function_object_offset(function).expect("a function that is referenced escapes");
        self.asm.alu_rm(Width::W32, Alu::Cmp, reference, Mem::base(CONTEXT, object.narrow()));
        let other = self.asm.new_label();
        self.asm.jcc(if active(Mutant::GuardInverted) { Cond::E } else { Cond::Ne }, other);
        let is_rare = is_last && self.asm.section() == Section::Hot;
        self.enter_if(signature, settled, (other, None), is_rare);
        let reference = self.pop();
        self.release_value(&reference);
        self.values.end_instruction();
    }

    /// The reference on top of the stack in a register, as which it stays there.
    fn reference_in_register(&mut self, ty: TypeIndex) -> Gpr {
        let mut reference = self.pop();
        let reg = self.owned(&mut reference);
        self.push_reg(ValType::Ref(RefType::new(true, HeapType::Type(ty))), reg);
        self.values.end_instruction();
        reg.as_gpr()
    }
}
