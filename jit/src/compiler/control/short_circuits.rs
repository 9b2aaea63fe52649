//! Short circuits ([`ShortCircuit`]): `a && b` and `a || b`, as compilers write them down, where a branch or an `if`
//! takes the result.
//!
//! Where the first condition decides, the code goes to where the branch or the `if` goes then, and nothing makes the
//! constant. Until that operator is compiled, this edge waits: it has a label, which expects the state at the first
//! condition. The second condition is compiled in between, and its edges to the label bring that state along.

use super::Condition;
use super::flow::{BlockSignature, Decided};
use crate::analysis::{ALL, ShortCircuit};
use crate::asm::{Cond, Label, Section};
use crate::compiler::parts::Compiler;
use crate::compiler::values::{At, Edge, Reg, Snapshot, Value};
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;
use std::rc::Rc;
use wasmparser::FrameKind;

impl Compiler<'_> {
    /// Begins a short circuit, if the current `if` is one. One that may still be compiled without the frame that the
    /// function has later is an `if` as any other.
    pub(super) fn begin_short_circuit(&mut self) -> bool {
        let keeps_frame = self.values.is_framed() || self.cursor.analysis().early_exit == Some(ALL);
        let Some(short) = self.cursor.short_circuit().filter(|_| keeps_frame) else { return false };
        let decided = self.flow.take_decided();
        let first = self.pop_condition();
        let tested = self.tested_by(&first).filter(|_| decided.is_none());
        let settled = self.values.settle_operands(self.asm, self.flow.settled(), self.values.height());
        let settled = decided.as_ref().map_or(settled, |decided| settled.min(decided.settled()));
        self.values.settle_const_locals(self.asm);
        let otherwise = match first {
            Condition::Always(first) if decided.is_none() && first != short.constant_first => None,
            first => self.leave_if_decided(short, first, settled, decided),
        };
        self.enter(FrameKind::If, BlockSignature::Result([ValType::I32]), settled);
        let control = self.flow.innermost_mut().expect("just entered");
        control.otherwise = otherwise;
        control.short_circuit = Some(Box::new(*short));
        if short.constant_first {
            self.cursor.resume_at(short.resume);
        }
        self.values.learn(tested, !short.constant_first);
        true
    }

    /// Emits the edge on which the first condition decides; where it goes, unless that is a label which is known.
    fn leave_if_decided(
        &mut self,
        short: &ShortCircuit,
        first: Condition,
        settled: usize,
        decided: Option<Decided>,
    ) -> Option<(Label, Rc<Snapshot>)> {
        let first = self.dynamic(first);
        let first = self.test_and_release(&first);
        let leaves = if short.constant_first { first } else { first.negate() };
        match decided {
            // What was decided before decides this, too.
            Some(mut decided) if decided.value == short.constant_first => {
                self.branch_decided(leaves, &mut decided);
                return Some((decided.label, decided.state));
            }
            None if short.value && short.branch.is_some() => {
                self.branch_if(short.branch?, Condition::Flags(leaves));
                return None;
            }
            _ => {}
        }
        let label = self.asm.new_label();
        self.asm.jcc(leaves, label);
        let state = self.values.snapshot(settled);
        let state = self.values.keep(state);
        if let Some(decided) = decided {
            self.join_decided(decided);
        }
        Some((label, state))
    }

    /// The second condition of a short circuit is on the stack.
    pub(super) fn end_short_circuit(&mut self) {
        let control = self.flow.pop();
        assert_eq!(control.section, self.asm.section(), "the arms of a condition end where they begin");
        let short = control.short_circuit.expect("a short circuit");
        if let Some((label, state)) = control.otherwise {
            let value = short.value != active(Mutant::ShortCircuitInverted);
            self.flow.decide(Decided { label, state, value });
        }
        if !short.constant_first {
            self.cursor.resume_at(short.resume);
        }
    }

    /// A `br_if` whose condition is known on an edge.
    pub(super) fn br_if_decided(&mut self, depth: u32, decided: Decided) {
        let condition = self.pop_condition();
        let tested = self.tested_by(&condition);
        let condition = self.dynamic(condition);
        self.branch_if(depth, condition);
        if !decided.value {
            return self.join_decided(decided);
        }
        let here = self.values.snapshot(decided.settled());
        // The code around it may be an unlikely arm.
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(decided.label);
        self.values.restore(&decided.state);
        self.branch_to(self.flow.index_of(depth));
        self.asm.switch(was);
        self.values.restore(&here);
        self.values.drop_kept(Some(decided.state));
        self.values.learn(tested, false);
    }

    /// The edge from here to the label of `decided`.
    pub(super) fn plan_decided(&mut self, decided: &mut Decided) -> Edge {
        self.values.weaken(Rc::get_mut(&mut decided.state).expect("the edge alone has its state"));
        self.values.plan_edge(&decided.state, 0)
    }

    /// Goes to the label of `decided` if the condition holds.
    pub(super) fn branch_decided(&mut self, cond: Cond, decided: &mut Decided) {
        let edge = self.plan_decided(decided);
        if edge.is_empty() || active(Mutant::ShortCircuitWithoutMoves) {
            return self.asm.jcc(cond, decided.label);
        }
        let skip = self.asm.new_label();
        self.asm.jcc(cond.negate(), skip);
        self.values.emit_edge(self.asm, &edge);
        self.asm.jmp(decided.label);
        self.asm.bind(skip);
    }

    /// The edge of `decided` comes here.
    pub(super) fn join_decided(&mut self, mut decided: Decided) {
        let edge = self.plan_decided(&mut decided);
        self.values.emit_edge(self.asm, &edge);
        self.asm.bind(decided.label);
        self.values.restore(&decided.state);
        self.values.drop_kept(Some(decided.state));
    }

    /// A condition that code can test, even if it is a constant.
    pub(super) fn dynamic(&mut self, condition: Condition) -> Condition {
        let Condition::Always(value) = condition else { return condition };
        let reg = self.take_gpr();
        self.asm.mov_ri(reg, u64::from(value));
        Condition::Register(reg, Value { ty: ValType::I32, at: At::Temp(Reg::gpr(reg)) })
    }
}
