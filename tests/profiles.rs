//! `--profile` in its forms. What each says is read again, by decoders of the tests' own and by `go tool pprof`.

mod common;

use common::attached::{CHURN, Program, minors_and_markings};
use common::profile_forms::{Stacks, collapsed, column, firefox_stacks, index, number, pprof_stacks};
use common::{finish, heapwood, scratch, skip, wat};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Profiles a program that makes garbage for a while; the file.
fn profiled(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let file = folder.join(name);
    let mut all = vec!["--profile", file.to_str().expect("a path in UTF-8"), "--profile-interval", "100us"];
    all.extend(options);
    let program = Program::start(&wat(folder, "churn.wat", CHURN), folder, &all, &[]);
    let (minors, _) = minors_and_markings(&program);
    while minors_and_markings(&program).0 < minors + 50 {}
    assert_eq!(program.end("TERM", 143), "");
    file
}

/// The functions that `CHURN` can be in, and the collector.
#[track_caller]
fn assert_stacks(stacks: &Stacks) {
    let known = |stack: &str| stack.split(';').all(|name| ["start", "churn", "list", "[collector]"].contains(&name));
    assert!(stacks.keys().all(|stack| known(stack)), "{stacks:?}");
    assert!(stacks.contains_key("start;churn;list") || stacks.contains_key("start;churn"), "{stacks:?}");
    assert!(stacks.keys().any(|stack| stack.ends_with(";[collector]")), "{stacks:?}");
    assert!(stacks.values().sum::<u64>() > 100_000, "{stacks:?}");
}

#[test]
fn collapsed_stacks_are_the_form_without_another() {
    let folder = scratch("profile-collapsed");
    assert_stacks(&collapsed(&fs::read_to_string(profiled(&folder, "profile.txt", &[])).unwrap()));
    let file = profiled(&folder, "profile.json", &["--profile-format", "collapsed"]);
    assert_stacks(&collapsed(&fs::read_to_string(file).unwrap()));
}

#[test]
fn a_firefox_profile_has_samples_by_time_and_pauses_as_markers() {
    let folder = scratch("profile-firefox");
    let log = folder.join("gc.json");
    let log_option = format!("--gc-log={}", log.display());
    let file = profiled(&folder, "profile.json", &[&log_option, "--gc-log-format", "json"]);
    let profile: Value = serde_json::from_slice(&fs::read(file).unwrap()).expect("JSON");
    assert_eq!(
        (&profile["meta"]["preprocessedProfileVersion"], &profile["meta"]["interval"]),
        (&54.into(), &0.1.into())
    );
    let thread = &profile["threads"][0];
    assert_stacks(&firefox_stacks(thread));

    let samples = &thread["samples"];
    assert_eq!(samples["weightType"], "tracing-ms");
    for (weight, ns) in column(samples, "weight").iter().zip(column(samples, "threadCPUDelta")) {
        assert!((number(weight) - number(ns) / 1e6).abs() < 1e-6, "{weight} ms, {ns} ns");
    }
    assert!(column(samples, "timeDeltas").iter().all(|delta| number(delta) >= 0.0));
    let run_ms: f64 = column(samples, "timeDeltas").iter().map(number).sum();
    for table in ["frameTable", "funcTable"] {
        assert!(thread[table].as_object().expect("a table").keys().all(|name| {
            name == "length" || column(&thread[table], name).len() == column(&thread["funcTable"], "name").len()
        }));
    }
    let categories = profile["meta"]["categories"].as_array().expect("categories").len();
    assert!(column(&thread["frameTable"], "category").iter().all(|category| index(category) < categories));

    // Every pause of the log is a marker, with its length.
    let events: Vec<Value> =
        fs::read_to_string(log).unwrap().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let markers = &thread["markers"];
    let (names, data) = (column(markers, "name"), column(markers, "data"));
    let (begins, ends) = (column(markers, "startTime"), column(markers, "endTime"));
    assert_eq!(names.len(), events.len());
    for (marker, event) in events.iter().enumerate() {
        assert_eq!(thread["stringArray"][index(&names[marker])], event["kind"]);
        let length_ms = number(&ends[marker]) - number(&begins[marker]);
        assert!((length_ms - number(&event["pause_us"]) / 1e3).abs() < 1e-6 || number(&begins[marker]) == 0.0);
        assert_eq!((&data[marker]["cause"], &data[marker]["promoted"]), (&event["cause"], &event["promoted"]));
    }
    assert!(ends.iter().map(number).is_sorted());
    // Both have one clock: most pauses lie in the time of the samples.
    let inside = ends.iter().filter(|end| (0.0..=run_ms).contains(&number(end))).count();
    assert!(2 * inside > events.len(), "{inside} of {} in {run_ms} ms", events.len());
    let schema = &profile["meta"]["markerSchema"][0];
    assert!(data.iter().all(|data| data["type"] == schema["name"]));
    for field in schema["data"].as_array().expect("fields") {
        assert!(!data[0][field["key"].as_str().expect("a key")].is_null(), "{field}");
    }
}

#[test]
fn a_pprof_profile_is_what_its_schema_says() {
    let folder = scratch("profile-pprof");
    let file = profiled(&folder, "profile.pb", &[]);
    let stacks = pprof_stacks(&fs::read(&file).unwrap());
    assert_stacks(&stacks);
    let mut go = Command::new("go");
    // It builds the tool the first time, and keeps that in the user's cache.
    go.args(["tool", "pprof", "-raw"]).arg(&file).env("GOTOOLCHAIN", "local");
    let read = match go.current_dir(&folder).output() {
        Ok(read) if read.status.success() => String::from_utf8_lossy(&read.stdout).into_owned(),
        Ok(read) => {
            let why = String::from_utf8_lossy(&read.stderr).into_owned();
            // A file that it does not understand is no reason to skip.
            assert!(!why.contains("parsing profile") && !why.contains("malformed"), "{why}");
            return skip("pprof", format!("`go tool pprof`: {why}"));
        }
        Err(error) => return skip("pprof", format!("`go tool pprof`: {error}")),
    };
    assert!(read.contains("cpu/nanoseconds") && read.contains("churn"), "{read}");
    let samples =
        read.split_once("cpu/nanoseconds\n").and_then(|(_, rest)| rest.split_once("Locations")).expect("both").0;
    let sum: u64 = samples.lines().filter_map(|line| line.split_once(':')?.0.trim().parse::<u64>().ok()).sum();
    assert_eq!(sum, stacks.values().sum::<u64>(), "{read}");
}

#[test]
fn forms_that_are_none_are_refused() {
    let folder = scratch("profile-refused");
    let guest = wat(&folder, "churn.wat", CHURN);
    for (options, said) in [
        (&["--profile", "it.txt", "--profile-format", "xml"][..], "possible values: collapsed, firefox, pprof"),
        (&["--profile-format", "pprof"], "--profile <FILE>"),
    ] {
        let finished = finish(heapwood().arg("run").args(options).arg(&guest).current_dir(&folder));
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
}
