//! Loops: the state that their heads expect, and locals that stay in registers around them.

use super::flow::BlockSignature;
use crate::abi::{LoopHead, MEMORY_BASE};
use crate::compiler::parts::Compiler;
use crate::compiler::values::Snapshot;
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ContextLayout;
use std::rc::Rc;
use wasmparser::FrameKind;

/// Uses of a local in a loop from which on it is worth a register of its own, even if it is not in a register yet. One
/// that is would go to its home slot before the loop, and be loaded there for each use.
const PIN_WORTH: u32 = 2;

impl Compiler<'_> {
    pub(crate) fn begin_loop(&mut self, signature: BlockSignature) {
        if self.cursor.is_idle() {
            return self.enter_idle();
        }
        let params = self.params_of(&signature).to_vec();
        self.values.forget_refined();
        self.values.settle_loop(self.asm, self.flow.settled(), &params);
        let height = self.values.height() - params.len();
        let index = self.cursor.loop_index();
        let has_calls = self.cursor.analysis().loops[index].has_calls;
        let pins = if has_calls { 0 } else { self.pin_locals(index) };
        self.values.flush_locals(self.asm);
        if has_calls {
            self.values.forget_context();
        }
        self.enter(FrameKind::Loop, signature, height);
        let target = self.loop_state(height);
        let control = self.flow.innermost_mut().expect("just entered");
        control.target = Some(target);
        control.pins = pins;
        self.asm.bind(control.label);
        let refs = self.values.safepoint_refs();
        if !active(Mutant::LoopNotPolled) {
            self.poll(refs);
            self.note_loop_head();
        }
    }

    /// Says where the head of the loop that was just entered has what it needs, if somebody asks, the loop is of the
    /// function's own body, and there is room for one more.
    fn note_loop_head(&mut self) {
        let (body, wasm_offset) = self.cursor.origin();
        if !self.env.options.loop_heads || body != 0 {
            return;
        }
        let memory0 = self.cursor.analysis().uses_memory0.then(|| (MEMORY_BASE, self.env.context.memory_offset(0)));
        let others = self.frame.bases().iter().map(|(memory, gpr)| {
            let base = self.env.context.memory_offset(*memory) + ContextLayout::MEMORY_BASE;
            (*gpr, base)
        });
        let bases: Box<[_]> = memory0.into_iter().chain(others).collect();
        let bytes = LoopHead::bytes_with(self.values.count_at_loop_head(), bases.len());
        let defined = self.function - self.info.imported_functions;
        let bytes_max = LoopHead::all_bytes_max(self.info.bodies[defined as usize].len());
        if self.tables.loop_heads_bytes() + bytes <= bytes_max {
            let values = self.values.at_loop_head(self.asm);
            self.tables.note_loop_head(LoopHead { pc: 0, wasm_offset, values, bases });
        }
    }

    /// The state that the head of the loop that was just entered expects; the enclosing loop's, if it is the same.
    fn loop_state(&mut self, height: usize) -> Rc<Snapshot> {
        let state = self.values.snapshot(height);
        let outer = self.flow.frames()[..self.flow.top()].last().filter(|outer| outer.is_loop);
        match outer.and_then(|outer| outer.target.as_ref()).filter(|known| known.is_like(&state)) {
            Some(known) => known.clone(),
            None => self.values.keep(state),
        }
    }

    /// Pins the hot locals of a loop without calls, and says how many; other loops keep what the function pins.
    fn pin_locals(&mut self, index: usize) -> u32 {
        let hot = self.cursor.analysis().uses(index).iter();
        let hot = hot.map(|used| (used.local, used.weight >= PIN_WORTH));
        self.values.pin_for_loop(self.asm, hot)
    }

    pub(super) fn end_loop(&mut self) {
        let control = self.flow.pop();
        self.values.unpin(control.pins);
        self.values.drop_kept(control.target);
        if self.flow.is_unreachable() {
            self.fabricate_state(control.height, &control.signature);
        }
    }
}
