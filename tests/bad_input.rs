//! What each kind of bad input gets: an exit status and a message that names the thing.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use std::path::Path;

/// Runs a module in the text format with these options.
fn run(options: &[&str], text: &str) -> Finished {
    let name: String = std::thread::current().name().unwrap_or("module").replace("::", "-");
    let path = wat(&scratch(&name), "guest.wat", text);
    finish(heapwood().arg("run").args(options).arg(path))
}

#[track_caller]
fn assert_ends(finished: &Finished, code: i32, says: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}: {}{}", finished.end(), finished.stdout, finished.stderr);
    for part in says {
        assert!(finished.stderr.contains(part), "`{part}` is not in: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

const HELLO: &[u8] = include_bytes!("guests/kotlin/wasm/hello.wasm");

fn run_bytes(folder: &Path, bytes: &[u8]) -> Finished {
    let path = folder.join("bad.wasm");
    std::fs::write(&path, bytes).unwrap();
    finish(heapwood().arg("run").arg(path))
}

#[test]
fn truncated_garbage_and_empty_modules_name_file_offset_and_reason() {
    let folder = scratch("bad-modules");
    assert_ends(&run_bytes(&folder, b""), 1, &["bad.wasm: invalid module: ", "offset 0x0"]);
    assert_ends(&run_bytes(&folder, b"\0asm"), 1, &["bad.wasm: invalid module: ", "offset 0x4"]);
    assert_ends(&run_bytes(&folder, b"\x7fELF\x02\x01\x01\0"), 1, &["bad.wasm: invalid module: ", "offset 0x0"]);
    for end in [9, 100, 1000, HELLO.len() / 2, HELLO.len() - 1] {
        assert_ends(&run_bytes(&folder, &HELLO[..end]), 1, &["bad.wasm: invalid module: ", "offset 0x"]);
    }
}

#[test]
fn an_invalid_module_names_the_offset_of_the_instruction() {
    let finished = run(&[], "(module (func (export \"_start\") i32.const 1 i64.const 2 i32.add drop))");
    assert_ends(&finished, 1, &["guest.wat: invalid module: type mismatch", "offset 0x"]);
    let path = wat(&scratch("validate"), "guest.wat", "(module (func (result i32)))");
    assert_ends(&finish(heapwood().arg("validate").arg(path)), 1, &["guest.wat: invalid module: ", "offset 0x"]);
}

#[test]
fn text_that_does_not_parse_names_the_line() {
    assert_ends(&run(&[], "(module\n  (func\n"), 1, &["guest.wat:3"]);
}

#[test]
fn a_missing_file_is_named() {
    assert_ends(&finish(heapwood().args(["run", "/no/such/file.wasm"])), 1, &["/no/such/file.wasm", "No such file"]);
}

#[test]
fn unknown_imports_name_module_field_type_and_what_would_serve_them() {
    let finished = run(
        &[],
        r#"(module
            (import "env" "log" (func (param i32 (ref null extern)) (result i64)))
            (import "wasi_snapshot_preview1" "fd_frobnicate" (func))
            (import "env" "memory" (memory 1))
            (func (export "_start") unreachable))"#,
    );
    assert_ends(&finished, 1, &["guest.wat: unknown import:"]);
    let says = ["`env::log` of type (func (param i32 (ref null extern)) (result i64))", "--preload env=FILE"];
    assert_ends(&finished, 1, &says);
    assert_ends(
        &finished,
        1,
        &["fd_frobnicate", "not a function of WASI preview1", "`env::memory` of type (memory 1)"],
    );
}

#[test]
fn imports_of_another_type_name_both_types() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))
        (func (export "_start")))"#;
    assert_ends(&run(&[], text), 1, &["proc_exit", "(func (param i64))", "(func (param i32))"]);
}

#[test]
fn a_module_without_an_entry_point_names_what_could_be_called() {
    let finished = run(&[], "(module (func (export \"main\")))");
    assert_ends(&finished, 1, &["no entry point `_start`", "--invoke", "main"]);
}

#[test]
fn traps_have_a_backtrace_with_names_and_offsets() {
    let text = r#"(module $app
        (func $inner i32.const 1 i32.const 0 i32.div_s drop)
        (func $outer call $inner)
        (func (export "_start") call $outer))"#;
    let finished = run(&[], text);
    assert_ends(&finished, 134, &["trap: integer divide by zero", "app!inner", "app!outer", "0x"]);
    let position = |name| finished.stderr.find(name).unwrap();
    assert!(position("app!inner") < position("app!outer"), "innermost first: {}", finished.stderr);
}

#[test]
fn an_uncaught_exception_ends_the_guest() {
    let text = "(module (tag $t) (func $thrower (export \"_start\") throw $t))";
    assert_ends(&run(&[], text), 134, &["uncaught exception with tag", "thrower"]);
}

#[test]
fn endless_recursion_is_a_trap_that_names_the_limit() {
    let text = "(module (func $f (export \"_start\") call $f call $f))";
    assert_ends(&run(&[], text), 134, &["trap: call stack exhausted", "--max-stack 16m"]);
    assert_ends(&run(&["--max-stack", "256k"], text), 134, &["trap: call stack exhausted", "--max-stack 256k"]);
}

#[test]
fn a_full_heap_is_a_trap_that_names_the_limit() {
    let text = r#"(module
        (type $cell (struct (field (ref null $cell)) (field i64)))
        (func (export "_start") (local $list (ref null $cell))
          loop $more
            (local.set $list (struct.new $cell (local.get $list) (i64.const 1)))
            br $more
          end))"#;
    assert_ends(&run(&["--gc-heap-max", "8m"], text), 134, &["trap: heap exhausted", "--gc-heap-max 8m"]);
    assert_ends(&run(&["-Xmx4m"], text), 134, &["trap: heap exhausted", "--gc-heap-max 4m"]);
}

#[test]
fn arrays_beyond_every_limit_are_a_trap() {
    let text = r#"(module
        (type $bytes (array (mut i8)))
        (func (export "_start") (drop (array.new_default $bytes (i32.const -1)))))"#;
    assert_ends(&run(&["--gc-heap-max", "8m"], text), 134, &["trap: ", "--gc-heap-max 8m"]);
}

#[test]
fn an_endless_loop_ends_at_the_timeout() {
    let text = "(module (func (export \"_start\") loop $l br $l end))";
    assert_ends(&run(&["--timeout", "50ms"], text), 124, &["timeout", "50ms"]);
}

#[test]
fn a_guest_that_waits_ends_at_the_timeout() {
    // poll_oneoff for an hour: subscription at 0 (clock 1, timeout at 24), event at 64.
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
          (i32.store (i32.const 16) (i32.const 1))
          (i64.store (i32.const 24) (i64.const 3600000000000))
          (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    assert_ends(&run(&["--timeout", "50ms"], text), 124, &["timeout", "50ms"]);
}

#[test]
fn proc_exit_is_the_exit_status() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 0)
        (func (export "_start") (call $exit (i32.const 42))))"#;
    assert_ends(&run(&[], text), 42, &[]);
}

#[test]
fn wrong_options_are_usage_errors() {
    let text = "(module (func (export \"_start\")))";
    for (options, says) in [
        (&["--gc-heap-max", "12q"][..], "`12q` is not a size"),
        (&["--timeout", "5"], "`5` is not a duration"),
        (&["-W", "frobnication=y"], "frobnication"),
        (&["-W", "gc=maybe"], "FEATURE=y"),
        (&["-T", "no-such-switch=y"], "no-such-switch"),
        (&["--no-such-option"], "--no-such-option"),
        (&["--gc-nursery", "1k"], "--gc-nursery 1k"),
        (&["--max-stack", "1k"], "--max-stack 1k"),
        (&["--max-stack", "1000g"], "--max-stack 1000g"),
        (&["--gc-heap-max", "100g"], "--gc-heap-max 100g"),
        (&["--dir", "::x"], "--dir ::x"),
        (&["--preload", "x"], "NAME=FILE"),
    ] {
        assert_ends(&run(options, text), 2, &[says]);
    }
    assert_ends(&finish(heapwood().arg("run")), 2, &["MODULE"]);
}

#[test]
fn invoke_takes_arguments_by_type_and_prints_results() {
    let text = r#"(module
        (func (export "swap") (param i32 f64) (result f64 i32) local.get 1 local.get 0)
        (func (export "high") (param i64) (result i64) local.get 0)
        (global (export "g") i32 (i32.const 1)))"#;
    let path = wat(&scratch("invoke"), "guest.wat", text);
    let invoke = |name: &str, args: &[&str]| finish(heapwood().args(["run", "--invoke", name]).arg(&path).args(args));
    let swapped = invoke("swap", &["-0x10", "2.5"]);
    assert_eq!((swapped.code, swapped.stdout.as_str()), (Some(0), "2.5\n-16\n"), "{}", swapped.stderr);
    let high = invoke("high", &["18446744073709551615"]);
    assert_eq!((high.code, high.stdout.as_str()), (Some(0), "-1\n"), "{}", high.stderr);
    assert_ends(&invoke("swap", &["1"]), 2, &["takes 2 arguments, 1 were given"]);
    assert_ends(&invoke("swap", &["4294967296", "1"]), 2, &["`4294967296` is no i32"]);
    assert_ends(&invoke("none", &[]), 1, &["no export `none`"]);
    assert_ends(&invoke("g", &[]), 1, &["`g` is no function"]);
}

#[test]
fn options_behind_the_module_belong_to_the_guest() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
          (drop (call $sizes (i32.const 0) (i32.const 4)))
          (call $exit (i32.load (i32.const 0)))))"#;
    let path = wat(&scratch("guest-options"), "guest.wat", text);
    let count = |args: &[&str]| finish(heapwood().arg(&path).args(args)).code;
    assert_eq!(count(&[]), Some(1));
    assert_eq!(count(&["--gc-stats", "--", "-x", "--help"]), Some(5));
}

#[test]
fn preloaded_modules_serve_imports_in_order() {
    let folder = scratch("preload");
    let base = wat(&folder, "base.wat", "(module (func (export \"one\") (result i32) i32.const 1))");
    let sum = r#"(module
        (import "base" "one" (func $one (result i32)))
        (func (export "two") (result i32) call $one call $one i32.add))"#;
    let sum = wat(&folder, "sum.wat", sum);
    let main = r#"(module
        (import "sum" "two" (func $two (result i32)))
        (func (export "four") (result i32) call $two call $two i32.add))"#;
    let main = wat(&folder, "main.wat", main);
    let preload = |name: &str, path: &Path| format!("--preload={name}={}", path.display());
    let (base, sum) = (preload("base", &base), preload("sum", &sum));
    let right = finish(heapwood().args(["run", &base, &sum, "--invoke", "four"]).arg(&main));
    assert_eq!((right.code, right.stdout.as_str()), (Some(0), "4\n"), "{}", right.stderr);
    let wrong = finish(heapwood().args(["run", &sum, &base, "--invoke", "four"]).arg(&main));
    assert_ends(&wrong, 1, &["sum.wat: unknown import:", "`base::one` of type (func (result i32))"]);
}

#[test]
fn a_kotlin_program_for_javascript_is_told_how_to_be_built_for_wasi() {
    let folder = scratch("js-code");
    let text = r#"(module (import "other" "f" (func)) (import "js_code" "kotlin.io.printlnImpl" (func (param externref)))
        (func (export "_start")))"#;
    let module = wat(&folder, "app.wat", text);
    let finished = finish(heapwood().arg("run").arg(&module));
    assert_ends(
        &finished,
        1,
        &["app.wat: this program was built for JavaScript engines", "build it for WASI: `wasmWasi"],
    );
    assert!(!finished.stderr.contains("--preload"), "{}", finished.stderr);
    // Whoever has such functions can give them.
    let served = wat(&folder, "js.wat", r#"(module (func (export "kotlin.io.printlnImpl") (param externref)))"#);
    let options = format!("js_code={}", served.display());
    let finished = finish(heapwood().args(["run", "--preload", &options]).arg(&module));
    assert_ends(&finished, 1, &["unknown import:", "`other::f`"]);
}

#[test]
fn guest_output_goes_to_stdout_untouched_and_nothing_to_stderr() {
    let folder = scratch("hello");
    let finished = run_bytes(&folder, HELLO);
    let seen = (finished.code, finished.stdout.as_str(), finished.stderr.as_str());
    assert_eq!(seen, (Some(0), "Hello from Kotlin!\n", ""));
}

/// Every command that reads a module, with the file's name in the place of `FILE`.
const READERS: [&[&str]; 9] = [
    &["run", "FILE"],
    &["run", "--preload", "a=FILE", "other.wat"],
    &["test", "FILE"],
    &["validate", "FILE"],
    &["inspect", "FILE"],
    &["inspect", "--asm", "0", "FILE"],
    &["bench", "FILE"],
    &["bench", "--compile-only", "FILE"],
    &["wast", "FILE"],
];

#[test]
fn files_are_not_read_beyond_the_largest_module() {
    let folder = scratch("endless-files");
    wat(&folder, "other.wat", "(module (func (export \"_start\")))");
    let sparse = std::fs::File::create(folder.join("sparse.wasm")).unwrap();
    sparse.set_len((1 << 30) + 1).unwrap();
    let mut cases = 0;
    for arguments in READERS {
        for file in ["/dev/zero", "sparse.wasm"] {
            let arguments = arguments.iter().map(|argument| argument.replace("FILE", file));
            let finished = finish(heapwood().args(arguments).current_dir(&folder));
            assert_ends(&finished, 1, &[file, "larger than a module may be: the limit is 1 GiB (1073741824 bytes)"]);
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 18);
}
