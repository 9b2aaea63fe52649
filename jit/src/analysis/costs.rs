//! What straight-line code costs, for engines that count fuel.
//!
//! A block begins at the function's entry, behind an operator that branches or may branch, at the head of a loop, and
//! where a label that something branches to is bound. What begins is executed to its end, unless something in it traps
//! or throws: so a block is paid for as a whole where it begins. The costs depend on nothing but the body.

use crate::budget::list_bytes;

/// The costs of a function's blocks.
#[derive(Clone, Default, Debug)]
pub(crate) struct Costs {
    /// Of the block at the function's entry.
    entry: u32,
    /// Of the others, in order.
    blocks: Vec<Block>,
}

/// A block that begins behind an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// The index of that operator.
    pub(crate) op: u32,
    /// What the block costs.
    pub(crate) cost: u32,
    /// Whether the operator is a `loop`: the block is the loop's head.
    pub(crate) is_loop: bool,
}

impl Costs {
    /// Of a function of which nothing is known yet.
    pub(super) fn clear(&mut self) {
        self.entry = 0;
        self.blocks.clear();
    }

    /// The block that is open costs more.
    #[inline]
    pub(super) fn add(&mut self, cost: u32) {
        let open = self.blocks.last_mut().map_or(&mut self.entry, |block| &mut block.cost);
        *open = open.saturating_add(cost);
    }

    /// A block ends with this operator, and another one begins.
    pub(super) fn border(&mut self, op: u32, is_loop: bool) {
        self.blocks.push(Block { op, cost: 0, is_loop });
    }

    /// What the block at the function's entry costs.
    pub(crate) fn entry(&self) -> u32 {
        self.entry
    }

    /// All other blocks, in order.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes of the list.
    pub(super) fn bytes(&self) -> usize {
        list_bytes(&self.blocks)
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
