//! Flow: the constructs that are open, whether the code at this point can be reached, and where exceptions go from it.

use super::values::Snapshot;
use crate::asm::{Label, Section};
use crate::budget::list_bytes;
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
}

/// An open control frame, or a run of idle ones: blocks and loops without values that nothing branches to, all opened
/// with the same operands on the stack.
///
/// There may be a million: what few of them have is behind a pointer.
pub(crate) struct Control {
    pub(crate) kind: FrameKind,
    pub(crate) signature: BlockSignature,
    /// Where branches to it go: to its end, or to a loop's head.
    pub(crate) label: Label,
    pub(crate) is_loop: bool,
    /// The number of frames around it.
    pub(crate) depth: u32,
    /// The number of idle frames that a run stands for; 0 for any other frame.
    pub(crate) idle: u32,
    /// The height of the operand stack below the parameters.
    pub(crate) height: usize,
    /// Operands below this height are in slots or constants for good.
    pub(crate) settled: usize,
    /// The state that the label expects; `None` until the first branch. Loops with equal states share it.
    pub(crate) target: Option<Rc<Snapshot>>,
    /// The state at the condition of an `if`, and where its false edge goes.
    pub(crate) otherwise: Option<(Label, Rc<Snapshot>)>,
    /// Whether a branch to it is a return.
    pub(crate) is_tail: bool,
    /// Number of locals that are pinned while this loop is open.
    pub(crate) pins: u32,
    /// The landing pad that was current before this construct.
    pub(crate) outer_handler: Option<u32>,
    /// The landing pad of exceptions that are thrown inside of it, outside of any inner construct with a pad.
    pub(crate) inside: Option<u32>,
    /// The catches of a `try_table`.
    pub(crate) catches: Box<[wasmparser::Catch]>,
    /// Where a legacy `catch` sends exceptions of other tags.
    pub(crate) next_catch: Option<Label>,
    /// The section in which its end lies; an arm may lie in another section.
    pub(crate) section: Section,
    /// Whether the `else` of this `if` goes to the unlikely section.
    pub(crate) rare_else: bool,
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

    /// The innermost frame.
    pub(crate) fn innermost(&self) -> Option<&Control> {
        self.frames.last()
    }

    /// The innermost frame.
    pub(crate) fn innermost_mut(&mut self) -> Option<&mut Control> {
        self.frames.last_mut()
    }

    /// All frames, the outermost first.
    pub(crate) fn frames(&self) -> &[Control] {
        &self.frames
    }

    pub(crate) fn push(&mut self, control: Control) {
        self.frames.push(control);
    }

    pub(crate) fn pop(&mut self) -> Control {
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
