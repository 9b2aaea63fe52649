//! What the command line answers to ordinary mistakes: a line that says what was meant, and how it is written.

mod common;

use common::{finish, heapwood, scratch};
use std::io::Write;
use std::process::Stdio;

/// A command line, its status, and what it has to say. In a folder with the files of [`FILES`].
const MISTAKES: &[(&[&str], i32, &[&str])] = &[
    (&["rn", "app.wat"], 2, &["`rn` is neither a command nor a file", "`heapwood run`"]),
    (&["valdate"], 2, &["`heapwood validate`"]),
    (&["-v", "rnu"], 2, &["`heapwood run`"]),
    (&["help", "inspet"], 2, &["`inspet` is no command", "`heapwood help inspect`"]),
    (&["run", "--gc-heap-mx", "1m", "app.wat"], 2, &["'--gc-heap-max'"]),
    (&["run", "--gc-heap-initial", "65m", "--gc-heap-max", "64m", "app.wat"], 2, &["--gc-heap-initial 65m", "64m"]),
    (&["run", "--gc-nursery", "32m", "-Xmx16m", "app.wat"], 2, &["--gc-nursery 32m", "16m"]),
    (&["run", "--gc-log-format", "json", "app.wat"], 2, &["--gc-log"]),
    (&["run", "--alloc-profile-interval", "4k", "app.wat"], 2, &["--alloc-profile <FILE>"]),
    (&["run", "--alloc-profile", "p", "--alloc-profile-interval", "0", "app.wat"], 2, &["at least a byte apart"]),
    (&["run", "-Xss4m", "app.wat"], 2, &["-Xss4m", "--max-stack SIZE"]),
    (&["run", "-Xlog:gc*", "app.wat"], 2, &["-Xlog:gc*", "--gc-log-format jvm"]),
    (&["run", "-XX:+UseG1GC", "app.wat"], 2, &["-XX:+UseG1GC", "heapwood run --help"]),
    (&["run", "-Xmq1m", "app.wat"], 2, &["-XmxSIZE"]),
    (&["run", "--env", "", "app.wat"], 2, &["--env ''", "a name"]),
    (&["run", "--env", "=x", "app.wat"], 2, &["--env '=x'", "a name"]),
    (&["run", "--dir", "folder:/data", "app.wat"], 2, &["folder::/data"]),
    (&["run", "--dir", "missing", "app.wat"], 1, &["`missing`", "No such file"]),
    (&["run", "missing.wasm"], 1, &["missing.wasm", "No such file"]),
    (&["run", "-W", "nothing", "app.wat"], 2, &["nothing"]),
    (&["run", "empty"], 1, &["invalid module: this is an empty file"]),
    (&["run", "text.txt"], 1, &["invalid module: this is text"]),
    (&["run", "packed.wasm"], 1, &["invalid module: this is data that gzip has compressed"]),
    (&["validate", "packed.wasm"], 1, &["gzip"]),
    (&["inspect", "packed.wasm"], 1, &["gzip"]),
    (&["compile", "packed.wasm", "-o", "out"], 1, &["gzip"]),
    (&["bench", "packed.wasm", "--invoke", "f"], 1, &["gzip"]),
    (&["run", "packed.zst"], 1, &["invalid module: this is data that zstd has compressed"]),
    (&["run", "packed.wat"], 1, &["invalid module: this is data that zstd has compressed"]),
    (&["run", "wide.wat"], 1, &["invalid module: this is text in UTF-16"]),
    (&["run", "marked.wasm"], 1, &["invalid module: this is a module behind a byte-order mark"]),
    (&["run", "archive"], 1, &["invalid module: this is a tar archive"]),
    (&["run", "--precompiled", "app.wat"], 1, &["app.wat: the precompiled module is refused"]),
    (&["run", "--invoke", "v", "vector.wat", "i32x4", "1", "2", "3", "4"], 2, &["takes 1 arguments", "in quotes"]),
    (&["run", "native"], 1, &["an ELF file"]),
    (&["run", "script"], 1, &["a script"]),
    (&["run", "other.wasm"], 1, &["a file that begins with 01 02 03"]),
    (
        &["run", "wrong.wat"],
        1,
        &[
            "wrong.wat: invalid module: type mismatch",
            "--> wrong.wat:3:6\n",
            "\n    3 |     (i32.add (i32.const 1) (i64.const 2))",
            "\n      |      ^",
        ],
    ),
    (&["validate", "wrong.wat"], 1, &["--> wrong.wat:3:6\n"]),
    (&["inspect", "--asm", "0", "wrong.wat"], 1, &["--> wrong.wat:3:6\n"]),
    (&["compile", "wrong.wat", "-o", "out"], 1, &["--> wrong.wat:3:6\n"]),
];

/// The header of a tar archive, as far as it matters: the name of a file, and behind it what says that it is one.
const TAR: [u8; 262] = {
    let mut header = [b'a'; 262];
    let (mut at, magic) = (0, b"ustar");
    while at < magic.len() {
        header[257 + at] = magic[at];
        at += 1;
    }
    header
};

const FILES: &[(&str, &[u8])] = &[
    ("app.wat", b"(module (func (export \"_start\")))"),
    ("empty", b""),
    ("text.txt", b"hello"),
    ("packed.wasm", b"\x1f\x8b\x08\0\0\0\0\0"),
    ("packed.zst", b"\x28\xb5\x2f\xfd\x04\0\0\0"),
    ("packed.wat", b"\x28\xb5\x2f\xfd\x04\0\0\0"),
    ("wide.wat", b"\xff\xfe(\0m\0"),
    ("marked.wasm", b"\xef\xbb\xbf\0asm\x01\0\0\0"),
    ("archive", &TAR),
    ("vector.wat", b"(module (func (export \"v\") (param v128)))"),
    ("native", b"\x7fELF\x02\x01\x01\0"),
    ("script", b"#!/bin/sh\necho no\n"),
    ("other.wasm", b"\x01\x02\x03"),
    ("wrong.wat", b"(module\n  (func (export \"_start\") (result i32)\n    (i32.add (i32.const 1) (i64.const 2))))"),
];

#[test]
fn mistakes_are_named_with_what_was_meant() {
    let folder = scratch("command-line-mistakes");
    std::fs::create_dir(folder.join("folder")).expect("a folder");
    for (name, bytes) in FILES {
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
    let mut wrong = Vec::new();
    for (args, status, says) in MISTAKES {
        let ended = finish(heapwood().args(*args).current_dir(&folder));
        let missing = says.iter().find(|part| !ended.stderr.contains(*part));
        // Nothing speaks to a terminal that is not there, and no cause is told twice.
        let is_plain = !ended.stderr.contains('\x1b') && ended.stderr.matches("os error").count() <= 1;
        if ended.code != Some(*status) || missing.is_some() || !is_plain {
            wrong.push(format!("{args:?}: {}, without {missing:?}: {}", ended.end(), ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MISTAKES.len(), wrong.join("\n"));
}

#[test]
fn help_is_a_word_too() {
    for (word, option) in [(&["help"][..], &["--help"][..]), (&["help", "bench"], &["bench", "--help"])] {
        let (by_word, by_option) = (finish(heapwood().args(word)), finish(heapwood().args(option)));
        assert_eq!((by_word.code, &by_word.stdout), (Some(0), &by_option.stdout));
        assert!(by_word.stdout.contains("Usage: heapwood"), "{}", by_word.stdout);
    }
}

/// A module that returns from `f` what it was told to.
const NUMBER: &str = "(module (func (export \"f\") (result i32) (i32.const 7)))";

#[test]
fn a_module_may_come_from_the_standard_input_behind_a_mark_or_a_first_line() {
    let binary = wat::parse_str(NUMBER).expect("a module");
    let folder = scratch("command-line-modules");
    let marked = [b"\xef\xbb\xbf", NUMBER.as_bytes()].concat();
    let script = |module: &[u8]| [b"#!/usr/bin/env heapwood\n", module].concat();
    for (name, bytes) in [
        ("binary.wasm", binary.clone()),
        ("text.wat", NUMBER.as_bytes().to_vec()),
        ("marked.wat", marked),
        ("script.wasm", script(&binary)),
        ("script.wat", script(NUMBER.as_bytes())),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, &bytes).expect("a file");
        let ended = finish(heapwood().args(["run", "--invoke", "f"]).arg(&path));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "7\n"), "{name}: {}", ended.stderr);
        for args in [&["run", "--invoke", "f", "-"][..], &["validate", "-"], &["inspect", "-"]] {
            let file = std::fs::File::open(&path).expect("the file");
            let ended = finish(heapwood().args(args).stdin(Stdio::from(file)));
            assert_eq!(ended.code, Some(0), "{name}, {args:?}: {}", ended.stderr);
        }
    }
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"(module (func (export \"f\") (result i32)))").expect("room in the pipe");
    drop(writer);
    let ended = finish(heapwood().args(["run", "-"]).stdin(Stdio::from(reader)));
    assert!(ended.code == Some(1) && ended.stderr.contains("standard input:1:10"), "{}", ended.stderr);
}

#[test]
fn an_image_may_come_from_the_standard_input() {
    let path = common::wat(&scratch("command-line-image"), "app.wat", NUMBER);
    let image = path.with_file_name("app.image");
    assert_eq!(finish(heapwood().arg("compile").arg(&path).arg("-o").arg(&image)).code, Some(0));
    let run = |file: &std::path::Path| {
        let file = std::fs::File::open(file).expect("the file");
        finish(heapwood().args(["run", "--precompiled", "--invoke", "f", "-"]).stdin(Stdio::from(file)))
    };
    let ended = run(&image);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "7\n"), "{}", ended.stderr);
    let refused = run(&path);
    assert!(refused.code == Some(1) && refused.stderr.contains("error: standard input: "), "{}", refused.stderr);
}

#[test]
fn switches_stand_for_y() {
    let folder = scratch("command-line-switches");
    let wide = "(module (func (export \"_start\") i64.const 1 i64.const 1 i64.mul_wide_u drop drop))";
    let path = common::wat(&folder, "wide.wat", wide);
    assert_eq!(finish(heapwood().arg("run").arg(&path)).code, Some(1), "the feature is off");
    for switches in [&["-W", "wide-arithmetic"][..], &["-W", "wide-arithmetic=y", "-T", "debug-checks"]] {
        let ended = finish(heapwood().arg("run").args(switches).arg(&path));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// The number of variables is the status.
#[test]
fn the_whole_environment_may_be_passed_on() {
    let folder = scratch("command-line-environment");
    let counts = r#"(module (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (drop (call $sizes (i32.const 0) (i32.const 4))) (call $exit (i32.load (i32.const 0)))))"#;
    let path = common::wat(&folder, "counts.wat", counts);
    let count = |args: &[&str]| {
        let mut command = heapwood();
        command.env_clear().envs([("ONE", "1"), ("TWO", "2"), ("THREE", "3")]);
        finish(command.arg("run").args(args).arg(&path)).code
    };
    assert_eq!(count(&[]), Some(0));
    assert_eq!(count(&["--env", "ONE", "--env", "NONE"]), Some(1));
    assert_eq!(count(&["--env-all"]), Some(3));
    assert_eq!(count(&["--env-all", "--env", "TWO=zwei", "--env", "FOUR=4"]), Some(4));
}

/// Numbers are what the text format writes, in both directions (`shared/cases/nan.wat`).
#[test]
fn nans_keep_sign_and_payload_in_both_directions() {
    let text = "(module (func (export \"bits\") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
        (func (export \"some\") (result f32 f64 f32 f64)
          (f32.const -nan) (f64.const -nan:0x123) (f32.const nan:0x200000) (f64.const nan))
        (func (export \"twice\") (param v128 (ref i31) i64) (result v128 i31ref i64)
          (i32x4.add (local.get 0) (local.get 0)) (local.get 1) (local.get 2)))";
    let path = common::wat(&scratch("command-line-nans"), "nan.wat", text);
    let invoke = |name: &str, args: &[&str]| {
        let ended = finish(heapwood().args(["run", "--invoke", name]).arg(&path).args(args));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout
    };
    assert_eq!(invoke("some", &[]), "-nan\n-nan:0x123\nnan:0x200000\nnan\n");
    assert_eq!(invoke("bits", &["nan:0x200000"]), format!("{}\n", 0x7fa0_0000));
    assert_eq!(invoke("bits", &["-nan"]), format!("{}\n", 0xffc0_0000u32.cast_signed()));
    assert_eq!(invoke("bits", &["0x1.8p3"]), format!("{}\n", 12f32.to_bits()));
    let twice = invoke("twice", &["i32x4 1 2 3 -1", "i31 -5", "+1_000"]);
    assert_eq!(twice, "0xfffffffe000000060000000400000002\ni31 -5\n1000\n");
}

#[test]
fn more_is_said_if_it_is_wanted_and_each_command_has_its_page() {
    let path = common::wat(&scratch("command-line-verbose"), "app.wat", "(module (func (export \"_start\")))");
    let image = path.with_file_name("app.image");
    for (args, says) in [
        (&["run"][..], "app.wat: compiled in "),
        (&["validate"], "app.wat: valid\n"),
        (&["compile", "-o", image.to_str().expect("UTF-8")], "app.image: "),
        (&[], "app.wat: compiled in "),
        (
            &["run", "--env", "A=secret", "--dir", "/::/root:ro"],
            "given arguments: 0; variable A; directory / as /root, for ",
        ),
        (&["inspect"], "app.wat: decoded in "),
        (&["bench", "--compile-only"], "app.wat: compiled in "),
        (&["wast"], "app.wat: 1 passed, 0 failed, in "),
    ] {
        let quiet = finish(heapwood().args(args).arg(&path));
        assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{args:?}");
        for place in [&["-v"][..], &["--verbose"]] {
            let mut command = heapwood();
            let ended = finish(command.args(place).args(args).arg(&path));
            assert!(ended.code == Some(0) && ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
        }
    }
    let page = finish(heapwood().arg("--man=bench"));
    assert!(page.code == Some(0) && page.stdout.contains("heapwood\\-bench"), "{}", page.stdout);
    assert_eq!(finish(heapwood().arg("--man=nothing")).code, Some(2));
}
