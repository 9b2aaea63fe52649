//! Scopes: the locals of the body that is being compiled, and of those around it.
//!
//! A function is a scope whose parameters are operands where its caller left them. A body that is compiled inside of
//! another one is a scope as well: its parameters are the operands of the call, wherever they are by then. A scope has
//! its own numbers of locals and operators; those of the scopes around it stay as they are until it is closed.

use super::Values;
use super::place::{Loc, Local, Operand, OperandPlace};
use super::registers::{Owner, Reg, bits, in_xmm};
use super::slots::Homes;
use crate::abi;
use crate::asm::Assembler;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType;
use smallvec::SmallVec;

/// A body that is being compiled, with its own numbers of locals and operators.
#[derive(Clone, Copy, Default)]
pub(super) struct Scope {
    /// The position of its local 0 among the locals of all scopes.
    first: u32,
    /// The operator that is being compiled.
    now: u32,
    /// The number of operands of the scopes around it.
    height: usize,
    /// The number of locals that the loops around it pin.
    pins: usize,
    /// Home slots that were handed out before it.
    homes: Homes,
}

/// What is known of a local before its body is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLocal {
    pub(crate) ty: ValType,
    /// The last operator that may read it, or 0.
    pub(crate) last_use: u32,
    /// Reads and writes, weighted by loop depth.
    pub(crate) weight: u32,
    /// Whether the body writes it.
    pub(crate) is_written: bool,
    /// It is no parameter, and is zero or null where the scope is opened. Those of the function are made so by its
    /// prologue.
    pub(crate) starts_zero: bool,
}

impl Values {
    /// Begins a function. Its slots lie below `saves` bytes of saved registers; there are home slots for `ref_locals`
    /// locals (of all its scopes) that are references, and slots for operands up to `height_max`. With `few_registers`,
    /// instructions get no registers that loops may pin.
    pub(crate) fn begin(
        &mut self,
        saves: u32,
        ref_locals: u32,
        height_max: u32,
        saves_context: bool,
        few_registers: bool,
    ) {
        debug_assert!(self.locals.is_empty() && self.stack.is_empty(), "the scopes of the last function are closed");
        self.slots.lay_out(saves, ref_locals, height_max, saves_context);
        self.context_valid = true;
        self.few_registers = few_registers;
    }

    /// Pushes a parameter of the function where its caller left it.
    pub(crate) fn push_arrived(&mut self, ty: ValType, place: abi::Place) {
        match place {
            abi::Place::Gpr(gpr) => self.push_reg(ty, Reg::gpr(gpr)),
            abi::Place::Xmm(xmm) => self.push_reg(ty, Reg::xmm(xmm)),
            abi::Place::Stack(at) => self.push_operand(ty, OperandPlace::Caller(at)),
        }
    }

    /// Opens the scope of a body whose first locals are the top `params` operands: it takes them over. The others are
    /// in their homes, which nobody has written yet, or are zero. A reference that arrived on the stack reaches its home
    /// with the frame. An argument that is a local of a scope around it stays that local's value if the body does not
    /// write the parameter.
    pub(crate) fn open_scope(
        &mut self,
        asm: &mut Assembler,
        params: usize,
        locals: impl Iterator<Item = BodyLocal> + Clone,
    ) {
        let height = self.stack.len() - params;
        let homes = self.slots.homes();
        let scope = Scope { first: self.locals.len().narrow(), now: 0, height, pins: self.loop_pins.len(), homes };
        // Arguments may be spilled here, so none has become a local yet.
        for (at, _) in (height..self.stack.len()).zip(locals.clone()).filter(|(_, local)| local.is_written) {
            self.settle_aliases(asm, at, at + 1);
        }
        for (index, local) in locals.enumerate() {
            let BodyLocal { mut ty, last_use, weight, is_written, starts_zero } = local;
            let argument = self.stack.get(height + index).copied();
            if let Some(argument) = argument.filter(|_| !is_written) {
                // A value that never changes has the type of the argument, which may be narrower.
                ty = argument.ty;
                if let OperandPlace::Alias(of) = argument.place {
                    self.stand_for(of, Local::new(ty, 0, Loc::Slot, last_use, weight));
                    continue;
                }
            }
            let argument = argument.map(|operand| operand.place);
            let home = match argument {
                Some(OperandPlace::Caller(at)) if !ty.is_ref() => 16 + at.narrow::<i32>(),
                _ => self.slots.home(ty),
            };
            let loc = match argument {
                Some(place) => self.take_argument(asm, height + index, place, home),
                None if starts_zero => {
                    self.const_locals.push(self.locals.len().narrow());
                    Loc::Const(0)
                }
                None => Loc::Slot,
            };
            self.locals.push(Local::new(ty, home, loc, last_use, weight));
        }
        self.stack.truncate(height);
        self.closed = self.closed.min(height);
        self.outer.push(std::mem::replace(&mut self.scope, scope));
    }

    /// The next local stands for one of a scope around it, of which an argument is the value.
    fn stand_for(&mut self, of: u32, local: Local) {
        let stood_for = &mut self.locals[of as usize];
        stood_for.aliases -= 1;
        stood_for.held += 1;
        self.locals.push(Local { stands_for: Some(of), ..local });
    }

    /// The operand at `height` becomes the next local, whose home is at an offset from rbp.
    fn take_argument(&mut self, asm: &mut Assembler, height: usize, place: OperandPlace, home: i32) -> Loc {
        let (ty, local) = (self.stack[height].ty, self.locals.len().narrow());
        match place {
            OperandPlace::Reg(reg) => {
                self.regs.set(reg, Owner::Local(local), ty.is_ref());
                Loc::Reg { reg, dirty: true }
            }
            OperandPlace::Const(bits) => {
                self.const_locals.push(local);
                Loc::Const(bits)
            }
            OperandPlace::Slot => {
                let slot = self.operand_mem(height);
                if let Some(reg) = self.take_free(in_xmm(ty)) {
                    asm.load_reg(ty, reg, slot);
                    self.regs.set(reg, Owner::Local(local), ty.is_ref());
                    return Loc::Reg { reg, dirty: true };
                }
                asm.copy_memory(ty, self.slots.home_to_write(ty, home), slot);
                Loc::Slot
            }
            OperandPlace::Caller(_) => Loc::Slot,
            OperandPlace::Alias(_) | OperandPlace::Direct(_) | OperandPlace::Flags(_) => {
                unreachable!("an argument is a value of its own")
            }
        }
    }

    /// Homes of reference parameters that arrive on the stack, each with the place of its parameter.
    pub(crate) fn stack_ref_homes(&self, places: &[abi::Place]) -> SmallVec<[(i32, u32); 4]> {
        let params = places.iter().zip(&self.locals);
        params
            .filter_map(|(place, local)| match place {
                abi::Place::Stack(at) if local.ty.is_ref() => Some((local.home, *at)),
                _ => None,
            })
            .collect()
    }

    /// The home slot's offset and the size of a local that is not pinned and holds no reference; none for other locals.
    pub(crate) fn plain_home(&self, local: u32) -> Option<(i32, u32)> {
        let info = &self.locals[local as usize];
        let bytes = if info.ty == ValType::V128 { 16 } else { 8 };
        (!info.ty.is_ref() && !info.pinned).then_some((info.home, bytes))
    }

    /// Closes the innermost scope, all of whose operands are the results of its body: they stay, as values that need no
    /// local of it. What its locals referenced is kept alive by nothing of it from here on.
    pub(crate) fn close_body(&mut self, asm: &mut Assembler) {
        let Scope { first, height, homes, .. } = self.scope;
        for at in height..self.stack.len() {
            let OperandPlace::Alias(local) = self.stack[at].place else { continue };
            if local < first {
                continue;
            }
            let Local { loc, aliases, pinned, ty, .. } = self.locals[local as usize];
            match loc {
                Loc::Reg { reg, .. } if aliases == 1 && !pinned => {
                    // The value's last use: the register is the operand's from here on.
                    self.locals[local as usize].aliases = 0;
                    self.locals[local as usize].loc = Loc::Slot;
                    self.regs.set(reg, Owner::Stack(at.narrow()), ty.is_ref());
                    self.stack[at].place = OperandPlace::Reg(reg);
                }
                Loc::Const(bits) if ty != ValType::V128 => {
                    self.locals[local as usize].aliases -= 1;
                    self.stack[at].place = OperandPlace::Const(bits);
                }
                _ => self.settle_aliases(asm, at, at + 1),
            }
        }
        self.scope.height = self.stack.len();
        if !active(Mutant::InlinedHomesKept) {
            self.slots.empty_ref_homes(asm, homes);
        }
        self.close_scope();
    }

    /// Closes the innermost scope: drops its locals, and the operands that are left of its body.
    pub(crate) fn close_scope(&mut self) {
        let Scope { first, height, pins, homes, .. } = self.scope;
        for Operand { place, .. } in self.stack.drain(height..) {
            match place {
                OperandPlace::Alias(local) => self.locals[local as usize].aliases -= 1,
                OperandPlace::Reg(reg) => self.regs.free(reg),
                _ => {}
            }
        }
        self.closed = self.closed.min(height);
        for reg in bits(self.regs.locals) {
            if self.regs.local(reg) >= first {
                self.regs.free(reg);
            }
        }
        self.const_locals.retain(|local| *local < first);
        self.loop_pins.truncate(pins);
        self.refined.truncate(first);
        for of in self.locals.split_off(first as usize).into_iter().filter_map(|local| local.stands_for) {
            self.locals[of as usize].held -= 1;
        }
        self.slots.free_homes(homes);
        self.scope = self.outer.pop().expect("a scope is open");
    }

    /// Forgets what the function that is complete left.
    pub(crate) fn finish(&mut self) {
        self.close_scope();
        debug_assert!(self.outer.is_empty(), "the function's scope is the last one");
        self.regs = Default::default();
        self.copies.clear();
        self.kept_bytes = 0;
    }

    /// The operator of the innermost scope that is compiled next: what is read by it, or after it, is live.
    #[inline]
    pub(crate) fn begin_operator(&mut self, op: u32) {
        self.scope.now = op;
    }

    /// The position of a local of the innermost scope among the locals of all scopes.
    #[inline]
    pub(super) fn local_of(&self, index: u32) -> u32 {
        self.scope.first + index
    }

    /// The operator that the local's scope has come to.
    #[inline]
    fn now_of(&self, local: u32) -> u32 {
        if local >= self.scope.first {
            return self.scope.now;
        }
        let scope = self.outer.iter().rev().find(|scope| local >= scope.first);
        scope.expect("each local is of a scope").now
    }

    /// Whether the local may be read after the current operator.
    #[inline]
    pub(super) fn is_read_later(&self, local: u32) -> bool {
        let info = &self.locals[local as usize];
        info.held > 0 && !active(Mutant::StoodForNotHeld) || info.last_use > self.now_of(local)
    }

    /// Whether the local is one of an inlined body, and was read for the last time. (Of the function's own locals nobody
    /// asks: most of them are read more than once.)
    #[inline]
    pub(super) fn is_over(&self, local: u32) -> bool {
        self.outer.len() > 1 && local >= self.scope.first && !self.locals[local as usize].pinned && !self.is_live(local)
    }

    /// Whether the local may be read at or after the current operator.
    #[inline]
    pub(super) fn is_live(&self, local: u32) -> bool {
        self.is_read_later(local) || self.locals[local as usize].aliases > 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::At;
    use super::*;
    use crate::abi::{CallLayout, Gpr};
    use crate::asm::Mem;
    use heapwood_module::ValType::{I32, I64};

    fn unused(ty: ValType) -> BodyLocal {
        BodyLocal { ty, last_use: 9, weight: 1, is_written: true, starts_zero: false }
    }

    /// A function of two parameters, whose scope is open.
    fn function(asm: &mut Assembler) -> Values {
        let mut values = Values::default();
        values.begin(16, 0, 8, true, false);
        values.frame_is_set_up();
        for (ty, place) in [I32, I64].iter().zip(CallLayout::new(&[I32, I64], &[]).params) {
            values.push_arrived(*ty, place);
        }
        values.open_scope(asm, 2, [I32, I64, I32].map(unused).into_iter());
        values
    }

    /// Such a function with an operand that was spilled: the register that held it, and its slot.
    fn function_with_spilled_argument(asm: &mut Assembler) -> (Values, Reg, Mem) {
        let mut values = function(asm);
        let reg = values.take(asm, false);
        values.push_reg(I64, reg);
        values.spill_top(asm, 1);
        let slot = values.operand_mem(0);
        (values, reg, slot)
    }

    /// An argument that was spilled is loaded into a register if one is free.
    #[test]
    fn a_scope_loads_arguments_from_their_slots() {
        let asm = &mut Assembler::default();
        let (mut values, reg, slot) = function_with_spilled_argument(asm);
        values.open_scope(asm, 1, [I64].map(unused).into_iter());
        values.check(0);
        values.local_get(0);
        assert_eq!(values.pop().at, At::Local(reg, 3));
        let mut wanted = Assembler::default();
        wanted.store_reg(I64, slot, reg);
        wanted.load_reg(I64, reg, slot);
        assert_eq!(asm.finish().0, wanted.finish().0);
    }

    /// If none is, it is copied to the home of the local that it becomes.
    #[test]
    fn a_scope_copies_arguments_from_their_slots() {
        let asm = &mut Assembler::default();
        let (mut values, reg, slot) = function_with_spilled_argument(asm);
        while values.take_free(false).is_some() {}
        values.open_scope(asm, 1, [I64].map(unused).into_iter());
        values.end_instruction();
        values.check(0);
        let home = values.in_frame(values.locals[3].home);
        assert_ne!(home, slot);
        let mut wanted = Assembler::default();
        wanted.store_reg(I64, slot, reg);
        wanted.copy_memory(I64, home, slot);
        assert_eq!(asm.finish().0, wanted.finish().0);
        values.local_get(0);
        assert_eq!(values.pop().at, At::Home(3));
    }

    #[test]
    fn parameters_are_operands_where_the_caller_left_them() {
        let mut values = function(&mut Assembler::default());
        assert_eq!(values.height(), 0);
        values.local_get(1);
        assert_eq!(values.pop().at, At::Local(Reg::gpr(Gpr::RDX), 1));
        values.local_get(2);
        assert_eq!(values.pop().at, At::Home(2), "a declared local is in its home");
        values.end_instruction();
        values.check(0);
        values.finish();
        assert!(values.locals.is_empty() && values.outer.is_empty());
    }

    /// The arguments of an inner scope stay where they are; its locals and operators have numbers of their own.
    #[test]
    fn a_scope_inside_of_another_takes_its_arguments_over() {
        let asm = &mut Assembler::default();
        let mut values = function(asm);
        values.begin_operator(5);
        let reg = values.take(asm, false);
        values.push_reg(I32, reg);
        values.push_const(I32, 7);
        values.local_get(0);
        values.end_instruction();
        values.open_scope(asm, 3, [I32, I32, I32, I64].map(unused).into_iter());
        values.check(0);
        assert_eq!(values.height(), 0);
        values.local_get(0);
        assert_eq!(values.pop().at, At::Local(reg, 3), "local 0 of the scope is the first argument");
        values.local_get(1);
        assert_eq!(values.pop().constant(), Some(7));
        values.local_get(2);
        assert!(matches!(values.pop().at, At::Local(copy, 5) if copy != Reg::gpr(Gpr::RAX)), "an alias is copied");
        values.begin_operator(8);
        assert!(values.is_live(0) && values.is_live(3), "each is read up to operator 9 of its own body");
        values.begin_operator(9);
        assert!(values.is_live(0) && !values.is_live(3), "the body around it is still at operator 5");
        values.end_instruction();
        values.close_scope();
        values.check(5);
        assert!(values.is_live(0));
        values.local_get(0);
        assert_eq!(values.pop().at, At::Local(Reg::gpr(Gpr::RAX), 0), "the outer scope's locals are as they were");
    }
}
