//! Values: what the compiler knows at a point of the code about locals and operands, where they live, and the only
//! functions that move them.
//!
//! [`Values`] owns this state, and nothing outside of this folder can name a part of it. Its functions take the
//! [`Assembler`](crate::asm::Assembler) to which they emit, in whatever section that is. They know no instruction of
//! WebAssembly, no control frame and no table: what compiles a body (the one-pass driver, later a second tier) is
//! their user.
//!
//! Invariants (recounted by `check` in debug builds after every operator):
//! 1. A register has at most one owner; a local or an operand in a register is that register's owner.
//! 2. `refs` has a bit for exactly the registers that hold references.
//! 3. If a reference operand lies in its slot, so do all reference operands below it: a stack map is a count.
//! 4. Operands below a control frame's `settled` mark are in their slots or constants.
//!
//! Layering, from the bottom (`jit/tests/layers.rs` has it as a table):
//! 1. `registers`, `place`: registers, locals, operands as data.
//! 2. `stored`: what a place in memory holds; `transfer`: typed loads, moves and stores.
//! 3. `slots`: where slots lie in the frame; `moves`: parallel moves.
//! 4. `scope`: the locals of a body; `stack`: operands.
//! 5. `allocate`: registers for instructions; `spill`: from registers to slots; `load`: from anywhere to registers.
//! 6. `locals`: reads and writes of locals; `pins`: locals that stay in registers.
//! 7. `snapshot`: the state at a label; `edges`: what brings one state to another; `heads`: the
//!    state at the head of a loop, as the runtime reads and writes it.
//! 8. `calls`: what leaves registers before a call, and what is left after it; `check`: the invariants.

mod allocate;
mod calls;
mod check;
mod edges;
mod heads;
mod load;
mod locals;
mod moves;
mod pins;
mod place;
mod refined;
mod registers;
mod scope;
mod slots;
mod snapshot;
mod spill;
mod stack;
mod stored;
mod transfer;

pub(crate) use edges::Edge;
pub(crate) use moves::{Dest, Move, MoveSource, Moves};
pub(crate) use place::{At, Value, width};
pub(crate) use refined::Tested;
pub(crate) use registers::{Reg, bits, in_xmm};
pub(crate) use scope::BodyLocal;
pub(crate) use snapshot::Snapshot;
pub(crate) use spill::PASSING_MAX;
pub(crate) use stored::Stored;

use crate::budget::list_bytes;
use moves::SharedCopies;
use place::{Local, Operand};
use refined::Refined;
use registers::Registers;
use scope::Scope;
use slots::Slots;
use smallvec::SmallVec;

/// So many operands may be in registers, aliases of locals or references out of their slots: what scans them is
/// bounded.
const OPEN_OPERANDS_MAX: usize = 128;

/// Locals and operands, and where they live.
#[derive(Default)]
pub(crate) struct Values {
    /// Locals of all open scopes, the innermost scope's last.
    locals: Vec<Local>,
    /// The body that is being compiled.
    scope: Scope,
    /// The bodies around it.
    outer: SmallVec<[Scope; 1]>,
    stack: Vec<Operand>,
    /// Operands below this height are in slots or constants of numbers, so that no function has to look at them.
    closed: usize,
    /// Heights of the reference operands: `ref_heights[operand.refs_below]` is the operand's own.
    ref_heights: Vec<u32>,
    regs: Registers,
    /// Whether instructions get no registers but those that are left if as many locals are pinned as possible (tests).
    few_registers: bool,
    /// Locals whose place is a constant.
    const_locals: SmallVec<[u32; 8]>,
    /// What tests have shown of locals.
    refined: Refined,
    /// Locals that open loops pin, outermost first.
    loop_pins: Vec<u32>,
    /// Whether r14 holds the context.
    context_valid: bool,
    slots: Slots,
    copies: SharedCopies,
    /// Bytes of the states that labels expect.
    kept_bytes: usize,
}

impl Values {
    /// Bytes of the lists.
    pub(crate) fn bytes(&self) -> usize {
        self.kept_bytes
            + self.copies.bytes()
            + list_bytes(&self.locals)
            + list_bytes(&self.stack)
            + list_bytes(&self.ref_heights)
            + list_bytes(&self.loop_pins)
    }

    /// Ends an instruction: frees the registers that it took and unlocks those that it locked.
    #[inline]
    pub(crate) fn end_instruction(&mut self) {
        self.regs.end_instruction();
    }
}
