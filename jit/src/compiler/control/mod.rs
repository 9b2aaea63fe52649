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
use std::rc::Rc;
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

/// An open control frame, or a run of idle ones: blocks and loops without values that nothing branches to, opened with the
/// same operands on the stack.
///
/// There may be a million: what few of them have is behind a pointer.
pub(crate) struct Control {
    pub(crate) kind: FrameKind,
    pub(crate) signature: BlockSignature,
    /// Where branches go: the end, or a loop's head.
    pub(crate) label: Label,
    pub(crate) is_loop: bool,
    /// Frames around it.
    depth: u32,
    /// Idle frames that this stands for; 0 for any other frame.
    idle: u32,
    /// Operand stack height below the parameters.
    pub(crate) height: usize,
    /// Operands below this height are in slots or constants for good.
    pub(crate) settled: usize,
    /// The state that the label expects; `None` until the first branch. Loops with equal states share it.
    pub(crate) target: Option<Rc<Snapshot>>,
    /// The state at the condition of an `if`, and where its false edge goes.
    pub(crate) otherwise: Option<(Label, Rc<Snapshot>)>,
    /// A branch to it is a return.
    pub(crate) is_tail: bool,
    /// Number of locals that are pinned while this loop is open: the last ones in `Compiler::loop_pins`.
    pub(super) pins: u32,
    /// Landing pad that was current before this construct.
    pub(crate) outer_handler: Option<u32>,
    /// Landing pad of exceptions thrown right inside of it.
    pub(crate) inside: Option<u32>,
    /// Of a `try_table`.
    pub(crate) catches: Box<[wasmparser::Catch]>,
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

    /// The position of the frame that `depth` others lie between.
    pub(crate) fn control_index(&self, depth: u32) -> usize {
        let last = self.control.last().expect("a branch is inside of the function");
        let wanted = last.depth + last.idle.saturating_sub(1) - depth;
        if last.depth as usize + 1 == self.control.len() {
            // No run of idle frames is open that stands for more than one.
            return wanted.min(last.depth) as usize;
        }
        self.control.partition_point(|control| control.depth <= wanted) - 1
    }

    /// Number of open frames.
    fn open_frames(&self) -> u32 {
        self.control.last().map_or(0, |last| last.depth + last.idle.max(1))
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
        let depth = self.open_frames();
        self.control.push(Control {
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
            is_tail,
            pins: 0,
            outer_handler: self.handler,
            inside: self.handler,
            catches: Box::default(),
            next_catch: None,
            section: self.asm.section(),
            rare_else: false,
        });
    }

    /// The height below the parameters of a construct that begins; many of them go to their slots.
    pub(crate) fn below_params(&mut self, signature: &BlockSignature) -> usize {
        let params = self.params_of(signature).len();
        self.settle_many(params);
        self.stack.len() - params
    }

    pub(crate) fn block(&mut self, signature: BlockSignature) {
        if self.is_idle() {
            return self.enter_idle();
        }
        let to = self.below_params(&signature);
        let settled = self.settle_operands(to);
        self.enter(FrameKind::Block, signature, settled);
    }

    /// Whether the block or loop that begins has no values, and nothing branches to it.
    pub(super) fn is_idle(&mut self) -> bool {
        let idle = &self.look.idle;
        while idle.get(self.next_idle).is_some_and(|start| *start < self.op) {
            self.next_idle += 1;
        }
        idle.get(self.next_idle) == Some(&self.op)
    }

    /// The state does not change, and there is no code: only the depths of labels count the frame.
    pub(super) fn enter_idle(&mut self) {
        let is_tail = self.results.is_empty() && self.look.tail_blocks.binary_search(&self.op).is_ok();
        let height = self.stack.len();
        if let Some(run) = self.control.last_mut()
            && (run.idle > 0 && run.height == height && run.is_tail == is_tail)
        {
            run.idle += 1;
            return;
        }
        let settled = self.control.last().map_or(0, |outer| outer.settled);
        self.enter(FrameKind::Block, BlockSignature::Empty, settled);
        let run = self.control.last_mut().expect("just entered");
        (run.idle, run.is_tail) = (1, is_tail);
    }

    fn end_idle(&mut self) {
        let run = self.control.last_mut().expect("validated body");
        run.idle -= 1;
        let (height, is_tail) = (run.height, run.is_tail);
        if run.idle == 0 {
            self.control.pop();
        }
        if self.unreachable {
            // Where nothing follows but the end of the function, there is nothing to return from.
            self.after_tail |= is_tail;
            self.fabricate_state(height, &BlockSignature::Empty);
        }
    }

    // ---- ends

    pub(crate) fn end(&mut self) {
        let index = self.control.len() - 1;
        if self.control[index].idle > 0 {
            return self.end_idle();
        }
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
                self.return_();
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
                self.drop_kept(Some(target));
            }
            None if self.unreachable => self.fabricate_state(control.height, &control.signature),
            None => {}
        }
    }

    /// Every branch to a tail block has returned already; only a missing `else` still comes through.
    fn end_tail_block(&mut self) {
        if !self.unreachable && !self.after_tail {
            self.return_();
        }
        let control = self.control.pop().expect("validated body");
        self.asm.switch(control.section);
        self.unreachable = false;
        self.after_tail = control.otherwise.is_none();
        match control.otherwise {
            Some((label, snapshot)) => {
                self.asm.bind(label);
                self.restore(&snapshot);
                self.drop_kept(Some(snapshot));
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
        let open = self.open_from().min(height);
        for operand in &mut self.stack[open..height] {
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
