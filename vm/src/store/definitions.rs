//! The structure of the types of a store's objects, found without a lock.

use crate::registry::EngineType;
use heapwood_gc_abi::TypeId;
use std::array;
use std::fmt;
use std::sync::{Arc, OnceLock};

const LEVEL_BITS: u32 = 8;
const LEVEL_SLOTS: usize = 1 << LEVEL_BITS;

/// Structures by id. Whoever asks holds the type for as long as the store lives, so that what was found once stays
/// true: three loads lead there.
#[derive(Default)]
pub(super) struct Definitions(OnceLock<Top>);

type Leaf = Box<Level<Arc<EngineType>>>;
type Middle = Box<Level<Leaf>>;
type Top = Box<Level<Middle>>;

struct Level<T>([OnceLock<T>; LEVEL_SLOTS]);

impl<T> Level<T> {
    fn empty() -> Box<Level<T>> {
        Box::new(Level(array::from_fn(|_| OnceLock::new())))
    }

    #[inline]
    fn get(&self, index: u32, make: impl FnOnce() -> T) -> &T {
        self.0[index as usize % LEVEL_SLOTS].get_or_init(make)
    }
}

impl Definitions {
    /// The structure of a type; `find` finds it the first time.
    #[inline]
    pub fn get(&self, id: TypeId, find: impl FnOnce() -> Arc<EngineType>) -> &EngineType {
        let TypeId(number) = id;
        let root = self.0.get_or_init(Level::empty);
        assert!(number >> (3 * LEVEL_BITS) == 0, "a type table has fewer than 2^24 entries");
        let level = root.get(number >> (2 * LEVEL_BITS), Level::empty);
        level.get(number >> LEVEL_BITS, Level::empty).get(number, find)
    }
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}
