//! The entries behind the handles that keep objects alive while the host holds them.
//!
//! Remembering for the collector: entries made since the last collection are the only ones that may name young
//! objects (a collection promotes what handles name), and they are the upper part of the scope's stack and a list, in
//! which each owned entry stands once, if its object was young.

mod image;

pub(crate) use image::RootsImage;

use crate::errors::{Error, Result};
use crate::ids::{OwnedSlot, Root, Rooted, StoreId};
use crate::rt::state::Height;
use heapwood_gc::Leases;
use heapwood_gc_abi::{Mutant, RawRef, active, low32};

/// Owned entries that are made before what was dropped is looked for: handles that come and go are taken back so many
/// at a time.
const OWNED_AT_FIRST: usize = 32;

/// The entry of a handle in a scope.
#[derive(Clone, Copy, Debug)]
struct Scoped {
    reference: RawRef,
    /// The handle's generation in two halves, which makes an entry of 12 bytes.
    generation: [u32; 2],
}

impl Scoped {
    fn new(reference: RawRef, generation: u64) -> Scoped {
        Scoped { reference, generation: halves(generation) }
    }
}

#[inline]
fn halves(generation: u64) -> [u32; 2] {
    [low32(generation), low32(generation >> 32)]
}

/// The handles of a store.
#[derive(Debug)]
pub(crate) struct RootSet {
    store: StoreId,
    /// The scopes' entries.
    scoped: Vec<Scoped>,
    generation: u64,
    /// Entries of `scoped` below this are older than the last collection.
    settled: usize,
    owned: Vec<Owned>,
    /// Entries of `owned` that may name young objects.
    young: Vec<u32>,
    free: Vec<u32>,
    lent: Leases<OwnedSlot>,
    /// The number of the next owned handle; 0 is none.
    next_serial: u64,
    /// The store of whose checkpoint entries come, and the number that its next handle had then.
    inherited: Option<(StoreId, u64)>,
    /// What the marking under way has not seen.
    unseen: Option<Unseen>,
    /// The generation of handles since the last rollback.
    restored_at: Option<u64>,
}

/// The entry of an owned handle.
#[derive(Clone, Copy, Debug)]
struct Owned {
    reference: RawRef,
    /// Whether the entry is in the list of those that may name young objects.
    is_listed: bool,
    /// The handle is younger than the checkpoint that the store was rolled back to.
    is_stale: bool,
    /// The number of the handle; 0 if the entry is free.
    serial: u64,
}

impl Owned {
    const FREE: Owned = Owned { reference: 0, is_listed: false, is_stale: false, serial: 0 };
}

/// Handles that existed when a marking began: scoped ones from and to a position, then owned ones.
#[derive(Debug)]
struct Unseen {
    scoped: std::ops::Range<usize>,
    owned: std::ops::Range<usize>,
}

impl RootSet {
    pub fn new(store: StoreId) -> RootSet {
        RootSet {
            store,
            scoped: Vec::new(),
            generation: 0,
            settled: 0,
            owned: Vec::new(),
            young: Vec::new(),
            free: Vec::new(),
            lent: Leases::default(),
            next_serial: 1,
            inherited: None,
            unseen: None,
            restored_at: None,
        }
    }

    /// A handle of the current scope; none for null.
    #[inline]
    pub fn push<T>(&mut self, reference: RawRef) -> Option<Rooted<T>> {
        if reference == 0 {
            return None;
        }
        let index = u32::try_from(self.scoped.len()).expect("fewer than 2^32 handles at a time in a store");
        self.scoped.push(Scoped::new(reference, self.generation));
        Some(Rooted::from_entry(self.store, index, self.generation))
    }

    /// The reference behind a handle.
    #[inline]
    pub fn get<T>(&self, rooted: &Rooted<T>) -> Result<RawRef> {
        rooted.store_id().check(self.store, "a reference")?;
        match self.scoped.get(rooted.entry()) {
            Some(entry) if entry.generation == halves(rooted.generation()) || active(Mutant::StaleHandleRead) => {
                Ok(entry.reference)
            }
            _ => Err(self.stale(rooted.generation())),
        }
    }

    /// The error of a handle that names nothing any more.
    #[cold]
    fn stale(&self, generation: u64) -> Error {
        let is_older = self.restored_at.is_some_and(|restored_at| generation < restored_at);
        let rest = if is_older { ", or is younger than the checkpoint that its store was rolled back to" } else { "" };
        Error::usage(format!("a reference was used after the end of its scope{rest}"))
    }

    /// A place of the current scope for a reference that is not null: what a handle is that cannot leave its scope.
    #[inline]
    pub fn push_place(&mut self, reference: RawRef) -> u32 {
        debug_assert_ne!(reference, 0, "a place of null");
        let place = u32::try_from(self.scoped.len()).expect("fewer than 2^32 handles at a time in a store");
        self.scoped.push(Scoped::new(reference, self.generation));
        place
    }

    /// The reference in a place of a scope that is not over.
    #[inline]
    pub fn at(&self, place: u32) -> RawRef {
        self.scoped[place as usize].reference
    }

    /// The handle that stands for a place of a scope that is not over.
    pub fn rooted_at<T>(&self, place: u32) -> Rooted<T> {
        let [low, high] = self.scoped[place as usize].generation;
        Rooted::from_entry(self.store, place, u64::from(low) | u64::from(high) << 32)
    }

    /// Overwrites the reference behind a handle.
    #[cfg(feature = "test-hooks")]
    pub fn overwrite<T>(&mut self, rooted: &Rooted<T>, reference: RawRef) {
        self.scoped[rooted.entry()].reference = reference;
    }

    /// Where the current scope's entries end.
    #[inline]
    pub fn enter_scope(&self) -> usize {
        self.scoped.len()
    }

    /// Ends a scope that began at `mark`. What a marking has not seen of it goes to `shade`.
    #[inline]
    pub fn leave_scope(&mut self, mark: usize, shade: impl FnMut(RawRef)) {
        if let Some(Unseen { scoped, .. }) = &mut self.unseen {
            let dropped = scoped.start.max(mark)..scoped.end;
            *scoped = scoped.start.min(mark)..scoped.end.min(mark);
            if !dropped.is_empty() && !active(Mutant::ScopeEndNotShaded) {
                self.scoped[dropped].iter().map(|entry| entry.reference).for_each(shade);
            }
        }
        if self.scoped.len() > mark {
            self.scoped.truncate(mark);
            self.generation += 1;
            self.settled = self.settled.min(mark);
        }
    }

    /// An owned handle; `is_young` says what `reference` is. What was dropped makes room, so that handles that come and
    /// go take no more entries than there are at a time, or than [`OWNED_AT_FIRST`].
    #[inline]
    pub fn own<T>(&mut self, reference: RawRef, is_young: bool, shade: impl FnMut(RawRef)) -> Root<T> {
        if self.free.is_empty() && self.owned.len() >= OWNED_AT_FIRST {
            self.reclaim(shade);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.owned.len()).expect("fewer than 2^32 owned handles at a time in a store");
            self.owned.push(Owned::FREE);
            index
        });
        let serial = self.next_serial;
        self.next_serial += 1;
        let entry = &mut self.owned[index as usize];
        (entry.reference, entry.serial) = (reference, serial);
        if is_young && !std::mem::replace(&mut entry.is_listed, true) {
            self.young.push(index);
        }
        Root::of_slot(self.lent.lend(OwnedSlot { store: self.store, index, serial }))
    }

    /// The reference behind an owned handle.
    pub fn get_owned<T>(&self, root: &Root<T>) -> Result<RawRef> {
        self.get_owned_of(root, "a reference")
    }

    /// The reference behind an owned handle, which is part of `what`.
    pub fn get_owned_of<T>(&self, root: &Root<T>, what: &'static str) -> Result<RawRef> {
        root.store_id().check(self.store, what)?;
        let entry = self.owned[root.entry()];
        match entry.is_stale {
            false => Ok(entry.reference),
            true => {
                let message = format!("{what} is younger than the checkpoint that its store was rolled back to");
                Err(Error::usage(message))
            }
        }
    }

    /// Takes back what was dropped. What a marking has not seen of it belongs to its snapshot and goes to `shade`.
    pub fn reclaim(&mut self, mut shade: impl FnMut(RawRef)) {
        let unseen = self.unseen.as_ref().map_or(0..0, |unseen| unseen.owned.clone());
        let (owned, free) = (&mut self.owned, &mut self.free);
        self.lent.take_back(|OwnedSlot { index, .. }| {
            let entry = &mut owned[index as usize];
            (entry.serial, entry.is_stale) = (0, false);
            let reference = std::mem::take(&mut entry.reference);
            if unseen.contains(&(index as usize)) {
                shade(reference);
            }
            free.push(index);
        });
    }

    /// Takes entries back where nothing can be shaded: does nothing while a marking has unseen handles.
    fn reclaim_seen(&mut self) {
        if self.unseen.is_none() {
            self.reclaim(|_| {});
        }
    }

    /// Entries that may name young objects.
    pub fn each_young(&mut self, mut visit: impl FnMut(u64, &mut RawRef)) {
        self.reclaim_seen();
        for (index, entry) in self.scoped.iter_mut().enumerate().skip(self.settled) {
            visit(index as u64, &mut entry.reference);
        }
        for &index in &self.young {
            visit(1 << 32 | index as u64, &mut self.owned[index as usize].reference);
        }
    }

    /// Entries from `start` on, in an order that does not change while no handle is made; the visitor says whether
    /// to stop. Returns where to go on, none at the end.
    pub fn each_from(&mut self, start: u64, mut visit: impl FnMut(u64, &mut RawRef) -> bool) -> Option<u64> {
        self.reclaim_seen();
        let scoped = self.scoped.iter_mut().map(|entry| &mut entry.reference);
        let owned = self.owned.iter_mut().map(|entry| &mut entry.reference);
        for (index, reference) in scoped.chain(owned).enumerate().skip(start as usize) {
            if visit(index as u64, reference) {
                return Some(index as u64 + 1);
            }
        }
        None
    }

    /// Calls `visit` with the number and the reference of each handle; those that were dropped since the last
    /// [`RootSet::reclaim`] count.
    pub fn each(&self, mut visit: impl FnMut(u64, RawRef)) {
        let owned = self.owned.iter().map(|entry| &entry.reference);
        let references = self.scoped.iter().map(|entry| &entry.reference).chain(owned);
        references.enumerate().for_each(|(index, reference)| visit(index as u64, *reference));
    }

    /// A marking begins; the handles that exist now are to be shown to it.
    pub fn begin_snapshot(&mut self) {
        self.unseen = None;
        self.reclaim_seen();
        self.unseen = Some(Unseen { scoped: 0..self.scoped.len(), owned: 0..self.owned.len() });
    }

    /// Shows more handles to the marking until `visit` says that it is enough. Returns whether there are more.
    pub fn snapshot(&mut self, mut visit: impl FnMut(&mut RawRef) -> bool) -> bool {
        let Some(Unseen { scoped, owned }) = &mut self.unseen else { return false };
        while scoped.start < scoped.end {
            scoped.start += 1;
            if visit(&mut self.scoped[scoped.start - 1].reference) {
                return true;
            }
        }
        while owned.start < owned.end {
            owned.start += 1;
            if visit(&mut self.owned[owned.start - 1].reference) {
                return true;
            }
        }
        self.unseen = None;
        false
    }

    /// A collection promoted everything that handles name.
    pub fn settle(&mut self) {
        self.settled = self.scoped.len();
        self.forget_young();
    }

    /// No owned entry names a young object any more, also of those that are free.
    fn forget_young(&mut self) {
        for index in self.young.drain(..) {
            self.owned[index as usize].is_listed = false;
        }
    }
}

impl Height for RootSet {
    fn height(&self) -> usize {
        self.enter_scope()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_end_with_their_scope_and_do_not_come_back() {
        let mut roots = RootSet::new(StoreId::next());
        let outer: Rooted<()> = roots.push(8).unwrap();
        let mark = roots.enter_scope();
        let inner: Rooted<()> = roots.push(16).unwrap();
        roots.leave_scope(mark, |_| {});
        assert!(roots.get(&inner).is_err());
        let again: Rooted<()> = roots.push(24).unwrap();
        assert!(roots.get(&inner).is_err(), "another entry took its place");
        assert_eq!((roots.get(&outer).unwrap(), roots.get(&again).unwrap()), (8, 24));
    }

    /// A generation of 32 bits came back after that many scopes, and with it the handles of the first.
    #[test]
    fn generations_do_not_come_back_after_any_number_of_scopes_that_a_process_can_end() {
        for (before, scopes) in [(u32::MAX - 2, 8), (u32::MAX, 2)] {
            let mut roots = RootSet::new(StoreId::next());
            let stale: Rooted<()> = roots.push(8).unwrap();
            roots.leave_scope(0, |_| {});
            // The generation is one of as many scopes later.
            roots.generation = u64::from(before);
            for scope in 0..scopes {
                let fresh: Rooted<()> = roots.push(16).unwrap();
                assert_ne!(fresh.generation(), stale.generation(), "{scope} scopes after {before}");
                assert!(roots.get(&stale).is_err());
                roots.leave_scope(0, |_| {});
            }
            assert_eq!(roots.generation >> 32, 1, "the upper half counts on");
        }
    }

    #[test]
    fn handles_stay_small() {
        assert_eq!((size_of::<Rooted<()>>(), size_of::<Option<Rooted<()>>>(), size_of::<crate::Val>()), (24, 24, 32));
        assert_eq!(size_of::<Scoped>(), 12);
    }

    #[test]
    fn a_handle_of_another_store_is_an_error() {
        let mut a = RootSet::new(StoreId::next());
        let b = RootSet::new(StoreId::next());
        let handle: Rooted<()> = a.push(8).unwrap();
        assert!(b.get(&handle).is_err());
        let owned: Root<()> = a.own(8, true, |_| {});
        assert!(b.get_owned(&owned).is_err());
    }

    #[test]
    fn a_marking_sees_what_scopes_drop_and_nothing_else() {
        let mut roots = RootSet::new(StoreId::next());
        for reference in 1..=10 {
            let _: Option<Rooted<()>> = roots.push(reference * 8);
        }
        roots.begin_snapshot();
        let mut seen = Vec::new();
        let more = roots.snapshot(|reference| {
            seen.push(*reference);
            seen.len() == 8
        });
        assert!(more);
        // Two that were not seen go, and some that were; then new ones come and go below where the marking was.
        roots.leave_scope(5, |reference| seen.push(reference));
        assert_eq!(seen[8..], [72, 80]);
        for mark in [5, 6] {
            let _: [Option<Rooted<()>>; 2] = [roots.push(1000), roots.push(1008)];
            roots.leave_scope(mark, |reference| panic!("{reference} is new"));
        }
        assert!(!roots.snapshot(|reference| panic!("{reference} was seen, or is new")));
    }

    #[test]
    fn only_entries_since_the_last_collection_are_young() {
        let mut roots = RootSet::new(StoreId::next());
        let _old: Rooted<()> = roots.push(8).unwrap();
        let kept: Root<()> = roots.own(16, true, |_| {});
        roots.settle();
        let _new: Rooted<()> = roots.push(24).unwrap();
        let mut seen = Vec::new();
        roots.each_young(|_, reference| seen.push(*reference));
        assert_eq!(seen, [24]);
        drop(kept);
        let mut seen = Vec::new();
        assert_eq!(
            roots.each_from(0, |_, reference| {
                seen.push(*reference);
                false
            }),
            None
        );
        assert_eq!(seen, [8, 24, 0], "a dropped handle keeps nothing alive");
    }

    #[test]
    fn owned_handles_that_come_and_go_take_few_entries_even_while_a_marking_waits() {
        let mut roots = RootSet::new(StoreId::next());
        let seen: Vec<Root<()>> = (1..=3).map(|number| roots.own(number * 8, true, |_| {})).collect();
        roots.settle();
        roots.begin_snapshot();
        drop(seen);
        let mut shaded = Vec::new();
        for round in 0..100 {
            let root: Root<()> = roots.own(800, round % 2 == 0, |reference| shaded.push(reference));
            drop(root);
        }
        // The first three, which the marking had not seen; what took their places may be shaded, too.
        assert!([8, 16, 24].iter().all(|reference| shaded.contains(reference)), "{shaded:?}");
        assert_eq!(roots.owned.len(), OWNED_AT_FIRST);
        let mut young = 0;
        roots.each_young(|_, _| young += 1);
        assert!(young <= OWNED_AT_FIRST, "{young} entries");
    }
}
