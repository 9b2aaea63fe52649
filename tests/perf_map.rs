//! `--perf-map`: a file that tells profilers which function lies where.

mod common;

use common::{finish, heapwood, scratch};
use std::collections::HashMap;
use std::process::Stdio;

const GUEST: &str = r#"(module
    (func $twice (export "twice") (param i32) (result i32) (i32.add (local.get 0) (local.get 0)))
    (func (param i32) (result i32) (call $inlined (call $twice (call $twice (local.get 0)))))
    (func $inlined (param i32) (result i32) (local.get 0))
    (export "four times" (func 1)))"#;

#[test]
fn functions_lie_where_the_map_says() {
    let module = scratch("perf-map").join("guest.wat");
    std::fs::write(&module, GUEST).expect("written");
    let mut run = heapwood();
    run.args(["run", "--perf-map", "--invoke", "four times"]).arg(&module).arg("5").stdout(Stdio::piped());
    let child = run.spawn().expect("the command starts");
    let path = format!("/tmp/perf-{}.map", child.id());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "20\n");
    let map = std::fs::read_to_string(&path).expect("a map");
    std::fs::remove_file(&path).expect("removed");

    let number = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal");
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let mut next = || parts.next().expect("three parts").to_owned();
        let (start, length) = (number(&next()), number(&next()));
        (next(), (start, length))
    };
    let functions: HashMap<String, (u64, u64)> = map.lines().map(of_line).collect();
    assert_eq!(functions.len(), 2, "{map}");
    for (name, index) in [("twice", "0"), ("wasm-function[1]", "1")] {
        let mut inspect = heapwood();
        let shown = finish(inspect.args(["inspect", "--asm", index]).arg(&module)).stdout;
        let length = functions[name].1;
        assert!(shown.contains(&format!("{length} bytes of code")), "{name}: {length} bytes, but\n{shown}");
    }
    let [(start, length), (other, _)] = ["twice", "wasm-function[1]"].map(|name| functions[name]);
    assert!(start + length <= other, "functions lie behind each other: {map}");
}

/// Whoever made a link of the map's name before: what it leads to is not written.
#[test]
fn a_link_in_its_place_is_replaced() {
    let folder = scratch("perf-map-link");
    let (module, other) = (folder.join("guest.wat"), folder.join("other"));
    std::fs::write(&module, GUEST).expect("written");
    std::fs::write(&other, "as it was").expect("written");
    let command = heapwood();
    let mut shell = std::process::Command::new("sh");
    let script = r#"ln -s "$1" /tmp/perf-$$.map; echo $$; exec "$0" run --perf-map --invoke "four times" "$2" 5"#;
    let finished = finish(shell.args(["-c", script]).arg(command.get_program()).args([&other, &module]));
    let (id, result) = finished.stdout.split_once('\n').expect("two lines");
    assert_eq!((result, finished.code), ("20\n", Some(0)), "{}", finished.stderr);
    let path = format!("/tmp/perf-{id}.map");
    assert!(std::fs::symlink_metadata(&path).expect("a map").is_file());
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(std::fs::read_to_string(&other).expect("there"), "as it was");
}

const OFTEN: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (elem declare func $one)
    (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $spin (param $n i32) (result i32) (local $sum i32)
      (loop $again
        (local.set $sum (call_ref $f (local.get $sum) (ref.func $one)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum))
    (func (export "_start") (local $i i32)
      (local.set $i (i32.const 50))
      (loop (drop (call $spin (i32.const 20)))
        (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;

/// Code that was made again is named, too, and `--gc-stats` says how much there is.
#[test]
fn functions_that_are_compiled_again_are_named() {
    let module = scratch("perf-map-again").join("often.wat");
    std::fs::write(&module, OFTEN).expect("written");
    for (tier, expected) in [("n", &["spin"][..]), ("always", &["spin", "spin [counting]", "spin [tier]"])] {
        let mut run = heapwood();
        run.args(["run", "--perf-map", "--gc-stats", "-T", &format!("tier={tier}")]).arg(&module);
        let child = run.stderr(Stdio::piped()).spawn().expect("the command starts");
        let path = format!("/tmp/perf-{}.map", child.id());
        let output = child.wait_with_output().expect("it ends");
        let map = std::fs::read_to_string(&path).expect("a map");
        std::fs::remove_file(&path).expect("removed");
        let mut names: Vec<&str> = map.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).collect();
        names.retain(|name| name.starts_with("spin"));
        assert_eq!(names, expected, "tier={tier}: {map}");
        let stats = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stats.contains("functions compiled again: "), tier == "always", "tier={tier}: {stats}");
    }
}
