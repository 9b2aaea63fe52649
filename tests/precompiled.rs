//! `heapwood compile` and `heapwood run --precompiled`: programs from images do what they do from modules.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use std::path::{Path, PathBuf};

fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name)
}

fn compile(options: &[&str], module: &Path, image: &Path) -> Finished {
    finish(heapwood().arg("compile").args(options).arg(module).arg("-o").arg(image))
}

fn compiled(options: &[&str], module: &Path, image: &Path) {
    let done = compile(options, module, image);
    assert_eq!((done.code, &done.stdout[..], &done.stderr[..]), (Some(0), "", ""), "{}", module.display());
}

fn run(options: &[&str], program: &Path, args: &[&str]) -> Finished {
    finish(heapwood().arg("run").args(options).arg(program).args(args))
}

fn assert_refused(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!((done.code, &done.stdout[..]), (Some(code), ""), "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "`{word}` is missing: {}", done.stderr);
    }
}

/// Output, status, and what is said of traps and exceptions: names and places in the module are the same.
#[test]
fn programs_run_from_images_as_from_modules() {
    let folder = scratch("precompiled-programs");
    let stress = ["--gc-stress", "97", "--gc-verify"];
    let slow = ["-T", "mem64-guard=n", "-T", "few-registers=y", "-T", "debug-checks=y"];
    for (name, args) in [
        ("kotlin/wasm/hello", &[][..]),
        ("kotlin/wasm/args", &["one", "zwei"]),
        ("kotlin/wasm/exceptions", &[]),
        ("kotlin/wasm/uncaught", &[]),
        ("kotlin/wasm/deeprec", &[]),
    ] {
        let module = guest(&format!("{name}.wasm"));
        let image = folder.join(module.file_name().unwrap());
        for (code, options) in [(&[][..], &[][..]), (&[], &stress), (&slow, &[])] {
            // A collection with a hundred thousand frames takes long.
            if name.ends_with("deeprec") && options == &stress[..] {
                continue;
            }
            compiled(code, &module, &image);
            // How deep a recursion comes depends on when its functions are compiled again.
            let tier = if name.ends_with("deeprec") { &["--tier=off"][..] } else { &[] };
            let options = [code, options, tier].concat();
            let from_module = run(&options, &module, args);
            let from_image = run(&[&options[..], &["--precompiled"]].concat(), &image, args);
            // What is said begins with the file's name.
            let seen = |done: &Finished, file: &Path| {
                (done.code, done.stdout.clone(), done.stderr.replace(&*file.to_string_lossy(), "FILE"))
            };
            assert_eq!(seen(&from_image, &image), seen(&from_module, &module), "{name} with {options:?}");
            assert!(from_module.code.is_some() && !from_module.stdout.is_empty(), "{name} with {options:?}");
        }
    }
}

#[test]
fn an_export_of_an_image_is_called() {
    let folder = scratch("precompiled-invoke");
    let module = wat(
        &folder,
        "add.wat",
        "(module (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))",
    );
    let image = folder.join("add.image");
    compiled(&[], &module, &image);
    let sum = run(&["--precompiled", "--invoke", "add"], &image, &["40", "2"]);
    assert_eq!((sum.code, &sum.stdout[..]), (Some(0), "42\n"), "{}", sum.stderr);
}

#[test]
fn images_and_modules_are_not_mixed_up() {
    let folder = scratch("precompiled-mixed");
    let module = wat(&folder, "a.wat", "(module (func (export \"_start\")))");
    let image = folder.join("a.image");
    compiled(&[], &module, &image);
    let needs = ["a.image: this is a precompiled module", "`heapwood run --precompiled` takes it"];
    assert_refused(&run(&[], &image, &[]), 1, &needs);
    assert_refused(&finish(heapwood().arg(&image)), 1, &needs);
    for command in [&["validate"][..], &["inspect"], &["bench", "--invoke", "_start"], &["compile", "-o", "b.image"]] {
        assert_refused(&finish(heapwood().args(command).arg(&image).current_dir(&folder)), 1, &needs);
    }
    assert_refused(&run(&["--preload", &format!("a={}", image.display())], &module, &[]), 1, &needs);
    let binary = guest("kotlin/wasm/hello.wasm");
    let compile_it = ["hello.wasm: the precompiled module is refused: it is a module that has to be compiled"];
    assert_refused(&run(&["--precompiled"], &binary, &[]), 1, &compile_it);
    assert_refused(&run(&["--precompiled"], &folder.join("none"), &[]), 1, &["none: No such file"]);
    assert_refused(&run(&["--precompiled"], &folder, &[]), 1, &[folder.to_str().unwrap()]);
}

#[test]
fn other_settings_are_named() {
    let folder = scratch("precompiled-settings");
    let module = wat(&folder, "a.wat", "(module (func (export \"_start\")))");
    let image = folder.join("a.image");
    compiled(&["-T", "few-registers=y", "-W", "threads=y"], &module, &image);
    let run = |options: &[&str]| run(&[&["--precompiled"], options].concat(), &image, &[]);
    assert_refused(&run(&["-W", "threads=y"]), 1, &["few_registers(true), and this engine has false"]);
    assert_refused(&run(&["-T", "few-registers=y"]), 1, &["the feature threads, which is off"]);
    let both = run(&["-W", "threads=y", "-T", "few-registers=y"]);
    assert_eq!((both.code, &both.stderr[..]), (Some(0), ""));
}

#[test]
fn what_is_not_compiled_leaves_nothing() {
    let folder = scratch("precompiled-failed");
    let (image, other) = (folder.join("a.image"), folder.join("none/a.image"));
    let invalid = wat(&folder, "invalid.wat", "(module (func (result i32)))");
    let gc = wat(&folder, "gc.wat", "(module (type (struct)))");
    let valid = wat(&folder, "valid.wat", "(module (func (export \"f\")))");
    assert_refused(&compile(&[], &invalid, &image), 1, &["invalid.wat: invalid module: "]);
    assert_refused(&compile(&["-W", "gc=n"], &gc, &image), 1, &["needs gc (switched off): run with -W gc=y"]);
    assert_refused(&compile(&["--max-compile-memory", "1"], &valid, &image), 1, &["--max-compile-memory"]);
    assert_refused(&compile(&[], &folder.join("none.wat"), &image), 1, &["none.wat: No such file"]);
    assert_refused(&compile(&[], &valid, &other), 1, &["none/a.image: No such file"]);
    assert_refused(&compile(&[], &valid, &folder), 1, &[folder.to_str().unwrap()]);
    assert_refused(&finish(heapwood().arg("compile").arg(&valid)), 2, &["--output <OUT>"]);
    let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["gc.wat", "invalid.wat", "valid.wat"]);
    // A good one replaces what is there.
    std::fs::write(&image, "before").unwrap();
    compiled(&[], &valid, &image);
    assert!(std::fs::read(&image).unwrap().starts_with(b"\x89HEAPWD\n"));
    let to_pipe = finish(heapwood().args(["compile", "-o", "/dev/null"]).arg(&valid));
    assert_eq!((to_pipe.code, &to_pipe.stderr[..]), (Some(0), ""));
}
