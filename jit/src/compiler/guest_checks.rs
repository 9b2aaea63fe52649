//! What compiled code does for itself under `debug_checks`, after each instruction.
//!
//! 1. Operands that are 32 bits wide (i32, references) and in registers have a clear upper half, else the guest ends with
//!    [`TrapKind::DirtyUpperHalf`]: an address of a memory or object is made of them without another extension.
//! 2. Registers that belong to nobody are filled with a poison whose upper half is not clear, and which is no reference:
//!    an instruction that writes 8 or 16 bits of its result, or reads a register that was given up, shows.

use super::parts::Compiler;
use super::values::bits;
use crate::abi::{SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, ShiftOp, Width};

/// What registers hold that belong to nobody.
const POISON: u64 = 0xdead_beef_dead_beef;

impl Compiler<'_> {
    /// Emits the checks. Nothing but the scratch register is changed, and the flags unless an operand lies there.
    pub(crate) fn emit_guest_checks(&mut self) {
        if self.flow.is_unreachable() || self.flow.is_empty() {
            return;
        }
        if !self.values.top_in_flags() {
            self.check_upper_halves();
        }
        for reg in self.values.free_gprs() {
            self.asm.mov_ri(reg.as_gpr(), POISON);
        }
    }

    /// All 32-bit operands are joined in the scratch register.
    fn check_upper_halves(&mut self) {
        let joined = self.values.narrow_operands();
        if joined == 0 {
            return;
        }
        for (index, reg) in bits(joined).enumerate() {
            match index {
                0 => self.asm.mov_rr(Width::W64, SCRATCH, reg.as_gpr()),
                _ => self.asm.alu_rr(Width::W64, Alu::Or, SCRATCH, reg.as_gpr()),
            }
        }
        self.asm.shift_ri(Width::W64, ShiftOp::Shr, SCRATCH, 32);
        let out = self.trap_label(TrapKind::DirtyUpperHalf);
        self.asm.jcc(Cond::Ne, out);
    }
}
