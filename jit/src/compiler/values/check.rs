//! The register and operand checker: recounts the state after each instruction (see the invariants in `values`).

use super::Values;
use super::place::{Loc, OperandPlace};
use super::registers::{Owner, Reg, in_xmm};
use heapwood_gc_abi::Narrow;

/// How many locals are looked at after each operator, so that checking is linear in the body's size however many locals
/// the function has.
const LOCALS_CHECKED: usize = 256;

impl Values {
    /// Panics if the state contradicts itself: a bug of the compiler, never of the input. `op` is the operator that has
    /// just been compiled.
    pub(crate) fn check(&self, op: u32) {
        self.check_registers(op);
        self.check_operands(op);
        self.check_locals(op);
    }

    fn check_registers(&self, op: u32) {
        for reg in (0..32u8).map(Reg) {
            let is_ref = self.regs.refs & reg.bit() != 0;
            match self.regs.owner(reg) {
                Owner::Free => assert!(!is_ref, "{reg:?} is free but marked as a reference"),
                Owner::Taken => panic!("{reg:?} is still taken after op {op}"),
                Owner::Local(local) => {
                    let info = &self.locals[local as usize];
                    assert!(matches!(info.loc, Loc::Reg { reg: r, .. } if r == reg), "local {local} lost {reg:?}");
                    assert_eq!(info.ty.is_ref(), is_ref, "reference mark of local {local} in {reg:?}");
                    assert_eq!(in_xmm(info.ty), reg.is_xmm(), "register class of local {local}");
                }
                Owner::Stack(height) => {
                    let operand = self.stack.get(height as usize);
                    let operand = operand.unwrap_or_else(|| panic!("{reg:?} belongs to no operand ({height})"));
                    assert_eq!(operand.place, OperandPlace::Reg(reg), "operand {height} lost {reg:?}");
                    assert_eq!(operand.ty.is_ref(), is_ref, "reference mark of operand {height} in {reg:?}");
                }
            }
        }
    }

    fn check_operands(&self, op: u32) {
        // Operands below were checked when they were closed, and cannot change before they are opened again.
        let mut refs = self.stack.get(self.closed).map_or(0, |operand| operand.refs_below);
        let mut in_slots = true;
        for (height, operand) in self.stack.iter().enumerate().skip(self.closed) {
            assert_eq!(operand.refs_below, refs, "reference count below operand {height}");
            refs += operand.ty.is_ref() as u32;
            match operand.place {
                OperandPlace::Reg(reg) => {
                    assert_eq!(self.regs.owner(reg), Owner::Stack(height.narrow()), "owner of {reg:?}")
                }
                OperandPlace::Flags(_) | OperandPlace::Direct(_) => {
                    assert_eq!(height + 1, self.stack.len(), "flags or direct result below the top");
                }
                _ => {}
            }
            if operand.ty.is_ref() {
                let slot = operand.place == OperandPlace::Slot;
                assert!(in_slots || !slot, "reference operand {height} in a slot above one that is not (op {op})");
                in_slots = slot;
            }
        }
    }

    /// Checks that a local whose place is a register owns that register. Where there are more than [`LOCALS_CHECKED`]
    /// locals, each operator checks a window of so many, and the window moves on with each operator, so that all locals
    /// are checked in turns.
    fn check_locals(&self, op: u32) {
        let (len, first) = (self.locals.len(), op as usize * LOCALS_CHECKED);
        for index in (0..len.min(LOCALS_CHECKED)).map(|k| (first + k) % len) {
            if let Loc::Reg { reg, .. } = self.locals[index].loc {
                assert_eq!(self.regs.owner(reg), Owner::Local(index.narrow()), "owner of {reg:?}");
            }
        }
    }
}
