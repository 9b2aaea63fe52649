//! Legacy exceptions: `try` with `catch`, `catch_all` or `delegate`, and `rethrow`.
//!
//! 1. A `try` has a landing pad as a `try_table` has, with the same state in it.
//! 2. The bodies of its catches are that pad: they are compiled in the unlikely section. Below the payload lies the
//!    exception, an operand that WebAssembly does not see; the stack maps do, and branches drop it.
//! 3. `rethrow` throws that operand of its catch.
//! 4. `delegate` makes the pad one that passes on to the pad inside of its label; so does a `try` without catches to
//!    the pad around it.

use super::Compiler;
use super::control::BlockSignature;
use super::exceptions::EXN;
use super::moves::{Dest, Move};
use super::state::Reg;
use crate::abi::Gpr;
use crate::asm::Section;
use wasmparser::FrameKind;

impl Compiler<'_> {
    pub(crate) fn legacy_try(&mut self, signature: BlockSignature) {
        self.enter_try(FrameKind::LegacyTry, signature);
        self.open_pad();
    }

    /// `catch` of a tag, or `catch_all`.
    pub(crate) fn legacy_catch(&mut self, tag: Option<u32>) {
        let index = self.control.len() - 1;
        let first = self.control[index].kind == FrameKind::LegacyTry;
        self.control[index].kind = if tag.is_some() { FrameKind::LegacyCatch } else { FrameKind::LegacyCatchAll };
        if !self.unreachable {
            // Behind a body in the hot section the next code is the label.
            self.leave_arm(index, first && self.asm.section() == Section::Hot);
        }
        self.asm.switch(Section::Unlikely);
        if first {
            self.enter_catches(index);
        }
        let height = self.control[index].height;
        let next = self.control[index].next_catch.take();
        if let Some(next) = next {
            self.asm.bind(next);
        }
        self.catch_state(height);
        let exception = self.take_fixed(Gpr::RAX);
        if let Some(tag) = tag {
            let next = self.asm.new_label();
            self.match_tag(exception, tag, next);
            self.control[index].next_catch = Some(next);
        }
        self.push_reg(EXN, Reg::gpr(exception));
        if let Some(tag) = tag {
            self.regs.locked |= Reg::gpr(exception).bit();
            self.push_payload(exception, tag);
        }
    }

    /// The beginning of the pad: from here on exceptions go to what is around the `try`.
    fn enter_catches(&mut self, index: usize) {
        let pad = self.handler.expect("a try has a pad");
        let control = &mut self.control[index];
        self.handler = control.outer_handler;
        control.inside = control.outer_handler;
        self.enter_pad(pad);
    }

    /// The state at the beginning of a catch, the exception in eax.
    fn catch_state(&mut self, height: usize) {
        self.regs.end_instruction();
        let state = self.pad_state(height);
        self.restore(&state);
        self.unreachable = false;
    }

    /// The `end` behind the last catch.
    pub(crate) fn end_catch(&mut self) {
        let index = self.control.len() - 1;
        if !self.unreachable {
            self.branch_to(index);
        }
        if let Some(next) = self.control[index].next_catch.take() {
            self.asm.bind(next);
            self.catch_state(self.control[index].height);
            self.pass_on(self.control[index].outer_handler);
        }
        self.unreachable = true;
        self.close_block();
    }

    /// The label counts from outside of the `try`.
    pub(crate) fn delegate(&mut self, depth: u32) {
        let target = self.control[self.control_index(depth + 1)].inside;
        self.end_uncaught(target);
    }

    /// The end of a `try` that catches nothing itself: its exceptions go to the pad `target`, or out of the function.
    pub(crate) fn end_uncaught(&mut self, target: Option<u32>) {
        let control = self.control.last().expect("validated body");
        let (pad, height) = (self.handler.expect("a try has a pad"), control.height);
        self.handler = control.outer_handler;
        self.end_block();
        self.forward_pad(pad, height, target);
    }

    fn forward_pad(&mut self, pad: u32, height: usize, target: Option<u32>) {
        let known = &self.pads[pad as usize];
        // A call without a handler leaves the function by itself.
        if !known.used || (target.is_none() && !known.jumped_to) {
            return;
        }
        self.out_of_line(height, |c| {
            c.enter_pad(pad);
            c.catch_state(height);
            c.pass_on(target);
        });
    }

    pub(crate) fn rethrow(&mut self, depth: u32) {
        let height = self.control[self.control_index(depth)].height;
        let reg = self.take(false);
        let from = self.operand_source(height);
        self.parallel_move(&smallvec::smallvec![Move { ty: EXN, from, to: Dest::Reg(reg) }]);
        self.push_reg(EXN, reg);
        self.throw_top();
    }
}
