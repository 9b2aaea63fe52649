//! What the compiler of a function holds, counted against the budget of its module.
//!
//! The lists are counted by their buffers; states that labels expect are counted as they come and go, since one may list
//! a thousand operands. The count is told every now and then: between two tellings a function can only grow by what a few
//! operators make.

use super::state::{Operand, Snapshot};
use super::{CompileError, Compiler, exceptions};
use crate::abi::{CompiledFunction, Relocation, SafePoint, TrapSite};
use crate::budget::{BudgetExceeded, Share, list_bytes};
use std::rc::Rc;

/// Bytes of a function's code while it is made, with the assembler's lists. Positions have 30 bits.
pub(crate) const CODE_BYTES_MAX: usize = 512 << 20;

/// Operators between two tellings.
pub(crate) const OPERATORS_PER_COUNT: u32 = 64;

impl From<BudgetExceeded> for CompileError {
    fn from(exceeded: BudgetExceeded) -> CompileError {
        CompileError::Budget(exceeded)
    }
}

impl Snapshot {
    /// Bytes that it takes with what it lists.
    pub(crate) fn bytes(&self) -> usize {
        let operands = if self.operands.spilled() { self.operands.capacity() * size_of::<Operand>() } else { 0 };
        let consts = if self.consts.spilled() { self.consts.capacity() * size_of::<(u32, u64)>() } else { 0 };
        size_of::<Snapshot>() + operands + consts
    }
}

impl CompiledFunction {
    /// Bytes of its code and tables.
    pub fn bytes(&self) -> usize {
        size_of::<CompiledFunction>()
            + self.code.len()
            + self.relocations.len() * size_of::<Relocation>()
            + self.safe_points.len() * size_of::<SafePoint>()
            + self.traps.len() * size_of::<TrapSite>()
            + list_bytes(&self.source_map)
    }
}

impl Compiler<'_> {
    /// A state is kept from here on.
    pub(super) fn keep(&mut self, state: Snapshot) -> Rc<Snapshot> {
        self.kept_bytes += state.bytes();
        Rc::new(state)
    }

    /// Nobody needs a state any more, unless another label shares it.
    pub(super) fn drop_kept(&mut self, state: Option<Rc<Snapshot>>) {
        if let Some(state) = state.and_then(Rc::into_inner) {
            self.kept_bytes -= state.bytes();
        }
    }

    fn bytes(&self) -> usize {
        self.asm.bytes()
            + self.kept_bytes
            + self.copies.bytes()
            + list_bytes(&self.locals)
            + list_bytes(&self.stack)
            + list_bytes(&self.ref_heights)
            + list_bytes(&self.control)
            + list_bytes(&self.loop_pins)
            + list_bytes(&self.relocations)
            + list_bytes(&self.safe_points)
            + list_bytes(&self.traps)
            + list_bytes(&self.trap_labels)
            + list_bytes::<exceptions::Pad>(&self.pads)
            + list_bytes(&self.source_map)
    }

    /// For operators that emit more than others without an end.
    ///
    /// # Errors
    /// The code with its tables became larger than a function's may be, or than the whole module may take.
    pub(super) fn check_size(&self) -> Result<(), CompileError> {
        let (code, limit) = (self.asm.bytes(), self.env.budget.limit());
        if code > CODE_BYTES_MAX {
            return Err(CompileError::Code);
        }
        if code as u64 > limit {
            return Err(BudgetExceeded { used: code as u64, limit }.into());
        }
        Ok(())
    }

    /// Tells the budget what is held, together with what the first look left.
    pub(super) fn tell_bytes(&mut self, share: &mut Share) -> Result<(), CompileError> {
        self.check_size()?;
        let bytes = self.look.bytes() + self.bytes();
        Ok(self.env.budget.hold(share, bytes)?)
    }
}
