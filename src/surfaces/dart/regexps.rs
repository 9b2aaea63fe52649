//! Regular expressions. Matches that may take long are done by another thread, which is left alone when the guest has
//! to stop (`heapwood_surfaces::dart::Worker`).

use super::Context;
use super::call::{Call, Given, nothing, number};
use crate::{ExternRef, Result, Root, RootScope, Rooted, StringRef, Val};
use heapwood_surfaces::dart::{NoResult, RegExp, RegExpFlags, RegExpMatch};
use std::sync::Arc;

/// Shorter texts are copied for each search.
const CACHED_UNITS_MIN: u32 = 256;

/// The value behind an expression.
type Compiled = Arc<RegExp>;

/// The value behind a match. The text leads to nothing, so that it may be held from here.
struct Found {
    of: RegExpMatch,
    text: Root<ExternRef>,
}

pub(super) fn create<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let pattern = call.units(0)?;
    let [multi_line, case_sensitive, unicode, dot_all] = [1, 2, 3, 4].map(|index| call.i32(index) != 0);
    match RegExp::new(&pattern, RegExpFlags { multi_line, case_sensitive, unicode, dot_all }) {
        Ok(regexp) => call.give(Compiled::new(regexp)),
        Err(message) => call.give_text(&message),
    }
}

pub(super) fn is_regexp<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    Ok(Some(Val::I32(call.value_or_none::<Compiled>(0)?.is_some().into())))
}

fn compiled<T, C: Context<T>>(call: &Call<'_, '_, T, C>, index: usize) -> Result<Compiled> {
    call.value::<Compiled>(index, "a regular expression").cloned()
}

/// The units of a text, as they were for the last search if it was of the same one: programs search a text again and
/// again, from one place after the other.
fn text_of<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, string: Rooted<StringRef>) -> Result<Arc<[u16]>> {
    if string.len(&*call.caller())? < CACHED_UNITS_MIN {
        return Ok(string.units(call.caller())?.iter().collect());
    }
    if let Some((of, units)) = call.dart().text.clone() {
        let mut scope = RootScope::new(call.caller());
        if let Some(of) = of.upgrade(&mut scope)?
            && of.ref_eq(&scope, &string.to_externref())?
        {
            return Ok(units);
        }
    }
    let units: Arc<[u16]> = string.units(call.caller())?.iter().collect();
    let of = string.to_externref().downgrade(call.caller())?;
    call.dart().text = Some((of, units.clone()));
    Ok(units)
}

/// Does what an expression does with a text: here if it is quick, or else by another thread.
fn with_text<T, C: Context<T>, R: Send + 'static>(
    call: &mut Call<'_, '_, T, C>,
    regexp: Compiled,
    text: Arc<[u16]>,
    work: impl FnOnce(&RegExp, &[u16]) -> R + Send + 'static,
) -> Result<R> {
    if regexp.is_quick(text.len()) {
        return Ok(work(&regexp, &text));
    }
    let running = match call.dart().worker.start(move || work(&regexp, &text)) {
        Ok(running) => running,
        Err(error) => return call.trap(format!("the match may take long, and {error}")),
    };
    let waker = running.waker();
    let ended = call.caller().interruptible(move || waker.wake(), |_| running.wait());
    if !matches!(ended, Ok(Ok(_))) {
        call.dart().worker.forget();
    }
    match ended? {
        Ok(result) => Ok(result),
        // Woken without a reason to stop that is left: what asked for it has withdrawn.
        Err(error @ (NoResult::GivenUp | NoResult::Refused)) => call.trap(format!("the match took long, and {error}")),
    }
}

pub(super) fn find<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (regexp, string, start, is_prefix) =
        (compiled(call, 0)?, call.string(1)?, call.size(2)? as usize, call.i32(3) != 0);
    let text = text_of(call, string)?;
    let found = with_text(call, regexp, text, move |regexp, text| regexp.find(text, start, is_prefix))?;
    match found {
        Some(of) => {
            let text = string.to_externref().to_owned(call.caller())?;
            call.give(Found { of, text })
        }
        None => nothing(),
    }
}

pub(super) fn replace_all<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (string, regexp, by) = (call.string(0)?, compiled(call, 1)?, call.units(2)?);
    let text = text_of(call, string)?;
    let replaced = with_text(call, regexp, text, move |regexp, text| regexp.replace_all(text, &by))?;
    call.give_units_or_trap(replaced.as_deref())
}

fn found<'f, T, C: Context<T>>(call: &'f Call<'_, '_, T, C>) -> Result<&'f Found> {
    call.value(0, "a match of a regular expression")
}

pub(super) fn start<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    number(found(call)?.of.range().start)
}

pub(super) fn end<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    number(found(call)?.of.range().end)
}

pub(super) fn group_count<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    number(found(call)?.of.group_count())
}

pub(super) fn name_count<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    number(found(call)?.of.name_count())
}

/// An index below a count.
fn index<T, C: Context<T>>(call: &Call<'_, '_, T, C>, count: usize) -> Result<usize> {
    let index = call.size(1)? as usize;
    if index < count { Ok(index) } else { call.trap(format!("there is no group {index}")) }
}

/// A part of the text.
fn part<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, range: Option<std::ops::Range<usize>>) -> Given {
    let Some(range) = range else { return nothing() };
    let text = found(call)?.text.clone();
    let caller = call.caller();
    let text = text.to_rooted(&mut *caller)?.as_string(&*caller)?;
    let place = |place: usize| u32::try_from(place).expect("a place in a string");
    let text = text.expect("a match is one of a string");
    Ok(Some(text.substring(caller, place(range.start)..place(range.end))?.to_externref().into()))
}

pub(super) fn group<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let index = index(call, found(call)?.of.group_count() + 1)?;
    let range = found(call)?.of.group(index);
    part(call, range)
}

pub(super) fn name<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let index = index(call, found(call)?.of.name_count())?;
    let name = found(call)?.of.name(index).unwrap_or_default().to_vec();
    call.give_units(&name)
}

pub(super) fn group_by_name<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let index = index(call, found(call)?.of.name_count())?;
    let range = found(call)?.of.group_by_name(index);
    part(call, range)
}
