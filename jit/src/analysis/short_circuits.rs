//! Short circuits: what compilers make of `a && b` and of `a || b`, an `if (result i32)` one arm of which is a
//! constant, where a `br_if` or an `if` takes the result.
//!
//! Where the constant is the result, it is known where the `br_if` or the `if` goes: so the first condition goes there
//! itself, no arm makes a number, and the second condition is taken from the flags.

use super::{Analysis, Findings, Frame, Hint};
use heapwood_gc_abi::Narrow;
use wasmparser::{BlockType, FrameKind, ValType};

/// An `if (result i32)` whose result decides where a `br_if` or an `if` goes, with an arm that is one constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ShortCircuit {
    /// Operator index of the `if`.
    pub(crate) if_op: u32,
    /// Whether the constant is the first arm.
    pub(crate) constant_first: bool,
    /// Whether the condition that is taken is true where the constant is the result.
    pub(crate) value: bool,
    /// The label of the `br_if` that takes it, or none of an `if`.
    pub(crate) branch: Option<u32>,
    /// Operator index and offset where the code goes on in place of the constant's arm: behind the `else` if it is the
    /// first arm, or else behind the `end`.
    pub(crate) resume: (u32, u32),
}

/// What is known of the arms of an open `if (result i32)` that may be a short circuit.
#[derive(Clone, Copy, Default)]
pub(super) struct Arms {
    /// The number of frames around it.
    depth: u32,
    /// A branch goes to its end: it is none.
    is_none: bool,
    /// Operator index of the `else`, and the offset behind it.
    otherwise: (u32, u32),
    /// The truth of the constant with which the current arm began.
    constant: Option<bool>,
    /// The truth of the first arm, if it is a constant.
    first: Option<bool>,
    /// The second condition, if its arm has ended.
    second: Option<Second>,
}

/// The arm that is no constant.
#[derive(Clone, Copy)]
struct Second {
    /// Its last operator.
    last_op: u32,
    /// Whether that is a comparison.
    in_flags: bool,
}

/// A short circuit, if what follows takes its result.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    short: ShortCircuit,
    second: Second,
    /// The operator that has to take it.
    next_op: u32,
}

impl Findings {
    /// The short circuits, by the index of their `if`, ascending.
    pub(crate) fn short_circuits(&self) -> &[ShortCircuit] {
        &self.short_circuits
    }
}

impl Analysis {
    /// A frame was entered.
    pub(super) fn begin_arms(&mut self, kind: FrameKind, ty: BlockType) {
        if kind == FrameKind::If && ty == BlockType::Type(ValType::I32) && self.live() && !self.counts_fuel {
            let depth = self.state.frames.len().narrow::<u32>() - 1;
            self.state.arms.push(Arms { depth, ..Arms::default() });
        }
    }

    /// A branch goes to the label of this depth.
    pub(super) fn label_is_used(&mut self, depth: u32) {
        let Some(depth) = self.state.frames.len().narrow::<u32>().checked_sub(1 + depth) else { return };
        if let Ok(at) = self.state.arms.binary_search_by_key(&depth, |arms| arms.depth) {
            self.state.arms[at].is_none = true;
        }
    }

    /// The arms of the innermost frame, if they may be those of a short circuit.
    fn innermost_arms(&mut self) -> Option<&mut Arms> {
        let depth = self.state.frames.len().narrow::<u32>().checked_sub(1)?;
        self.state.arms.last_mut().filter(|arms| arms.depth == depth)
    }

    /// `i32.const`.
    pub(super) fn constant(&mut self, value: i32) {
        let op = self.state.op;
        let Some(Frame { kind, start_op, .. }) = self.state.frames.last() else { return };
        let (is_second, start_op) = (*kind == FrameKind::Else, *start_op);
        if let Some(arms) = self.innermost_arms() {
            let start_op = if is_second { arms.otherwise.0 } else { start_op };
            if op == start_op + 1 {
                arms.constant = Some(value != 0);
            }
        }
    }

    /// The first arm ends at an `else`.
    pub(super) fn first_arm_ends(&mut self) {
        let (op, offset, arm) = (self.state.op, self.state.offset.narrow::<u32>(), self.second_arm());
        let Some(start_op) = self.state.frames.last().map(|frame| frame.start_op) else { return };
        if let Some(arms) = self.innermost_arms() {
            arms.first = arms.constant.take().filter(|_| op == start_op + 2);
            arms.second = arm.filter(|_| arms.first.is_none());
            arms.otherwise = (op, offset + 1);
        }
    }

    /// The innermost frame ends.
    pub(super) fn arms_end(&mut self) {
        let arm = self.second_arm();
        let (op, offset) = (self.state.op, self.state.offset.narrow::<u32>());
        let Some(Frame { kind, start_op, .. }) = self.state.frames.last() else { return };
        let (has_else, if_op) = (*kind == FrameKind::Else, *start_op);
        let Some(Arms { is_none, otherwise, constant, first, second, .. }) = self.innermost_arms().copied() else {
            return;
        };
        self.state.arms.pop();
        if is_none || !has_else {
            return;
        }
        let last = constant.filter(|_| op == otherwise.0 + 2);
        let (value, constant_first, second, resume) = match (first, last, second) {
            (Some(value), None, _) => (value, true, arm, (otherwise.0 + 1, otherwise.1)),
            (None, Some(value), second) => (value, false, second, (op + 1, offset + 1)),
            _ => return,
        };
        let Some(second) = second else { return };
        let short = ShortCircuit { if_op, constant_first, value, branch: None, resume };
        self.state.candidate = Some(Candidate { short, second, next_op: op + 1 });
    }

    /// The arm that ends, as the second condition, if its end is reached.
    fn second_arm(&self) -> Option<Second> {
        let second = Second { last_op: self.state.op.wrapping_sub(1), in_flags: self.state.last_was_compare };
        self.live().then_some(second)
    }

    /// `i32.eqz`.
    pub(super) fn negates(&mut self) {
        if let Some(candidate) = &mut self.state.candidate
            && candidate.next_op == self.state.op
        {
            candidate.short.value = !candidate.short.value;
            candidate.next_op += 1;
        }
    }

    /// A `br_if` of a label, or an `if`, takes a condition.
    pub(super) fn takes_condition(&mut self, branch: Option<u32>) {
        let op = self.state.op;
        let Some(Candidate { short, second, .. }) = self.state.candidate.take_if(|found| found.next_op == op) else {
            return;
        };
        self.found.short_circuits.push(ShortCircuit { branch, ..short });
        if second.in_flags {
            let hints = &mut self.found.hints;
            let at = hints.partition_point(|hint| hint.0 <= second.last_op);
            hints.insert(at, (second.last_op, Hint::Branch));
        }
    }
}
