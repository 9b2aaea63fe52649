//! What a program answers to each request.

use super::descriptor::{check_writable, file};
use super::guest::ask;
use super::subject::Subject;
use crate::cli::attach::protocol::Request;
use crate::cli::gc_report::{GcReport, LogFormat, mib, now};
use crate::cli::histogram;
use crate::cli::json_text::json_text;
use crate::cli::output::Reported;
use crate::cli::profile::{self, ProfileFormat};
use heapwood::{CollectionSteps, Inspection, StackProfile};
use serde_json::json;
use std::fs::File;
use std::io::{LineWriter, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Frames of a stack that are shown: with more of them the guest would wait longer than for a slice of the collector.
pub const FRAMES_MAX: usize = 200;

/// The least time between two steps of a collection.
const STEPS_APART: Duration = Duration::from_micros(500);
/// How long whoever asked for a collection waits for its end.
const COLLECTED_WITHIN: Duration = Duration::from_secs(60);

/// The answer to a request, with the descriptor that came with it.
///
/// # Errors
/// Why there is none, as one line.
pub fn answer(request: &Request, descriptor: Option<OwnedFd>, subject: &Subject) -> Result<Vec<u8>, String> {
    match request {
        Request::Stats => stats(subject),
        Request::Stack => stack(subject),
        Request::Histogram { rows } => histogram_text(subject, *rows),
        Request::Snapshot => snapshot(subject, file(descriptor)?),
        Request::Gc => collect(subject),
        Request::GcLogOn { format } => log_on(subject, *format, descriptor.map(|it| file(Some(it))).transpose()?),
        Request::GcLogOff => log_off(subject),
        Request::ProfileStart { interval_us } => start_profile(subject, Duration::from_micros(*interval_us)),
        Request::ProfileStop { format } => stop_profile(subject, *format),
        Request::AllocationsStart { mean_bytes } => {
            subject.watched.check_allocations()?;
            let mean_bytes = *mean_bytes;
            ask(&subject.inspector, move |guest| guest.profile_allocations(mean_bytes))?;
            Ok(Vec::new())
        }
        Request::AllocationsStop => {
            subject.watched.check_allocations()?;
            profile_text(ask(&subject.inspector, |guest| guest.take_allocation_profile())?)
        }
    }
}

/// Samples the stack from now on, and keeps pauses for who wants to see them beside it.
fn start_profile(subject: &Subject, interval: Duration) -> Result<Vec<u8>, String> {
    subject.watched.check_profile()?;
    let listeners = subject.watched.listeners()?;
    let started = ask(&subject.inspector, move |guest| {
        guest.profile_cpu(interval)?;
        listeners.record(true);
        guest.on_gc(move |event| listeners.hear(event));
        Ok(())
    })?;
    started.map(|()| Vec::new()).map_err(|error: heapwood::Error| error.to_string())
}

/// The profile in a form, made here and not on the guest's thread.
fn stop_profile(subject: &Subject, format: ProfileFormat) -> Result<Vec<u8>, String> {
    subject.watched.check_profile()?;
    let listeners = subject.watched.listeners()?;
    let (profile, pauses) = ask(&subject.inspector, move |guest| {
        let profile = guest.take_cpu_profile();
        let pauses = listeners.record(false);
        if listeners.are_none() {
            guest.remove_gc_listener();
        }
        (profile, pauses)
    })?;
    let (profile, mut bytes) = (profile.ok_or(NO_PROFILE)?, Vec::new());
    profile::write(&profile, format, pauses.as_ref(), &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

const NO_PROFILE: &str = "no profile was started";

/// The text of a profile of allocation, made here and not on the guest's thread.
fn profile_text(profile: Option<StackProfile>) -> Result<Vec<u8>, String> {
    let profile = profile.ok_or(NO_PROFILE)?;
    let mut text = Vec::new();
    profile.write(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn histogram_text(subject: &Subject, rows: usize) -> Result<Vec<u8>, String> {
    let histogram = ask(&subject.inspector, |guest| guest.histogram())?.map_err(|error| error.to_string())?;
    Ok(histogram::table(&histogram, rows).into_bytes())
}

/// Collects step by step. Between two steps the guest has four times as long for itself.
fn collect(subject: &Subject) -> Result<Vec<u8>, String> {
    let start = Instant::now();
    let (mut steps, before) = (CollectionSteps::new(), ask(&subject.inspector, |guest| guest.gc_stats())?);
    loop {
        let step = move |guest: &mut Inspection<'_>| {
            let begun = Instant::now();
            let goes_on = guest.collect_step(&mut steps);
            (steps, goes_on, begun.elapsed())
        };
        let (next, goes_on, took) = ask(&subject.inspector, step)?;
        if !goes_on {
            break;
        }
        if start.elapsed() > COLLECTED_WITHIN {
            return Err(format!("the collection goes on, and is not over after {} s", COLLECTED_WITHIN.as_secs()));
        }
        steps = next;
        std::thread::sleep((4 * took).max(STEPS_APART));
    }
    let after = ask(&subject.inspector, |guest| guest.gc_stats())?;
    let live = match after.markings > before.markings || after.majors > before.majors {
        true => format!("{:.2} MiB live, ", mib(after.live_bytes)),
        false => String::new(),
    };
    Ok(format!("{live}{:.2} MiB of memory in use\n", mib(after.committed_bytes)).into_bytes())
}

fn log_on(subject: &Subject, format: LogFormat, file: Option<File>) -> Result<Vec<u8>, String> {
    // Who asked for the log is gone when it cannot be written.
    let output: Box<dyn Write + Send> = match file {
        Some(file) => Box::new(LineWriter::new(file)),
        None => {
            check_writable(std::io::stderr(), "the program's standard error")?;
            Box::new(std::io::stderr())
        }
    };
    let log = GcReport::new(format, Reported::silent(output));
    if let Some(refusal) = log.refusal() {
        return Err(format!("the log cannot be written: {refusal}"));
    }
    let listeners = subject.watched.listeners()?;
    ask(&subject.inspector, move |guest| {
        listeners.attach(Some(log));
        guest.on_gc(move |event| listeners.hear(event));
    })?;
    Ok(Vec::new())
}

fn log_off(subject: &Subject) -> Result<Vec<u8>, String> {
    let listeners = subject.watched.listeners()?;
    let log = ask(&subject.inspector, move |guest| {
        let log = listeners.attach(None);
        if listeners.are_none() {
            guest.remove_gc_listener();
        }
        log
    })?;
    match log.ok_or("no log was attached")?.refusal() {
        None => Ok(Vec::new()),
        Some(refusal) => Err(format!("the log is off, and lines are missing: {refusal}")),
    }
}

fn stats(subject: &Subject) -> Result<Vec<u8>, String> {
    let (stats, memory) = ask(&subject.inspector, |guest| (guest.gc_stats(), guest.memory_stats()))?;
    let mut figures = now(&stats, &memory);
    let program = subject.modules.last().map(|(_, path)| path.display().to_string());
    figures["process"] = json!({
        "pid": std::process::id(),
        "program": program,
        "up_ms": subject.start.elapsed().as_millis() as u64,
    });
    Ok(json_text(&figures).into_bytes())
}

/// The stack of the guest as text.
///
/// # Errors
/// The guest does not answer.
pub fn stack_text(subject: &Subject) -> Result<String, String> {
    let backtrace = ask(&subject.inspector, |guest| guest.backtrace(FRAMES_MAX + 1))?;
    Ok(match backtrace.frames().len() {
        0 => "no guest runs\n".to_owned(),
        count => {
            let mut text = subject.text_of(&backtrace);
            if count > FRAMES_MAX {
                text.push_str(&format!("\n      … more than {FRAMES_MAX} frames …"));
            }
            text + "\n"
        }
    })
}

/// The heap in one line, of its figures.
///
/// # Errors
/// The guest does not answer.
pub fn heap_line(subject: &Subject) -> Result<String, String> {
    let (stats, memory) = ask(&subject.inspector, |guest| (guest.gc_stats(), guest.memory_stats()))?;
    let (used, limit, peak) = (stats.committed_bytes, memory.heap.limit_bytes, stats.peak_bytes);
    let pauses = [&stats.minor_pauses, &stats.major_pauses, &stats.slice_pauses, &stats.stall_pauses];
    let longest_ns = pauses.iter().map(|pauses| pauses.max_ns()).max().unwrap_or_default();
    Ok(format!(
        "heap: {:.2} MiB in use of {:.2} MiB, most {:.2} MiB; {} minor, {} major collections; longest pause {:.1} us\n",
        mib(used),
        mib(limit),
        mib(peak),
        stats.minors,
        stats.majors,
        longest_ns as f64 / 1e3
    ))
}

fn stack(subject: &Subject) -> Result<Vec<u8>, String> {
    Ok(stack_text(subject)?.into_bytes())
}

fn snapshot(subject: &Subject, file: File) -> Result<Vec<u8>, String> {
    let written = ask(&subject.inspector, move |guest| guest.heap_snapshot(file))?;
    written.map(|()| Vec::new()).map_err(|error| format!("the snapshot: {error}"))
}
