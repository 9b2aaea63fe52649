//! What is called: an export of one instance, or `_start` of a fresh instance each time.

use super::metered::SliceTime;
use super::pauses::{Pauses, Recording};
use super::{BenchArgs, Slice, Times, milliseconds, timed};
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

/// Calls `count` times, then `step` if slices are asked for.
///
/// # Errors
/// A trap, an exception, an export that is missing, results that differ.
pub fn measure(
    args: &BenchArgs,
    engine: &Engine,
    module: &Module,
    trace: Option<&Trace>,
    count: usize,
    slice: Option<Slice>,
) -> Result<Measurement> {
    match &args.invoke {
        Some(name) => measure_export(args, engine, module, name, trace, (count, slice)),
        None => measure_start(args, engine, module, trace, count),
    }
}

/// What a program gets: its arguments, and nowhere to write to.
fn host(args: &BenchArgs) -> Result<Host> {
    let name = args.module.file_name().unwrap_or_default().as_bytes().to_vec();
    let arguments = args.args.iter().map(|arg| arg.as_bytes().to_vec());
    Ok(Host::new(WasiCtx::builder().arg(name).args(arguments).build()?))
}

fn measure_export(
    args: &BenchArgs,
    engine: &Engine,
    module: &Module,
    name: &str,
    trace: Option<&Trace>,
    (count, slice): (usize, Option<Slice>),
) -> Result<Measurement> {
    let pauses = Pauses::new();
    let linker = args.surfaces.linker(engine, &[module], &[])?;
    let (mut store, watch) = args.engine.store(engine, host(args)?, trace, Some(&pauses))?;
    let start = Instant::now();
    let instance = linker.instantiate(&mut store, module)?;
    let instantiate_ms = milliseconds(start.elapsed());
    let function = instance.get_typed_func::<i32, i64>(&mut store, name)?;
    let mut calls = Vec::with_capacity(count);
    let mut result = None;
    for _ in 0..count {
        let stops = pauses.count();
        let (returned, times) = Trace::step(trace, "call", || timed(|| function.call(&mut store, args.arg)));
        let times = Times { stopped: pauses.stopped_ms_since(stops), ..times };
        let returned = returned?;
        if let Some(earlier) = result.replace(returned).filter(|earlier| *earlier != returned) {
            bail!("calls returned different results: {earlier}, then {returned}");
        }
        calls.push(times);
    }
    // Slices are reported apart, so that the pauses end here.
    let of_calls = pauses.take();
    let slices = slice.map(|slice| measure_slices(&mut store, instance, &pauses, slice)).transpose()?;
    watch.finish(&mut store);
    Ok(Measurement { result, calls, instantiate_ms, pauses: of_calls, slices })
}

fn measure_slices(
    store: &mut Store<Host>,
    instance: Instance,
    pauses: &Pauses,
    Slice { ops, count }: Slice,
) -> Result<Slices> {
    instance.get_typed_func::<(), ()>(&mut *store, "init")?.call(&mut *store, ())?;
    let step = instance.get_typed_func::<i32, i64>(&mut *store, "step")?;
    for _ in 0..count / 4 {
        step.call(&mut *store, ops)?;
    }
    let mut spans = Vec::with_capacity(count);
    let start = Instant::now();
    let mut begin = 0.0;
    for _ in 0..count {
        step.call(&mut *store, ops)?;
        let end = milliseconds(start.elapsed());
        // The next slice begins where this one ends.
        spans.push(SliceTime { begin: std::mem::replace(&mut begin, end), end });
    }
    Ok(Slices { spans, pauses: pauses.take() })
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
    args: &BenchArgs,
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
        let (mut store, watch) = args.engine.store(engine, host(args)?, trace, Some(&pauses))?;
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
            Err(error) => match error.downcast_ref() {
                Some(ProcExit(0)) => {}
                Some(ProcExit(code)) => return Err(anyhow!("the guest exited with code {code}")),
                None => return Err(error.into()),
            },
        }
        calls.push(times);
        watch.finish(&mut store);
    }
    Ok(Measurement { result: None, calls, instantiate_ms, pauses: pauses.take(), slices: None })
}
