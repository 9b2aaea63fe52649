//! Bringing the state at a branch to the state that its label expects.
//!
//! The first edge into a forward label decides the label's state (registers included); later edges conform by
//! parallel moves. A label's state never holds aliases or constant locals. Edges emit only moves: flags survive.

use super::Compiler;
use super::moves::{Dest, Move, Moves, Source};
use super::state::{Loc, Operand, Owner, Place, Snapshot, bits, in_xmm};
use crate::abi::{CONTEXT, FRAME_CONTEXT};
use crate::asm::Width;
use heapwood_gc_abi::{Mutant, Narrow, active};
use smallvec::SmallVec;
use std::ops::Range;
use std::rc::Rc;

/// The code on the way to a label.
pub(crate) struct Edge {
    moves: Moves,
    loads_context: bool,
}

impl Edge {
    /// No code at all.
    pub(crate) fn is_empty(&self) -> bool {
        let stays = |m: &Move| match (m.from, m.to) {
            (Source::Reg(a), Dest::Reg(b)) => a == b,
            (Source::Mem(a), Dest::Mem(b)) => a == b,
            _ => false,
        };
        !self.loads_context && self.moves.iter().all(stays)
    }
}

/// Results of a block that travel in registers.
const RESULT_REGISTERS_MAX: usize = 6;
/// More values than that go to their slots before they pass a label, a return or a construct's beginning. They stay there,
/// so that each is stored once, and the copies from there are shared by all edges that find the stack like this.
pub(crate) const PASSING_MAX: usize = 18;

impl Compiler<'_> {
    /// Constants of locals become values in registers (if some are free) or slots.
    pub(crate) fn settle_const_locals(&mut self) {
        for local in std::mem::take(&mut self.const_locals) {
            let info = self.locals[local as usize];
            let Loc::Const(bits) = info.loc else { continue };
            let free = if self.is_live(local) && !in_xmm(info.ty) { self.take_free(false) } else { None };
            match free {
                Some(reg) => {
                    self.load_const(info.ty, reg, bits);
                    self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
                    self.locals[local as usize].loc = Loc::Reg { reg, dirty: true };
                }
                None => {
                    self.store_local(local);
                    self.locals[local as usize].loc = Loc::Slot;
                }
            }
        }
    }

    /// Aliases among the operands in `range` become values of their own.
    pub(crate) fn settle_aliases(&mut self, from: usize, to: usize) {
        for height in from..to {
            let Operand { ty, place: Place::Alias(local), .. } = self.stack[height] else { continue };
            let Some(reg) = self.take_free(in_xmm(ty)) else {
                self.spill(height);
                continue;
            };
            let info = self.locals[local as usize];
            match info.loc {
                Loc::Reg { reg: src, .. } => self.move_reg(ty, reg, src),
                Loc::Const(bits) => self.load_const(ty, reg, bits),
                Loc::Slot => self.load_reg(ty, reg, self.in_frame(info.home)),
            }
            self.locals[local as usize].aliases -= 1;
            self.regs.set(reg, Owner::Stack(height.narrow()), ty.is_ref());
            self.stack[height].place = Place::Reg(reg);
        }
    }

    /// Operands below a new control frame: aliases become values; many become slots. Returns where the operands
    /// begin that may still be in registers.
    pub(crate) fn settle_operands(&mut self, to: usize) -> usize {
        let from = self.open_from().min(to);
        self.settle_aliases(from, to);
        let open = (from..to).filter(|h| matches!(self.stack[*h].place, Place::Reg(_))).count();
        if open > RESULT_REGISTERS_MAX || to - from > 24 {
            self.spill_range(from, to);
            return to;
        }
        from
    }

    /// Operands below are in slots or constants of numbers.
    pub(crate) fn open_from(&self) -> usize {
        self.control.last().map_or(0, |c| c.settled).max(self.closed)
    }

    /// All operands in the range go to their slots (constants of numbers stay).
    pub(crate) fn spill_range(&mut self, from: usize, to: usize) {
        for height in from..to {
            self.spill(height);
        }
    }

    /// The current state, with operands from `from` on.
    pub(crate) fn snapshot(&self, from: usize) -> Snapshot {
        self.snapshot_of(from..self.stack.len())
    }

    /// The current state, with these operands.
    fn snapshot_of(&self, listed: Range<usize>) -> Snapshot {
        let mut dirty = 0;
        for reg in bits(self.regs.locals) {
            if matches!(self.locals[self.regs.local(reg) as usize].loc, Loc::Reg { dirty: true, .. }) {
                dirty |= reg.bit();
            }
        }
        let consts = self.const_locals.iter().filter_map(|local| match self.locals[*local as usize].loc {
            Loc::Const(bits) => Some((*local, bits)),
            _ => None,
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
            framed: self.framed,
        }
    }

    /// Makes the snapshot the current state.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        for reg in bits(self.regs.locals) {
            self.locals[self.regs.local(reg) as usize].loc = Loc::Slot;
        }
        for local in std::mem::take(&mut self.const_locals) {
            self.locals[local as usize].loc = Loc::Slot;
        }
        while self.stack.len() > snapshot.from as usize {
            let operand = self.stack.pop().expect("longer than from");
            if let Place::Alias(local) = operand.place {
                self.locals[local as usize].aliases -= 1;
            }
        }
        for operand in &snapshot.operands {
            if let Place::Alias(local) = operand.place {
                self.locals[local as usize].aliases += 1;
            }
            self.push_listed(*operand);
        }
        self.closed = self.closed.min(snapshot.from as usize);
        self.regs = snapshot.registers;
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            self.locals[local as usize].loc = Loc::Reg { reg, dirty: snapshot.dirty & reg.bit() != 0 };
        }
        for (local, bits) in &snapshot.consts {
            self.locals[*local as usize].loc = Loc::Const(*bits);
            self.locals[*local as usize].is_stored = false;
            self.const_locals.push(*local);
        }
        self.context_valid = snapshot.context_valid;
        self.framed = snapshot.framed;
    }

    /// Decides the state of the forward label of control frame `index` from the current one, if it is not decided.
    /// The top `arity` operands are the label's values.
    pub(crate) fn decide_target(&mut self, index: usize, arity: usize) {
        if self.control[index].target.is_some() {
            return;
        }
        self.settle_const_locals();
        let height = self.control[index].height;
        let settled = self.control[index].settled;
        let top = self.stack.len() - arity;
        self.settle_aliases(settled, height);
        self.settle_results(top);
        let mut snapshot = self.snapshot_of(settled..height);
        // Operands between the label's height and its values are dropped by the branch.
        for reg in bits(snapshot.registers.operands) {
            if matches!(snapshot.registers.owner(reg), Owner::Stack(at) if (height..top).contains(&(at as usize))) {
                snapshot.registers.free(reg);
            }
        }
        let values: SmallVec<[Operand; 4]> = self.stack[top..].iter().copied().collect();
        let declared = self.label_types_of(index);
        for (k, mut operand) in values.into_iter().enumerate() {
            // Other edges may bring any value of the declared type.
            operand.ty = declared[k];
            let below = snapshot.operands.last().copied().or_else(|| settled.checked_sub(1).map(|h| self.stack[h]));
            operand.refs_below = below.map_or(0, |b| b.refs_below + b.ty.is_ref() as u32);
            let at = (settled + snapshot.operands.len()).narrow();
            if let Place::Reg(reg) = operand.place {
                snapshot.registers.set(reg, Owner::Stack(at), operand.ty.is_ref());
            }
            snapshot.operands.push(operand);
        }
        self.drop_dead_locals(&mut snapshot);
        let target = self.keep(snapshot);
        self.control[index].target = Some(target);
    }

    /// Branch values: constants and aliases go to registers while there are free ones, else to slots.
    fn settle_results(&mut self, from: usize) {
        for height in from..self.stack.len() {
            let Operand { ty, place, .. } = self.stack[height];
            match place {
                Place::Alias(_) if height - from < RESULT_REGISTERS_MAX => self.settle_aliases(height, height + 1),
                Place::Const(bits) if height - from < RESULT_REGISTERS_MAX => {
                    if let Some(reg) = self.take_free(in_xmm(ty)) {
                        self.load_const(ty, reg, bits);
                        self.regs.set(reg, Owner::Stack(height.narrow()), ty.is_ref());
                        self.stack[height].place = Place::Reg(reg);
                    } else {
                        self.force_slot(height);
                    }
                }
                Place::Slot | Place::Reg(_) => {}
                _ => self.force_slot(height),
            }
        }
    }

    /// The top operands are about to pass a label, a return or the beginning of a construct: many go to their slots.
    pub(crate) fn settle_many(&mut self, count: usize) {
        if count > PASSING_MAX {
            for height in self.stack.len() - count..self.stack.len() {
                self.force_slot(height);
            }
        }
    }

    /// The operand in its slot even if it is a constant.
    pub(crate) fn force_slot(&mut self, height: usize) {
        self.spill(height);
        if let Operand { ty, place: Place::Const(bits), .. } = self.stack[height] {
            let slot = self.operand_mem(height);
            self.store_const(ty, slot, bits);
        }
        self.stack[height].place = Place::Slot;
    }

    pub(crate) fn drop_dead_locals(&self, snapshot: &mut Snapshot) {
        for reg in bits(snapshot.registers.locals) {
            let local = snapshot.registers.local(reg) as usize;
            if !self.locals[local].pinned && self.look.last_use[local] <= self.op {
                snapshot.registers.free(reg);
                snapshot.dirty &= !reg.bit();
            }
        }
    }

    /// What a forward label need not expect in registers: locals that nobody reads any more, and clean ones that are only
    /// in their slots on this edge (earlier edges come with a current slot as well).
    fn weaken_target(&self, target: &mut Snapshot) {
        self.drop_dead_locals(target);
        for reg in bits(target.registers.locals & !target.dirty) {
            let info = &self.locals[target.registers.local(reg) as usize];
            if info.loc == Loc::Slot && !info.pinned {
                target.registers.free(reg);
            }
        }
    }

    /// What the edge from the current state to the label of control frame `index` needs; emits nothing.
    pub(crate) fn plan_edge(&mut self, index: usize, arity: usize) -> Edge {
        let mut target = self.control[index].target.take().expect("decided before");
        if !self.control[index].is_loop {
            self.weaken_target(Rc::get_mut(&mut target).expect("only loops share their states"));
        }
        debug_assert!(self.framed || !target.framed, "an edge cannot set up the frame");
        let moves = self.edge_moves(&target, arity);
        let loads_context = target.context_valid && !self.context_valid;
        self.control[index].target = Some(target);
        Edge { moves, loads_context }
    }

    /// Emits a planned edge; the state stays.
    pub(crate) fn emit_edge(&mut self, edge: &Edge) {
        self.parallel_move(&edge.moves);
        if edge.loads_context {
            self.asm.load(Width::W64, CONTEXT, self.in_frame(FRAME_CONTEXT));
        }
    }

    fn edge_moves(&mut self, target: &Snapshot, arity: usize) -> Moves {
        let mut moves = Moves::new();
        self.operand_moves(target, arity, &mut moves);
        self.local_moves(target, &mut moves);
        moves
    }

    fn operand_moves(&mut self, target: &Snapshot, arity: usize, moves: &mut Moves) {
        let from = target.from as usize;
        let top = self.stack.len() - arity;
        let kept = target.operands.len() - arity;
        for (k, wanted) in target.operands.iter().enumerate() {
            let height = if k < kept { from + k } else { top + (k - kept) };
            let source = self.operand_source(height);
            let dest = match wanted.place {
                Place::Reg(reg) => Dest::Reg(reg),
                Place::Slot => {
                    let at = self.temp_slot(from + k, wanted.ty, wanted.refs_below);
                    Dest::Mem(self.in_frame(at))
                }
                // A number below the label is the same constant on every path.
                Place::Const(_) => continue,
                _ => unreachable!("a label's state holds no aliases"),
            };
            moves.push(Move { ty: wanted.ty, from: source, to: dest });
        }
    }

    /// Where a local is, as the source of a move.
    pub(crate) fn local_source(&self, local: u32) -> Source {
        let info = &self.locals[local as usize];
        match info.loc {
            Loc::Reg { reg, .. } => Source::Reg(reg),
            Loc::Const(bits) => Source::Const(bits),
            Loc::Slot => Source::Mem(self.in_frame(info.home)),
        }
    }

    fn local_moves(&self, target: &Snapshot, moves: &mut Moves) {
        // Locals that the label expects in registers.
        for reg in bits(target.registers.locals) {
            let local = target.registers.local(reg);
            let info = &self.locals[local as usize];
            let source = self.local_source(local);
            let expects_slot = target.dirty & reg.bit() == 0;
            let slot_stale = matches!(info.loc, Loc::Reg { dirty: true, .. } | Loc::Const(_));
            if expects_slot && slot_stale {
                moves.push(Move { ty: info.ty, from: source, to: Dest::Mem(self.in_frame(info.home)) });
            }
            moves.push(Move { ty: info.ty, from: source, to: Dest::Reg(reg) });
        }
        // Locals that it expects in their slots.
        let store = |local: u32, moves: &mut Moves| {
            let info = &self.locals[local as usize];
            let expected = bits(target.registers.locals).any(|reg| target.registers.local(reg) == local);
            if self.look.last_use[local as usize] > self.op && !expected {
                let home = self.in_frame(info.home);
                moves.push(Move { ty: info.ty, from: self.local_source(local), to: Dest::Mem(home) });
            }
        };
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if matches!(self.locals[local as usize].loc, Loc::Reg { dirty: true, .. }) {
                store(local, moves);
            }
        }
        for local in self.const_locals.iter().filter(|_| !active(Mutant::ConstantLostAtLabel)) {
            store(*local, moves);
        }
    }
}
