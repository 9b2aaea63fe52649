//! Which handles of a store still name what they named, after rollbacks.
//!
//! 1. Items of a store are named by positions, and functions by the place of their object. After a rollback these are
//!    used again. So a store begins an *era* with another id then, if anything is younger than the checkpoint, and
//!    handles have the id of the era in which they were made.
//! 2. For each era, the store knows how many items it has in common with what the store is now: handles of that era
//!    name these, and nothing else. Eras that are long past are forgotten; their handles are errors.
//! 3. An instantiation that failed is undone in the same way: handles that the host was given meanwhile are errors.
//!    Such eras are not forgotten; those that follow each other with the same items are one.

use crate::errors::{Error, Result};
use crate::ids::{ForeignStore, StoreId};
use heapwood_gc_abi::RawRef;

/// Eras that are remembered beside those that led to the checkpoint.
const OTHER_ERAS_MAX: usize = 16;

/// What a handle names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    /// A function, by its object.
    Func(RawRef),
    /// An instance, by its position.
    Instance(u32),
    /// A memory, by its position.
    Memory(u32),
    /// A table, by its position.
    Table(u32),
    /// A global, by its position.
    Global(u32),
    /// A tag, by its position.
    Tag(u32),
}

/// How many items of each kind there are; of functions, where immortal objects end.
pub(crate) type Counts = [u32; 6];

impl Named {
    /// The kind's index in [`Counts`], and the position.
    fn place(self) -> (usize, u32) {
        match self {
            Named::Func(object) => (0, object),
            Named::Instance(index) => (1, index),
            Named::Memory(index) => (2, index),
            Named::Table(index) => (3, index),
            Named::Global(index) => (4, index),
            Named::Tag(index) => (5, index),
        }
    }

    fn what(self) -> &'static str {
        ["a function", "an instance", "a memory", "a table", "a global", "a tag"][self.place().0]
    }
}

/// A time between two rollbacks.
#[derive(Clone, Copy, Debug)]
struct Era {
    /// The id of the era, and the last one if several eras with the same items follow each other.
    id: StoreId,
    last: StoreId,
    /// What its items have in common with those of now; none: all.
    common: Option<Counts>,
}

impl Era {
    fn new(id: StoreId) -> Era {
        Era { id, last: id, common: None }
    }

    fn has(&self, id: StoreId) -> bool {
        (self.id..=self.last).contains(&id)
    }
}

/// The eras of a store; the last one is the current one.
#[derive(Clone, Debug)]
pub(crate) struct Lineage(Vec<Era>);

fn least(a: Counts, b: Counts) -> Counts {
    std::array::from_fn(|kind| a[kind].min(b[kind]))
}

impl Lineage {
    /// The lineage of a new store, which has one era.
    pub fn new(id: StoreId) -> Lineage {
        Lineage(vec![Era::new(id)])
    }

    /// The id of handles that are made now.
    #[inline]
    #[allow(clippy::misnamed_getters, reason = "an era may have had several ids, of which the last one counts")]
    pub fn id(&self) -> StoreId {
        self.0[self.0.len() - 1].last
    }

    /// An error unless a handle that was made by the store `id` names what it named then.
    #[inline]
    pub fn check(&self, id: StoreId, named: Named) -> Result<()> {
        if id == self.id() { Ok(()) } else { self.check_past(id, named) }
    }

    #[cold]
    fn check_past(&self, id: StoreId, named: Named) -> Result<()> {
        let Some(era) = self.0.iter().find(|era| era.has(id)) else {
            return Err(ForeignStore::new(named.what()).into());
        };
        let (kind, position) = named.place();
        match era.common.is_none_or(|common| position < common[kind]) {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "{} is younger than the checkpoint that its store was rolled back to",
                named.what()
            ))),
        }
    }

    /// The lineage as a checkpoint keeps it that is made when there are so many items.
    pub fn image(&self, counts: Counts) -> Lineage {
        let mut image = self.clone();
        image.0.last_mut().expect("the current era").common = Some(counts);
        image
    }

    /// The lineage of a store that is made of a checkpoint, as if it had been rolled back there: what is older is what
    /// the store began with.
    pub fn of_origin(id: StoreId, counts: Counts) -> Lineage {
        Lineage(vec![Era { common: Some(counts), ..Era::new(id) }])
    }

    /// The store, in which there is so much `now`, is rolled back to a checkpoint of it, with what there was then.
    pub fn roll_back(&mut self, image: &Lineage, now: Counts) {
        let (then_id, then) = (image.id(), image.0[image.0.len() - 1].common.expect("a checkpoint has counts"));
        let common = self.0.iter().find(|era| era.has(then_id));
        let common = common.map_or([0; 6], |era| era.common.map_or(then, |common| least(common, then)));
        if common == then && now == then {
            return;
        }
        let is_other = |era: &&Era| image.0.iter().all(|known| !known.has(era.last));
        let others = self.0.iter().filter(is_other).rev().take(OTHER_ERAS_MAX);
        let others = others.map(|era| Era { common: Some(least(era.common.unwrap_or(now), common)), ..*era });
        let mut eras: Vec<Era> = others.collect();
        eras.reverse();
        eras.extend_from_slice(&image.0);
        eras.push(Era::new(StoreId::next()));
        self.0 = eras;
    }

    /// What is younger than these counts is gone: handles of it, which the host may have, are errors from now on.
    pub fn undo(&mut self, counts: Counts) {
        let current = self.0.last_mut().expect("the current era");
        current.common = Some(counts);
        let current = *current;
        if let [.., before, _] = &mut self.0[..]
            && before.common == current.common
            && before.last.next_is(current.id)
        {
            before.last = current.last;
            self.0.pop();
        }
        self.0.push(Era::new(StoreId::next()));
    }

    /// The store is of no use any more: no handle names anything.
    pub fn forget_all(&mut self) {
        self.0 = vec![Era::new(StoreId::next())];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lineage: &Lineage, id: StoreId, index: u32) -> bool {
        lineage.check(id, Named::Memory(index)).is_ok()
    }

    fn counts(memories: u32) -> Counts {
        [0, 0, memories, 0, 0, 0]
    }

    #[test]
    fn handles_of_younger_items_are_errors_and_those_of_older_ones_are_not() {
        let mut lineage = Lineage::new(StoreId::next());
        let first = lineage.id();
        let two = lineage.image(counts(2));
        lineage.roll_back(&two, counts(5));
        assert!(check(&lineage, first, 1) && !check(&lineage, first, 2));
        // Another third memory, and a checkpoint of that.
        let second = lineage.id();
        assert_ne!(first, second);
        let three = lineage.image(counts(3));
        lineage.roll_back(&two, counts(4));
        assert!(check(&lineage, second, 1) && !check(&lineage, second, 2));
        let third = lineage.id();
        assert!(check(&lineage, third, 2), "the current era's");
        lineage.roll_back(&three, counts(7));
        assert!(check(&lineage, second, 2) && !check(&lineage, second, 3));
        assert!(check(&lineage, third, 1) && !check(&lineage, third, 2), "it was another third memory");
        assert!(!check(&lineage, first, 2));
        assert!(!check(&lineage, StoreId::next(), 0), "another store's");
    }

    #[test]
    fn what_is_undone_leaves_handles_of_older_items_and_few_eras() {
        let mut lineage = Lineage::new(StoreId::next());
        let first = lineage.id();
        let mut ids = Vec::new();
        for _ in 0..1000 {
            lineage.undo(counts(2));
            ids.push(lineage.id());
        }
        assert!(lineage.0.len() < 500, "{} eras: other tests take ids meanwhile", lineage.0.len());
        for id in [first, ids[0], ids[500], ids[998]] {
            assert!(check(&lineage, id, 1) && !check(&lineage, id, 2), "{id:?}");
        }
        assert!(check(&lineage, ids[999], 2), "the current era's");
        lineage.undo(counts(5));
        assert!(check(&lineage, ids[999], 4) && !check(&lineage, ids[999], 5) && !check(&lineage, ids[3], 2));
        let image = lineage.image(counts(6));
        lineage.undo(counts(6));
        let later = lineage.id();
        lineage.roll_back(&image, counts(9));
        assert!(check(&lineage, ids[999], 4) && check(&lineage, later, 5) && !check(&lineage, later, 6));
    }

    #[test]
    fn without_younger_items_an_era_goes_on() {
        let mut lineage = Lineage::new(StoreId::next());
        let first = lineage.id();
        let two = lineage.image(counts(2));
        for _ in 0..1000 {
            lineage.roll_back(&two, counts(2));
        }
        assert_eq!((lineage.id(), lineage.0.len()), (first, 1));
        for _ in 0..1000 {
            lineage.roll_back(&two, counts(3));
        }
        assert!(lineage.0.len() <= OTHER_ERAS_MAX + 2 && check(&lineage, first, 1) && !check(&lineage, first, 2));
    }
}
