//! The register and operand checker: recounts the state after each instruction (see the invariants in `state` and `legacy`).

use super::Compiler;
use super::exceptions::EXN;
use super::state::{Loc, Owner, Place, Reg, in_xmm};
use crate::asm::Section;
use heapwood_gc_abi::Narrow;
use wasmparser::FrameKind;

impl Compiler<'_> {
    /// Panics if the state contradicts itself: a bug of the compiler, never of the input.
    pub(crate) fn check_state(&self) {
        if self.unreachable {
            return;
        }
        self.check_registers();
        self.check_operands();
        self.check_control();
    }

    /// Between instructions nothing is emitted as a slow path, and each legacy catch has its exception.
    fn check_control(&self) {
        assert_ne!(self.asm.section(), Section::Cold, "op {} ends in the cold section", self.op);
        for control in &self.control {
            if matches!(control.kind, FrameKind::LegacyCatch | FrameKind::LegacyCatchAll) {
                assert_eq!(self.stack[control.height].ty, EXN, "operand {} of a catch", control.height);
            }
        }
    }

    fn check_registers(&self) {
        for reg in (0..32u8).map(Reg) {
            let is_ref = self.regs.refs & reg.bit() != 0;
            match self.regs.owner(reg) {
                Owner::Free => assert!(!is_ref, "{reg:?} is free but marked as a reference"),
                Owner::Taken => panic!("{reg:?} is still taken after op {} at {:#x}", self.op, self.offset),
                Owner::Local(local) => {
                    let info = &self.locals[local as usize];
                    assert!(matches!(info.loc, Loc::Reg { reg: r, .. } if r == reg), "local {local} lost {reg:?}");
                    assert_eq!(info.ty.is_ref(), is_ref, "reference mark of local {local} in {reg:?}");
                    assert_eq!(in_xmm(info.ty), reg.is_xmm(), "register class of local {local}");
                }
                Owner::Stack(height) => {
                    let operand = self.stack.get(height as usize);
                    let operand = operand.unwrap_or_else(|| panic!("{reg:?} belongs to no operand ({height})"));
                    assert_eq!(operand.place, Place::Reg(reg), "operand {height} lost {reg:?}");
                    assert_eq!(operand.ty.is_ref(), is_ref, "reference mark of operand {height} in {reg:?}");
                }
            }
        }
    }

    fn check_operands(&self) {
        // Those below were checked when they were closed, and nobody looks at them.
        let mut refs = self.stack.get(self.closed).map_or(0, |operand| operand.refs_below);
        let mut in_slots = true;
        for (height, operand) in self.stack.iter().enumerate().skip(self.closed) {
            assert_eq!(operand.refs_below, refs, "reference count below operand {height}");
            refs += operand.ty.is_ref() as u32;
            match operand.place {
                Place::Reg(reg) => assert_eq!(self.regs.owner(reg), Owner::Stack(height.narrow()), "owner of {reg:?}"),
                Place::Flags(_) | Place::Direct(_) => {
                    assert_eq!(height + 1, self.stack.len(), "flags or direct result below the top");
                }
                _ => {}
            }
            if operand.ty.is_ref() {
                let slot = operand.place == Place::Slot;
                assert!(
                    in_slots || !slot,
                    "reference operand {height} in a slot above one that is not (op {})",
                    self.op
                );
                in_slots = slot;
            }
        }
        for (index, local) in self.locals.iter().enumerate().take(256) {
            if let Loc::Reg { reg, .. } = local.loc {
                assert_eq!(self.regs.owner(reg), Owner::Local(index.narrow()), "owner of {reg:?}");
            }
        }
    }
}
