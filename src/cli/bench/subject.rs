//! What is called: an export of one instance, or `_start` of a fresh instance each time.

use super::metered::SliceTime;
use super::pauses::{Pauses, Recording};
use super::progress::Progress;
use super::{BenchArgs, Desk, Slice, Times, milliseconds, timed};
use crate::cli::engine_options::Watcher;
use crate::cli::host::Host;
use crate::cli::trace::Trace;
use anyhow::{Result, anyhow, bail};
use heapwood::wasi::{ProcExit, WasiCtx};
use heapwood::{Engine, Error, Instance, Module, Store, Val};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

/// What a measurement found.
pub struct Measurement {
    /// The last call's result, if calls have one.
    pub result: Option<i64>,
    /// All calls, those for warming up too.
    pub calls: Vec<Times>,
    pub instantiate_ms: f64,
    pub pauses: Recording,
    pub slices: Option<Slices>,
}

/// Timed calls of `step`.
pub struct Slices {
    /// Since the recording began.
    pub spans: Vec<SliceTime>,
    /// Pauses during all slices, the untimed ones too.
    pub pauses: Recording,
}

/// Calls `count` times, then `step` if slices are asked for. If somebody asks for the end, the call that is under way
/// then, and those behind it, are left out.
///
/// # Errors
/// A trap, an exception, an export that is missing, results that differ.
pub fn measure(
    desk: Desk<'_>,
    engine: &Engine,
    module: &Module,
    trace: Option<&Trace>,
    count: usize,
    slice: Option<Slice>,
) -> Result<Measurement> {
    match &desk.args.invoke {
        Some(name) => measure_export(desk, engine, module, name, trace, (count, slice)),
        None => measure_start(desk, engine, module, trace, count),
    }
}

/// What a program gets: its arguments, and nowhere to write to.
fn host(args: &BenchArgs) -> Result<Host> {
    let name = args.module.file_name().unwrap_or_default().as_bytes().to_vec();
    let arguments = args.args.iter().map(|arg| arg.as_bytes().to_vec());
    Ok(Host::new(WasiCtx::builder().arg(name).args(arguments).build()?))
}

fn measure_export(
    desk @ Desk { args, progress }: Desk<'_>,
    engine: &Engine,
    module: &Module,
    name: &str,
    trace: Option<&Trace>,
    (count, slice): (usize, Option<Slice>),
) -> Result<Measurement> {
    let pauses = Pauses::new();
    let linker = args.surfaces.linker(engine, &[module], &[])?;
    let (mut store, watch) = args.engine.store(engine, host(args)?, trace, Some(Watcher::Pauses(&pauses)))?;
    progress.guest(store.interrupt_handle());
    let start = Instant::now();
    let instance = linker.instantiate(&mut store, module)?;
    let instantiate_ms = milliseconds(start.elapsed());
    let function = instance.get_typed_func::<i32, i64>(&mut store, name)?;
    let mut calls = Vec::with_capacity(count);
    let mut result = None;
    for _ in 0..count {
        if progress.is_ended() {
            break;
        }
        let stops = pauses.count();
        let (returned, times) = Trace::step(trace, "call", || timed(|| function.call(&mut store, args.arg)));
        let times = Times { stopped: pauses.stopped_ms_since(stops), ..times };
        if returned.is_err() && progress.is_ended() {
            break;
        }
        let returned = returned?;
        if let Some(earlier) = result.replace(returned).filter(|earlier| *earlier != returned) {
            bail!("calls returned different results: {earlier}, then {returned}");
        }
        calls.push(times);
        progress.step();
    }
    // Slices are reported apart, so that the pauses end here.
    let of_calls = pauses.take();
    let slices = slice.filter(|_| !progress.is_ended());
    let slices = slices.map(|slice| measure_slices(desk, &mut store, instance, &pauses, slice)).transpose()?.flatten();
    watch.finish(&mut store);
    Ok(Measurement { result, calls, instantiate_ms, pauses: of_calls, slices })
}

/// Nothing if somebody asks for the end before the first slice is over.
fn measure_slices(
    Desk { progress, .. }: Desk<'_>,
    store: &mut Store<Host>,
    instance: Instance,
    pauses: &Pauses,
    Slice { ops, count }: Slice,
) -> Result<Option<Slices>> {
    progress.begin("slices", count + count / 4);
    let mut spans = Vec::with_capacity(count);
    match take_slices(progress, store, instance, (ops, count), &mut spans) {
        Err(_) if progress.is_ended() => {}
        taken => taken?,
    }
    Ok((!spans.is_empty()).then(|| Slices { spans, pauses: pauses.take() }))
}

fn take_slices(
    progress: &Progress,
    store: &mut Store<Host>,
    instance: Instance,
    (ops, count): (i32, usize),
    spans: &mut Vec<SliceTime>,
) -> Result<()> {
    instance.get_typed_func::<(), ()>(&mut *store, "init")?.call(&mut *store, ())?;
    let step = instance.get_typed_func::<i32, i64>(&mut *store, "step")?;
    for _ in 0..count / 4 {
        step.call(&mut *store, ops)?;
        progress.step();
    }
    let start = Instant::now();
    let mut begin = 0.0;
    for _ in 0..count {
        if progress.is_ended() {
            break;
        }
        step.call(&mut *store, ops)?;
        let end = milliseconds(start.elapsed());
        // The next slice begins where this one ends.
        spans.push(SliceTime { begin: std::mem::replace(&mut begin, end), end });
        progress.step();
    }
    Ok(())
}

/// Calls the entry as `heapwood run` does: `_initialize` where it exists, else `_start`. What it returns says nothing.
fn begin(store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
    let entry = ["_initialize", "_start"].into_iter().find_map(|name| instance.get_func(&mut *store, name));
    let start =
        entry.ok_or_else(|| Error::msg("there is no exported function `_start`; --invoke calls another one"))?;
    let mut results = vec![Val::I32(0); start.ty(&*store).results().len()];
    start.call(store, &[], &mut results)
}

fn measure_start(
    Desk { args, progress }: Desk<'_>,
    engine: &Engine,
    module: &Module,
    trace: Option<&Trace>,
    count: usize,
) -> Result<Measurement> {
    if args.slice.is_some() {
        bail!("--slice needs --invoke");
    }
    let linker = args.surfaces.linker(engine, &[module], &[])?;
    let pauses = Pauses::new();
    let mut calls = Vec::new();
    let mut instantiate_ms = 0.0;
    for run in 0..count {
        if progress.is_ended() {
            break;
        }
        let (mut store, watch) = args.engine.store(engine, host(args)?, trace, Some(Watcher::Pauses(&pauses)))?;
        progress.guest(store.interrupt_handle());
        let start = Instant::now();
        let instance = linker.instantiate(&mut store, module)?;
        if run == 0 {
            instantiate_ms = milliseconds(start.elapsed());
        }
        // The program, and what it left to be done when its entry returned.
        let run = || {
            match Host::starts(module) {
                true => Host::start(&mut store, instance)?,
                false => begin(&mut store, instance)?,
            }
            Host::run_events(&mut store)
        };
        let stops = pauses.count();
        let (ended, times) = Trace::step(trace, "call", || timed(run));
        Host::finish(&mut store, |_| {})?;
        let times = Times { stopped: pauses.stopped_ms_since(stops), ..times };
        match ended {
            Ok(()) => {}
            Err(_) if progress.is_ended() => break,
            Err(error) => match error.downcast_ref() {
                Some(ProcExit(0)) => {}
                Some(ProcExit(code)) => return Err(anyhow!("the guest exited with code {code}")),
                None => return Err(error.into()),
            },
        }
        calls.push(times);
        progress.step();
        watch.finish(&mut store);
    }
    Ok(Measurement { result: None, calls, instantiate_ms, pauses: pauses.take(), slices: None })
}
