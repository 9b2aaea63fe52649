//! How much memory compiling a module may take, all threads together.
//!
//! Counted are the machine code with its tables and the compiler's own lists; every thread tells from time to time what it
//! holds. Lists are emptied and used again, so what a thread held once, it holds on. What the validator keeps comes on top:
//! some 40 bytes for each open block, 4 for each operand.

use heapwood_gc_abi::{Mutant, active};
use std::sync::atomic::{AtomicU64, Ordering};

/// The budget of one module.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
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
    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Budget {
        Budget { limit, used: AtomicU64::new(0) }
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
        Budget::new(u64::MAX)
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
        let budget = Budget::new(100);
        let (mut a, mut b) = (Share::default(), Share::default());
        assert_eq!(budget.hold(&mut a, 60), Ok(()));
        assert_eq!(budget.hold(&mut b, 40), Ok(()));
        assert_eq!(budget.hold(&mut b, 41), Err(BudgetExceeded { used: 101, limit: 100 }));
        let budget = Budget::new(100);
        let (mut a, mut b) = (Share::default(), Share::default());
        assert_eq!(budget.hold(&mut a, 60), Ok(()));
        assert_eq!(budget.hold(&mut a, 10), Ok(()));
        assert_eq!(budget.hold(&mut a, 60), Ok(()), "what was held once counts on");
        assert_eq!(budget.hold(&mut b, 10), Ok(()));
        assert_eq!(budget.take(30), Ok(()));
        assert_eq!(budget.take(1), Err(BudgetExceeded { used: 101, limit: 100 }));
        assert_eq!(Budget::default().take(1 << 40), Ok(()));
    }
}
