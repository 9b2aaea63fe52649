//! Legacy exceptions: `try` with `catch`, `catch_all` or `delegate`, and `rethrow`.
//!
//! 1. A `try` has a landing pad as a `try_table` has, with the same state in it.
//! 2. The bodies of its catches are that pad: they are compiled in the unlikely section. Below the payload lies the
//!    exception, an operand that WebAssembly does not see; the stack maps do, and branches drop it.
//! 3. `rethrow` throws that operand of its catch.
//! 4. `delegate` makes the pad one that passes on to the pad inside of its label; so does a `try` without catches to
//!    the pad around it.

use super::flow::BlockSignature;
use crate::abi::Gpr;
use crate::asm::Section;
use crate::compiler::objects::EXN;
use crate::compiler::parts::Compiler;
use crate::compiler::values::Reg;
use wasmparser::FrameKind;

impl Compiler<'_> {
    pub(crate) fn legacy_try(&mut self, signature: BlockSignature) {
        self.enter_try(FrameKind::LegacyTry, signature);
        self.open_pad();
    }

    /// `catch` of a tag, or `catch_all`.
    pub(crate) fn legacy_catch(&mut self, tag: Option<u32>) {
        let index = self.flow.top();
        let first = self.flow[index].kind == FrameKind::LegacyTry;
        self.flow[index].kind = if tag.is_some() { FrameKind::LegacyCatch } else { FrameKind::LegacyCatchAll };
        if !self.flow.is_unreachable() {
            // Behind a body in the hot section, the label is what comes next in that section.
            self.leave_arm(index, first && self.asm.section() == Section::Hot);
        }
        self.asm.switch(Section::Unlikely);
        if first {
            self.enter_catches(index);
        }
        let height = self.flow[index].height;
        let next = self.flow[index].next_catch.take();
        if let Some(next) = next {
            self.asm.bind(next);
        }
        self.catch_state(height);
        let exception = self.values.take_fixed(self.asm, Gpr::RAX);
        if let Some(tag) = tag {
            let next = self.asm.new_label();
            self.match_tag(exception, tag, next);
            self.flow[index].next_catch = Some(next);
        }
        self.push_reg(EXN, Reg::gpr(exception));
        if let Some(tag) = tag {
            self.values.lock(Reg::gpr(exception));
            self.push_payload(exception, tag);
        }
    }

    /// Begins the landing pad: from here on exceptions go to the pad around the `try`.
    fn enter_catches(&mut self, index: usize) {
        let control = &mut self.flow[index];
        control.inside = control.outer_handler;
        let outer = control.outer_handler;
        let pad = self.flow.set_handler(outer).expect("a try has a pad");
        self.enter_pad(pad);
    }

    /// The state at the beginning of a catch, the exception in eax.
    fn catch_state(&mut self, height: usize) {
        self.values.end_instruction();
        let state = self.values.pad_state(height);
        self.values.restore(&state);
        self.flow.reach();
    }

    /// The `end` behind the last catch.
    pub(crate) fn end_catch(&mut self) {
        let index = self.flow.top();
        if !self.flow.is_unreachable() {
            self.branch_to(index);
        }
        if let Some(next) = self.flow[index].next_catch.take() {
            self.asm.bind(next);
            self.catch_state(self.flow[index].height);
            self.pass_on(self.flow[index].outer_handler);
        }
        self.flow.leave();
        self.close_block();
    }

    /// `delegate`: ends the `try`. The label `depth` is counted from outside of it.
    pub(crate) fn delegate(&mut self, depth: u32) {
        let target = self.flow[self.flow.index_of(depth + 1)].inside;
        self.end_uncaught(target);
    }

    /// The end of a `try` that catches nothing itself: its exceptions go to the pad `target`, or out of the function.
    pub(crate) fn end_uncaught(&mut self, target: Option<u32>) {
        let control = self.flow.innermost().expect("validated body");
        let (outer, height) = (control.outer_handler, control.height);
        let pad = self.flow.set_handler(outer).expect("a try has a pad");
        self.end_block();
        self.forward_pad(pad, height, target);
    }

    fn forward_pad(&mut self, pad: u32, height: usize, target: Option<u32>) {
        // A call without a handler leaves the function by itself.
        if !self.tables.pad_is_used(pad) || (target.is_none() && !self.tables.pad_is_jumped_to(pad)) {
            return;
        }
        self.out_of_line(height, |c| {
            c.enter_pad(pad);
            c.catch_state(height);
            c.pass_on(target);
        });
    }

    pub(crate) fn rethrow(&mut self, depth: u32) {
        let height = self.flow[self.flow.index_of(depth)].height;
        let reg = self.values.copy_of_operand(self.asm, height);
        self.push_reg(EXN, reg);
        self.throw_top();
    }
}
