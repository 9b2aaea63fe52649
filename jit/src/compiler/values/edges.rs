//! Bringing the state at a branch to the state that its label expects.
//!
//! The first edge into a forward label decides the label's state (registers included); later edges conform by
//! parallel moves. A label's state never holds aliases or constant locals. Edges emit only moves: flags survive.

use super::Values;
use super::moves::{Dest, Move, MoveSource, Moves};
use super::place::{Loc, OperandPlace};
use super::registers::{Reg, bits};
use super::snapshot::Snapshot;
use crate::abi::{self, Gpr};
use crate::asm::{Assembler, Mem};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType;

/// The code that an edge needs on its way to a label.
pub(crate) struct Edge {
    moves: Moves,
    loads_context: bool,
}

impl Edge {
    /// Whether the edge needs no code.
    pub(crate) fn is_empty(&self) -> bool {
        let stays = |m: &Move| match (m.from, m.to) {
            (MoveSource::Reg(a), Dest::Reg(b)) => a == b,
            (MoveSource::Mem(a), Dest::Mem(b)) => a == b,
            _ => false,
        };
        !self.loads_context && self.moves.iter().all(stays)
    }
}

impl Values {
    /// Decides what a forward label expects. The top operands are its values, of the types `declared`; of those below,
    /// it keeps what lies below `height`, and below `settled` all are in slots or constants.
    pub(crate) fn decide_target(
        &mut self,
        asm: &mut Assembler,
        settled: usize,
        height: usize,
        declared: &[ValType],
    ) -> Snapshot {
        self.settle_const_locals(asm);
        let top = self.stack.len() - declared.len();
        self.settle_aliases(asm, settled, height);
        self.settle_results(asm, top);
        self.snapshot_at_label(settled, height, declared)
    }

    /// What the edge from the current state to a label needs that expects `target`, with `arity` values; emits nothing.
    pub(crate) fn plan_edge(&mut self, target: &Snapshot, arity: usize) -> Edge {
        debug_assert!(self.is_framed() || !target.framed, "an edge cannot set up the frame");
        let mut moves = Moves::new();
        self.operand_moves(target, arity, &mut moves);
        self.local_moves(target, &mut moves);
        Edge { moves, loads_context: target.context_valid && !self.context_valid }
    }

    /// Emits a planned edge; the state does not change.
    pub(crate) fn emit_edge(&mut self, asm: &mut Assembler, edge: &Edge) {
        self.parallel_move(asm, &edge.moves);
        if edge.loads_context {
            self.load_context(asm);
        }
    }

    fn operand_moves(&mut self, target: &Snapshot, arity: usize, moves: &mut Moves) {
        let from = target.from as usize;
        let top = self.stack.len() - arity;
        let kept = target.operands.len() - arity;
        for (k, wanted) in target.operands.iter().enumerate() {
            let height = if k < kept { from + k } else { top + (k - kept) };
            let source = self.operand_source(height);
            let dest = match wanted.place {
                OperandPlace::Reg(reg) => Dest::Reg(reg),
                OperandPlace::Slot => {
                    let at = self.slots.operand(from + k, wanted.ty, wanted.refs_below);
                    Dest::Mem(self.in_frame(at))
                }
                // A number below the label is the same constant on every path.
                OperandPlace::Const(_) => continue,
                _ => unreachable!("a label's state holds no aliases"),
            };
            moves.push(Move { ty: wanted.ty, from: source, to: dest });
        }
    }

    /// Where a local is, as the source of a move.
    pub(super) fn local_source(&self, local: u32) -> MoveSource {
        let info = &self.locals[local as usize];
        match info.loc {
            Loc::Reg { reg, .. } => MoveSource::Reg(reg),
            Loc::Const(bits) => MoveSource::Const(bits),
            Loc::Slot => MoveSource::Mem(self.in_frame(info.home)),
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
                moves.push(Move { ty: info.ty, from: source, to: Dest::Mem(self.home_to_write(local)) });
            }
            moves.push(Move { ty: info.ty, from: source, to: Dest::Reg(reg) });
        }
        // Locals that it expects in their slots.
        let store = |local: u32, moves: &mut Moves| {
            let info = &self.locals[local as usize];
            let expected = bits(target.registers.locals).any(|reg| target.registers.local(reg) == local);
            if self.is_read_later(local) && !expected {
                let home = self.home_to_write(local);
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

    // ---- to where a call or a return expects values

    /// The moves of the operands from height `from` on to places of a call; those on the stack begin at
    /// `base + offset`.
    pub(crate) fn place_moves(&mut self, from: usize, places: &[abi::Place], base: Gpr, offset: u32) -> Moves {
        let mut moves = Moves::new();
        for (height, place) in (from..).zip(places) {
            let to = match place {
                abi::Place::Gpr(gpr) => Dest::Reg(Reg::gpr(*gpr)),
                abi::Place::Xmm(xmm) => Dest::Reg(Reg::xmm(*xmm)),
                abi::Place::Stack(at) => Dest::Mem(Mem::base(base, (offset + at).narrow())),
            };
            moves.push(Move { ty: self.stack[height].ty, from: self.operand_source(height), to });
        }
        moves
    }

    /// The parameters of a loop go to their slots, even constants: they differ from round to round. So do the operands
    /// below them, except constants; those below `settled` are there. `declared` are the parameters' types.
    pub(crate) fn settle_loop(&mut self, asm: &mut Assembler, settled: usize, declared: &[ValType]) {
        self.settle_many(asm, declared.len());
        self.spill_below(asm, settled, self.stack.len());
        let height = self.stack.len() - declared.len();
        for (param, ty) in (height..).zip(declared) {
            self.force_slot(asm, param);
            self.stack[param].ty = *ty;
        }
    }
}
