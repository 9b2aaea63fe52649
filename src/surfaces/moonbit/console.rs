//! Text in and out, the end of the program, time and numbers at random.

use super::{Context, Handle, MoonBit, Value, change, ended, give, value, waiting};
use crate::wasi::ProcExit;
use crate::{Caller, Error, Linker, Result};

/// Defines `spectest`, `__moonbit_io_unstable`, `console`, `__moonbit_sys_unstable::exit`, time and random.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker.func_wrap("spectest", "print_char", move |mut caller: Caller<'_, T>, unit: i32| {
        match context(caller.data_mut()).0.print_char(unit) {
            true => write(&mut caller, context),
            false => Ok(()),
        }
    })?;
    for module in ["spectest", IO] {
        linker.func_wrap(module, "read_char", move |mut caller: Caller<'_, T>| {
            waiting(&mut caller, context, "read_char", MoonBit::read_char)
        })?;
    }
    linker.func_wrap(IO, "write_char", move |mut caller: Caller<'_, T>, fd: i32, scalar: i32| {
        waiting(&mut caller, context, "write_char", |moonbit, wasi| moonbit.write_char(wasi, fd, scalar))
    })?;
    linker.func_wrap(IO, "flush", move |mut caller: Caller<'_, T>, fd: i32| {
        waiting(&mut caller, context, "flush", |moonbit, wasi| moonbit.flush_fd(wasi, fd))
    })?;
    linker.func_wrap(IO, "read_bytes_from_stdin", move |mut caller: Caller<'_, T>| {
        let read = waiting(&mut caller, context, "read_bytes_from_stdin", MoonBit::read_input)?;
        give(&mut caller, read)
    })?;
    linker.func_wrap("console", "log", move |mut caller: Caller<'_, T>, line: Handle| {
        // A program may have it as a constant, which is a string of the heap.
        let string = line.map(|line| line.as_string(&caller)).transpose()?.flatten();
        let line = match string {
            Some(string) => Value::string(&string.to_string_lossy(&mut caller)?),
            None => value(&caller, line, "console::log")?,
        };
        waiting(&mut caller, context, "console::log", |moonbit, wasi| moonbit.log(wasi, &line))
    })?;
    define_system(linker, context)
}

/// Writes what came together, which may have to be waited for: only then a wait is prepared.
#[cold]
fn write<T: 'static>(caller: &mut Caller<'_, T>, context: impl Context<T>) -> Result<()> {
    let function = "spectest::print_char";
    let (moonbit, wasi) = context(caller.data_mut());
    match ended(function, moonbit.write_ready(wasi))? {
        true => waiting(caller, context, function, MoonBit::write_output),
        false => Ok(()),
    }
}

const IO: &str = "__moonbit_io_unstable";
const TIME: &str = "__moonbit_time_unstable";
const RANDOM: &str = "__moonbit_rand_unstable";
const SYSTEM: &str = "__moonbit_sys_unstable";

fn define_system<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker
        .func_wrap(SYSTEM, "exit", |status: i32| -> Result<()> { Err(Error::new(ProcExit(status.cast_unsigned()))) })?;
    linker.func_wrap(SYSTEM, "is_windows", || 0_i32)?;
    linker.func_wrap(TIME, "now", move |mut caller: Caller<'_, T>| {
        let now = ended("now", MoonBit::now(context(caller.data_mut()).1))?;
        give(&mut caller, now)
    })?;
    linker.func_wrap(TIME, "instant_now", move |mut caller: Caller<'_, T>| {
        let now = ended("instant_now", MoonBit::instant(context(caller.data_mut()).1))?;
        give(&mut caller, now)
    })?;
    linker.func_wrap(TIME, "instant_elapsed_as_secs_f64", move |mut caller: Caller<'_, T>, since: Handle| {
        let since = value(&caller, since, "instant_elapsed_as_secs_f64")?;
        ended("instant_elapsed_as_secs_f64", MoonBit::elapsed_secs(context(caller.data_mut()).1, &since))
    })?;
    linker.func_wrap(RANDOM, "stdrng_seed_from_u64", |mut caller: Caller<'_, T>, seed: i32| {
        give(&mut caller, Value::random(seed))
    })?;
    linker.func_wrap(RANDOM, "stdrng_gen_range", |mut caller: Caller<'_, T>, random: Handle, end: i32| {
        change(&mut caller, random, "stdrng_gen_range", |random| random.below(end))
    })?;
    Ok(())
}
