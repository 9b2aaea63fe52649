//! Files that a log goes to: `--gc-log-size` and `--gc-log-count`, and what stands for something in names of files.

mod common;

use common::{BUSY, Finished, finish, heapwood, scratch, wat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/trees.wasm");

/// Runs a program that collects a thousand times.
fn run(log: &Path, options: &[&str]) -> Finished {
    let log = format!("--gc-log={}", log.display());
    let finished = finish(heapwood().args(["run", "--gc-stats=json", &log]).args(options).arg(GUEST));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished
}

/// How many pauses the run had, by its statistics.
fn pauses(finished: &Finished) -> usize {
    let stats: serde_json::Value = serde_json::from_str(&finished.stderr).expect("one object and nothing else");
    stats["pauses"]["all"]["count"].as_u64().expect("a count") as usize
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Times of the events of a file, each of which is whole.
fn times(file: &Path) -> Vec<f64> {
    let text = fs::read_to_string(file).expect("a log");
    assert!(text.is_empty() || text.ends_with('\n'), "{}", file.display());
    let time = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        event["t_us"].as_f64().expect("a time")
    };
    text.lines().map(time).collect()
}

#[test]
fn a_log_in_several_files_has_every_line_once() {
    let folder = scratch("log-rotates");
    let log = folder.join("gc.log");
    let finished = run(&log, &["--gc-log-format", "json", "--gc-log-size", "20k", "--gc-log-count", "1000"]);
    let mut files = names(&folder);
    assert_eq!(files.remove(0), "gc.log");
    assert!(files.len() > 3, "{files:?}");
    let expected: Vec<_> = (0..files.len()).map(|number| format!("gc.log.{number:03}")).collect();
    assert_eq!(files, expected, "numbers sort as names");
    files.push("gc.log".to_owned());
    let mut all = Vec::new();
    for name in &files {
        let bytes = fs::metadata(folder.join(name)).expect("a file").len();
        assert!(bytes <= 20 << 10, "{name} has {bytes} bytes");
        // A line more would not have fit.
        assert!(bytes > (20 << 10) - 1000 || name == "gc.log", "{name} has {bytes} bytes");
        all.extend(times(&folder.join(name)));
    }
    assert_eq!(all.len(), pauses(&finished));
    assert!(all.is_sorted(), "files in the order of their numbers, FILE last");
}

#[test]
fn no_more_files_are_kept_than_were_asked_for() {
    for (count, size) in [(1, "8k"), (2, "8k"), (3, "1")] {
        let folder = scratch(&format!("log-count-{count}"));
        let (log, count_text) = (folder.join("gc.log"), count.to_string());
        let options = ["--gc-log-format", "json", "--gc-log-size", size, "--gc-log-count", &count_text];
        let finished = run(&log, &options);
        let mut expected = vec!["gc.log".to_owned()];
        expected.extend((0..count).map(|number| format!("gc.log.{number}")));
        assert_eq!(names(&folder), expected);
        // The newest lines without a gap: all files but FILE are one ring, which begins behind its latest file.
        let mut files: Vec<Vec<f64>> = expected[1..].iter().map(|name| times(&folder.join(name))).collect();
        files.sort_by(|a, b| a[0].total_cmp(&b[0]));
        files.push(times(&log));
        if size == "1" {
            // A line that is larger than the size is alone, and whole.
            assert!(files.iter().all(|file| file.len() == 1), "{files:?}");
        }
        let all = files.concat();
        assert!(all.is_sorted() && all.len() < pauses(&finished), "{} of {}", all.len(), pauses(&finished));
    }
}

/// What HotSpot's shape says of one pause stays in one file.
#[test]
fn lines_of_one_pause_stay_together() {
    let folder = scratch("log-jvm");
    let log = folder.join("gc.log");
    run(&log, &["--gc-log-format", "jvm", "--gc-log-size", "4k", "--gc-log-count", "1000"]);
    let files = names(&folder);
    assert!(files.len() > 3, "{files:?}");
    for name in &files {
        let text = fs::read_to_string(folder.join(name)).expect("a log");
        let is_open = text.lines().fold(false, |is_open, line| match line {
            // What a pause begins and ends with.
            _ if line.contains("[gc,start]") => !is_open || panic!("{name}: {line}"),
            _ if line.contains("[gc,cpu  ]") => !is_open && panic!("{name}: {line}"),
            _ if line.contains("[gc,heap ]") => is_open || panic!("{name}: {line}"),
            _ => is_open,
        });
        assert!(!is_open, "{name}");
    }
}

fn busy(folder: &Path) -> PathBuf {
    wat(folder, "busy.wat", BUSY)
}

#[test]
fn sizes_and_counts_that_make_no_sense_are_refused() {
    let folder = scratch("log-nonsense");
    let (guest, log) = (busy(&folder), format!("--gc-log={}", folder.join("gc.log").display()));
    for (options, said) in [
        (&[&log, "--gc-log-size", "0"][..], "--gc-log-size 0: a file has at least a byte"),
        (&[&log, "--gc-log-size", "0k"], "--gc-log-size 0k: a file has at least a byte"),
        (&["--gc-log-size", "1m"], "--gc-log"),
        (&["--gc-log", "--gc-log-size", "1m"], "the log goes to no file"),
        (&["--gc-log=-", "--gc-log-size", "1m"], "the log goes to no file"),
        (&[&log, "--gc-log-size=-1"], "is not a size"),
        (&[&log, "--gc-log-size", "99999999999999999999"], "too large for a size"),
        (&[&log, "--gc-log-size", "1x"], "is not a size"),
        (&[&log, "--gc-log-count", "5"], "--gc-log-size"),
        (&[&log, "--gc-log-size", "1m", "--gc-log-count", "0"], "1..=1000"),
        (&[&log, "--gc-log-size", "1m", "--gc-log-count", "1001"], "1..=1000"),
        (&[&log, "--gc-log-size", "1m", "--gc-log-count", "99999999999999999999"], "number too large"),
        (&[&log, "--gc-log-size", "1m", "--gc-log-count=-1"], "--gc-log-count"),
    ] {
        let finished = finish(heapwood().arg("run").args(options).arg(&guest));
        assert_eq!(finished.code, Some(2), "{options:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{options:?}: {}", finished.stderr);
    }
    assert_eq!(names(&folder), ["busy.wat"]);
}

/// Renaming a device, a pipe or a link would take its name from others.
#[test]
fn only_a_regular_file_is_renamed() {
    let folder = scratch("log-devices");
    let guest = busy(&folder);
    fs::write(folder.join("file"), "kept").unwrap();
    symlink("/dev/null", folder.join("device")).unwrap();
    symlink(folder.join("file"), folder.join("link")).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo runs").success());
    let before = names(&folder);
    for name in ["device", "link", "folder", "pipe"] {
        let log = format!("--gc-log={}", folder.join(name).display());
        let finished = finish(heapwood().args(["run", &log, "--gc-log-size", "1"]).arg(&guest));
        assert_eq!(finished.code, Some(1), "{name}: {}", finished.stderr);
        let said = format!("error: {log}, --gc-log-size: only a regular file is renamed, and no link or device\n");
        assert_eq!(finished.stderr, said);
    }
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "kept");
}

/// Where FILE cannot become FILE.0, that is said once, the command fails, and no line is lost.
#[test]
fn a_log_that_cannot_be_renamed_goes_on_in_its_file() {
    let folder = scratch("log-stuck");
    let log = folder.join("gc.log");
    fs::create_dir(folder.join("gc.log.0")).unwrap();
    let option = format!("--gc-log={}", log.display());
    let options = ["--gc-log-format", "json", "--gc-stats=json", "--gc-log-size", "4k"];
    let finished = finish(heapwood().args(["run", &option]).args(options).arg(GUEST));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let (said, stats) = finished.stderr.split_once('\n').expect("two lines");
    assert!(said.starts_with(&format!("error: {option}: ")), "{said}");
    let stats: serde_json::Value = serde_json::from_str(stats).expect("one object and nothing else");
    assert_eq!(stats["pauses"]["all"]["count"], times(&log).len());
    assert_eq!(names(&folder), ["gc.log", "gc.log.0"]);
}

/// The process and the time in the names of everything that is written, the same time in all of them.
#[test]
fn names_say_which_process_and_when() {
    let folder = scratch("log-names");
    let guest = busy(&folder);
    let option = |option: &str| format!("{option}={}", folder.join(format!("%%{option}-%p-%t.x")).display());
    let written = ["--gc-log", "--trace", "--profile", "--alloc-profile", "--heap-snapshot", "--coredump"];
    let mut child = heapwood()
        .args(["run", "--gc-log-size", "100", "--invoke", "trap"])
        .args(written.map(option))
        .arg(&guest)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    assert_eq!(child.wait().expect("it ends").code(), Some(134));
    let all = names(&folder);
    let first = all.iter().find(|name| name.starts_with("%--trace")).expect("a trace");
    let time = first.strip_prefix(&format!("%--trace-{pid}-")).and_then(|rest| rest.strip_suffix(".x"));
    let time = time.expect("the process and the time");
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00_00-00-00");
    let mut expected: Vec<_> = written.iter().map(|option| format!("%{option}-{pid}-{time}.x")).collect();
    expected.push("busy.wat".to_owned());
    expected.sort();
    assert_eq!(all, expected);

    for option in written {
        for name in ["%", "%d", "a%p%"] {
            let finished =
                finish(heapwood().args(["run", &format!("{option}={name}")]).arg(&guest).current_dir(&folder));
            assert_eq!(finished.code, Some(2), "{option} {name}: {}", finished.stderr);
            let said = "%p is the process, %t the time of its start, %% a percent sign, and nothing else is there";
            assert!(finished.stderr.contains(said) && finished.stderr.contains(option), "{}", finished.stderr);
        }
    }
    assert_eq!(names(&folder), expected, "nothing is made of a name that means nothing");
}
