//! Loops: the state that their heads expect, and locals that stay in registers around them.

use super::BlockSignature;
use crate::abi;
use crate::asm::Imm;
use crate::compiler::Compiler;
use crate::compiler::state::{Loc, Owner, Reg, Registers, Snapshot, bits, in_xmm};
use crate::compiler::values::{PIN_GPRS, PIN_XMMS};
use heapwood_gc_abi::{Mutant, Narrow, active};
use std::rc::Rc;
use wasmparser::FrameKind;

impl Compiler<'_> {
    pub(crate) fn begin_loop(&mut self, signature: BlockSignature) {
        if self.is_idle() {
            return self.enter_idle();
        }
        self.settle_many(self.params_of(&signature).len());
        for height in self.open_from()..self.stack.len() {
            self.spill(height);
        }
        let param_count = self.params_of(&signature).len();
        let height = self.stack.len() - param_count;
        for param in height..self.stack.len() {
            // Parameters differ from round to round: constants do not survive.
            self.force_slot(param);
            self.stack[param].ty = self.params_of(&signature)[param - height];
        }
        while self.look.loops[self.next_loop].start_op < self.op {
            self.next_loop += 1;
        }
        let index = self.next_loop;
        let pins = self.pin_locals(index);
        self.flush_locals();
        self.context_valid &= !self.look.loops[index].has_calls;
        self.enter(FrameKind::Loop, signature, height);
        let target = self.loop_state(height);
        let control = self.control.last_mut().expect("just entered");
        control.target = Some(target);
        control.pins = pins;
        let label = control.label;
        self.asm.bind(label);
        let refs = self.safepoint_refs();
        if !active(Mutant::LoopNotPolled) {
            self.poll(refs);
        }
    }

    /// The state that the head of the loop that was just entered expects; the enclosing loop's, if it is the same.
    fn loop_state(&mut self, height: usize) -> Rc<Snapshot> {
        let state = self.snapshot(height);
        let outer = self.control[..self.control.len() - 1].last().filter(|outer| outer.is_loop);
        match outer.and_then(|outer| outer.target.as_ref()).filter(|known| known.is_like(&state)) {
            Some(known) => known.clone(),
            None => self.keep(state),
        }
    }

    /// All unpinned locals are in their home slots only.
    fn flush_locals(&mut self) {
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            if !self.locals[local as usize].pinned {
                self.local_to_slot(local);
            }
        }
        for local in std::mem::take(&mut self.const_locals) {
            self.store_local(local);
            self.locals[local as usize].loc = Loc::Slot;
        }
    }

    /// Pins the hot locals of a loop without calls, and says how many; other loops keep what the function pins.
    fn pin_locals(&mut self, index: usize) -> u32 {
        let look = self.look;
        if look.loops[index].has_calls {
            return 0;
        }
        let before = self.loop_pins.len();
        for used in look.uses(index) {
            let local = self.locals[used.local as usize];
            if local.pinned || used.weight < 2 {
                continue;
            }
            let Some(reg) = self.free_pin_register(in_xmm(local.ty)) else { continue };
            self.pin_local(used.local, reg);
            self.loop_pins.push(used.local);
        }
        (self.loop_pins.len() - before).narrow()
    }

    fn free_pin_register(&self, xmm: bool) -> Option<Reg> {
        let usable = |reg: &Reg| match self.regs.owner(*reg) {
            Owner::Local(local) => !self.locals[local as usize].pinned,
            Owner::Free => true,
            _ => false,
        };
        if xmm {
            PIN_XMMS.map(|x| Reg::xmm(abi::Xmm(x))).find(usable)
        } else {
            PIN_GPRS.iter().map(|g| Reg::gpr(*g)).find(usable)
        }
    }

    fn pin_local(&mut self, local: u32, reg: Reg) {
        let mut info = self.locals[local as usize];
        if self.regs.owner(reg) != Owner::Local(local) {
            self.evict(reg);
            let ty = info.ty;
            match info.loc {
                Loc::Reg { reg: old, .. } => {
                    self.move_reg(ty, reg, old);
                    self.regs.free(old);
                }
                Loc::Const(bits) => {
                    self.load_const(ty, reg, bits);
                    self.const_locals.retain(|l| *l != local);
                }
                Loc::Slot => self.load_reg(ty, reg, self.in_frame(info.home)),
            }
        }
        if info.ty.is_ref() {
            // The slot would keep an old object alive while the register changes.
            self.asm.store_imm(self.in_frame(info.home), Imm::B32(0));
        }
        info.loc = Loc::Reg { reg, dirty: true };
        info.pinned = true;
        self.locals[local as usize] = info;
        self.regs.set(reg, Owner::Local(local), info.ty.is_ref());
    }

    pub(super) fn end_loop(&mut self) {
        let control = self.control.pop().expect("validated body");
        let rest = self.loop_pins.len() - control.pins as usize;
        for local in self.loop_pins.drain(rest..) {
            self.locals[local as usize].pinned = false;
        }
        self.drop_kept(control.target);
        if self.unreachable {
            self.fabricate_state(control.height, &control.signature);
        }
    }

    /// Ownership with nothing but the pinned locals.
    pub(crate) fn pinned_registers(&self) -> Registers {
        let mut registers = Registers::default();
        for reg in bits(self.regs.locals) {
            let local = self.regs.local(reg);
            let info = &self.locals[local as usize];
            if info.pinned {
                registers.set(reg, Owner::Local(local), info.ty.is_ref());
            }
        }
        registers
    }
}
