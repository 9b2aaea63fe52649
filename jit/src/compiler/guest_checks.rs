//! The checks that compiled code makes of itself under `debug_checks`, after each instruction.
//!
//! 1. Operands that are 32 bits wide (i32, references) and in registers must have a clear upper half, since addresses
//!    of memories and objects are made of them without another extension. If one has not, the guest traps with
//!    [`TrapKind::DirtyUpperHalf`].
//! 2. Registers that belong to nobody are filled with a poison whose upper half is not clear and which is not a
//!    reference. So an instruction is found that writes only 8 or 16 bits of its result, or reads a register that was
//!    given up.

use super::parts::Compiler;
use super::values::bits;
use crate::abi::{SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, ShiftOp, Width};

/// What registers that belong to nobody are filled with.
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

    /// Joins all 32-bit operands in the scratch register by `or` and traps if its upper half is not clear.
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
