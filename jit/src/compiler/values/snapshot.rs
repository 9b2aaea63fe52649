//! States: what all edges into a label agree on, or what is restored at an `else`, a landing pad or an end.

use super::Values;
use super::place::{Loc, Operand, OperandPlace};
use super::registers::{Owner, Registers, bits};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use smallvec::SmallVec;
use std::ops::Range;
use std::rc::Rc;

/// The state that all edges into a label agree on (or the state to restore at an `else`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) registers: Registers,
    /// Registers of locals whose home slot is out of date.
    pub(super) dirty: u32,
    /// Constant locals (only at an `else`, never at a label).
    pub(super) consts: SmallVec<[(u32, u64); 2]>,
    /// The height from which on operands are listed.
    pub(super) from: u32,
    /// The types and places of the listed operands.
    pub(super) operands: SmallVec<[Operand; 4]>,
    /// Whether r14 holds the context.
    pub(super) context_valid: bool,
    /// Whether the frame is set up.
    pub(super) framed: bool,
}

impl Snapshot {
    /// Number of operands.
    pub(crate) fn height(&self) -> usize {
        self.from as usize + self.operands.len()
    }

    /// The height from which on operands are listed; those below are in slots or constants.
    pub(crate) fn from(&self) -> usize {
        self.from as usize
    }

    /// Whether both are the same state.
    pub(crate) fn is_like(&self, other: &Snapshot) -> bool {
        let plain = |state: &Snapshot| (state.dirty, state.from, state.context_valid, state.framed);
        plain(self) == plain(other)
            && self.registers.is_like(&other.registers)
            && self.consts == other.consts
            && self.operands == other.operands
    }

    /// Bytes that it takes with what it lists.
    fn bytes(&self) -> usize {
        let operands = if self.operands.spilled() { self.operands.capacity() * size_of::<Operand>() } else { 0 };
        let consts = if self.consts.spilled() { self.consts.capacity() * size_of::<(u32, u64)>() } else { 0 };
        size_of::<Snapshot>() + operands + consts
    }
}

impl Values {
    /// The current state, with operands from `from` on.
    pub(crate) fn snapshot(&self, from: usize) -> Snapshot {
        self.snapshot_of(from..self.stack.len())
    }

    /// The current state, with these operands.
    pub(super) fn snapshot_of(&self, listed: Range<usize>) -> Snapshot {
        let mut dirty = 0;
        for reg in bits(self.regs.locals) {
            if matches!(self.locals[self.regs.local(reg) as usize].loc, Loc::Reg { dirty: true, .. }) {
                dirty |= reg.bit();
            }
        }
        let consts = self.const_locals.iter().map(|local| match self.locals[*local as usize].loc {
            Loc::Const(bits) => (*local, bits),
            _ => unreachable!("each local that is listed is a constant"),
        });
        let mut registers = self.regs;
        registers.end_instruction();
        Snapshot {
            registers,
            dirty,
            consts: consts.collect(),
            from: listed.start.narrow(),
            operands: self.stack[listed].iter().copied().collect(),
            context_valid: self.context_valid,
            framed: self.is_framed(),
        }
    }

    /// Makes the state the current one.
    pub(crate) fn restore(&mut self, state: &Snapshot) {
        self.refined.forget_all();
        for reg in bits(self.regs.locals) {
            self.locals[self.regs.local(reg) as usize].loc = Loc::Slot;
        }
        for local in std::mem::take(&mut self.const_locals) {
            self.locals[local as usize].loc = Loc::Slot;
        }
        while self.stack.len() > state.from as usize {
            let operand = self.stack.pop().expect("longer than from");
            if let OperandPlace::Alias(local) = operand.place {
                self.locals[local as usize].aliases -= 1;
            }
        }
        for operand in &state.operands {
            if let OperandPlace::Alias(local) = operand.place {
                self.locals[local as usize].aliases += 1;
            }
            self.push_listed(*operand);
        }
        self.closed = self.closed.min(state.from as usize);
        self.regs = state.registers;
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            self.locals[local as usize].loc = Loc::Reg { reg, dirty: state.dirty & reg.bit() != 0 };
        }
        for (local, bits) in &state.consts {
            self.locals[*local as usize].loc = Loc::Const(*bits);
            self.locals[*local as usize].is_stored = false;
            self.const_locals.push(*local);
        }
        self.context_valid = state.context_valid;
        self.slots.set_framed(state.framed);
    }

    /// The state in a landing pad: locals at home (or pinned), operands below `height` in their slots.
    pub(crate) fn pad_state(&self, height: usize) -> Snapshot {
        Snapshot {
            registers: self.pinned_registers(),
            dirty: u32::MAX,
            from: height.narrow(),
            context_valid: true,
            framed: true,
            ..Snapshot::default()
        }
    }

    /// After code that nothing reaches (a block that nobody leaves): any consistent state will do, with `results` above
    /// the operands below `height`; those below `settled` are in slots or constants.
    pub(crate) fn fabricate(&mut self, settled: usize, height: usize, results: &[ValType]) {
        let state = Snapshot {
            registers: self.pinned_registers(),
            dirty: u32::MAX,
            from: height.narrow(),
            // In a function that calls nothing the register holds it throughout.
            context_valid: !self.saves_context(),
            framed: self.is_framed(),
            ..Snapshot::default()
        };
        let open = self.open_from(settled).min(height);
        for operand in &mut self.stack[open..height] {
            if let OperandPlace::Alias(local) = operand.place {
                self.locals[local as usize].aliases -= 1;
            }
            if operand.ty.is_ref() || !matches!(operand.place, OperandPlace::Const(_)) {
                operand.place = OperandPlace::Slot;
            }
        }
        self.restore(&state);
        for ty in results {
            self.push_const(*ty, 0);
        }
    }

    // ---- states that are kept

    /// Keeps a state, and counts its bytes.
    pub(crate) fn keep(&mut self, state: Snapshot) -> Rc<Snapshot> {
        self.kept_bytes += state.bytes();
        Rc::new(state)
    }

    /// Gives up a state that was kept; it goes away unless another label shares it.
    pub(crate) fn drop_kept(&mut self, state: Option<Rc<Snapshot>>) {
        if let Some(state) = state.and_then(Rc::into_inner) {
            self.kept_bytes -= state.bytes();
        }
    }

    // ---- what labels expect

    /// What a forward label expects, decided from the current state. The top operands are the label's values, of the
    /// types `declared`; those from `settled` to `height` stay below them, and what lies between is dropped.
    pub(super) fn snapshot_at_label(&self, settled: usize, height: usize, declared: &[ValType]) -> Snapshot {
        let top = self.stack.len() - declared.len();
        let mut state = self.snapshot_of(settled..height);
        // Operands between the label's height and its values are dropped by the branch.
        for reg in bits(state.registers.operands) {
            if matches!(state.registers.owner(reg), Owner::Stack(at) if (height..top).contains(&(at as usize))) {
                state.registers.free(reg);
            }
        }
        for (operand, ty) in self.stack[top..].iter().zip(declared) {
            let mut operand = *operand;
            // Other edges may bring any value of the declared type.
            operand.ty = *ty;
            let below = state.operands.last().copied().or_else(|| settled.checked_sub(1).map(|h| self.stack[h]));
            operand.refs_below = below.map_or(0, |b| b.refs_below + b.ty.is_ref() as u32);
            if let OperandPlace::Reg(reg) = operand.place {
                state.registers.set(reg, Owner::Stack(state.height().narrow()), operand.ty.is_ref());
            }
            state.operands.push(operand);
        }
        self.drop_dead_locals(&mut state);
        state
    }

    /// Drops locals that nobody reads any more from the registers of a state.
    pub(crate) fn drop_dead_locals(&self, state: &mut Snapshot) {
        for reg in bits(state.registers.locals) {
            let local = state.registers.local(reg);
            if !self.locals[local as usize].pinned && !self.is_read_later(local) {
                state.registers.free(reg);
                state.dirty &= !reg.bit();
            }
        }
    }

    /// What a forward label need not expect in registers: locals that nobody reads any more, and clean ones that are
    /// only in their slots on this edge (earlier edges come with a current slot as well).
    pub(crate) fn weaken(&self, target: &mut Snapshot) {
        self.drop_dead_locals(target);
        for reg in bits(target.registers.locals & !target.dirty) {
            let info = &self.locals[target.registers.local(reg) as usize];
            if info.loc == Loc::Slot && !info.pinned {
                target.registers.free(reg);
            }
        }
    }
}
