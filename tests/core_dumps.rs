//! `--coredump`: what is written of a guest that fails, and when.

mod common;

use common::{finish, heapwood, scratch, wat};
use std::fs;
use std::path::Path;
use wasmparser::{CoreDumpModulesSection, CoreDumpSection, CoreDumpStackSection, KnownCustom, Parser, Payload};

const GUEST: &str = r#"(module $app
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (tag $tag)
  (func $inner (i32.store (i32.const 70000) (i32.const 0x21646564)) unreachable)
  (func $outer (call $inner))
  (func (export "trap") (call $outer))
  (func (export "throw") (throw $tag))
  (func (export "forever") (loop $again (br $again)))
  (func (export "exit") (call $exit (i32.const 3)))
  (func (export "_start")))"#;

#[test]
fn a_guest_that_fails_leaves_a_core_dump_and_others_none() {
    let folder = scratch("core-dumps");
    let guest = wat(&folder, "app.wat", GUEST);
    let dump = folder.join("core.wasm");
    for (export, options, status, is_there) in [
        ("trap", &[][..], 134, true),
        ("throw", &[], 134, true),
        ("forever", &["--timeout", "50ms"], 124, true),
        ("exit", &[], 3, false),
        ("_start", &[], 0, false),
    ] {
        let mut command = heapwood();
        command.args(["run", "--invoke", export, "--coredump"]).arg(&dump).args(options);
        let finished = finish(command.arg(&guest));
        assert_eq!(finished.code, Some(status), "{export}: {}", finished.stderr);
        assert_eq!(dump.exists(), is_there, "{export}");
        if is_there {
            assert_dump(&dump, export);
            fs::remove_file(&dump).unwrap();
        }
    }
}

/// Nothing of an instance whose start function fails is left but its frames.
#[test]
fn a_start_function_that_fails_leaves_its_frames() {
    let folder = scratch("core-dumps-start");
    let guest =
        wat(&folder, "app.wat", r#"(module $app (memory 1) (func $inner unreachable) (func (call $inner)) (start 1))"#);
    let dump = folder.join("core.wasm");
    let finished = finish(heapwood().args(["run", "--coredump"]).arg(&dump).arg(&guest));
    assert_eq!(finished.code, Some(1), "there is no entry: {}", finished.stderr);
    assert!(!dump.exists());
    let text = fs::read_to_string(&guest).unwrap().replace("(start 1)", "(start 1) (func (export \"_start\"))");
    fs::write(&guest, text).unwrap();
    let finished = finish(heapwood().args(["run", "--coredump"]).arg(&dump).arg(&guest));
    assert_eq!(finished.code, Some(134), "{}", finished.stderr);
    assert!(!finished.stderr.contains("--coredump"), "{}", finished.stderr);
    let bytes = fs::read(&dump).unwrap();
    let frames = Parser::new(0).parse_all(&bytes).find_map(|payload| match payload.expect("a module") {
        Payload::CustomSection(section) => match section.as_known() {
            KnownCustom::CoreDumpStack(stack) => {
                Some(stack.frames.iter().map(|frame| frame.funcidx).collect::<Vec<_>>())
            }
            _ => None,
        },
        _ => None,
    });
    assert_eq!(frames, Some(vec![0, 1]));
}

/// The program, its module, its frames.
fn assert_dump(dump: &Path, export: &str) {
    let bytes = fs::read(dump).expect("a dump");
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        let Payload::CustomSection(section) = payload.expect("a module") else { continue };
        match section.as_known() {
            KnownCustom::CoreDump(CoreDumpSection { name }) => assert!(name.ends_with("app.wat"), "{name}"),
            KnownCustom::CoreDumpModules(CoreDumpModulesSection { modules }) => assert_eq!(modules, ["app"]),
            KnownCustom::CoreDumpInstances(section) => assert_eq!(section.instances.len(), 1),
            KnownCustom::CoreDumpStack(CoreDumpStackSection { frames, .. }) => {
                // The import is function 0.
                let functions: Vec<u32> = frames.iter().map(|frame| frame.funcidx).collect();
                let expected = match export {
                    "trap" => &[1, 2, 3][..],
                    "throw" => &[4],
                    _ => &[5],
                };
                assert_eq!(functions, expected, "{export}");
            }
            _ => continue,
        }
        found.push(section.name().to_owned());
    }
    assert_eq!(found, ["core", "coremodules", "coreinstances", "corestack"]);
    let is_written = bytes.windows(4).any(|window| window == b"ded!");
    assert_eq!(is_written, export == "trap", "{export}");
}

#[test]
fn a_core_dump_that_cannot_be_written_is_said() {
    let folder = scratch("core-dumps-refused");
    let guest = wat(&folder, "app.wat", GUEST);
    for (file, why) in [("/dev/full", "No space left"), ("missing/core", "No such file"), (".", "Is a directory")] {
        let mut command = heapwood();
        command.args(["run", "--invoke", "trap", "--coredump", file]).arg(&guest).current_dir(&folder);
        let finished = finish(&mut command);
        assert_eq!(finished.code, Some(134), "{}", finished.stderr);
        let said: Vec<_> = finished.stderr.lines().filter(|line| line.contains("--coredump")).collect();
        assert!(
            matches!(said[..], [said] if said.starts_with(&format!("error: --coredump {file}: {why}"))),
            "{said:?}"
        );
        assert!(finished.stderr.contains("trap: unreachable"), "{}", finished.stderr);
    }
}
