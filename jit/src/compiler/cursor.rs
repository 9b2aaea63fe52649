//! The cursor: where in a body the pass is, and what is known ahead of the operator that it has come to.
//!
//! A cursor goes through the tables of its body's analysis as the pass goes through the body. A body that is compiled
//! inside of another one has a cursor of its own, with an analysis of its own: the outer one is put aside and taken up
//! again.

use crate::analysis::{Block, Findings, Hint, ShortCircuit};
use crate::operators::Facts;
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::BranchHint;

/// Where in a body the pass is.
pub(crate) struct Cursor<'a> {
    analysis: &'a Findings,
    /// The body's number among those that are compiled into the function; 0 for the function's own.
    body: u16,
    /// Body and offset that safe points and traps name, if not those of the current operator.
    origin: Option<(u16, u32)>,
    /// Whether what follows the call takes the body's result from the flags.
    gives_flags: bool,
    /// Index of the current operator.
    op: u32,
    /// The current operator's offset in the module's bytes.
    offset: u32,
    /// What the current operator may do, or what other code that is emitted in its place may do: a row of the table of
    /// operators.
    facts: Facts,
    next_hint: usize,
    next_loop: usize,
    next_dead: usize,
    next_idle: usize,
    next_block: usize,
    next_short: usize,
    /// Where the pass goes on instead of at the next operator: operator index and offset.
    resume: Option<(u32, u32)>,
    /// Hints that are still ahead, and where their offsets count from.
    branch_hints: &'a [BranchHint],
    body_start: u32,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a body, which starts at an offset in the module's bytes.
    pub(crate) fn new(analysis: &'a Findings, branch_hints: &'a [BranchHint], body_start: u32) -> Cursor<'a> {
        Cursor {
            analysis,
            body: 0,
            origin: None,
            gives_flags: false,
            op: 0,
            offset: 0,
            facts: Facts::PROLOGUE,
            next_hint: 0,
            next_loop: 0,
            next_dead: 0,
            next_idle: 0,
            next_block: 0,
            next_short: 0,
            resume: None,
            branch_hints,
            body_start,
        }
    }

    /// The cursor of an inlined body: it has a number among those that are compiled into the function, in place of a
    /// call to which the cursor `outer` has come.
    pub(crate) fn inlined(self, body: u16, outer: &mut Cursor<'a>) -> Cursor<'a> {
        let gives_flags = self.analysis.early_leaves == 0 && outer.wants_flags();
        Cursor { body, gives_flags, ..self }
    }

    /// What the analysis found in the whole body.
    pub(crate) fn analysis(&self) -> &'a Findings {
        self.analysis
    }

    /// The body's number among those that are compiled into the function; 0 for the function's own.
    pub(crate) fn body(&self) -> u16 {
        self.body
    }

    /// The body and the offset that safe points and traps name.
    pub(crate) fn origin(&self) -> (u16, u32) {
        let (body, offset) = self.origin.unwrap_or((self.body, self.offset));
        (if active(Mutant::InlinedBodyUnnamed) { 0 } else { body }, offset)
    }

    /// Has safe points and traps name this body and offset, or those of the current operator again.
    pub(crate) fn set_origin(&mut self, origin: Option<(u16, u32)>) {
        self.origin = origin;
    }

    // ---- the current operator

    pub(crate) fn op(&self) -> u32 {
        self.op
    }

    pub(crate) fn offset(&self) -> u32 {
        self.offset
    }

    /// Sets the offset of the operator that is read next.
    #[inline]
    pub(crate) fn come_to(&mut self, offset: u32) {
        self.offset = offset;
    }

    /// Whether an arm begins here that is left out.
    #[inline]
    pub(crate) fn is_left_out(&self) -> bool {
        self.analysis.is_left_out(self.op)
    }

    /// Skips what nothing reaches; returns the offset of the `else` or `end` behind it.
    pub(crate) fn skip_dead(&mut self) -> u32 {
        let (op, offset) = self.analysis.dead[self.next_dead];
        self.next_dead += 1;
        self.op = op;
        offset
    }

    /// Has the pass go on at another operator of the body behind this one.
    pub(crate) fn resume_at(&mut self, (op, offset): (u32, u32)) {
        self.resume = Some((op, offset));
    }

    /// Goes on to the next operator; its offset, if it is not the one that follows.
    #[inline]
    pub(crate) fn go_on(&mut self) -> Option<u32> {
        self.op += 1;
        let (op, offset) = self.resume.take()?;
        self.op = op;
        Some(offset)
    }

    // ---- what code may do

    /// Declares what code that is emitted from here on may do; returns the facts that were declared before.
    #[inline]
    pub(crate) fn declare(&mut self, facts: Facts) -> Facts {
        std::mem::replace(&mut self.facts, facts)
    }

    /// Asserts that at least one of these facts is declared for the code that is being emitted.
    #[inline]
    #[track_caller]
    pub(crate) fn must(&self, facts: Facts, what: &str) {
        self.facts.must(facts, what);
    }

    // ---- what is known ahead

    /// Whether the current operator lies behind an early exit: there the frame is needed.
    #[inline]
    pub(crate) fn is_behind_early_exit(&self) -> bool {
        self.analysis.early_exit.is_none_or(|end| self.op > end)
    }

    /// What the next operator does with the current one's result.
    fn hint(&mut self) -> Option<Hint> {
        let hints = &self.analysis.hints;
        while hints.get(self.next_hint).is_some_and(|h| h.0 < self.op) {
            self.next_hint += 1;
        }
        hints.get(self.next_hint).filter(|h| h.0 == self.op).map(|h| h.1)
    }

    /// The local that the next operator sets to the current one's result, if it does.
    pub(crate) fn result_local(&mut self) -> Option<u32> {
        match self.hint() {
            Some(Hint::Local(local)) => Some(local),
            _ => None,
        }
    }

    /// Whether the next operator takes a condition from the flags, or what follows the call in whose place the body is
    /// that ends with it.
    pub(crate) fn wants_flags(&mut self) -> bool {
        let (hints, gives_flags) = (&self.analysis.hints, self.gives_flags);
        self.hint();
        let takes = |hint: Hint| hint == Hint::Branch || hint == Hint::Ends && gives_flags;
        hints[self.next_hint.min(hints.len())..].iter().take_while(|h| h.0 == self.op).any(|h| takes(h.1))
    }

    /// Whether the module says that the condition of the current operator is usually true, or usually false.
    pub(crate) fn branch_hint(&mut self) -> Option<bool> {
        if let Some(exit) = self.analysis.left_out.iter().find(|exit| exit.if_op == self.op) {
            return Some(exit.start_op != exit.if_op);
        }
        let at = self.offset - self.body_start;
        while self.branch_hints.first().is_some_and(|hint| hint.offset < at) {
            self.branch_hints = &self.branch_hints[1..];
        }
        self.branch_hints.first().filter(|hint| hint.offset == at).map(|hint| hint.likely)
    }

    /// Whether the block or loop that begins has no values, and nothing branches to it.
    pub(crate) fn is_idle(&mut self) -> bool {
        let idle = &self.analysis.idle;
        while idle.get(self.next_idle).is_some_and(|start| *start < self.op) {
            self.next_idle += 1;
        }
        idle.get(self.next_idle) == Some(&self.op)
    }

    /// The block of straight-line code that begins behind the current operator, if one does.
    pub(crate) fn block_behind(&mut self) -> Option<Block> {
        let blocks = self.analysis.costs.blocks();
        while blocks.get(self.next_block).is_some_and(|block| block.op < self.op) {
            self.next_block += 1;
        }
        blocks.get(self.next_block).copied().filter(|block| block.op == self.op)
    }

    /// Whether the end of the block that begins is the end of the function.
    pub(crate) fn is_tail_block(&self) -> bool {
        self.analysis.tail_blocks.binary_search(&self.op).is_ok()
    }

    /// The short circuit that begins with the current operator, an `if`.
    pub(crate) fn short_circuit(&mut self) -> Option<&'a ShortCircuit> {
        let shorts = self.analysis.short_circuits();
        while shorts.get(self.next_short).is_some_and(|short| short.if_op < self.op) {
            self.next_short += 1;
        }
        shorts.get(self.next_short).filter(|short| short.if_op == self.op)
    }

    /// The position of the loop that begins among those that the analysis saw.
    pub(crate) fn loop_index(&mut self) -> usize {
        while self.analysis.loops[self.next_loop].start_op < self.op {
            self.next_loop += 1;
        }
        self.next_loop
    }
}
