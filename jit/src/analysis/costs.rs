//! What code costs, for engines that count fuel, and where it is paid.
//!
//! A block begins at the function's entry, behind an operator that branches or may branch, at the head of a loop, and
//! where a label that something branches to is bound. What begins is executed to its end, unless something in it traps
//! or throws: so a block is paid for as a whole where it begins.
//!
//! Two things save payments, and leave the sum of a run that ends well what it was, an operator each:
//!
//! - A frame that no branch leaves outwards is left at its end, by whatever way. What follows its end belongs to the
//!   block that was open where the frame began. (An exception out of a callee can leave the frame otherwise; what was
//!   paid for is not given back then, nor after a trap.)
//! - A loop to which all ways back are a `br` is paid for where these are: the block with the `br`, and the block in
//!   front of the loop, pay for the loop's first block too, which then has nothing to pay.
//!
//! The costs depend on nothing but the body.

use crate::budget::list_bytes;
use heapwood_gc_abi::{Mutant, Narrow, active};

/// The costs of a function's blocks.
#[derive(Clone, Default, Debug)]
pub(crate) struct Costs {
    /// Cost of the block at the function's entry.
    entry: u32,
    /// Costs of the other blocks, in order.
    blocks: Vec<Block>,
    /// The block that operators add to.
    open: BlockNumber,
    /// The frames around the operator, the function's own first.
    frames: Vec<Frame>,
    /// Ways back to heads of loops.
    back_edges: Vec<BackEdge>,
}

/// A block's position in order, 0 for the one at the entry.
type BlockNumber = u32;

/// A `br` to the head of a loop.
#[derive(Clone, Copy, Debug)]
struct BackEdge {
    /// The block that ends with it.
    block: BlockNumber,
    /// The position of the one before it of the same loop.
    before: Option<u32>,
}

/// A block that begins behind an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// The index of that operator.
    pub(crate) op: u32,
    /// What is paid where the block begins.
    pub(crate) cost: u32,
    /// Whether the operator is a `loop`: the block is the loop's head.
    pub(crate) is_loop: bool,
}

/// A frame that is open: a block, an `if`, a loop or a `try`.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The block that was open where it began.
    before: BlockNumber,
    /// The outermost frame that something inside of this one branches to.
    outermost: u32,
    /// Whether what is thrown inside of it may be caught by its own catches.
    catches: bool,
    /// Its head if it is a loop.
    head: Option<LoopHead>,
}

/// The head of a loop that is open.
#[derive(Clone, Copy, Debug)]
struct LoopHead {
    block: BlockNumber,
    /// The last one of the ways back so far.
    back_edge: Option<u32>,
    /// Whether all ways back so far are a `br`.
    is_simple: bool,
}

/// What becomes of the block that is open where a frame ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Whoever entered the frame comes here: the block is the one before the frame.
    Joined,
    /// Some branches went elsewhere.
    Left,
}

impl Costs {
    /// Forgets all costs, for the next function.
    pub(super) fn clear(&mut self) {
        self.entry = 0;
        self.open = 0;
        self.blocks.clear();
        self.back_edges.clear();
        self.frames.clear();
        self.enter(false);
    }

    fn cost_mut(&mut self, block: BlockNumber) -> &mut u32 {
        match block.checked_sub(1) {
            None => &mut self.entry,
            Some(index) => &mut self.blocks[index as usize].cost,
        }
    }

    fn add_to(&mut self, block: BlockNumber, cost: u32) {
        let sum = self.cost_mut(block);
        *sum = sum.saturating_add(cost);
    }

    /// The block that is open costs more.
    #[inline]
    pub(super) fn add(&mut self, cost: u32) {
        self.add_to(self.open, cost);
    }

    /// A block ends with this operator, and another one begins.
    pub(super) fn border(&mut self, op: u32, is_loop: bool) {
        self.blocks.push(Block { op, cost: 0, is_loop });
        self.open = self.blocks.len().narrow();
        if is_loop && let Some(frame) = self.frames.last_mut() {
            frame.head = Some(LoopHead { block: self.open, back_edge: None, is_simple: true });
        }
    }

    /// A frame begins; `catches` if it is the body of a `try` or a `try_table`.
    pub(super) fn enter(&mut self, catches: bool) {
        self.frames.push(Frame { before: self.open, outermost: u32::MAX, catches, head: None });
    }

    /// A catch of the frame begins: what is thrown there goes outwards.
    pub(super) fn begin_catch(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.catches = false;
        }
    }

    /// Something branches to the frame that `depth` others lie between; `always` if it is a `br` that is reached.
    pub(super) fn branch(&mut self, depth: u32, always: bool) {
        let Some(target) = self.frames.len().checked_sub(1 + depth as usize) else { return };
        self.go_to(target);
        let Some(head) = &mut self.frames[target].head else { return };
        if !always {
            head.is_simple = false;
            return;
        }
        let edge = BackEdge { block: self.open, before: head.back_edge };
        head.is_simple &= edge.block != head.block;
        head.back_edge = Some(self.back_edges.len().narrow());
        self.back_edges.push(edge);
    }

    /// The function is left.
    pub(super) fn leave_function(&mut self) {
        self.go_to(0);
    }

    /// Something is thrown: what catches it is not known beyond the innermost frame that may.
    pub(super) fn throw(&mut self) {
        if let Some(target) = self.frames.iter().rposition(|frame| frame.catches) {
            self.go_to(target);
        }
    }

    fn go_to(&mut self, target: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.outermost = frame.outermost.min(target.narrow());
        }
    }

    /// A frame ends.
    pub(super) fn leave(&mut self) -> Ending {
        let Some(frame) = self.frames.pop() else { return Ending::Left };
        if let Some(outer) = self.frames.last_mut() {
            outer.outermost = outer.outermost.min(frame.outermost);
        }
        if let Some(head) = frame.head.filter(|head| head.is_simple) {
            self.pay_on_the_way(frame.before, head);
        }
        if self.frames.is_empty() {
            self.back_edges.clear();
        }
        if frame.outermost < self.frames.len().narrow() && !active(Mutant::LeftFrameJoined) {
            return Ending::Left;
        }
        self.open = frame.before;
        Ending::Joined
    }

    /// The ways to a loop's head pay for the head.
    fn pay_on_the_way(&mut self, before: BlockNumber, head: LoopHead) {
        let Some(_) = head.back_edge else { return };
        let cost = std::mem::take(self.cost_mut(head.block));
        self.add_to(before, cost);
        let mut next = head.back_edge;
        while let Some(at) = next {
            let BackEdge { block, before } = self.back_edges[at as usize];
            self.add_to(block, if active(Mutant::EdgeNotPaid) { 0 } else { cost });
            next = before;
        }
    }

    /// What the block at the function's entry costs.
    pub(crate) fn entry(&self) -> u32 {
        self.entry
    }

    /// All other blocks, in order.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes of the lists.
    pub(super) fn bytes(&self) -> usize {
        list_bytes(&self.blocks) + list_bytes(&self.frames) + list_bytes(&self.back_edges)
    }
}

/// What an operator costs, by its name in wasmparser's list: nothing if it only says where code begins and ends, else
/// 1.
pub(super) const fn cost(op: &str) -> u32 {
    match op.as_bytes() {
        b"Nop" | b"Block" | b"Loop" | b"Else" | b"End" | b"TryTable" | b"Try" | b"Catch" | b"CatchAll"
        | b"Delegate" => 0,
        _ => 1,
    }
}

/// Whether an operator ends a block wherever it stands. Of `End` the frame decides.
pub(super) const fn is_border(op: &str) -> bool {
    matches!(
        op.as_bytes(),
        b"Loop"
            | b"If"
            | b"Else"
            | b"Catch"
            | b"CatchAll"
            | b"Br"
            | b"BrIf"
            | b"BrTable"
            | b"BrOnNull"
            | b"BrOnNonNull"
            | b"BrOnCast"
            | b"BrOnCastFail"
            | b"Return"
            | b"ReturnCall"
            | b"ReturnCallIndirect"
            | b"ReturnCallRef"
            | b"Throw"
            | b"ThrowRef"
            | b"Rethrow"
            | b"Unreachable"
    )
}
