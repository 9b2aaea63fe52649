//! Calls of guests and of the runtime, and the safe points that they make.

use super::parts::Compiler;
use super::values::{Dest, Move, MoveSource, Moves, Reg, Stored, Value, in_xmm};
use crate::abi::{
    ArgType, Builtin, BuiltinKind, CONTEXT, CallLayout, CountedCall, Gpr, HEAP_BASE, RelocationTarget, SCRATCH,
    SafePoint, TrapKind,
};
use crate::asm::{Alu, Cond, Imm, Mem, Section, Width};
use crate::operators::Facts;
use heapwood_gc_abi::{Mutant, Narrow, active, hot, layout};
use heapwood_module::{ContextLayout, HeapType, RefType, TypeIndex, ValType};

impl Compiler<'_> {
    // ---- safe points

    /// Records a safe point at the return address just reached.
    fn note_safe_point(&mut self, ref_count: u32, gpr_mask: u16, handler: Option<u32>) {
        #[cfg(feature = "test-hooks")]
        let ref_count = ref_count - (self.env.options.drop_last_slot && ref_count > 0) as u32;
        let (body, wasm_offset) = self.cursor.origin();
        let point = SafePoint {
            pc: 0,
            ref_count,
            gpr_mask,
            frameless: !self.values.is_framed(),
            handler: SafePoint::NO_HANDLER,
            wasm_offset,
            body,
        };
        self.tables.safe_point(self.asm, handler, point);
    }

    /// Calls a slow-path stub: its argument is in r11; all registers survive. No state changes.
    pub(crate) fn call_slow(&mut self, builtin: Builtin, ref_count: u32) {
        assert_eq!(builtin.kind(), BuiltinKind::Slow);
        self.cursor.must(Facts::SLOW, "a slow path");
        self.may_collect(builtin);
        self.asm.call_mem(builtin_entry(builtin));
        let refs = if active(Mutant::SlowPathHidesRegisters) { 0 } else { self.values.ref_gprs() };
        self.note_safe_point(ref_count, refs, None);
    }

    // ---- before a call

    /// Moves everything that a call clobbers to memory, but for the operands from `keep` on, which the caller of this
    /// function moves itself.
    pub(crate) fn flush_for_call(&mut self, keep: usize) {
        self.need_frame();
        let may_throw_here = self.flow.handler().is_some();
        self.values.flush_for_call(self.asm, self.flow.settled(), keep, may_throw_here);
    }

    /// Asserts that the operator declares that it may collect, if the entry may.
    fn may_collect(&self, builtin: Builtin) {
        if builtin.collects() {
            self.cursor.must(Facts::COLLECTS, "a collection");
        }
    }

    /// After the call: nothing is left in the registers that it clobbers.
    fn forget_clobbered(&mut self) {
        self.cursor.must(Facts::CALLS, "a call");
        assert!(self.has_calls, "the analysis did not see this call");
        self.values.forget_clobbered();
    }

    // ---- guest calls

    pub(crate) fn call(&mut self, function: u32) {
        if let Some((_, callee)) = self.take_inlined() {
            return self.inline(function, callee);
        }
        self.call_out_of_line(function);
    }

    /// A call of a function that is not inlined.
    pub(super) fn call_out_of_line(&mut self, function: u32) {
        let ty = self.info.functions[function as usize];
        let layout = self.call_layout(ty);
        self.move_arguments(ty, &layout);
        if function < self.info.imported_functions {
            self.load_callee(Callee::Function(function));
            self.asm.call_reg(SCRATCH);
        } else {
            self.need_context();
            self.asm.call_rip();
            self.relocate(RelocationTarget::FunctionSlot(function));
        }
        self.after_call(ty, &layout);
    }

    pub(crate) fn call_layout(&self, ty: TypeIndex) -> CallLayout {
        let ty = self.info.types.func(ty);
        CallLayout::new(&ty.params, &ty.results)
    }

    /// Pops the arguments into their places.
    fn move_arguments(&mut self, ty: TypeIndex, layout: &CallLayout) {
        let params = &self.info.types.func(ty).params;
        let from = self.values.height() - params.len();
        self.flush_for_call(from);
        self.frame.need_outgoing(layout.arg_bytes + layout.result_bytes);
        let moves = self.values.place_moves(from, &layout.params, Gpr::RSP, 0);
        self.parallel_move(&moves);
        self.values.pop_many(params.len());
    }

    /// What follows a call: the safe point, the repair of rsp, and the results.
    fn after_call(&mut self, ty: TypeIndex, layout: &CallLayout) {
        self.cursor.must(Facts::COLLECTS, "a collection in a guest");
        self.forget_clobbered();
        self.values.forget_context();
        let refs = self.values.safepoint_refs();
        let refs = refs.saturating_sub(active(Mutant::LastSlotOfCallMissing) as u32);
        self.note_safe_point(refs, 0, self.flow.handler());
        let results = &self.info.types.func(ty).results;
        let popped = layout.arg_bytes;
        let mut moves = Moves::new();
        for (result, place) in results.iter().zip(&layout.results) {
            // rsp now points at the results on the stack.
            moves.extend(self.values.push_returned(self.asm, *result, *place, Gpr::RSP));
        }
        self.parallel_move(&moves);
        if popped != 0 {
            self.restore_rsp();
        }
    }

    /// `call_ref`: the function reference is on top. Functions that the plan inlines come first, each behind a
    /// comparison.
    pub(crate) fn call_ref(&mut self, ty: TypeIndex) {
        let mut guards = 0;
        while let Some((function, callee)) = self.take_inlined() {
            self.inline_guarded(ty, function, callee);
            if self.error.is_some() {
                return;
            }
            guards += 1;
        }
        self.call_ref_out_of_line(ty);
        for _ in 0..guards {
            self.values.end_instruction();
            self.end_block();
        }
    }

    /// A call of a function reference that is none of the functions that are inlined.
    fn call_ref_out_of_line(&mut self, ty: TypeIndex) {
        let mut callee = self.pop();
        let layout = self.call_layout(ty);
        self.callee_to_context(&mut callee);
        if self.env.options.count_targets {
            self.count_target();
        }
        self.move_arguments(ty, &layout);
        self.load_callee(Callee::NullableObject);
        self.asm.call_reg(SCRATCH);
        self.after_call(ty, &layout);
    }

    /// Tells the runtime what the call is of, while the function counts: the reference is in r14.
    fn count_target(&mut self) {
        let call = self.tables.count_call(CountedCall { body: self.cursor.body(), op: self.cursor.op() });
        self.asm.load_rip(SCRATCH);
        self.relocate(RelocationTarget::CountingWord(self.function));
        self.asm.test_zero(Width::W64, SCRATCH);
        let (count, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.jcc(Cond::Ne, count);
        self.asm.bind(resume);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(count);
        self.with_facts(Facts::SLOW, |compiler| {
            compiler.asm.mov_ri(SCRATCH, u64::from(call) << 32);
            compiler.asm.alu_rr(Width::W64, Alu::Or, SCRATCH, CONTEXT);
            compiler.call_slow(Builtin::CountTarget, compiler.values.safepoint_refs());
        });
        self.asm.jmp(resume);
        self.asm.switch(was);
    }

    /// Parks the callee in r14, which no argument uses.
    pub(super) fn callee_to_context(&mut self, callee: &mut Value) {
        self.load_value(Reg::gpr(CONTEXT), callee);
        self.values.forget_context();
        self.release_value(callee);
        self.values.unlock_all();
    }

    /// The callee's code in the scratch register and its context in r14.
    pub(super) fn load_callee(&mut self, callee: Callee) {
        match callee {
            Callee::Function(function) if function < self.info.imported_functions => {
                self.need_context();
                let at: i32 = self.env.context.imported_function_offset(function).narrow();
                let code = at + ContextLayout::IMPORTED_FUNCTION_CODE.narrow::<i32>();
                let context = at + ContextLayout::IMPORTED_FUNCTION_CONTEXT.narrow::<i32>();
                self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, code));
                self.asm.load(Width::W64, CONTEXT, Mem::base(CONTEXT, context));
            }
            Callee::Function(function) => {
                self.need_context();
                self.asm.load_rip(SCRATCH);
                self.relocate(RelocationTarget::FunctionSlot(function));
            }
            Callee::Object | Callee::NullableObject => {
                let object = |offset: u32| Mem::indexed(HEAP_BASE, CONTEXT, 2, offset.narrow());
                if callee == Callee::NullableObject {
                    self.trap_site(TrapKind::NullFunction);
                }
                self.asm.load(Width::W64, SCRATCH, object(layout::FUNC_CODE_OFFSET));
                self.asm.load(Width::W32, CONTEXT, object(layout::FUNC_CONTEXT_OFFSET));
                self.asm.lea(Width::W64, CONTEXT, Mem::indexed(HEAP_BASE, CONTEXT, 2, 0));
            }
        }
    }

    /// `call_indirect`: the index is on top.
    pub(crate) fn call_indirect(&mut self, ty: TypeIndex, table: u32) {
        let layout = self.call_layout(ty);
        self.table_callee(ty, table);
        self.move_arguments(ty, &layout);
        self.load_callee(Callee::Object);
        self.asm.call_reg(SCRATCH);
        self.after_call(ty, &layout);
    }

    /// Pops a table index; the function of that type there goes to r14, all checks made.
    pub(super) fn table_callee(&mut self, ty: TypeIndex, table: u32) {
        let mut index = self.pop();
        let reg = self.owned(&mut index).as_gpr();
        let cell = self.table_cell(table);
        let out = self.trap_label(TrapKind::UndefinedElement);
        self.asm.alu_rm(Width::W64, Alu::Cmp, reg, cell.plus(ContextLayout::TABLE_LENGTH.narrow()));
        self.asm.jcc(if active(Mutant::IndirectCallAtLength) { Cond::A } else { Cond::Ae }, out);
        self.asm.load(Width::W64, SCRATCH, cell.plus(ContextLayout::TABLE_ELEMENTS.narrow()));
        self.asm.load(Width::W32, reg, Mem::indexed(SCRATCH, reg, 2, 0));
        let element = self.info.tables[table as usize].element;
        let wanted = RefType::new(true, HeapType::Type(ty));
        if self.info.types.ref_is_subtype(element, wanted) || active(Mutant::IndirectCallOfAnyType) {
            self.asm.test_rr(Width::W32, reg, reg);
            let null = self.trap_label(TrapKind::UninitializedElement);
            self.asm.jcc(Cond::E, null);
        } else {
            // The function is an operand while its type is checked, since a deep type is checked by a call.
            self.push_reg(ValType::Ref(element), Reg::gpr(reg));
            let fail = self.trap_label(TrapKind::IndirectCallTypeMismatch);
            self.trap_site(TrapKind::UninitializedElement);
            self.check_type_id(reg, ty, fail);
            index = self.pop();
        }
        self.callee_to_context(&mut index);
    }

    // ---- runtime calls

    /// Calls an entry of the runtime with operands from the top of the stack after the constants in `leading`. The
    /// operands are consumed; the result, if wanted, is pushed as `result`.
    pub(crate) fn call_builtin<const LEADING: usize>(
        &mut self,
        entry: Entry<LEADING>,
        leading: [Arg; LEADING],
        result: Option<ValType>,
    ) {
        let Entry { builtin, operands } = entry;
        self.may_collect(builtin);
        self.check_arguments(builtin, &leading, operands);
        let from = self.values.height() - operands;
        self.flush_for_call(from);
        self.need_context();
        self.frame.need_outgoing((8 * (leading.len() + operands)).narrow());
        let mut moves = Moves::new();
        for k in 0..operands {
            let to = Dest::Mem(Mem::base(Gpr::RSP, (8 * (leading.len() + k)).narrow()));
            let source = self.values.operand_source(from + k);
            let ty = self.values.type_of(from + k);
            match (source, to) {
                // The runtime reads whole words.
                (MoveSource::Mem(mem), Dest::Mem(to)) if Stored::value(ty).width() == Some(Width::W32) => {
                    self.asm.load(Width::W32, SCRATCH, mem);
                    self.asm.store(Width::W64, to, SCRATCH);
                }
                _ => moves.push(Move { ty: widened(ty, &source), from: source, to }),
            }
        }
        self.parallel_move(&moves);
        for (k, arg) in leading.iter().enumerate() {
            let to = Mem::base(Gpr::RSP, (8 * k).narrow());
            match arg {
                // The runtime reads the lower half of an `ArgType::U32`, so the sign in the upper half does no harm.
                Arg::Number(n) => self.asm.store_imm(to, Imm::B64(n.cast_signed())),
                Arg::TypeId(ty) => {
                    self.asm.store_imm32(to);
                    self.relocate(RelocationTarget::TypeId(*ty));
                }
            }
        }
        self.values.pop_many(operands);
        self.asm.call_mem(builtin_entry(builtin));
        self.forget_clobbered();
        self.note_safe_point(self.values.safepoint_refs(), 0, self.flow.handler());
        if let Some(ty) = result {
            self.push_reg(ty, Reg::gpr(Gpr::RAX));
        }
    }

    /// Asserts that arguments have the types that the table says.
    fn check_arguments(&self, builtin: Builtin, leading: &[Arg], operands: usize) {
        let (first, rest) = builtin.args().split_at(leading.len());
        for (arg, (name, ty)) in leading.iter().zip(first) {
            let fits = *ty == if matches!(arg, Arg::TypeId(_)) { ArgType::TypeId } else { ArgType::U32 };
            assert!(fits, "{name} of {builtin:?} is {arg:?}");
        }
        let from = self.values.height() - operands;
        for (height, (name, ty)) in (from..self.values.height()).zip(rest) {
            let operand = self.values.type_of(height);
            let fits = match ty {
                ArgType::U32 => operand == ValType::I32,
                ArgType::RawRef => operand.is_ref(),
                // Addresses and sizes of either width, and the bits of any value that is in a general register.
                ArgType::U64 => !in_xmm(operand),
                ArgType::TypeId => panic!("{name} of {builtin:?} is no operand"),
            };
            assert!(fits, "{name} of {builtin:?} is {operand:?}");
        }
    }

    /// In the cold section: calls an entry of the runtime in the middle of an instruction; all values survive in
    /// their places (saved around the call, references where the collector finds them). `args` are registers or
    /// constants, the entry's operands already stand in the outgoing area; the result ends in `result`.
    pub(crate) fn cold_call<const LEADING: usize>(
        &mut self,
        entry: Entry<LEADING>,
        args: [ColdArg; LEADING],
        result: Gpr,
    ) {
        let builtin = entry.builtin;
        assert!(self.asm.section() == Section::Cold);
        self.cursor.must(Facts::SAVES_CONTEXT, "a call out of line");
        assert!(self.values.saves_context(), "the analysis did not see this call out of line");
        self.may_collect(builtin);
        self.values.load_context(self.asm);
        let (ref_count, saved) = self.values.save_all(self.asm);
        self.frame.need_outgoing((8 * args.len()).narrow());
        for (k, arg) in args.iter().enumerate() {
            let to = Mem::base(Gpr::RSP, (8 * k).narrow());
            match arg {
                ColdArg::Reg(gpr) => self.asm.store(Width::W64, to, *gpr),
                ColdArg::TypeId(ty) => {
                    self.asm.store_imm32(to);
                    self.relocate(RelocationTarget::TypeId(*ty));
                }
            }
        }
        self.asm.call_mem(builtin_entry(builtin));
        self.note_safe_point(ref_count, 0, None);
        if result != Gpr::RAX {
            self.asm.mov_rr(Width::W64, result, Gpr::RAX);
        }
        for value in &saved {
            value.load(self.asm, result);
        }
    }
}

/// An entry of the runtime that is called, with its number of arguments checked when Heapwood is compiled ([`entry`]).
#[derive(Clone, Copy)]
pub(crate) struct Entry<const LEADING: usize> {
    builtin: Builtin,
    operands: usize,
}

impl<const LEADING: usize> Entry<LEADING> {
    /// An entry that takes `LEADING` constants and then `operands` operands. Panics, when Heapwood is compiled, if the
    /// table says otherwise.
    pub(crate) const fn new(builtin: Builtin, operands: usize) -> Entry<LEADING> {
        assert!(matches!(builtin.kind(), BuiltinKind::Call), "slow paths are not called like this");
        assert!(builtin.args().len() == LEADING + operands, "another number of arguments than the table says");
        Entry { builtin, operands }
    }
}

/// `entry!(TableGrow, 2)`: an entry of which two arguments are operands.
macro_rules! entry {
    ($name:ident, $operands:literal) => {
        const { $crate::compiler::call::Entry::new($crate::abi::Builtin::$name, $operands) }
    };
}
pub(crate) use entry;

/// What a call calls; function objects are in r14.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Callee {
    /// The function with this index.
    Function(u32),
    /// A function object.
    Object,
    /// A function object or null, which traps.
    NullableObject,
}

/// A leading argument of a runtime call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    Number(u32),
    TypeId(TypeIndex),
}

/// An argument of a cold call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ColdArg {
    Reg(Gpr),
    TypeId(TypeIndex),
}

/// The word of an entry in the builtin table.
fn builtin_entry(builtin: Builtin) -> Mem {
    Mem::base(HEAP_BASE, hot::BUILTIN_TABLE + 8 * builtin as i32)
}

/// Arguments of the runtime are 64-bit words: the upper half of a 32-bit value is written as well.
fn widened(ty: ValType, source: &MoveSource) -> ValType {
    match (ty, source) {
        (ValType::I32 | ValType::Ref(_), MoveSource::Reg(_) | MoveSource::Const(_)) => ValType::I64,
        _ => ty,
    }
}
