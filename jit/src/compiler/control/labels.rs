//! Labels: what branches to a control frame carry, and the edges to it.

use crate::compiler::parts::Compiler;
use crate::compiler::values::Edge;
use heapwood_module::ValType;
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

    /// Types of the values that a branch to control frame `index` carries.
    fn label_types_of(&self, index: usize) -> smallvec::SmallVec<[ValType; 4]> {
        let control = &self.flow[index];
        if control.is_loop {
            self.params_of(&control.signature).into()
        } else {
            self.results_of(&control.signature).into()
        }
    }

    /// Decides the state of the forward label of control frame `index` from the current one, if it is not decided.
    pub(super) fn decide_target(&mut self, index: usize) {
        if self.flow[index].target.is_some() {
            return;
        }
        let declared = self.label_types_of(index);
        let (settled, height) = (self.flow[index].settled, self.flow[index].height);
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
