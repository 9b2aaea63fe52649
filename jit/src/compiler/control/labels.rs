//! Labels: what branches to a control frame carry, and the edges to it.

use crate::compiler::parts::Compiler;
use crate::compiler::values::Edge;
use heapwood_module::ValType;
use smallvec::SmallVec;
use std::rc::Rc;

impl Compiler<'_> {
    /// Number of values that a branch to control frame `index` carries.
    pub(super) fn label_arity(&self, index: usize) -> usize {
        let control = &self.flow[index];
        if control.is_loop {
            self.params_of(&control.signature).len()
        } else {
            self.results_of(&control.signature).len()
        }
    }

    /// Decides the state of the forward label of control frame `index` from the current one, if it is not decided.
    pub(super) fn decide_target(&mut self, index: usize) {
        if self.flow[index].target.is_some() {
            return;
        }
        debug_assert!(!self.flow[index].is_loop, "the state of a loop's head is decided where the loop begins");
        let control = &self.flow[index];
        let declared: SmallVec<[ValType; 4]> = self.results_of(&control.signature).into();
        let (settled, height) = (control.settled, control.height);
        let target = self.values.decide_target(self.asm, settled, height, &declared);
        self.flow[index].target = Some(self.values.keep(target));
    }

    /// What the edge from the current state to the label of control frame `index` needs; emits nothing.
    pub(super) fn plan_edge(&mut self, index: usize, arity: usize) -> Edge {
        let control = &mut self.flow[index];
        let target = control.target.as_mut().expect("decided before");
        if !control.is_loop {
            self.values.weaken(Rc::get_mut(target).expect("only loops share their states"));
        }
        self.values.plan_edge(target, arity)
    }
}
