//! Inlined bodies: compiled in place of a call of their function, in the frame of the function around them.
//!
//! 1. The body is a scope of its own ([`super::values`]): its parameters are the operands of the call, wherever they
//!    are, and its other locals have homes behind those of the scopes around it. When it is over, its results are
//!    operands, and its homes are free.
//! 2. It is a block: its control frame takes the results, and a `return` is a branch there. Where nothing but its end
//!    leads there, nothing is settled where it begins.
//!    A condition that it ends with may stay in the flags, if what follows the call takes it from there.
//! 3. Its operators have a cursor of their own; safe points and traps name the body.
//! 4. It has no prologue: the stack is compared, and interrupts are polled, where the function around it begins and
//!    where loops do. It pays fuel at its entry as the function does that is called.
//! 5. An arm that never comes back may be left out: it is a call of the function there.
//! 6. Exceptions that its calls throw go to the landing pad that is open around the call in whose place it is.

use super::control::BlockSignature;
use super::cursor::Cursor;
use super::parts::Compiler;
use super::values::BodyLocal;
use crate::abi::InlinedBody;
use crate::analysis::{read_locals, types_of};
use crate::inlining::Callee;
use crate::operators::Facts;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType;
use wasmparser::{BinaryReader, FrameKind, WasmFeatures};

impl<'a> Compiler<'a> {
    /// The function that is inlined in place of the current call, or the next one, if the plan says so; by its index
    /// among all functions.
    pub(super) fn take_inlined(&mut self) -> Option<(u32, &'a Callee)> {
        let defined = self.plan.inlined(self.inlined, self.cursor.body(), self.cursor.op())?;
        self.inlined += 1;
        let callee = self.env.callees.and_then(|callees| callees.inlined(defined));
        Some((self.info.imported_functions + defined, callee.expect("what was planned is known")))
    }

    /// The position of the innermost inlined body's control frame.
    pub(super) fn body_frame(&self) -> usize {
        *self.bodies.last().expect("an inlined body is open")
    }

    /// Compiles the body of a function in place of a call of it; the arguments are on top of the stack.
    pub(super) fn inline(&mut self, function: u32, callee: &'a Callee) {
        self.need_frame();
        let info = self.info;
        let ty = info.functions[function as usize];
        let params = &info.types.func(ty).params;
        let range = callee.range.clone();
        let mut reader = BinaryReader::new_features(&info.bytes[range.clone()], range.start, WasmFeatures::all());
        let groups = read_locals(&mut reader).expect("the analysis read them");
        let (defined, call_offset) = (function - info.imported_functions, self.cursor.offset());
        let body = self.tables.open_body(InlinedBody { function: defined, call_offset, outer: self.cursor.body() });
        assert_eq!(usize::from(body), self.inlined, "bodies have the numbers of the plan's entries");
        let hints = info.branch_hints.of(function);
        let cursor = Cursor::new(&callee.found, hints, range.start.narrow()).inlined(body, &mut self.cursor);
        let outer = std::mem::replace(&mut self.cursor, cursor);
        self.open_body_scope(params, params.iter().copied().chain(types_of(&groups)));
        self.enter_body(ty);
        let cost = if active(Mutant::InlinedEntryNotPaid) { 0 } else { callee.found.costs.entry() };
        if callee.found.early_exit.is_none() {
            self.pay_and_check_at_entry(cost, self.values.safepoint_refs());
        } else {
            self.pay(cost);
        }
        if let Err(error) = self.compile_operators(reader, range.end) {
            self.error = Some(error);
            return;
        }
        self.bodies.pop();
        self.values.close_body(self.asm);
        self.cursor = outer;
    }

    /// In place of a call of the function reference on top of the stack, where that is a function: its body. The state
    /// is that of the call where it is another one.
    pub(super) fn inline_guarded(&mut self, ty: u32, function: u32, callee: &'a Callee) {
        let is_last = !self.plan.has_more(self.inlined, self.cursor.body(), self.cursor.op());
        self.begin_guard(ty, function, is_last);
        self.inline(function, callee);
        if self.error.is_none() {
            self.begin_else();
        }
    }

    /// In place of an arm of the innermost inlined body that is left out: its function is called with the parameters as
    /// they are, and does not come back ([`crate::analysis`]).
    pub(super) fn leave_by_call(&mut self) {
        let InlinedBody { function, call_offset, outer } = self.tables.body(self.cursor.body());
        let function = self.info.imported_functions + function;
        let params: u32 = self.info.function_type(function).params.len().narrow();
        // The frame is that of a call in the body around the inlined one.
        self.cursor.set_origin(Some((outer, call_offset)));
        self.with_facts(Facts::CALL.or(Facts::COLLECTS).or(Facts::TRAPS), |compiler| {
            for param in 0..params {
                compiler.local_get(param);
                compiler.values.end_instruction();
            }
            compiler.call_out_of_line(function);
            compiler.unreachable_op();
        });
        self.cursor.set_origin(None);
    }

    fn open_body_scope(&mut self, params: &[ValType], types: impl Iterator<Item = ValType> + Clone) {
        let found = self.cursor.analysis();
        let locals = types.enumerate().map(|(index, ty)| BodyLocal {
            ty,
            last_use: found.last_use[index],
            weight: found.weight[index],
            is_written: found.writes(index),
            starts_zero: index >= params.len() && found.needs_zero[index],
        });
        self.values.open_scope(self.asm, params.len(), locals);
        self.values.end_instruction();
    }

    /// Opens the body's control frame.
    fn enter_body(&mut self, ty: u32) {
        let mut settled = self.flow.settled();
        if self.cursor.analysis().early_leaves > 0 {
            settled = self.values.settle_operands(self.asm, settled, self.values.height());
        }
        self.enter(FrameKind::Block, BlockSignature::Body(ty), settled);
        self.bodies.push(self.flow.top());
    }
}
