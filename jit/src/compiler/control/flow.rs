//! Flow: the constructs that are open, whether the code at this point can be reached, and where exceptions go from it.

use crate::abi::Gpr;
use crate::analysis::ShortCircuit;
use crate::asm::{Label, Section};
use crate::budget::list_bytes;
use crate::compiler::values::Snapshot;
use heapwood_module::ValType;
use std::ops::{Index, IndexMut};
use std::rc::Rc;
use wasmparser::FrameKind;

/// The types that a block takes and leaves.
#[derive(Clone, Debug)]
pub(crate) enum BlockSignature {
    Empty,
    Result([ValType; 1]),
    /// Index of a function type.
    Func(u32),
    /// The function's own results.
    Function,
    /// The results of a function whose body is inlined, by the index of its type. Its parameters are locals.
    Body(u32),
    /// A call of a function of the type with this index by a reference: the arguments and the reference come in.
    Guard(u32),
}

/// An open control frame, or a run of idle ones: blocks and loops without values that nothing branches to, all opened
/// with the same operands on the stack.
///
/// There may be a million: what few of them have is behind a pointer. Its fields are the chapter's own.
pub(crate) struct Control {
    pub(super) kind: FrameKind,
    pub(super) signature: BlockSignature,
    /// Where branches to it go: to its end, or to a loop's head.
    pub(super) label: Label,
    pub(super) is_loop: bool,
    /// The number of frames around it.
    pub(super) depth: u32,
    /// The number of idle frames that a run stands for; 0 for any other frame.
    pub(super) idle: u32,
    /// The height of the operand stack below the parameters.
    pub(super) height: usize,
    /// Operands below this height are in slots or constants for good.
    pub(super) settled: usize,
    /// The state that the label expects; `None` until the first branch. Loops with equal states share it.
    pub(super) target: Option<Rc<Snapshot>>,
    /// The state at the condition of an `if`, and where its false edge goes.
    pub(super) otherwise: Option<(Label, Rc<Snapshot>)>,
    /// The register whose reference's type id the scratch register has on the false edge of an `if`, on which nothing
    /// else comes.
    pub(super) tested_object: Option<Gpr>,
    /// Whether a branch to it is a return.
    pub(super) is_tail: bool,
    /// Number of locals that are pinned while this loop is open.
    pub(super) pins: u32,
    /// The landing pad that was current before this construct.
    pub(super) outer_handler: Option<u32>,
    /// The landing pad of exceptions that are thrown inside of it, outside of any inner construct with a pad.
    pub(super) inside: Option<u32>,
    /// The catches of a `try_table`.
    pub(super) catches: Box<[wasmparser::Catch]>,
    /// Where a legacy `catch` sends exceptions of other tags.
    pub(super) next_catch: Option<Label>,
    /// The section in which its end lies; an arm may lie in another section.
    pub(super) section: Section,
    /// Whether the `else` of this `if` goes to the unlikely section.
    pub(super) rare_else: bool,
    /// The short circuit whose second condition it is.
    pub(super) short_circuit: Option<Box<ShortCircuit>>,
    /// The frame of an inlined body ends where its last operator is a `return`: the code there goes on behind it.
    pub(super) falls_through: bool,
}

/// An edge on which the condition is known that is taken next.
pub(crate) struct Decided {
    /// Where the edge goes.
    pub(super) label: Label,
    /// What the label expects.
    pub(super) state: Rc<Snapshot>,
    /// The condition.
    pub(super) value: bool,
}

impl Decided {
    /// The height below which operands are in slots or constants.
    pub(super) fn settled(&self) -> usize {
        self.state.from()
    }
}

/// The constructs that are open.
#[derive(Default)]
pub(crate) struct Flow {
    frames: Vec<Control>,
    /// Whether the code at this point cannot be reached, so that the pass skips to the end of the dead range.
    unreachable: bool,
    /// Whether only `end`s follow, and all paths have returned.
    after_tail: bool,
    /// The landing pad of the innermost construct with catches.
    handler: Option<u32>,
    /// An edge that waits for the operator which takes the next condition.
    decided: Option<Decided>,
}

impl Index<usize> for Flow {
    type Output = Control;

    fn index(&self, index: usize) -> &Control {
        &self.frames[index]
    }
}

impl IndexMut<usize> for Flow {
    fn index_mut(&mut self, index: usize) -> &mut Control {
        &mut self.frames[index]
    }
}

impl Flow {
    // ---- frames

    /// Position of the innermost frame.
    pub(crate) fn top(&self) -> usize {
        self.frames.len() - 1
    }

    /// Whether no frame is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the frame that was entered at this position is still open.
    #[inline]
    pub(crate) fn is_open(&self, index: usize) -> bool {
        index < self.frames.len()
    }

    /// The kind of the innermost frame.
    pub(crate) fn innermost_kind(&self) -> Option<FrameKind> {
        self.frames.last().map(|control| control.kind)
    }

    /// The innermost frame.
    pub(super) fn innermost(&self) -> Option<&Control> {
        self.frames.last()
    }

    /// The innermost frame.
    pub(super) fn innermost_mut(&mut self) -> Option<&mut Control> {
        self.frames.last_mut()
    }

    /// Positions of operands that are exceptions which legacy catches hold.
    pub(crate) fn caught(&self) -> impl Iterator<Item = usize> {
        let holds = |control: &&Control| matches!(control.kind, FrameKind::LegacyCatch | FrameKind::LegacyCatchAll);
        self.frames.iter().filter(holds).map(|control| control.height)
    }

    /// All frames, the outermost first.
    pub(super) fn frames(&self) -> &[Control] {
        &self.frames
    }

    pub(super) fn push(&mut self, control: Control) {
        self.frames.push(control);
    }

    pub(super) fn pop(&mut self) -> Control {
        self.frames.pop().expect("validated body")
    }

    /// The position of the frame that a label of this depth names: `depth` frames lie between.
    pub(crate) fn index_of(&self, depth: u32) -> usize {
        let last = self.frames.last().expect("a branch is inside of the function");
        let wanted = last.depth + last.idle.saturating_sub(1) - depth;
        if last.depth as usize + 1 == self.frames.len() {
            // No open run of idle frames stands for more than one frame, so a depth is a position.
            return wanted.min(last.depth) as usize;
        }
        self.frames.partition_point(|control| control.depth <= wanted) - 1
    }

    /// The number of open frames, with all frames of runs.
    pub(crate) fn depth(&self) -> u32 {
        self.frames.last().map_or(0, |last| last.depth + last.idle.max(1))
    }

    /// Operands below are in slots or constants of numbers, whatever the innermost construct does.
    pub(crate) fn settled(&self) -> usize {
        self.frames.last().map_or(0, |control| control.settled)
    }

    // ---- what can be reached

    /// Whether the code at this point cannot be reached.
    #[inline]
    pub(crate) fn is_unreachable(&self) -> bool {
        self.unreachable
    }

    /// Control has left: what follows, up to the next label, cannot be reached.
    pub(crate) fn leave(&mut self) {
        self.unreachable = true;
    }

    /// Code from here on can be reached, or is compiled as if it could.
    pub(crate) fn reach(&mut self) {
        self.unreachable = false;
    }

    /// Whether only `end`s follow, and all paths have returned.
    pub(crate) fn is_after_tail(&self) -> bool {
        self.after_tail
    }

    pub(crate) fn set_after_tail(&mut self, after_tail: bool) {
        self.after_tail = after_tail;
    }

    // ---- what is decided

    /// On this edge the condition is known that is taken next.
    pub(super) fn decide(&mut self, decided: Decided) {
        assert!(self.decided.replace(decided).is_none(), "what takes a condition takes the edge on which it is known");
    }

    /// The edge on which the condition is known that is taken here.
    pub(super) fn take_decided(&mut self) -> Option<Decided> {
        self.decided.take()
    }

    // ---- where exceptions go

    /// The landing pad of exceptions that are thrown at this point.
    pub(crate) fn handler(&self) -> Option<u32> {
        self.handler
    }

    /// Exceptions go to another pad from here on; returns where they went.
    pub(crate) fn set_handler(&mut self, handler: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut self.handler, handler)
    }

    // ---- working memory

    /// Bytes of the list.
    pub(crate) fn bytes(&self) -> usize {
        list_bytes(&self.frames)
    }

    /// Ready for the next function.
    pub(crate) fn finish(&mut self) {
        self.frames.clear();
        (self.unreachable, self.after_tail, self.handler) = (false, false, None);
    }
}
