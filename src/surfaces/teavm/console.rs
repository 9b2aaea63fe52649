//! Functions of numbers alone: text that goes out, dates, and mathematics.

use super::{Context, TeaVm, granted};
use crate::surfaces::maths::pow;
use crate::wasi::interruptible;
use crate::{Caller, Linker, Result, StringRef};
use heapwood_surfaces::teavm::date::{self, Field};
use heapwood_surfaces::teavm::{Program, Stream};

const STREAMS: [(&str, &str, Stream); 2] = [
    ("putcharStdout", "teavmConsole::putcharStdout", Stream::Output),
    ("putcharStderr", "teavmConsole::putcharStderr", Stream::Error),
];

type One = (&'static str, fn(f64) -> f64);

const MATHS: [One; 11] = [
    ("acos", f64::acos),
    ("asin", f64::asin),
    ("atan", f64::atan),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("exp", f64::exp),
    ("floor", f64::floor),
    ("log", f64::ln),
    ("sin", f64::sin),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
];

/// Defines `teavmConsole`, `teavmDate` and `teavmMath`.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    for (name, function, stream) in STREAMS {
        linker.func_wrap("teavmConsole", name, move |mut caller: Caller<'_, T>, unit: i32| {
            match context(caller.data_mut()).0.program.put(stream, unit) {
                true => write(&mut caller, context, function, stream),
                false => Ok(()),
            }
        })?;
    }
    for (name, function) in MATHS {
        linker.func_wrap("teavmMath", name, move |x: f64| function(x))?;
    }
    linker.func_wrap("teavmMath", "atan2", f64::atan2)?;
    linker.func_wrap("teavmMath", "pow", pow)?;
    linker.func_wrap("teavmMath", "random", move |mut caller: Caller<'_, T>| {
        let (TeaVm { program, .. }, wasi) = context(caller.data_mut());
        granted("teavmMath::random", program.random(wasi))
    })?;
    define_dates(linker, context)
}

/// Writes what came together on a stream, which may have to be waited for: only then a wait is prepared.
#[cold]
fn write<T: 'static>(
    caller: &mut Caller<'_, T>,
    context: impl Context<T>,
    function: &str,
    stream: Stream,
) -> Result<()> {
    let (TeaVm { program, .. }, wasi) = context(caller.data_mut());
    if !granted(function, program.write_ready(wasi, stream))? {
        return Ok(());
    }
    let written = interruptible(
        caller,
        |data| context(data).1,
        |caller| {
            let (TeaVm { program, .. }, wasi) = context(caller.data_mut());
            program.write(wasi, stream)
        },
    )?;
    granted(function, written)
}

const DATE: &str = "teavmDate";

fn define_dates<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker.func_wrap(DATE, "currentTimeMillis", move |mut caller: Caller<'_, T>| {
        granted("teavmDate::currentTimeMillis", Program::now_ms(context(caller.data_mut()).1))
    })?;
    linker.func_wrap(
        DATE,
        "create",
        move |mut caller: Caller<'_, T>, year: i32, month: i32, day: i32, hour: i32, minute: i32, second: i32| {
            let (teavm, wasi) = context(caller.data_mut());
            date::from_local(teavm.program.zone(wasi), [year, month, day, hour, minute, second])
        },
    )?;
    linker.func_wrap(
        DATE,
        "createFromUTC",
        |year: i32, month: i32, day: i32, hour: i32, minute: i32, second: i32| {
            date::from_utc([year, month, day, hour, minute, second])
        },
    )?;
    for (get, set, field) in [
        ("getYear", "setYear", Field::Year),
        ("getMonth", "setMonth", Field::Month),
        ("getDate", "setDate", Field::Day),
    ] {
        linker.func_wrap(DATE, get, move |mut caller: Caller<'_, T>, ms: f64| {
            let (teavm, wasi) = context(caller.data_mut());
            date::get(teavm.program.zone(wasi), ms, field)
        })?;
        linker.func_wrap(DATE, set, move |mut caller: Caller<'_, T>, ms: f64, value: i32| {
            let (teavm, wasi) = context(caller.data_mut());
            date::set(teavm.program.zone(wasi), ms, field, value)
        })?;
    }
    linker.func_wrap(DATE, "dateToString", move |mut caller: Caller<'_, T>, ms: f64| {
        let (teavm, wasi) = context(caller.data_mut());
        let text = date::text(teavm.program.zone(wasi), ms);
        Ok::<_, crate::Error>(Some(StringRef::new(&mut caller, &text)?.to_externref()))
    })?;
    linker.func_wrap("teavm", "getNativeOffset", move |mut caller: Caller<'_, T>, ms: f64| {
        let (teavm, wasi) = context(caller.data_mut());
        date::minutes_to_utc(teavm.program.zone(wasi), ms)
    })?;
    Ok(())
}
