//! `--trace FILE`: what happened when, as Chrome's and Perfetto's JSON trace (the array form, so that a file that
//! breaks off can be read too).
//!
//! Tracks: the program between pauses, the collector's pauses, markings from begin to end, the times in which helpers
//! worked, stalls, calls of host functions, and what the command does (compile, instantiate, run). Counters: sizes of
//! the heap after every pause.

use super::output::Reported;
use heapwood::{GcEvent, GcEventKind, HelperSpan, HostCall};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A track of the trace.
#[derive(Clone, Copy)]
enum Track {
    Command = 1,
    Program,
    Stops,
    Marking,
    Helper,
    Stalls,
    HostCalls,
}

const TRACKS: [(Track, &str); 7] = [
    (Track::Command, "heapwood"),
    (Track::Program, "program"),
    (Track::Stops, "collector: pauses and slices"),
    (Track::Marking, "collector: marking, begin to end"),
    (Track::Helper, "collector: helper"),
    (Track::Stalls, "collector: stalls"),
    (Track::HostCalls, "host calls"),
];

/// A trace being written. Clones share it.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Writer>>);

struct Writer {
    epoch: Instant,
    output: Reported<BufWriter<File>>,
    /// Where the program went on after the last pause, in microseconds.
    resumed_us: Option<f64>,
    /// Where the marking that goes on began.
    marking_us: Option<f64>,
}

impl Trace {
    /// A new file, which messages call `name`; its times count from now.
    pub fn create(path: &Path, name: String) -> std::io::Result<Trace> {
        let output = Reported::new(name, BufWriter::new(File::create(path)?));
        let mut writer = Writer { epoch: Instant::now(), output, resumed_us: None, marking_us: None };
        writer.output.with(|output| output.write_all(b"[\n"));
        for (track, name) in TRACKS {
            let tid = track as u32;
            writer.put(&json!({"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": name}}));
            writer.put(&json!({"ph": "M", "pid": 1, "tid": tid, "name": "thread_sort_index",
                "args": {"sort_index": tid}}));
        }
        Ok(Trace(Arc::new(Mutex::new(writer))))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.lock()
    }

    /// Runs a step of the command, and records how long it took.
    pub fn step<R>(trace: Option<&Trace>, name: &str, work: impl FnOnce() -> R) -> R {
        let Some(trace) = trace else { return work() };
        let start = Instant::now();
        let result = work();
        let mut writer = trace.writer();
        let (start_us, end_us) = (writer.us(start), writer.us(Instant::now()));
        writer.span(Track::Command, name, start_us, end_us, &json!({}));
        result
    }

    /// The program runs from now on.
    pub fn resume(&self) {
        let mut writer = self.writer();
        writer.resumed_us = Some(writer.us(Instant::now()));
    }

    /// The program has ended.
    pub fn end(&self) {
        let mut writer = self.writer();
        let now_us = writer.us(Instant::now());
        writer.program_until(now_us);
        writer.resumed_us = None;
        if let Some(began_us) = writer.marking_us.take() {
            writer.span(Track::Marking, "marking, not ended", began_us, now_us, &json!({}));
        }
        writer.flush();
    }

    /// A pause of a heap whose times count from `born`.
    pub fn stop(&self, born: Instant, event: &GcEvent) {
        self.writer().stop(born, event);
    }

    /// A helper worked for a heap whose times count from `born`.
    pub fn helper(&self, born: Instant, span: &HelperSpan) {
        let mut writer = self.writer();
        let (start_us, end_us) = (writer.us(born) + span.start_us, writer.us(born) + span.end_us);
        writer.span(Track::Helper, span.task.name(), start_us, end_us, &json!({"work_units": span.work_units}));
    }

    /// A call of a host function.
    pub fn host_call(&self, call: &HostCall<'_>) {
        let mut writer = self.writer();
        let (start_us, end_us) = (writer.us(call.start), writer.us(call.end));
        writer.span(Track::HostCalls, call.name.unwrap_or("host function"), start_us, end_us, &json!({}));
    }
}

impl Writer {
    fn us(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.epoch).as_nanos() as f64 / 1e3
    }

    fn stop(&mut self, born: Instant, event: &GcEvent) {
        let end_us = self.us(born) + event.t_us;
        let start_us = end_us - event.pause_us;
        self.program_until(start_us);
        self.resumed_us = Some(end_us);
        let track = if event.kind == GcEventKind::Stall { Track::Stalls } else { Track::Stops };
        let args = json!({"cause": event.cause.name(), "cpu_us": event.cpu_us, "promoted": event.promoted,
            "remembered": event.remembered, "roots": event.roots, "frames": event.frames,
            "work_units": event.work_units});
        let name = match (event.kind, self.marking_us) {
            (GcEventKind::Slice, Some(_)) => "slice: mark",
            (GcEventKind::Slice, None) => "slice: sweep",
            _ => event.kind.name(),
        };
        self.span(track, name, start_us, end_us, &args);
        match event.kind {
            GcEventKind::MarkStart => self.marking_us = Some(start_us),
            GcEventKind::MarkEnd => {
                if let Some(began_us) = self.marking_us.take() {
                    self.span(Track::Marking, "marking", began_us, end_us, &json!({}));
                }
            }
            _ => {}
        }
        let sizes = json!({"young": event.young_after, "old": event.old_after, "committed": event.heap_committed});
        self.put(&json!({"ph": "C", "pid": 1, "name": "heap", "ts": end_us, "args": sizes}));
    }

    /// The program ran from the last pause until now.
    fn program_until(&mut self, now_us: f64) {
        if let Some(resumed_us) = self.resumed_us {
            self.span(Track::Program, "running", resumed_us, now_us, &json!({}));
        }
    }

    fn span(&mut self, track: Track, name: &str, start_us: f64, end_us: f64, args: &Value) {
        // To the nanosecond, without what binary fractions add.
        let round = |us: f64| (us * 1e3).round() / 1e3;
        let (tid, ts, dur) = (track as u32, round(start_us), round((end_us - start_us).max(0.0)));
        self.put(&json!({"ph": "X", "pid": 1, "tid": tid, "name": name, "ts": ts, "dur": dur, "args": args}));
    }

    /// A trace that cannot be written does not end the guest.
    fn put(&mut self, event: &Value) {
        self.output.with(|output| writeln!(output, "{event},"));
    }

    fn flush(&mut self) {
        self.output.with(BufWriter::flush);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The last entry has no comma behind it.
        let last = json!({"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "heapwood"}});
        self.output.with(|output| write!(output, "{last}\n]\n"));
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood::{GcCause, HelperTask};

    #[test]
    fn every_kind_of_stop_has_its_track() {
        let path = std::env::temp_dir().join(format!("heapwood-trace-{}.json", std::process::id()));
        let trace = Trace::create(&path, "--trace".to_owned()).unwrap();
        let born = Instant::now();
        trace.resume();
        use GcEventKind::*;
        let kinds = [Minor, MarkStart, Slice, MarkEnd, Slice, Major, Evacuate, Stall];
        for (index, kind) in (1..).zip(kinds) {
            let t_us = f64::from(index) * 1e6;
            let (pause_us, cpu_us, cause) = (100.0, 90.0, GcCause::Threshold);
            let (young_before, young_after, old_before, old_after) = (4, 3, 2, 1);
            let (heap_committed, promoted, remembered, roots, frames, work_units) = (9, 8, 7, 6, 5, 4);
            trace.stop(
                born,
                &GcEvent {
                    t_us,
                    kind,
                    cause,
                    pause_us,
                    cpu_us,
                    young_before,
                    young_after,
                    old_before,
                    old_after,
                    heap_committed,
                    promoted,
                    remembered,
                    roots,
                    frames,
                    work_units,
                },
            );
        }
        for task in [HelperTask::Mark, HelperTask::Sweep] {
            trace.helper(born, &HelperSpan { task, start_us: 5.0, end_us: 7.0, work_units: 3 });
        }
        drop(trace);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let events: Vec<Value> = serde_json::from_str(&text).unwrap();
        let names = |track: Track| -> Vec<&str> {
            let of_track = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track as u32);
            of_track.map(|event| event["name"].as_str().unwrap()).collect()
        };
        let stops = ["minor", "mark-start", "slice: mark", "mark-end", "slice: sweep", "major", "evacuate"];
        assert_eq!(names(Track::Stops), stops);
        assert_eq!(names(Track::Helper), ["mark", "sweep"]);
        assert_eq!(names(Track::Stalls), ["stall"]);
        let marking = events.iter().find(|event| event["name"] == "marking").expect("a marking");
        assert_eq!(marking["dur"], 2_000_100.0);
        assert_eq!(names(Track::Program).len(), kinds.len(), "the program ran before each stop");
        assert_eq!(events.iter().filter(|event| event["ph"] == "C").count(), kinds.len());
    }
}
