//! The state at the head of a loop of the function's own body, as the runtime reads and writes it.

use super::Values;
use super::place::{Loc, OperandPlace};
use super::registers::Reg;
use crate::abi::{HeadPlace, HeadValue, ValueKind};
use crate::asm::Assembler;
use heapwood_module::ValType;

impl Values {
    /// How many values [`Values::at_loop_head`] lists.
    pub(crate) fn count_at_loop_head(&self) -> usize {
        self.locals.len() + self.stack.len()
    }

    /// Where the head of a loop that was just come to has the locals, then the operands. Only the function's own scope
    /// is open.
    pub(crate) fn at_loop_head(&mut self, asm: &Assembler) -> Box<[HeadValue]> {
        let locals = self.locals.iter().map(|local| {
            let place = match local.loc {
                Loc::Slot => HeadPlace::Frame(local.home),
                Loc::Reg { reg, .. } => in_register(reg),
                Loc::Const(bits) => unreachable!("a loop changes its locals, so that {bits:#x} is in a place"),
            };
            HeadValue { kind: ValueKind::of(local.ty), place }
        });
        let mut values: Vec<HeadValue> = locals.collect();
        for height in 0..self.stack.len() {
            let operand = self.stack[height];
            let place = match operand.place {
                // The bits of a vector name one of the constants of this code.
                OperandPlace::Const(bits) if operand.ty == ValType::V128 && bits != 0 => {
                    HeadPlace::Const(asm.constant_bytes(bits))
                }
                OperandPlace::Const(bits) => HeadPlace::Const(u128::from(bits).to_le_bytes()),
                OperandPlace::Slot => HeadPlace::Frame(self.slots.operand(height, operand.ty, operand.refs_below)),
                place => unreachable!("an operand below a loop is in its slot, not in {place:?}"),
            };
            values.push(HeadValue { kind: ValueKind::of(operand.ty), place });
        }
        values.into()
    }
}

fn in_register(reg: Reg) -> HeadPlace {
    if reg.is_xmm() { HeadPlace::Xmm(reg.as_xmm()) } else { HeadPlace::Gpr(reg.as_gpr()) }
}
