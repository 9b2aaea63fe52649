//! Control instructions: constructs, from where they open to where they end.

mod branches;
mod conditions;
mod exceptions;
pub(super) mod flow;
mod guards;
mod labels;
mod legacy;
mod loops;
mod short_circuits;

pub(crate) use conditions::Condition;
pub(crate) use flow::BlockSignature;

use super::parts::Compiler;
use crate::abi::TrapKind;
use flow::Control;
use heapwood_module::ValType;
use wasmparser::FrameKind;

impl Compiler<'_> {
    pub(crate) fn params_of(&self, signature: &BlockSignature) -> &[ValType] {
        match signature {
            BlockSignature::Func(ty) => &self.info.types.func(*ty).params,
            _ => &[],
        }
    }

    /// Number of values that a construct takes.
    fn param_count(&self, signature: &BlockSignature) -> usize {
        match signature {
            BlockSignature::Guard(ty) => self.info.types.func(*ty).params.len() + 1,
            _ => self.params_of(signature).len(),
        }
    }

    pub(crate) fn results_of<'s>(&'s self, signature: &'s BlockSignature) -> &'s [ValType] {
        match signature {
            BlockSignature::Empty => &[],
            BlockSignature::Result(ty) => ty,
            BlockSignature::Func(ty) | BlockSignature::Body(ty) | BlockSignature::Guard(ty) => {
                &self.info.types.func(*ty).results
            }
            BlockSignature::Function => self.results,
        }
    }

    pub(crate) fn enter_control_function(&mut self) {
        self.enter(FrameKind::Block, BlockSignature::Function, 0);
        self.flow[0].is_tail = true;
    }

    pub(crate) fn enter(&mut self, kind: FrameKind, signature: BlockSignature, settled: usize) {
        let height = self.values.height() - self.param_count(&signature);
        let is_loop = kind == FrameKind::Loop;
        let is_tail = self.cursor.body() == 0
            && matches!(kind, FrameKind::Block | FrameKind::If)
            && self.results_of(&signature).len() == self.results.len()
            && self.cursor.is_tail_block();
        let label = self.asm.new_label();
        let depth = self.flow.depth();
        self.flow.push(Control {
            kind,
            signature,
            label,
            is_loop,
            depth,
            idle: 0,
            height,
            settled: settled.min(height),
            target: None,
            otherwise: None,
            tested_object: None,
            is_tail,
            pins: 0,
            outer_handler: self.flow.handler(),
            inside: self.flow.handler(),
            catches: Box::default(),
            next_catch: None,
            section: self.asm.section(),
            rare_else: false,
            short_circuit: None,
            falls_through: false,
        });
    }

    /// The height below the parameters of a construct that begins; many of them go to their slots.
    pub(crate) fn below_params(&mut self, signature: &BlockSignature) -> usize {
        let params = self.param_count(signature);
        self.values.settle_many(self.asm, params);
        self.values.height() - params
    }

    pub(crate) fn block(&mut self, signature: BlockSignature) {
        if self.cursor.is_idle() {
            return self.enter_idle();
        }
        let to = self.below_params(&signature);
        let settled = self.values.settle_operands(self.asm, self.flow.settled(), to);
        self.enter(FrameKind::Block, signature, settled);
    }

    /// Enters a frame that nothing branches to and that has no values: the state does not change and no code is
    /// emitted, but the depths of labels count the frame.
    pub(super) fn enter_idle(&mut self) {
        let is_tail = self.cursor.body() == 0 && self.results.is_empty() && self.cursor.is_tail_block();
        let height = self.values.height();
        if let Some(run) = self.flow.innermost_mut()
            && (run.idle > 0 && run.height == height && run.is_tail == is_tail)
        {
            run.idle += 1;
            return;
        }
        let settled = self.flow.settled();
        self.enter(FrameKind::Block, BlockSignature::Empty, settled);
        let run = self.flow.innermost_mut().expect("just entered");
        (run.idle, run.is_tail) = (1, is_tail);
    }

    fn end_idle(&mut self) {
        let run = self.flow.innermost_mut().expect("validated body");
        run.idle -= 1;
        let (height, is_tail) = (run.height, run.is_tail);
        if run.idle == 0 {
            self.flow.pop();
        }
        if self.flow.is_unreachable() {
            // Where nothing follows but the end of the function, there is nothing to return from.
            self.flow.set_after_tail(self.flow.is_after_tail() || is_tail);
            self.fabricate_state(height, &BlockSignature::Empty);
        }
    }

    // ---- ends

    pub(crate) fn end(&mut self) {
        let index = self.flow.top();
        if self.flow[index].idle > 0 {
            return self.end_idle();
        }
        match self.flow[index].kind {
            FrameKind::Loop => self.end_loop(),
            FrameKind::TryTable => self.end_try_table(),
            FrameKind::LegacyTry => self.end_uncaught(self.flow[index].outer_handler),
            FrameKind::LegacyCatch | FrameKind::LegacyCatchAll => self.end_catch(),
            _ => self.end_block(),
        }
    }

    pub(crate) fn end_block(&mut self) {
        let index = self.flow.top();
        if self.flow[index].short_circuit.is_some() {
            return self.end_short_circuit();
        }
        let arity = self.label_arity(index);
        if self.flow[index].falls_through {
            self.flow.reach();
        }
        if index == 0 {
            if !self.flow.is_unreachable() && !self.flow.is_after_tail() {
                self.return_();
            }
            self.flow.pop();
            self.flow.leave();
            return;
        }
        if self.flow[index].is_tail {
            self.end_tail_block();
            return;
        }
        if let Some((label, snapshot)) = self.flow[index].otherwise.take() {
            self.end_if_without_else(index, arity, label, snapshot);
        } else if !self.flow.is_unreachable() && self.asm.section() != self.flow[index].section {
            self.leave_arm(index, false);
        } else if self.flow[index].target.is_some() && !self.flow.is_unreachable() {
            let edge = self.plan_edge(index, arity);
            self.values.emit_edge(self.asm, &edge);
        }
        self.close_block();
    }

    /// Binds the label, if anything branches to it; all values are where it expects them.
    pub(crate) fn close_block(&mut self) {
        let control = self.flow.pop();
        self.asm.switch(control.section);
        match control.target {
            Some(target) => {
                self.asm.bind(control.label);
                self.flow.reach();
                // Behind a tail block, only a label of another kind of construct (a `try_table`) can be reached.
                self.flow.set_after_tail(false);
                self.values.restore(&target);
                self.values.drop_kept(Some(target));
            }
            None if self.flow.is_unreachable() => self.fabricate_state(control.height, &control.signature),
            None => {}
        }
    }

    /// Ends a block whose end is the function's end: every branch to it has returned already, and only the missing
    /// `else` of an `if` still gets here.
    fn end_tail_block(&mut self) {
        if !self.flow.is_unreachable() && !self.flow.is_after_tail() {
            self.return_();
        }
        let control = self.flow.pop();
        self.asm.switch(control.section);
        self.flow.reach();
        self.flow.set_after_tail(control.otherwise.is_none());
        match control.otherwise {
            Some((label, snapshot)) => {
                self.asm.bind(label);
                self.values.restore(&snapshot);
                self.values.drop_kept(Some(snapshot));
            }
            None => self.fabricate_state(control.height, &control.signature),
        }
    }

    /// Makes up a state after code that nothing reaches (such as a block that nothing leaves): any consistent one will
    /// do.
    pub(crate) fn fabricate_state(&mut self, height: usize, signature: &BlockSignature) {
        self.flow.reach();
        let results = self.results_of(signature).to_vec();
        self.values.fabricate(self.flow.settled(), height, &results);
    }

    pub(crate) fn unreachable_op(&mut self) {
        self.trap_site(TrapKind::Unreachable);
        self.asm.ud2();
        self.flow.leave();
    }
}
