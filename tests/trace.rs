//! `--trace`: a file that Perfetto and Chrome read, of a real run.

mod common;

use common::{finish, heapwood, scratch};
use serde_json::Value;

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/trees.wasm");

/// Begin and end in whole nanoseconds, and name, of the spans on the track of this name.
fn spans(events: &[Value], track: &str) -> Vec<(i64, i64, String)> {
    let named = |event: &&Value| event["name"] == "thread_name" && event["args"]["name"] == track;
    let tid = &events.iter().find(named).unwrap_or_else(|| panic!("no track `{track}`"))["tid"];
    let of_track = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == *tid);
    let ns = |us: &Value| (us.as_f64().expect("microseconds") * 1e3).round() as i64;
    let span = |event: &Value| {
        let start = ns(&event["ts"]);
        (start, start + ns(&event["dur"]), event["name"].as_str().expect("a name").to_owned())
    };
    of_track.map(span).collect()
}

#[test]
fn a_trace_has_stops_between_which_the_program_runs_and_its_host_calls() {
    let dir = scratch("trace");
    let (path, log) = (dir.join("trace.json"), dir.join("log"));
    let mut command = heapwood();
    command.args([
        "run",
        "--gc-threads",
        "1",
        "--gc-log-format",
        "json",
        &format!("--gc-log={}", log.display()),
        "--trace",
    ]);
    let finished = finish(command.args([path.as_os_str(), GUEST.as_ref()]));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let text = std::fs::read_to_string(path).expect("a trace");
    let events: Vec<Value> = serde_json::from_str(&text).expect("a JSON array");

    let mut stops = spans(&events, "collector: pauses and slices");
    // On a busy machine the program may have to wait for a helper.
    stops.extend(spans(&events, "collector: stalls"));
    let logged = std::fs::read_to_string(log).expect("a log").lines().count();
    assert_eq!(stops.len(), logged);
    let running = spans(&events, "program");
    assert_eq!(running.len(), stops.len() + 1, "the program runs before, between and after the stops");
    let mut both: Vec<_> = stops.iter().chain(&running).collect();
    both.sort();
    for pair in both.windows(2) {
        // Times of the heap and of the trace are rounded apart.
        assert!(pair[0].1 <= pair[1].0 + 2, "{pair:?} overlap");
    }

    // One helper works at one thing at a time, within the run, and marks only while a marking goes on.
    let mut helped = spans(&events, "collector: helper");
    helped.sort();
    assert!(
        helped.iter().any(|span| span.2 == "mark") && helped.iter().all(|span| ["mark", "sweep"].contains(&&*span.2))
    );
    for pair in helped.windows(2) {
        assert!(pair[0].1 <= pair[1].0 + 2, "{pair:?} overlap");
    }
    let markings = spans(&events, "collector: marking, begin to end");
    for span in helped.iter().filter(|span| span.2 == "mark") {
        // One that had not ended with the program goes on until the store is gone.
        let contains = |marking: &&(i64, i64, String)| {
            marking.0 <= span.0 + 2 && (span.1 <= marking.1 + 2 || marking.2 == "marking, not ended")
        };
        let marking = markings.iter().find(contains);
        assert!(marking.is_some(), "{span:?} lies in none of {markings:?}");
    }

    let calls = spans(&events, "host calls");
    let lines = finished.stdout.lines().count();
    let writes = calls.iter().filter(|call| call.2 == "wasi_snapshot_preview1.fd_write").count();
    assert!(writes > 0 && writes >= lines / 2, "{writes} calls wrote {lines} lines");
    let steps: Vec<_> = spans(&events, "heapwood").into_iter().map(|step| step.2).collect();
    assert_eq!(steps, ["compile", "run"]);
}

#[test]
fn without_helpers_nobody_helps() {
    let path = scratch("trace-alone").join("trace.json");
    let finished = finish(heapwood().args(["run", "--gc-threads", "0", "--trace"]).arg(&path).arg(GUEST));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let events: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a trace")).expect("a JSON array");
    assert!(spans(&events, "collector: helper").is_empty());
    assert!(spans(&events, "collector: pauses and slices").iter().any(|span| span.2 == "slice: mark"));
}
