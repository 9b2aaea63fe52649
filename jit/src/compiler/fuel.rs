//! Fuel: each block pays where it begins ([`crate::analysis::costs`]); the head of a loop and a function that has a
//! frame ask the runtime when nothing is left, which traps, or has more. What has no frame calls nothing and has no
//! loop, so that it is over soon.

use super::parts::Compiler;
use crate::abi::{Builtin, HEAP_BASE};
use crate::asm::{Alu, Cond, Mem, Section, Width};
use crate::operators::Facts;
use heapwood_gc_abi::{Mutant, Narrow, active, hot};

/// Where a store keeps its fuel: below zero when it is used up.
const FUEL: Mem = Mem::base(HEAP_BASE, hot::FUEL);

impl Compiler<'_> {
    /// Pays for the block that begins with the function, which has no frame yet. Flags do not survive.
    pub(super) fn pay_at_entry(&mut self) {
        self.pay(self.cursor.analysis().costs.entry());
    }

    /// Pays. Flags do not survive.
    pub(super) fn pay(&mut self, cost: u32) {
        if self.env.options.fuel && cost > 0 {
            self.pay_or_compare(cost);
        }
    }

    /// Pays for the block that begins behind the operator that was just compiled, if one does and is reached; at the
    /// head of a loop asks for more if there is not enough. Flags do not survive: no condition is in them at the border
    /// of a block.
    #[inline]
    pub(super) fn pay_behind_operator(&mut self) {
        if !self.env.options.fuel {
            return;
        }
        let Some(block) = self.cursor.block_behind() else { return };
        if self.flow.is_unreachable() {
            return;
        }
        if block.is_loop {
            self.pay_or_compare(if active(Mutant::LoopNotPaid) { 0 } else { block.cost });
            let refs = self.values.safepoint_refs();
            self.with_facts(Facts::PROLOGUE, |compiler| compiler.ask_for_fuel(refs));
        } else if block.cost > 0 {
            self.pay_or_compare(block.cost);
        }
    }

    /// Pays `cost` where the function has its frame, and asks for more if the fuel is used up. So many reference slots
    /// hold something already.
    pub(super) fn pay_and_check_at_entry(&mut self, cost: u32, ref_count: u32) {
        if !self.env.options.fuel {
            return;
        }
        self.pay_or_compare(cost);
        if !active(Mutant::FuelNotCompared) {
            self.ask_for_fuel(ref_count);
        }
    }

    /// Pays; the flags tell whether something is left.
    fn pay_or_compare(&mut self, cost: u32) {
        let alu = if cost == 0 { Alu::Cmp } else { Alu::Sub };
        self.asm.alu_mi(Width::W64, alu, FUEL, cost.min(i32::MAX.cast_unsigned()).narrow());
    }

    /// By these flags: a poll of its own.
    fn ask_for_fuel(&mut self, ref_count: u32) {
        let cold = self.asm.new_label();
        self.asm.jcc(Cond::S, cold);
        let resume = self.asm.bound_label();
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(cold);
        self.call_slow(Builtin::OutOfFuel, ref_count);
        self.asm.jmp(resume);
        self.asm.switch(was);
    }
}
