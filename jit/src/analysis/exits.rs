//! Exits: arms of an `if` that throw or trap, and that a call of the function can stand for.
//!
//! `if (index >= length) throw …` is how compilers check what a program does, and what they throw takes more code than
//! the rest of the function. Where the function is inlined, such an arm is a call of the function itself, with the
//! parameters as they were: it comes to the arm again, and does not return. That holds if the parameters are not
//! written, and nothing before the arm has an effect. Nothing can change between what the inlined body reads and what
//! the called one does: no other code of the guest runs there, whatever the call's poll does changes no object or
//! global, and what threads share is read by operators that count as effects.

use super::{Analysis, Findings};
use crate::operators::Facts;
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType;
use smallvec::SmallVec;

/// An arm of an `if` that never comes back, and before which the body does nothing that cannot be done again: if a call
/// of the body's function comes there, another call with the same arguments does, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exit {
    /// Operator index of the `if`.
    pub(crate) if_op: u32,
    /// Operator index of the `if` or `else` with which the arm begins.
    pub(crate) start_op: u32,
}

/// Exits of a body.
pub(crate) type Exits = SmallVec<[Exit; 2]>;

/// An arm takes much code if it has more operators than this, or calls.
const SMALL_OPERATORS: u32 = 6;

/// Watches for exits: arms of an `if` that is in no other construct.
#[derive(Default)]
pub(super) struct Watch {
    /// Something may have had an effect.
    has_effect: bool,
    /// The arm that is open.
    arm: Option<Arm>,
}

struct Arm {
    exit: Exit,
    /// [`super::Findings::heavy`] where it began.
    heavy: u32,
    /// Something in it goes to its end, or leaves the function without a throw.
    comes_back: bool,
}

/// Whether an operator, by its name and its facts, does the same when it is executed again, and nothing else notices
/// that it was executed.
pub(super) const fn is_repeatable(name: &str, facts: Facts) -> bool {
    let effects = Facts::SLOW.or(Facts::LARGE).or(Facts::CALL).or(Facts::COLLECTS).or(Facts::ABSENT);
    // What only traps accesses memories and tables.
    let accesses = facts.any(Facts::TRAPS) && !facts.any(Facts::PURE.or(Facts::COLD));
    // Another thread may grow a memory.
    let is_size = matches!(name.as_bytes(), b"MemorySize");
    !facts.any(effects) && !accesses && !is_size && !may_make_nan(name)
}

/// Whether an operator may make a NaN, by its name: which one depends on where its operands lie, so that it may be
/// another one when it is executed again. Of operators on floats only constants and comparisons are sure not to.
const fn may_make_nan(name: &str) -> bool {
    let [b'F', b'3' | b'6', b'2' | b'4', rest @ ..] = name.as_bytes() else { return false };
    !matches!(rest, b"Const" | b"Eq" | b"Ne" | b"Lt" | b"Gt" | b"Le" | b"Ge")
}

impl Findings {
    /// Whether the operator with this index is the first one of an arm that is left out.
    pub(crate) fn is_left_out(&self, op: u32) -> bool {
        self.left_out.iter().any(|exit| exit.start_op + 1 == op)
    }
}

impl Analysis {
    /// Leaves these exits out of the next body.
    pub(crate) fn without(&mut self, exits: Exits) {
        self.leave_out = exits;
    }

    /// What was done by now cannot be done again.
    pub(super) fn has_effect(&mut self) {
        self.state.exits.has_effect |= self.live();
    }

    /// An `if` begins, whose frame is not open yet.
    pub(super) fn begin_if(&mut self) {
        if self.lists_calls && self.state.frames.len() == 1 && self.live() && !self.state.exits.has_effect {
            self.begin_arm(self.state.op);
        }
    }

    fn begin_arm(&mut self, if_op: u32) {
        let exit = Exit { if_op, start_op: self.state.op };
        self.state.exits.arm = Some(Arm { exit, heavy: self.found.heavy, comes_back: false });
    }

    /// A branch, or a return as one of the function's frame.
    pub(super) fn branches_out(&mut self, depth: u32) {
        // The frames of the function and of the `if`.
        let is_out = (depth as usize + 2) >= self.state.frames.len();
        if is_out
            && self.live()
            && let Some(arm) = &mut self.state.exits.arm
        {
            arm.comes_back = true;
        }
    }

    /// An arm of some frame ends, which is still open; perhaps it is the one that is watched.
    pub(super) fn exit_ends(&mut self, has_else: bool) {
        if self.state.frames.len() != 2 {
            return;
        }
        let Some(arm) = self.state.exits.arm.take() else { return };
        if !self.live() && !arm.comes_back {
            let operators = self.state.op - arm.exit.start_op;
            if self.found.heavy > arm.heavy || operators > SMALL_OPERATORS {
                self.found.exits.push(arm.exit);
            }
            // What follows comes from before the arm.
            self.state.exits.has_effect = false;
        }
        if has_else && !self.state.exits.has_effect {
            self.begin_arm(arm.exit.if_op);
        }
    }

    /// At the first operator of an arm that is left out: in its place the body's function is called with the parameters,
    /// and does not come back. `height` is that of the operand stack.
    pub(super) fn leave_out(&mut self, height: u32, results: &[ValType]) {
        if !self.live() || !self.found.is_left_out(self.state.op) {
            return;
        }
        let params = self.state.params;
        (0..params).for_each(|param| self.read(param));
        self.height_max = self.height_max.max(height + params.max(results.len().narrow()));
        self.call();
        self.terminate();
    }
}
