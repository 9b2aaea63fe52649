//! What programs want to be called for when they have returned: timers, with which TeaVM makes threads, and deaths of
//! objects.

use super::typed::{Kind, Shape, belongs};
use super::{Context, as_a_call, granted, trap};
use crate::wasi::{ClockId, interruptible};
use crate::{AnyRef, AsContextMut, Caller, ErrorKind, Func, Linker, Resolved, Result, Root, RootScope, Val};
use heapwood_surfaces::teavm::{Program, TIMERS_MAX};

const OFFER: &str = "teavmAsync::offer";

/// A call that is to come.
#[derive(Debug)]
pub(super) struct Event {
    object: Option<Root<AnyRef>>,
    run: Func,
}

/// Defines `teavmAsync`.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    let engine = linker.engine().clone();
    linker.resolve_with("teavmAsync", move |import| {
        const OFFERED: Shape = Shape { params: &[Kind::Object, Kind::Func, Kind::F64], result: Some(Kind::I32) };
        let make = |ty| {
            Resolved::func_new(ty, move |mut caller, args, results| {
                results[0] = Val::I32(offer(&mut caller, context, args)?);
                Ok(())
            })
        };
        (import.name == "offer").then(|| OFFERED.resolve(&engine, import, make)).transpose()
    });
    linker.func_wrap("teavmAsync", "kill", move |mut caller: Caller<'_, T>, number: i32| {
        context(caller.data_mut()).0.timers.remove(number);
    })?;
    Ok(())
}

/// `offer`: keeps the call of a function with an object for a time.
fn offer<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>, args: &[Val]) -> Result<i32> {
    let (Val::AnyRef(object), Val::FuncRef(run), Some(time)) = (args[0], args[1], args[2].f64()) else {
        unreachable!("the kinds of its parameters")
    };
    let run = run.ok_or_else(|| trap(OFFER, "the function is null"))?;
    let ty = run.ty(&*caller);
    let takes_it = match ty.params().next() {
        Some(param) if ty.params().len() == 1 && ty.results().len() == 0 => belongs(&*caller, object, &param)?,
        _ => false,
    };
    if !takes_it {
        return Err(trap(OFFER, format!("the function is {ty}, which does not take the object that comes with it")));
    }
    let object = object.map(|object| object.to_owned(&mut *caller)).transpose()?;
    let (teavm, wasi) = context(caller.data_mut());
    let now = granted(OFFER, Program::now_ms(wasi))?;
    let number = teavm.timers.add(time, now, Event { object, run });
    number.ok_or_else(|| trap(OFFER, format!("there are {TIMERS_MAX} calls to come already")))
}

/// Runs what a program left to be done when its function returned, until nothing is left: the calls that it offered,
/// each at its time, in the order of their times, and before each of them the notices of objects that have died. Waits
/// where the next one is not due yet. All of it is one call, as far as the store's deadline and tokens are concerned.
///
/// # Errors
/// What one of these calls traps with or throws; the rest stays to be done.
pub fn run_events<T: 'static>(mut store: impl AsContextMut<Data = T>, context: impl Context<T>) -> Result<()> {
    let is_idle = {
        let mut store = store.as_context_mut();
        let teavm = context(store.data_mut()).0;
        teavm.timers.first_time().is_none() && teavm.deaths.is_empty()
    };
    if is_idle {
        return Ok(());
    }
    as_a_call(store, move |mut caller| {
        while turn(&mut caller, context)? {}
        Ok(())
    })
}

/// Does the next thing, after waiting for its time. Whether there was one.
fn turn<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>) -> Result<bool> {
    let queue = context(caller.data_mut()).0.deaths.queue().clone();
    if let Some(token) = queue.next(&mut *caller) {
        if let Some(death) = context(caller.data_mut()).0.deaths.take(token) {
            called(death.function(), death.report(RootScope::new(&mut *caller)))?;
        }
        return Ok(true);
    }
    let (teavm, wasi) = context(caller.data_mut());
    let Some(time) = teavm.timers.first_time() else { return Ok(false) };
    if granted(OFFER, Program::now_ms(wasi))? < time {
        let time_ns = (time.ceil() as u64).saturating_mul(1_000_000);
        let sleep = |caller: &mut Caller<'_, T>| context(caller.data_mut()).1.wait_until(ClockId::Realtime, time_ns);
        granted(OFFER, interruptible(caller, |data| context(data).1, sleep)?)?;
    }
    let Some(event) = context(caller.data_mut()).0.timers.pop() else { return Ok(false) };
    let mut scope = RootScope::new(&mut *caller);
    let object = event.object.map(|object| object.to_rooted(&mut scope)).transpose()?;
    called(OFFER, event.run.call(&mut scope, &[Val::AnyRef(object)], &mut []))?;
    Ok(true)
}

/// How a call of the program's ended. One that could not be made is the program's fault.
fn called(function: &str, result: Result<()>) -> Result<()> {
    result.map_err(|error| match error.kind() {
        ErrorKind::Usage(message) => trap(function, message.clone()),
        _ => error,
    })
}
