//! Branches and returns: values go to where the label, or the caller, expects them.

use super::Condition;
use crate::abi::{self, Gpr};
use crate::asm::{Alu, Cond, Label, Mem, Section, Width};
use crate::compiler::parts::Compiler;
use crate::compiler::values::{Edge, Reg};
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;
use wasmparser::FrameKind;

impl Compiler<'_> {
    pub(crate) fn br(&mut self, depth: u32) {
        let index = self.flow.index_of(depth);
        self.branch_to(index);
        self.flow.leave();
    }

    /// Emits an unconditional branch; the label's values are on top of the stack.
    pub(crate) fn branch_to(&mut self, index: usize) {
        let arity = self.prepare_branch(index);
        self.take_branch(index, arity);
    }

    pub(crate) fn br_if(&mut self, depth: u32) {
        let hint = self.usable_hint();
        if let Some(decided) = self.flow.take_decided() {
            return self.br_if_decided(depth, decided);
        }
        let condition = self.pop_condition();
        let tested = self.tested_by(&condition);
        self.branch_if_hinted(depth, condition, hint);
        self.values.learn(tested, false);
    }

    /// Emits a branch that is taken if the condition holds; the state does not change.
    pub(crate) fn branch_if(&mut self, depth: u32, condition: Condition) {
        self.branch_if_hinted(depth, condition, None);
    }

    fn branch_if_hinted(&mut self, depth: u32, condition: Condition, hint: Option<bool>) {
        let index = self.flow.index_of(depth);
        if let Condition::Always(taken) = condition {
            if taken {
                // The code behind the branch is compiled although it is not reached, so the state must stay.
                self.branch_to(index);
            }
            return;
        }
        let arity = self.prepare_branch(index);
        let cond = self.test_and_release(&condition);
        if hint == Some(true) && self.is_open_block(index) {
            return self.leave_likely(index, cond);
        }
        let edge = self.edge_to(index, arity);
        if hint == Some(false) && !edge.as_ref().is_some_and(Edge::is_empty) {
            return self.leave_unlikely(index, edge.as_ref(), cond);
        }
        self.jump_along(index, edge.as_ref(), cond);
    }

    /// Jumps to a decided label (or returns) if this test of the flags holds, without changing the state.
    pub(crate) fn jump_to(&mut self, index: usize, arity: usize, cond: Cond) {
        let edge = self.edge_to(index, arity);
        self.jump_along(index, edge.as_ref(), cond);
    }

    /// The same along a planned `edge`, or with a return if there is none.
    fn jump_along(&mut self, index: usize, edge: Option<&Edge>, cond: Cond) {
        if edge.is_some_and(Edge::is_empty) {
            return self.asm.jcc(cond, self.flow[index].label);
        }
        let skip = self.asm.new_label();
        self.asm.jcc(cond.negate(), skip);
        let tested = self.asm.type_id();
        self.take_edge(index, edge);
        self.asm.bind(skip);
        // Nothing else comes here.
        if let Some(object) = tested {
            self.asm.note_type_id(object);
        }
    }

    /// Whether this is the innermost construct, and the rest of it may move to another section as a whole.
    fn is_open_block(&self, index: usize) -> bool {
        let control = &self.flow[index];
        index == self.flow.top() && control.kind == FrameKind::Block && control.section == self.asm.section()
    }

    /// A branch out of the innermost block that is usually taken: the rest of the block goes to the unlikely section.
    fn leave_likely(&mut self, index: usize, cond: Cond) {
        let rest = self.asm.new_label();
        self.asm.jcc(if active(Mutant::LikelyBranchInverted) { cond } else { cond.negate() }, rest);
        self.leave_arm(index, true);
        self.asm.switch(Section::Unlikely);
        self.asm.bind(rest);
    }

    /// A branch that is rarely taken and needs code on its way.
    fn leave_unlikely(&mut self, index: usize, edge: Option<&Edge>, cond: Cond) {
        let out = self.asm.new_label();
        self.asm.jcc(cond, out);
        let was = self.asm.switch(Section::Unlikely);
        self.asm.bind(out);
        self.take_edge(index, edge);
        self.asm.switch(was);
    }

    /// Jumps to a decided label (or returns) without changing the state.
    pub(crate) fn take_branch(&mut self, index: usize, arity: usize) {
        let edge = self.edge_to(index, arity);
        self.take_edge(index, edge.as_ref());
    }

    /// Plans the way to a decided label; none if a branch there is a return.
    fn edge_to(&mut self, index: usize, arity: usize) -> Option<Edge> {
        (!self.flow[index].is_tail).then(|| self.plan_edge(index, arity))
    }

    /// Jumps to a decided label along a planned `edge`, or returns if there is none, without changing the state.
    fn take_edge(&mut self, index: usize, edge: Option<&Edge>) {
        match edge {
            None => self.emit_return(),
            Some(edge) => {
                self.values.emit_edge(self.asm, edge);
                self.asm.jmp(self.flow[index].label);
            }
        }
    }

    /// Decides the state that the label of a conditional branch expects; returns the number of values it carries.
    pub(crate) fn prepare_branch(&mut self, index: usize) -> usize {
        assert_eq!(self.flow[index].idle, 0, "the analysis saw nothing that branches to this frame");
        let arity = self.label_arity(index);
        self.values.settle_many(self.asm, arity);
        if !self.flow[index].is_tail {
            self.choose_if_target(index, arity);
            self.decide_target(index);
        }
        arity
    }

    pub(crate) fn br_table(&mut self, targets: &wasmparser::BrTable<'_>) {
        let mut index_value = self.pop();
        let reg = self.owned(&mut index_value).as_gpr();
        let depths: Vec<u32> = targets.targets().filter_map(|t| t.ok()).chain([targets.default()]).collect();
        // Every distinct label is decided from this state; then each gets one edge.
        let mut edges: Vec<(u32, Label)> = Vec::new();
        let mut distinct: Vec<u32> = depths.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for depth in &distinct {
            let index = self.flow.index_of(*depth);
            self.prepare_branch(index);
        }
        let default = (depths.len() - 1).saturating_sub(active(Mutant::TableOneShort) as usize);
        self.asm.mov_ri(abi::SCRATCH, default as u64);
        self.asm.alu_rr(Width::W32, Alu::Cmp, reg, abi::SCRATCH);
        self.asm.cmov(Width::W32, Cond::A, reg, abi::SCRATCH);
        let table = self.asm.new_label();
        self.asm.lea_label(abi::SCRATCH, table);
        self.asm.load_sx(Width::W32, Width::W64, reg, Mem::indexed(abi::SCRATCH, reg, 2, 0));
        self.asm.alu_rr(Width::W64, Alu::Add, reg, abi::SCRATCH);
        self.asm.jmp_reg(reg);
        self.release_value(&index_value);
        for depth in &distinct {
            // An edge may have as many moves as there are locals, and there may be as many edges as blocks.
            if let Err(error) = self.check_size() {
                self.error = Some(error);
                return;
            }
            let index = self.flow.index_of(*depth);
            let arity = self.label_arity(index);
            let edge = self.edge_to(index, arity);
            let label = if edge.as_ref().is_some_and(Edge::is_empty) {
                self.flow[index].label
            } else {
                let label = self.asm.bound_label();
                self.take_edge(index, edge.as_ref());
                label
            };
            edges.push((*depth, label));
        }
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(table);
        let base = self.asm.position();
        for depth in &depths {
            let at = edges.binary_search_by_key(depth, |e| e.0).expect("every depth has an edge");
            self.asm.table_entry(base, edges[at].1);
        }
        self.asm.switch(was);
        self.flow.leave();
    }

    pub(crate) fn return_(&mut self) {
        if self.cursor.body() != 0 {
            return self.leave_body();
        }
        self.values.settle_many(self.asm, self.results.len());
        self.emit_return();
        self.flow.leave();
    }

    /// A `return` of an inlined body: a branch to its frame, unless that is what ends next.
    fn leave_body(&mut self) {
        let index = self.body_frame();
        let results = self.label_arity(index);
        if index == self.flow.top() && self.values.height() == self.flow[index].height + results {
            self.flow[index].falls_through = true;
        } else {
            self.settle_flags();
            self.branch_to(index);
        }
        self.flow.leave();
    }

    /// A condition that was left in the flags for what follows the call becomes a value: the branch has others to drop.
    fn settle_flags(&mut self) {
        if !self.values.top_in_flags() {
            return;
        }
        if let Condition::Flags(cond) = self.pop_condition() {
            let dst = self.take_gpr();
            self.asm.setcc(cond, dst);
            self.asm.movzx(Width::W8, dst, dst);
            self.push_reg(ValType::I32, Reg::gpr(dst));
        }
    }

    /// Moves the top operands to where results are returned, and returns; the state does not change.
    pub(crate) fn emit_return(&mut self) {
        let from = self.values.height() - self.results.len();
        let places = self.layout.results.clone();
        let arguments = if active(Mutant::StackResultsMisplaced) { 0 } else { self.layout.arg_bytes };
        let moves = self.values.place_moves(from, &places, Gpr::RBP, 16 + arguments);
        self.parallel_move(&moves);
        self.epilogue();
    }
}
