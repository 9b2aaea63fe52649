//! A store asks the host's limiter: before memories, tables and the heap grow, and when one of them did not.
//!
//! The limiter gets what it is made of in the host's data, and never the store: nothing changes in the store while it
//! is asked. It is asked where a panic may unwind: what was begun is undone by whoever began it (`instance`), or has
//! not begun.

use super::guest::Guest;
use super::resource_limiter::ResourceLimiter;
use super::{Store, StoreOpaque};
use crate::errors::{Error, Result, StoreLimit, StoreResource, Trap};
use crate::rt::data_fn::DataFn;
use heapwood_gc::{Exhausted, Heap, Refused};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resource {
    Memory,
    Table,
    Heap,
}

/// From how much to how much, and what the type allows: bytes, or elements of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Growth {
    pub current: usize,
    pub desired: usize,
    pub maximum: Option<usize>,
}

/// How many of each a store has at most, or has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct EntityCounts {
    pub instances: usize,
    pub memories: usize,
    pub tables: usize,
}

/// What a limiter is asked or told.
pub(super) enum Question {
    /// Whether something may grow.
    Grow(Resource, Growth),
    /// Something did not grow that was allowed to, for this reason.
    Failed(Resource, Error),
    /// How many instances, memories and tables there may be.
    Counts,
}

/// What a limiter answers.
pub(super) enum Answer {
    Grow(bool),
    Heard,
    Counts(EntityCounts),
}

/// The limiter of a store.
pub(super) type Limiter = DataFn<StoreOpaque, Question, Result<Answer>>;

fn answer(limiter: &mut dyn ResourceLimiter, question: Question) -> Result<Answer> {
    Ok(match question {
        Question::Grow(resource, Growth { current, desired, maximum }) => Answer::Grow(match resource {
            Resource::Memory => limiter.memory_growing(current, desired, maximum)?,
            Resource::Table => limiter.table_growing(current, desired, maximum)?,
            Resource::Heap => limiter.gc_heap_growing(current, desired, maximum)?,
        }),
        Question::Failed(resource, error) => {
            match resource {
                Resource::Memory => limiter.memory_grow_failed(error)?,
                Resource::Table => limiter.table_grow_failed(error)?,
                Resource::Heap => {}
            }
            Answer::Heard
        }
        Question::Counts => Answer::Counts(EntityCounts {
            instances: limiter.instances(),
            memories: limiter.memories(),
            tables: limiter.tables(),
        }),
    })
}

impl<T: 'static> Store<T> {
    /// Has the store ask a part of the host's data before something grows from now on, in place of an earlier limiter.
    /// What the store has already was not asked for. Of the heap, what it uses now counts as allowed.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Store, StoreLimits, StoreLimitsBuilder};
    /// let mut store = Store::new(&Engine::default(), StoreLimitsBuilder::new().memory_size(1 << 20).build());
    /// store.limiter(|limits| limits);
    /// ```
    pub fn limiter(&mut self, mut limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + 'static) {
        let asked = DataFn::new(&mut *self.inner, move |data: &mut T, question| answer(limiter(data), question));
        let store = self.opaque_mut();
        *store.guest_mut().limiter_mut() = Some(asked);
        store.heap_mut().ask_for_growth();
    }
}

impl StoreOpaque {
    /// Asks the limiter, if there is one.
    fn ask(&mut self, question: Question) -> Result<Option<Answer>> {
        let Some(mut limiter) = self.guest_mut().limiter_mut().take() else { return Ok(None) };
        let answer = catch_unwind(AssertUnwindSafe(|| limiter.call(self, question)));
        *self.guest_mut().limiter_mut() = Some(limiter);
        match answer {
            Ok(answer) => answer.map(Some),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Whether the limiter, if there is one, lets something grow.
    ///
    /// # Errors
    /// The limiter's.
    pub(super) fn may_grow(&mut self, resource: Resource, growth: Growth) -> Result<bool> {
        let answer = self.ask(Question::Grow(resource, growth))?;
        Ok(matches!(answer, None | Some(Answer::Grow(true))))
    }

    /// Something did not grow that was allowed to, perhaps for a limit of the store: the error for whoever wanted it.
    ///
    /// # Errors
    /// The limiter's, which goes before.
    pub(super) fn tell_failed(&mut self, resource: Resource, why: &str, limit: Option<StoreLimit>) -> Result<Error> {
        let error = || Error::limit(why).with_store_limit(limit);
        if self.guest().limiter().is_some() {
            self.ask(Question::Failed(resource, error()))?;
        }
        Ok(error())
    }

    /// Whether there may be so many more instances, memories and tables.
    ///
    /// # Errors
    /// There may not.
    pub(super) fn check_counts(&mut self, more: EntityCounts) -> Result<()> {
        let asked = match self.ask(Question::Counts)? {
            Some(Answer::Counts(counts)) => counts,
            _ => EntityCounts { instances: usize::MAX, memories: usize::MAX, tables: usize::MAX },
        };
        let entities = self.guest().entities();
        let instances_max = entities.instances_max();
        let instances = asked.instances.min(instances_max);
        for (what, more, now, most) in [
            ("instances", more.instances, entities.instances().len(), instances),
            ("memories", more.memories, entities.memories().len(), asked.memories),
            ("tables", more.tables, entities.tables().len(), asked.tables),
        ] {
            let wanted = now.saturating_add(more);
            if more > 0 && wanted > most {
                let message = format!("{more} more {what} beside {now}: the store may have {most}");
                let is_the_stores = what == "instances" && wanted > instances_max;
                let (limit, wanted) = (instances_max as u64, wanted as u64);
                let limit = StoreLimit { resource: StoreResource::Instances, limit, wanted };
                return Err(Error::limit(message).with_store_limit(is_the_stores.then_some(limit)));
            }
        }
        Ok(())
    }
}

/// The heap.
impl StoreOpaque {
    /// Does something that takes memory of the heap. May do so more than once: if the limiter has to be asked, nothing
    /// was done before.
    ///
    /// # Errors
    /// The heap is exhausted; the limiter's.
    #[inline]
    pub fn with_room<R>(&mut self, take: impl FnMut(&mut Heap, &mut Guest) -> Result<R, Exhausted>) -> Result<R> {
        Ok(self.try_with_room(take)?.map_err(Trap::from)?)
    }

    /// Does what [`with_room`](Self::with_room) does, for callers that need to know why the heap is exhausted.
    #[inline]
    pub(super) fn try_with_room<R>(
        &mut self,
        mut take: impl FnMut(&mut Heap, &mut Guest) -> Result<R, Exhausted>,
    ) -> Result<Result<R, Exhausted>> {
        self.check_usable()?;
        let (guest, heap) = self.guest_and_heap();
        match take(heap, guest) {
            Err(Exhausted { why: Refused::NotAllowed, .. }) => self.take_asking(take),
            taken => Ok(taken),
        }
    }

    /// The limiter has to be asked: until what it allowed is enough, or it denies more.
    #[cold]
    fn take_asking<R>(
        &mut self,
        mut take: impl FnMut(&mut Heap, &mut Guest) -> Result<R, Exhausted>,
    ) -> Result<Result<R, Exhausted>> {
        while self.ask_for_heap()? {
            let (guest, heap) = self.guest_and_heap();
            match take(heap, guest) {
                Err(Exhausted { why: Refused::NotAllowed, .. }) => {}
                taken => return Ok(taken),
            }
        }
        self.heap_mut().deny_growth();
        // A listener of the heap may panic in there.
        let taken = catch_unwind(AssertUnwindSafe(|| {
            let (guest, heap) = self.guest_and_heap();
            take(heap, guest)
        }));
        self.heap_mut().resume_asking();
        taken.map_or_else(|panic| resume_unwind(panic), Ok)
    }

    /// Asks for what the heap wants; if that is denied, for what it needs.
    fn ask_for_heap(&mut self) -> Result<bool> {
        let Some(wanted) = self.heap().wanted_growth() else { return Ok(false) };
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut sizes = vec![wanted.desired, wanted.least];
        sizes.dedup();
        for desired in sizes {
            let (current, maximum) = (bytes(wanted.current), Some(bytes(wanted.maximum)));
            if self.may_grow(Resource::Heap, Growth { current, desired: bytes(desired), maximum })? {
                self.heap_mut().allow_growth(desired);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
