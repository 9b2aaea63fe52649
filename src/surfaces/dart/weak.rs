//! Weak references, and expandos: maps whose keys are weak and whose values live as long as their keys.

use super::Context;
use super::call::{Call, Given};
use crate::{AnyRef, Result, RootScope, Val, WeakEntry, WeakRoot};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The value behind a weak reference.
struct Reference {
    target: WeakRoot<AnyRef>,
    /// The turn in which the target was kept last, as [`super::Dart::turn`] counts from 1; 0: never.
    kept_in: AtomicU64,
}

pub(super) fn create_reference<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let target = call.any(0)?.downgrade(call.caller())?;
    call.give(Reference { target, kept_in: AtomicU64::new(0) })
}

/// A target that a turn has seen lives until the turn's end: so it is kept, once.
pub(super) fn target<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let turn = call.dart().turn + 1;
    let reference = call.value::<Reference>(0, "a weak reference")?;
    let is_kept = reference.kept_in.swap(turn, Ordering::Relaxed) == turn;
    let target = reference.target.clone().upgrade(call.caller())?;
    if let Some(target) = target.filter(|_| !is_kept) {
        let kept = target.to_owned(call.caller())?;
        call.dart().kept.push(kept);
    }
    Ok(Some(Val::AnyRef(target)))
}

/// The value behind an expando.
type Shared = Arc<Mutex<Expando>>;

/// A map by identity.
#[derive(Default)]
struct Expando {
    /// Hashes are the program's: the hasher has a random key.
    buckets: HashMap<i64, Vec<WeakEntry<AnyRef, AnyRef>>>,
    /// Number of entries, those of dead keys included.
    count: usize,
    /// Number of entries at which dead ones are looked for.
    sweep_at: usize,
}

/// Tables with fewer entries than this are never looked through for dead ones.
const SWEEP_MIN: usize = 16;

impl Expando {
    /// Forgets the entries of dead keys, if there are twice as many as were alive the last time.
    fn sweep<T: 'static, C: Context<T>>(&mut self, call: &mut Call<'_, '_, T, C>) -> Result<()> {
        if self.count < self.sweep_at.max(SWEEP_MIN) {
            return Ok(());
        }
        let mut failed = Ok(());
        for bucket in self.buckets.values_mut() {
            bucket.retain(|entry| {
                let is_alive = entry.get(&mut RootScope::new(call.caller())).map(|found| found.is_some());
                is_alive.unwrap_or_else(|error| {
                    failed = Err(error);
                    true
                })
            });
        }
        self.buckets.retain(|_, bucket| !bucket.is_empty());
        self.count = self.buckets.values().map(Vec::len).sum();
        self.sweep_at = 2 * self.count;
        failed
    }
}

pub(super) fn create_expando<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    call.give(Shared::default())
}

fn expando<T, C: Context<T>>(call: &Call<'_, '_, T, C>) -> Result<Shared> {
    call.value::<Shared>(0, "an expando").cloned()
}

/// The index of a key in its bucket, and the value.
fn find<T: 'static, C: Context<T>>(
    call: &mut Call<'_, '_, T, C>,
    bucket: &[WeakEntry<AnyRef, AnyRef>],
) -> Result<Option<(usize, crate::Rooted<AnyRef>)>> {
    let key = call.any(1)?;
    for (index, entry) in bucket.iter().enumerate() {
        if let Some((found, value)) = entry.get(&mut *call.caller())?
            && found.ref_eq(&*call.caller(), &key)?
        {
            return Ok(Some((index, value)));
        }
    }
    Ok(None)
}

pub(super) fn get<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (expando, hash) = (expando(call)?, call.i64(2));
    let expando = expando.lock();
    let found = find(call, expando.buckets.get(&hash).map_or(&[], Vec::as_slice))?;
    Ok(Some(Val::AnyRef(found.map(|(_, value)| value))))
}

pub(super) fn set<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (shared, key, hash) = (expando(call)?, call.any(1)?, call.i64(2));
    let mut expando = shared.lock();
    let found = find(call, expando.buckets.get(&hash).map_or(&[], Vec::as_slice))?;
    match (found, call.any_or_null(3)) {
        (Some((index, _)), Some(value)) => {
            expando.buckets.entry(hash).or_default()[index].set_value(call.caller(), &value)?;
        }
        (Some((index, _)), None) => {
            expando.buckets.entry(hash).or_default().swap_remove(index);
            expando.count -= 1;
        }
        (None, Some(value)) => {
            expando.sweep(call)?;
            let entry = WeakEntry::new(call.caller(), &key, &value)?;
            expando.buckets.entry(hash).or_default().push(entry);
            expando.count += 1;
        }
        (None, None) => {}
    }
    Ok(None)
}
