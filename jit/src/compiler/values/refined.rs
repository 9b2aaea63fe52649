//! What tests and casts have shown of references in locals, on the path that is being compiled.
//!
//! A local is refined where control comes from nowhere but a test: from there to the next label, or until it is
//! written. A value that is pushed from it has the refined type, so that a cast which follows a test needs no code.

use super::Values;
use super::place::OperandPlace;
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;
use smallvec::SmallVec;

/// The most locals that are refined at once.
const REFINED_MAX: usize = 8;

/// What a condition in the flags says of a local.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tested {
    local: u32,
    /// The local's type where the condition is true, and where it is false, as far as that is more precise.
    pub(crate) if_true: Option<ValType>,
    pub(crate) if_false: Option<ValType>,
}

/// Refined locals, and what the condition says that was pushed last.
#[derive(Default)]
pub(super) struct Refined {
    types: SmallVec<[(u32, ValType); REFINED_MAX]>,
    tested: Option<Tested>,
}

impl Refined {
    /// The type of a local, if it is refined.
    #[inline]
    pub(super) fn of(&self, local: u32) -> Option<ValType> {
        self.types.iter().find(|known| known.0 == local).map(|known| known.1)
    }

    /// The local is about to be written.
    #[inline]
    pub(super) fn forget(&mut self, local: u32) {
        if !active(Mutant::RefinedWhenWritten) {
            self.types.retain(|known| known.0 != local);
        }
    }

    /// Another path comes here.
    #[inline]
    pub(super) fn forget_all(&mut self) {
        self.types.clear();
    }

    /// Locals from this one on go away.
    pub(super) fn truncate(&mut self, first: u32) {
        self.types.retain(|known| known.0 < first);
        self.tested = self.tested.filter(|tested| tested.local < first);
    }

    /// Another condition was pushed.
    #[inline]
    pub(super) fn begin_condition(&mut self) {
        self.tested = None;
    }
}

impl Values {
    /// The local that the top operand stands for.
    pub(crate) fn top_alias(&self) -> Option<u32> {
        match self.stack.last()?.place {
            OperandPlace::Alias(local) => Some(local),
            _ => None,
        }
    }

    /// From here on the local has this type, until it is written or the path ends.
    pub(crate) fn refine(&mut self, local: u32, ty: ValType) {
        self.refined.types.retain(|known| known.0 != local);
        if self.refined.types.len() == REFINED_MAX {
            self.refined.types.remove(0);
        }
        self.refined.types.push((local, ty));
    }

    /// What the condition that was pushed last says of a local, if it is in the flags.
    pub(crate) fn note_test(&mut self, local: Option<u32>, if_true: Option<ValType>, if_false: Option<ValType>) {
        if let Some(local) = local.filter(|_| self.top_in_flags()) {
            self.refined.tested = Some(Tested { local, if_true, if_false });
        }
    }

    /// What the condition says that was popped from the flags.
    pub(crate) fn take_tested(&mut self) -> Option<Tested> {
        self.refined.tested.take()
    }

    /// The condition that was pushed is the opposite of one that said this.
    pub(crate) fn note_opposite(&mut self, tested: Option<Tested>) {
        if let Some(Tested { local, if_true, if_false }) = tested {
            self.note_test(Some(local), if_false, if_true);
        }
    }

    /// On this path the condition is `value`.
    pub(crate) fn learn(&mut self, tested: Option<Tested>, value: bool) {
        if let Some(Tested { local, if_true, if_false }) = tested
            && let Some(ty) = if value { if_true } else { if_false }
        {
            self.refine(local, ty);
        }
    }

    /// Other paths come here.
    pub(crate) fn forget_refined(&mut self) {
        self.refined.forget_all();
    }
}
