//! Conditions, and the two arms of an `if`.

use super::flow::BlockSignature;
use crate::abi::Gpr;
use crate::asm::{Cond, Label, Section, Width};
use crate::compiler::parts::Compiler;
use crate::compiler::values::{At, Snapshot, Tested, Value};
use heapwood_gc_abi::low32;
use std::rc::Rc;
use wasmparser::FrameKind;

/// A popped condition.
pub(crate) enum Condition {
    /// In the flags: this test means true.
    Flags(Cond),
    /// In a register: nonzero means true.
    Register(Gpr, Value),
    /// A constant.
    Always(bool),
}

impl Compiler<'_> {
    /// Pops a condition and returns the flag test for "true", emitting a test if it is not in the flags.
    pub(crate) fn pop_condition(&mut self) -> Condition {
        let mut value = self.pop();
        match value.at {
            At::Flags(cond) => Condition::Flags(cond),
            At::Const(bits) => Condition::Always(low32(bits) != 0),
            _ => {
                let reg = self.in_gpr(&mut value);
                Condition::Register(reg, value)
            }
        }
    }

    /// What a popped condition says of a local.
    pub(super) fn tested_by(&mut self, condition: &Condition) -> Option<Tested> {
        matches!(condition, Condition::Flags(_)).then(|| self.values.take_tested())?
    }

    /// Emits the test of a condition that is still in a register; moves in between are allowed.
    pub(crate) fn test_condition(&mut self, condition: &Condition) -> Option<Cond> {
        match condition {
            Condition::Flags(cond) => Some(*cond),
            Condition::Register(reg, _) => {
                self.asm.test_zero(Width::W32, *reg);
                Some(Cond::Ne)
            }
            Condition::Always(_) => None,
        }
    }

    pub(crate) fn release_condition(&mut self, condition: &Condition) {
        if let Condition::Register(_, value) = condition {
            self.release_value(value);
        }
    }

    /// Emits the test of a condition that is no constant, which is popped for good.
    pub(super) fn test_and_release(&mut self, condition: &Condition) -> Cond {
        let cond = self.test_condition(condition).expect("not constant");
        self.release_condition(condition);
        cond
    }

    pub(crate) fn begin_if(&mut self, signature: BlockSignature) {
        if self.begin_short_circuit() {
            return;
        }
        let hint = self.usable_hint();
        let decided = self.flow.take_decided();
        let mut condition = self.pop_condition();
        let tested = self.tested_by(&condition);
        if decided.is_some() {
            condition = self.dynamic(condition);
        }
        let mut settled = self.settle_for_arms(&signature);
        let cond = self.test_condition(&condition);
        self.release_condition(&condition);
        let hint = hint.filter(|_| cond.is_some());
        settled = decided.as_ref().map_or(settled, |decided| settled.min(decided.settled()));
        // An edge on which the condition is known goes to one of the arms.
        let (to_first, mut to_second) = match decided {
            Some(decided) if decided.value => (Some(decided), None),
            other => (None, other),
        };
        let rare_arm = (hint == Some(false)).then(|| self.asm.new_label());
        let label = to_second.as_ref().map_or_else(|| self.asm.new_label(), |decided| decided.label);
        let mut tested_object = None;
        match (cond, rare_arm, &mut to_second) {
            (Some(cond), Some(rare_arm), to_second) => {
                self.asm.jcc(cond, rare_arm);
                if let Some(decided) = to_second {
                    let edge = self.plan_decided(decided);
                    self.values.emit_edge(self.asm, &edge);
                }
            }
            (Some(cond), None, Some(decided)) => self.branch_decided(cond.negate(), decided),
            (Some(cond), None, None) => {
                self.asm.jcc(cond.negate(), label);
                tested_object = self.asm.type_id();
            }
            (None, ..) if matches!(condition, Condition::Always(false)) => self.asm.jmp(label),
            (None, ..) => {}
        }
        let state = to_second.map(|decided| decided.state);
        self.enter_if(signature, settled, (label, state), hint == Some(true));
        self.flow.innermost_mut().expect("just entered").tested_object = tested_object;
        if let Some(rare_arm) = rare_arm {
            self.asm.switch(Section::Unlikely);
            self.asm.bind(rare_arm);
        }
        match to_first {
            Some(decided) => self.join_decided(decided),
            None => self.values.learn(tested, true),
        }
    }

    /// Settles what both arms of an `if` with this signature find alike; the height below which operands are settled.
    pub(super) fn settle_for_arms(&mut self, signature: &BlockSignature) -> usize {
        let to = self.below_params(signature);
        let settled = self.values.settle_operands(self.asm, self.flow.settled(), to);
        self.values.settle_const_locals(self.asm);
        settled
    }

    /// Enters the frame of an `if`, whose other arm begins at a label: in a state that was kept, or in the present one.
    pub(super) fn enter_if(
        &mut self,
        signature: BlockSignature,
        settled: usize,
        (label, state): (Label, Option<Rc<Snapshot>>),
        rare_else: bool,
    ) {
        self.enter(FrameKind::If, signature, settled);
        let state = state.unwrap_or_else(|| {
            let state = self.values.snapshot(settled);
            self.values.keep(state)
        });
        let control = self.flow.innermost_mut().expect("just entered");
        control.otherwise = Some((label, state));
        control.rare_else = rare_else;
    }

    /// The module's hint for this branch, if something can be moved out of line because of it.
    pub(super) fn usable_hint(&mut self) -> Option<bool> {
        self.cursor.branch_hint().filter(|_| self.asm.section() == Section::Hot)
    }

    pub(crate) fn begin_else(&mut self) {
        let index = self.flow.top();
        if self.flow[index].short_circuit.is_some() {
            return self.end_short_circuit();
        }
        if !self.flow.is_unreachable() {
            self.leave_arm(index, self.flow[index].rare_else);
        }
        let control = self.flow.innermost_mut().expect("validated body");
        control.kind = FrameKind::Else;
        let section = if control.rare_else { Section::Unlikely } else { control.section };
        let (label, snapshot) = control.otherwise.take().expect("an if");
        let tested_object = control.tested_object.take();
        self.asm.switch(section);
        self.asm.bind(label);
        if let Some(object) = tested_object {
            self.asm.note_type_id(object);
        }
        self.flow.reach();
        self.values.restore(&snapshot);
        self.values.drop_kept(Some(snapshot));
    }

    /// Ends an arm: it goes to the label (or returns), by falling through if nothing lies between in the label's
    /// section.
    pub(crate) fn leave_arm(&mut self, index: usize, label_is_next: bool) {
        let arity = self.prepare_branch(index);
        let control = &self.flow[index];
        if label_is_next && !control.is_tail && self.asm.section() == control.section {
            let edge = self.plan_edge(index, arity);
            self.values.emit_edge(self.asm, &edge);
        } else {
            self.take_branch(index, arity);
        }
    }

    /// An `if` without values takes the state of its false edge for its label: that edge needs no code then.
    pub(super) fn choose_if_target(&mut self, index: usize, arity: usize) {
        let control = &self.flow[index];
        if control.target.is_some() || arity != 0 || control.is_tail {
            return;
        }
        let Some((_, snapshot)) = &control.otherwise else { return };
        if snapshot.height() != control.height {
            return;
        }
        let mut snapshot = Snapshot::clone(snapshot);
        self.values.drop_dead_locals(&mut snapshot);
        let target = self.values.keep(snapshot);
        self.flow[index].target = Some(target);
    }

    /// Both the arm and the false edge go to the label; leaves the state to be replaced by the label's.
    pub(super) fn end_if_without_else(&mut self, index: usize, arity: usize, label: Label, snapshot: Rc<Snapshot>) {
        let out_of_line = self.asm.section() != self.flow[index].section;
        let falls_through = !self.flow.is_unreachable() && !out_of_line;
        if !self.flow.is_unreachable() {
            self.flow[index].otherwise = Some((label, snapshot.clone()));
            self.leave_arm(index, true);
            self.flow[index].otherwise = None;
        }
        self.asm.switch(self.flow[index].section);
        self.flow.reach();
        if self.flow[index].target.is_none() {
            self.asm.bind(label);
            self.flow[index].target = Some(snapshot);
            return;
        }
        self.values.restore(&snapshot);
        let edge = self.plan_edge(index, arity);
        if falls_through && !edge.is_empty() {
            self.asm.jmp(self.flow[index].label);
        }
        self.asm.bind(label);
        self.values.emit_edge(self.asm, &edge);
        self.values.drop_kept(Some(snapshot));
    }
}
