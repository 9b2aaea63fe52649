//! How much memory the compilation of a module may take, all threads together, how many locals its functions may
//! declare, and how many values instructions may pass: each costs time, though a body declares fifty thousand locals in
//! four bytes, and two bytes of a call pass two thousand values.
//!
//! Machine code with its tables and the compiler's own lists are counted; every thread reports from time to time what
//! it holds. Lists are emptied and used again, so a thread never holds less than it once did. What the validator keeps
//! is not counted: some 40 bytes for each open block and 4 for each operand.

use heapwood_gc_abi::{Mutant, active};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a function's code while it is made, with the assembler's lists. Positions have 30 bits.
pub(crate) const CODE_BYTES_MAX: usize = 512 << 20;

/// A thread reports what it holds after each so many operators of a function.
pub(crate) const OPERATORS_PER_COUNT: u32 = 64;

/// The budget of one module.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    locals_max: u64,
    locals: AtomicU64,
    values_max: u64,
    values: AtomicU64,
}

/// The functions declare more locals together than they may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyLocals {
    /// The limit.
    pub max: u64,
}

/// Instructions pass more values together than they may: to and from blocks, functions, labels and objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyValues {
    /// The limit.
    pub max: u64,
}

/// More memory was needed than the budget has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetExceeded {
    /// Bytes that were held, or about to be.
    pub used: u64,
    /// Bytes that are allowed.
    pub limit: u64,
}

/// The most that one holder has counted against the budget.
#[derive(Default, Debug)]
pub(crate) struct Share(u64);

impl Budget {
    /// A budget of so many bytes, and so many locals and passed values of all functions together.
    pub fn new(limit: u64, locals_max: u64, values_max: u64) -> Budget {
        let [used, locals, values] = [const { AtomicU64::new(0) }; 3];
        Budget { limit, used, locals_max, locals, values_max, values }
    }

    /// Counts the locals of a function, parameters included.
    ///
    /// # Errors
    /// The functions together have more locals than the module may have.
    pub(crate) fn declare_locals(&self, count: u32) -> Result<(), TooManyLocals> {
        let declared = self.locals.fetch_add(count.into(), Ordering::Relaxed).saturating_add(count.into());
        if declared <= self.locals_max { Ok(()) } else { Err(TooManyLocals { max: self.locals_max }) }
    }

    /// Counts values that instructions pass.
    ///
    /// # Errors
    /// The instructions of the module pass more together than they may.
    pub(crate) fn pass_values(&self, count: u64) -> Result<(), TooManyValues> {
        if count == 0 {
            return Ok(());
        }
        let passed = self.values.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        if passed <= self.values_max { Ok(()) } else { Err(TooManyValues { max: self.values_max }) }
    }

    /// The limit of the budget in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Counts bytes that stay in use until the module is compiled.
    ///
    /// # Errors
    /// The budget is exceeded.
    pub fn take(&self, bytes: u64) -> Result<(), BudgetExceeded> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used <= self.limit || active(Mutant::BudgetNotKept) {
            Ok(())
        } else {
            Err(BudgetExceeded { used, limit: self.limit })
        }
    }

    /// Sets how many bytes the holder of `share` has in use now. Less than before counts as before.
    pub(crate) fn hold(&self, share: &mut Share, bytes: usize) -> Result<(), BudgetExceeded> {
        let more = (bytes as u64).saturating_sub(share.0);
        share.0 += more;
        self.take(more)
    }
}

impl Default for Budget {
    /// A budget without a limit.
    fn default() -> Budget {
        Budget::new(u64::MAX, u64::MAX, u64::MAX)
    }
}

/// The bytes of a list's elements. The rest of its buffer was never written, so the system gave no memory for it.
pub(crate) fn list_bytes<T>(list: &[T]) -> usize {
    size_of_val(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_share_what_there_is() {
        let budget = Budget::new(100, 10, 20);
        let (mut a, mut b) = (Share::default(), Share::default());
        assert_eq!(budget.hold(&mut a, 60), Ok(()));
        assert_eq!(budget.hold(&mut b, 40), Ok(()));
        assert_eq!(budget.hold(&mut b, 41), Err(BudgetExceeded { used: 101, limit: 100 }));
        let budget = Budget::new(100, 10, 20);
        let (mut a, mut b) = (Share::default(), Share::default());
        assert_eq!(budget.hold(&mut a, 60), Ok(()));
        assert_eq!(budget.hold(&mut a, 10), Ok(()));
        assert_eq!(budget.hold(&mut a, 60), Ok(()), "what was held once counts on");
        assert_eq!(budget.hold(&mut b, 10), Ok(()));
        assert_eq!(budget.take(30), Ok(()));
        assert_eq!(budget.take(1), Err(BudgetExceeded { used: 101, limit: 100 }));
        assert_eq!(Budget::default().take(1 << 40), Ok(()));
        assert_eq!((budget.declare_locals(6), budget.declare_locals(4)), (Ok(()), Ok(())));
        assert_eq!(budget.declare_locals(1), Err(TooManyLocals { max: 10 }));
        assert_eq!((budget.pass_values(20), budget.pass_values(0)), (Ok(()), Ok(())));
        assert_eq!(budget.pass_values(1), Err(TooManyValues { max: 20 }));
    }
}
