//! Control instructions: constructs, from where they open to where they end.

mod branches;
mod conditions;
mod loops;

pub(crate) use conditions::Condition;

use super::Compiler;
use super::state::{Place, Snapshot};
use crate::abi::TrapKind;
use crate::asm::{Label, Section};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use smallvec::SmallVec;
use wasmparser::FrameKind;

/// Types of a block.
#[derive(Clone, Debug)]
pub(crate) enum BlockSignature {
    Empty,
    Result([ValType; 1]),
    /// Index of a function type.
    Func(u32),
    /// The function's own results.
    Function,
}

/// An open control frame.
pub(crate) struct Control {
    pub(crate) kind: FrameKind,
    pub(crate) signature: BlockSignature,
    /// Where branches go: the end, or a loop's head.
    pub(crate) label: Label,
    pub(crate) is_loop: bool,
    /// Operand stack height below the parameters.
    pub(crate) height: usize,
    /// Operands below this height are in slots or constants for good.
    pub(crate) settled: usize,
    /// The state that the label expects; `None` until the first branch.
    pub(crate) target: Option<Box<Snapshot>>,
    /// The state at the condition of an `if`, and where its false edge goes.
    pub(crate) otherwise: Option<(Label, Box<Snapshot>)>,
    /// A branch to it is a return.
    pub(crate) is_tail: bool,
    /// Locals pinned while this loop is open.
    pub(super) pins: SmallVec<[u32; 6]>,
    /// Landing pad that was current before this construct.
    pub(crate) outer_handler: Option<u32>,
    /// Landing pad of exceptions thrown right inside of it.
    pub(crate) inside: Option<u32>,
    pub(crate) catches: Vec<wasmparser::Catch>,
    /// Where a legacy `catch` sends exceptions of other tags.
    pub(crate) next_catch: Option<Label>,
    /// Where its end lies; an arm may be in another section.
    section: Section,
    /// The `else` of this `if` goes to the unlikely section.
    rare_else: bool,
}

impl Compiler<'_> {
    pub(crate) fn params_of(&self, signature: &BlockSignature) -> &[ValType] {
        match signature {
            BlockSignature::Func(ty) => &self.info.types.func(*ty).params,
            _ => &[],
        }
    }

    pub(crate) fn results_of<'s>(&'s self, signature: &'s BlockSignature) -> &'s [ValType] {
        match signature {
            BlockSignature::Empty => &[],
            BlockSignature::Result(ty) => ty,
            BlockSignature::Func(ty) => &self.info.types.func(*ty).results,
            BlockSignature::Function => self.results,
        }
    }

    /// Number of values that a branch to control frame `index` carries.
    fn label_arity(&self, index: usize) -> usize {
        let control = &self.control[index];
        if control.is_loop {
            self.params_of(&control.signature).len()
        } else {
            self.results_of(&control.signature).len()
        }
    }

    /// Types of the values that a branch to control frame `index` carries.
    pub(crate) fn label_types_of(&self, index: usize) -> smallvec::SmallVec<[ValType; 4]> {
        let control = &self.control[index];
        if control.is_loop {
            self.params_of(&control.signature).into()
        } else {
            self.results_of(&control.signature).into()
        }
    }

    pub(crate) fn control_index(&self, depth: u32) -> usize {
        self.control.len() - 1 - depth as usize
    }

    pub(crate) fn enter_control_function(&mut self) {
        self.enter(FrameKind::Block, BlockSignature::Function, 0);
        self.control[0].is_tail = true;
    }

    pub(crate) fn enter(&mut self, kind: FrameKind, signature: BlockSignature, settled: usize) {
        let height = self.stack.len() - self.params_of(&signature).len();
        let is_loop = kind == FrameKind::Loop;
        let is_tail = matches!(kind, FrameKind::Block | FrameKind::If)
            && self.results_of(&signature).len() == self.results.len()
            && self.look.tail_blocks.binary_search(&self.op).is_ok();
        let label = self.asm.new_label();
        self.control.push(Control {
            kind,
            signature,
            label,
            is_loop,
            height,
            settled: settled.min(height),
            target: None,
            otherwise: None,
            is_tail,
            pins: SmallVec::new(),
            outer_handler: self.handler,
            inside: self.handler,
            catches: Vec::new(),
            next_catch: None,
            section: self.asm.section(),
            rare_else: false,
        });
    }

    pub(crate) fn block(&mut self, signature: BlockSignature) {
        let to = self.stack.len() - self.params_of(&signature).len();
        let settled = self.settle_operands(to);
        self.enter(FrameKind::Block, signature, settled);
    }

    // ---- ends

    pub(crate) fn end(&mut self) {
        let index = self.control.len() - 1;
        match self.control[index].kind {
            FrameKind::Loop => self.end_loop(),
            FrameKind::TryTable => self.end_try_table(),
            FrameKind::LegacyTry => self.end_uncaught(self.control[index].outer_handler),
            FrameKind::LegacyCatch | FrameKind::LegacyCatchAll => self.end_catch(),
            _ => self.end_block(),
        }
    }

    pub(crate) fn end_block(&mut self) {
        let index = self.control.len() - 1;
        let arity = self.label_arity(index);
        if index == 0 {
            if !self.unreachable && !self.after_tail {
                self.emit_return();
            }
            self.control.pop();
            self.unreachable = true;
            return;
        }
        if self.control[index].is_tail {
            self.end_tail_block();
            return;
        }
        if let Some((label, snapshot)) = self.control[index].otherwise.take() {
            self.end_if_without_else(index, arity, label, snapshot);
        } else if !self.unreachable && self.asm.section() != self.control[index].section {
            self.leave_arm(index, false);
        } else if self.control[index].target.is_some() && !self.unreachable {
            let edge = self.plan_edge(index, arity);
            self.emit_edge(&edge);
        }
        self.close_block();
    }

    /// The label, if anything branches to it; all values are where it expects them.
    pub(crate) fn close_block(&mut self) {
        let control = self.control.pop().expect("validated body");
        self.asm.switch(control.section);
        match control.target {
            Some(target) => {
                self.asm.bind(control.label);
                self.unreachable = false;
                // Of what follows a tail block, only a label of another kind (of a `try_table`) can be reached.
                self.after_tail = false;
                self.restore(&target);
            }
            None if self.unreachable => self.fabricate_state(control.height, &control.signature),
            None => {}
        }
    }

    /// Every branch to a tail block has returned already; only a missing `else` still comes through.
    fn end_tail_block(&mut self) {
        if !self.unreachable && !self.after_tail {
            self.emit_return();
        }
        let control = self.control.pop().expect("validated body");
        self.asm.switch(control.section);
        self.unreachable = false;
        self.after_tail = control.otherwise.is_none();
        match control.otherwise {
            Some((label, snapshot)) => {
                self.asm.bind(label);
                self.restore(&snapshot);
            }
            None => self.fabricate_state(control.height, &control.signature),
        }
    }

    /// After code that nothing reaches (a block that nobody leaves): any consistent state will do.
    pub(crate) fn fabricate_state(&mut self, height: usize, signature: &BlockSignature) {
        self.unreachable = false;
        let results = self.results_of(signature).to_vec();
        let keep = Snapshot {
            registers: self.pinned_registers(),
            dirty: u32::MAX,
            from: height.narrow(),
            // In a function that calls nothing the register holds it throughout.
            context_valid: !self.saves_context(),
            framed: self.framed,
            ..Snapshot::default()
        };
        for operand in &mut self.stack[..height] {
            if let Place::Alias(local) = operand.place {
                self.locals[local as usize].aliases -= 1;
            }
            if operand.ty.is_ref() || !matches!(operand.place, Place::Const(_)) {
                operand.place = Place::Slot;
            }
        }
        self.restore(&keep);
        for ty in results {
            self.push_const(ty, 0);
        }
    }

    pub(crate) fn unreachable_op(&mut self) {
        self.trap_site(TrapKind::Unreachable);
        self.asm.ud2();
        self.unreachable = true;
    }
}
