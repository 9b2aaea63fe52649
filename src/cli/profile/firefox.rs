//! A profile as the JSON that profiler.firefox.com loads ("processed profile", version 54): one thread, whose samples
//! weigh CPU time, and whose markers are the collector's pauses.
//!
//! Tables are objects with a list for each column. Stacks are a tree: each names its frame and the stack below it, so
//! that they share what they have in common.

use super::{LongestPauses, begun_at};
use heapwood::{CpuProfileData, StackProfile};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// The version of the form; newer profilers convert it.
const VERSION: u32 = 54;

/// Places in the list of categories.
const GUEST: u32 = 1;
const COLLECTOR: u32 = 2;

/// A marker with a beginning and an end.
const INTERVAL: u32 = 1;

/// The type of the markers.
const PAUSE: &str = "heapwood-pause";

/// Writes a table, of which all columns have `length` entries.
macro_rules! table {
    ($output:expr, $length:expr, { $($name:literal: $column:expr),* $(,)? }) => {{
        write!($output, "{{\"length\":{}", $length)?;
        $(
            write!($output, ",\"{}\":", $name)?;
            serde_json::to_writer(&mut *$output, &$column)?;
        )*
        write!($output, "}}")?;
    }};
}

/// Writes a profile, with the pauses of its time.
pub fn write(data: &CpuProfileData, pauses: Option<&LongestPauses>, output: &mut impl Write) -> io::Result<()> {
    let process = std::process::id().to_string();
    write!(output, "{{\"meta\":{},\"libs\":[],\"pages\":[],\"counters\":[],\"profilerOverhead\":[],", meta(data))?;
    let thread = json!({
        "name": "guest", "isMainThread": true, "processType": "default", "processName": "heapwood",
        "processStartupTime": 0.0, "processShutdownTime": null, "registerTime": 0.0, "unregisterTime": null,
        "pausedRanges": [], "showMarkersInTimeline": true, "pid": process, "tid": process,
    });
    // The thread's plain fields, and then its tables.
    let fields = thread.to_string();
    write!(output, "\"threads\":[{}", fields.strip_suffix('}').unwrap_or(&fields))?;
    let mut strings: Vec<String> = data.names().to_vec();
    write_functions(data, output)?;
    let tree = Tree::of(data);
    write!(output, ",\"stackTable\":")?;
    table!(output, tree.frames.len(), { "prefix": tree.prefixes, "frame": tree.frames });
    write_samples(data, &tree.tops, output)?;
    write_markers(data, pauses, &mut strings, output)?;
    write!(output, ",\"stringArray\":")?;
    serde_json::to_writer(&mut *output, &strings)?;
    write!(output, "}}]}}")
}

fn meta(data: &CpuProfileData) -> Value {
    let since_1970 = begun_at(data).duration_since(UNIX_EPOCH).unwrap_or_default();
    let category = |name: &str, color: &str| json!({"name": name, "color": color, "subcategories": ["Other"]});
    let field = |key: &str, label: &str, format: &str| json!({"key": key, "label": label, "format": format});
    json!({
        "version": 24, "preprocessedProfileVersion": VERSION, "processType": 0, "product": "heapwood",
        "interval": ms(data.interval()), "startTime": ms(since_1970), "symbolicated": true, "debug": false,
        "pausedRanges": [], "usesOnlyOneStackType": true, "sourceCodeIsNotOnSearchfox": true,
        "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "ns"},
        "categories": [category("Other", "grey"), category("Guest", "blue"), category("Collector", "orange")],
        "markerSchema": [{
            "name": PAUSE,
            "display": ["marker-chart", "marker-table", "timeline-overview"],
            "tooltipLabel": "{marker.name}",
            "tableLabel": "{marker.data.cause}",
            "data": [
                field("cause", "Cause", "string"),
                field("cpu", "CPU time", "duration"),
                field("promoted", "Promoted or moved", "bytes"),
                field("young", "Nursery after it", "bytes"),
                field("old", "Old space after it", "bytes"),
                field("work", "Work units", "integer"),
            ],
        }],
    })
}

/// A frame and a function for each name, with numbers as of the names.
fn write_functions(data: &CpuProfileData, output: &mut impl Write) -> io::Result<()> {
    let count = data.names().len();
    let numbers: Vec<usize> = (0..count).collect();
    let is_collector = |name: &String| name == StackProfile::COLLECTOR;
    let category = |name| if is_collector(name) { COLLECTOR } else { GUEST };
    let categories: Vec<u32> = data.names().iter().map(category).collect();
    let (none, no) = (vec![Value::Null; count], vec![false; count]);
    write!(output, ",\"frameTable\":")?;
    table!(output, count, {
        "address": vec![-1; count], "inlineDepth": vec![0; count], "category": categories,
        "subcategory": vec![0; count], "func": numbers, "nativeSymbol": none, "innerWindowID": none, "line": none,
        "column": none,
    });
    write!(output, ",\"funcTable\":")?;
    table!(output, count, {
        "name": numbers, "isJS": no, "relevantForJS": no, "resource": vec![-1; count], "fileName": none,
        "lineNumber": none, "columnNumber": none,
    });
    write!(output, ",\"resourceTable\":")?;
    let nothing: [u32; 0] = [];
    table!(output, 0, { "lib": nothing, "name": nothing, "host": nothing, "type": nothing });
    write!(output, ",\"nativeSymbols\":")?;
    table!(output, 0, { "libIndex": nothing, "address": nothing, "name": nothing, "functionSize": nothing });
    Ok(())
}

/// All stacks as a tree.
struct Tree {
    prefixes: Vec<Option<u32>>,
    frames: Vec<u32>,
    /// The node that each stack of the profile is; none of one without frames.
    tops: Vec<Option<u32>>,
}

impl Tree {
    fn of(data: &CpuProfileData) -> Tree {
        let mut tree = Tree { prefixes: Vec::new(), frames: Vec::new(), tops: Vec::new() };
        let mut nodes: HashMap<(Option<u32>, u32), u32> = HashMap::new();
        for stack in data.stacks() {
            let top = stack.frames().iter().fold(None, |prefix, &frame| {
                let node = *nodes.entry((prefix, frame)).or_insert_with(|| {
                    tree.prefixes.push(prefix);
                    tree.frames.push(frame);
                    tree.frames.len() as u32 - 1
                });
                Some(node)
            });
            tree.tops.push(top);
        }
        tree
    }
}

fn write_samples(data: &CpuProfileData, tops: &[Option<u32>], output: &mut impl Write) -> io::Result<()> {
    let samples = data.samples();
    let stacks: Vec<Option<u32>> = samples.iter().map(|sample| tops[sample.stack()]).collect();
    let mut last = Duration::ZERO;
    let deltas = samples.iter().map(|sample| {
        let delta = sample.at().saturating_sub(last);
        last = sample.at();
        ms(delta)
    });
    let deltas: Vec<f64> = deltas.collect();
    let weights: Vec<f64> = samples.iter().map(|sample| ms(sample.weight())).collect();
    let cpu_ns: Vec<u64> = samples.iter().map(|sample| sample.weight().as_nanos() as u64).collect();
    write!(output, ",\"samples\":")?;
    table!(output, samples.len(), {
        "stack": stacks, "timeDeltas": deltas, "weight": weights, "weightType": "tracing-ms", "threadCPUDelta": cpu_ns,
    });
    Ok(())
}

/// The pauses since the profile began. Names of their kinds are added to `strings`.
fn write_markers(
    data: &CpuProfileData,
    pauses: Option<&LongestPauses>,
    strings: &mut Vec<String>,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut events = pauses.map(LongestPauses::events).unwrap_or_default();
    // Both count from instants of their own; a heap is older than its profile, or as old.
    let born = pauses.map_or(data.begun(), |pauses| pauses.born);
    let offset_us = data.begun().saturating_duration_since(born).as_nanos() as f64 / 1e3;
    events.retain(|event| event.t_us >= offset_us);
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::new();
    for event in &events {
        names.push(*kinds.entry(event.kind.name()).or_insert_with(|| {
            strings.push(event.kind.name().to_owned());
            strings.len() - 1
        }));
    }
    let begins: Vec<f64> = events.iter().map(|it| (it.t_us - it.pause_us - offset_us).max(0.0) / 1e3).collect();
    let ends: Vec<f64> = events.iter().map(|event| (event.t_us - offset_us) / 1e3).collect();
    let said = |event: &heapwood::GcEvent| {
        json!({"type": PAUSE, "cause": event.cause.name(), "cpu": event.cpu_us / 1e3, "promoted": event.promoted,
            "young": event.young_after, "old": event.old_after, "work": event.work_units})
    };
    let said: Vec<Value> = events.iter().map(said).collect();
    write!(output, ",\"markers\":")?;
    table!(output, events.len(), {
        "name": names, "startTime": begins, "endTime": ends, "phase": vec![INTERVAL; events.len()],
        "category": vec![COLLECTOR; events.len()], "data": said,
    });
    Ok(())
}

/// As milliseconds.
fn ms(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}
