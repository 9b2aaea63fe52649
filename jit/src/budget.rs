//! How much memory compiling a module may take, all threads together, and how many locals its functions may declare: each
//! costs time, though a body declares fifty thousand of them in four bytes.
//!
//! Counted are the machine code with its tables and the compiler's own lists; every thread tells from time to time what it
//! holds. Lists are emptied and used again, so what a thread held once, it holds on. What the validator keeps comes on top:
//! some 40 bytes for each open block, 4 for each operand.

use heapwood_gc_abi::{Mutant, active};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a function's code while it is made, with the assembler's lists. Positions have 30 bits.
pub(crate) const CODE_BYTES_MAX: usize = 512 << 20;

/// Operators of a function between two times at which a thread tells what it holds.
pub(crate) const OPERATORS_PER_COUNT: u32 = 64;

/// The budget of one module.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    locals_max: u64,
    locals: AtomicU64,
}

/// The functions declare more locals together than they may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyLocals {
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
    /// A budget of so many bytes, and so many locals of all functions together.
    pub fn new(limit: u64, locals_max: u64) -> Budget {
        Budget { limit, used: AtomicU64::new(0), locals_max, locals: AtomicU64::new(0) }
    }

    /// A function has so many locals, parameters included.
    ///
    /// # Errors
    /// Now they are too many.
    pub(crate) fn declare_locals(&self, count: u32) -> Result<(), TooManyLocals> {
        let declared = self.locals.fetch_add(count.into(), Ordering::Relaxed).saturating_add(count.into());
        if declared <= self.locals_max { Ok(()) } else { Err(TooManyLocals { max: self.locals_max }) }
    }

    /// Bytes that it allows.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes bytes for good.
    ///
    /// # Errors
    /// Now it is exceeded.
    pub fn take(&self, bytes: u64) -> Result<(), BudgetExceeded> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used <= self.limit || active(Mutant::BudgetNotKept) {
            Ok(())
        } else {
            Err(BudgetExceeded { used, limit: self.limit })
        }
    }

    /// A holder has this many bytes now.
    pub(crate) fn hold(&self, share: &mut Share, bytes: usize) -> Result<(), BudgetExceeded> {
        let more = (bytes as u64).saturating_sub(share.0);
        share.0 += more;
        self.take(more)
    }
}

impl Default for Budget {
    /// A budget without a limit.
    fn default() -> Budget {
        Budget::new(u64::MAX, u64::MAX)
    }
}

/// Bytes of what a list holds. The rest of its buffer was never written, so the system gave no memory for it.
pub(crate) fn list_bytes<T>(list: &[T]) -> usize {
    size_of_val(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_share_what_there_is() {
        let budget = Budget::new(100, 10);
        let (mut a, mut b) = (Share::default(), Share::default());
        assert_eq!(budget.hold(&mut a, 60), Ok(()));
        assert_eq!(budget.hold(&mut b, 40), Ok(()));
        assert_eq!(budget.hold(&mut b, 41), Err(BudgetExceeded { used: 101, limit: 100 }));
        let budget = Budget::new(100, 10);
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
    }
}
