//! The surface of MoonBit: every function by name and type, what it does, what it refuses.

mod common;

use common::{finish, heapwood, scratch, wat};
use heapwood::surfaces::HostTrap;
use heapwood::surfaces::moonbit::{self, MoonBit};
use heapwood::wasi::{DirAccess, MemoryInput, MemoryOutput, WasiCtx, WasiCtxBuilder};
use heapwood::{Config, Engine, ErrorKind, ExternRef, Instance, Linker, Module, Rooted, Store, TrapKind, Val};
use std::fmt::Write;
use std::io::{PipeWriter, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Every function: module, name, parameters and results in letters (i: i32, f: f64, e: externref).
const FUNCTIONS: [(&str, &str, &str, &str); 95] = [
    ("spectest", "print_char", "i", ""),
    ("spectest", "read_char", "", "i"),
    ("exception", "throw", "", ""),
    ("__moonbit_sys_unstable", "exit", "i", ""),
    ("__moonbit_sys_unstable", "is_windows", "", "i"),
    ("__moonbit_io_unstable", "read_char", "", "i"),
    ("__moonbit_io_unstable", "read_bytes_from_stdin", "", "e"),
    ("__moonbit_io_unstable", "write_char", "ii", ""),
    ("__moonbit_io_unstable", "flush", "i", ""),
    ("__moonbit_time_unstable", "now", "", "e"),
    ("__moonbit_time_unstable", "instant_now", "", "e"),
    ("__moonbit_time_unstable", "instant_elapsed_as_secs_f64", "e", "f"),
    ("__moonbit_rand_unstable", "stdrng_seed_from_u64", "i", "e"),
    ("__moonbit_rand_unstable", "stdrng_gen_range", "ei", "i"),
    ("console", "log", "e", ""),
    (FS, "begin_create_string", "", "e"),
    (FS, "string_append_char", "ei", ""),
    (FS, "string_append_code_unit", "ei", ""),
    (FS, "finish_create_string", "e", "e"),
    (FS, "begin_read_string", "e", "e"),
    (FS, "string_read_char", "e", "i"),
    (FS, "finish_read_string", "e", ""),
    (FS, "begin_create_byte_array", "", "e"),
    (FS, "byte_array_append_byte", "ei", ""),
    (FS, "finish_create_byte_array", "e", "e"),
    (FS, "begin_read_byte_array", "e", "e"),
    (FS, "byte_array_read_byte", "e", "i"),
    (FS, "finish_read_byte_array", "e", ""),
    (FS, "begin_read_string_array", "e", "e"),
    (FS, "string_array_read_string", "e", "e"),
    (FS, "finish_read_string_array", "e", ""),
    (FS, "array_len", "e", "i"),
    (FS, "array_get", "ei", "e"),
    (FS, "jsvalue_is_string", "e", "i"),
    (FS, "args_get", "", "e"),
    (FS, "env_get_var", "e", "e"),
    (FS, "get_env_vars", "", "e"),
    (FS, "set_env_var", "ee", ""),
    (FS, "unset_env_var", "e", ""),
    (FS, "get_env_var", "e", "e"),
    (FS, "get_env_var_exists", "e", "i"),
    (FS, "current_dir", "", "e"),
    (FS, "read_file_to_string", "e", "e"),
    (FS, "write_string_to_file", "ee", ""),
    (FS, "write_bytes_to_file", "ee", ""),
    (FS, "create_dir", "e", ""),
    (FS, "read_dir", "e", "e"),
    (FS, "is_file", "e", "i"),
    (FS, "is_dir", "e", "i"),
    (FS, "remove_file", "e", ""),
    (FS, "remove_dir", "e", ""),
    (FS, "path_exists", "e", "i"),
    (FS, "read_file_to_bytes_new", "e", "i"),
    (FS, "write_bytes_to_file_new", "ee", "i"),
    (FS, "create_dir_new", "e", "i"),
    (FS, "read_dir_new", "e", "i"),
    (FS, "is_file_new", "e", "i"),
    (FS, "is_dir_new", "e", "i"),
    (FS, "remove_file_new", "e", "i"),
    (FS, "remove_dir_new", "e", "i"),
    (FS, "get_error_message", "", "e"),
    (FS, "get_file_content", "", "e"),
    (FS, "get_dir_files", "", "e"),
    ("Math", "abs", "f", "f"),
    ("Math", "acos", "f", "f"),
    ("Math", "acosh", "f", "f"),
    ("Math", "asin", "f", "f"),
    ("Math", "asinh", "f", "f"),
    ("Math", "atan", "f", "f"),
    ("Math", "atan2", "ff", "f"),
    ("Math", "atanh", "f", "f"),
    ("Math", "cbrt", "f", "f"),
    ("Math", "ceil", "f", "f"),
    ("Math", "cos", "f", "f"),
    ("Math", "cosh", "f", "f"),
    ("Math", "exp", "f", "f"),
    ("Math", "expm1", "f", "f"),
    ("Math", "floor", "f", "f"),
    ("Math", "fround", "f", "f"),
    ("Math", "hypot", "ff", "f"),
    ("Math", "log", "f", "f"),
    ("Math", "log10", "f", "f"),
    ("Math", "log1p", "f", "f"),
    ("Math", "log2", "f", "f"),
    ("Math", "max", "ff", "f"),
    ("Math", "min", "ff", "f"),
    ("Math", "pow", "ff", "f"),
    ("Math", "round", "f", "f"),
    ("Math", "sign", "f", "f"),
    ("Math", "sin", "f", "f"),
    ("Math", "sinh", "f", "f"),
    ("Math", "sqrt", "f", "f"),
    ("Math", "tan", "f", "f"),
    ("Math", "tanh", "f", "f"),
    ("Math", "trunc", "f", "f"),
];

const FS: &str = "__moonbit_fs_unstable";

fn types(letters: &str) -> String {
    let name = |letter| match letter {
        'i' => " i32",
        'f' => " f64",
        _ => " externref",
    };
    letters.chars().map(name).collect()
}

struct Host {
    moonbit: MoonBit,
    wasi: WasiCtx,
}

/// A program that imports and exports all functions, each as `module.name`.
struct Program {
    store: Store<Host>,
    instance: Instance,
    output: MemoryOutput,
}

impl Program {
    fn new(grants: WasiCtxBuilder) -> Program {
        let mut text = "(module".to_owned();
        for (k, (module, name, params, results)) in FUNCTIONS.iter().enumerate() {
            let (params, results) = (types(params), types(results));
            write!(text, r#" (import "{module}" "{name}" (func $f{k} (param{params}) (result{results})))"#).unwrap();
        }
        for (k, (module, name, ..)) in FUNCTIONS.iter().enumerate() {
            write!(text, r#" (export "{module}.{name}" (func $f{k}))"#).unwrap();
        }
        let engine = Engine::default();
        let module = Module::new(&engine, text + ")").unwrap();
        let mut linker = Linker::new(&engine);
        moonbit::add_to_linker(&mut linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi)).unwrap();
        let output = MemoryOutput::new(64 << 20);
        let wasi = grants.stdout(output.clone()).build().unwrap();
        let mut store = Store::new(&engine, Host { moonbit: MoonBit::new(), wasi });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Program { store, instance, output }
    }

    fn try_call(&mut self, name: &str, args: &[Val]) -> heapwood::Result<Option<Val>> {
        common::call_export(&mut self.store, self.instance, name, args)
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Option<Val> {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn fs(&mut self, name: &str, args: &[Val]) -> Option<Val> {
        self.call(&format!("{FS}.{name}"), args)
    }

    fn number(&mut self, name: &str, args: &[Val]) -> i32 {
        self.fs(name, args).unwrap().i32().unwrap()
    }

    /// A string as programs make it, unit by unit.
    fn string(&mut self, text: &str) -> Val {
        let handle = self.fs("begin_create_string", &[]).unwrap();
        for unit in text.encode_utf16() {
            self.fs("string_append_char", &[handle, Val::I32(unit.into())]);
        }
        self.fs("finish_create_string", &[handle]).unwrap()
    }

    /// The text of a string, read as programs do.
    fn text(&mut self, string: Val) -> String {
        let handle = self.fs("begin_read_string", &[string]).unwrap();
        let mut units = Vec::new();
        while let Ok(unit) = u16::try_from(self.number("string_read_char", &[handle])) {
            units.push(unit);
        }
        self.fs("finish_read_string", &[handle]);
        String::from_utf16(&units).unwrap()
    }

    fn texts(&mut self, array: Val) -> Vec<String> {
        let len = self.number("array_len", &[array]);
        (0..len)
            .map(|index| self.fs("array_get", &[array, Val::I32(index)]).unwrap())
            .collect::<Vec<_>>()
            .into_iter()
            .map(|string| self.text(string))
            .collect()
    }

    fn print(&mut self, units: impl IntoIterator<Item = u16>) {
        for unit in units {
            self.call("spectest.print_char", &[Val::I32(unit.into())]);
        }
    }

    fn output(&mut self) -> String {
        let Host { moonbit, wasi } = self.store.data_mut();
        moonbit.flush(wasi).unwrap();
        String::from_utf8(self.output.take()).unwrap()
    }
}

#[test]
fn text_goes_out_unit_by_unit() {
    let mut program = Program::new(WasiCtx::builder());
    program.print("no line end \u{1f600}".encode_utf16());
    assert_eq!(program.output.contents(), b"", "kept until a line ends");
    assert_eq!(program.output(), "no line end \u{1f600}");
    program.print("line\nnext".encode_utf16());
    assert_eq!(program.output.contents(), b"line\n");
    program.print([0xd83d, 0xd83d, 0xde00, 0xdc00, 0x41, 0xd800, 0x42, 0xd800]);
    assert_eq!(program.output(), "line\nnext\u{fffd}\u{1f600}\u{fffd}A\u{fffd}B\u{fffd}");
    let line = "0123456789".repeat(10) + "\n";
    for _ in 0..10_000 {
        program.print(line.encode_utf16());
    }
    assert_eq!(program.output(), line.repeat(10_000));
    for (fd, scalar) in [(1, 0x1f600), (1, 0xd800), (3, 0x41), (1, 0x0a)] {
        program.call("__moonbit_io_unstable.write_char", &[Val::I32(fd), Val::I32(scalar)]);
    }
    program.call("__moonbit_io_unstable.flush", &[Val::I32(1)]);
    assert_eq!(program.output.take(), "\u{1f600}\u{fffd}\n".as_bytes());
    let line = program.string("h\u{e9}llo");
    program.call("console.log", &[line]);
    assert_eq!(program.output(), "h\u{e9}llo\n");
}

#[test]
fn the_input_is_read_by_scalar_values() {
    let mut program = Program::new(WasiCtx::builder().stdin(MemoryInput::new("a\u{e9}\u{20ac}\u{1f600}")));
    let mut read = |name: &str| program.call(name, &[]).unwrap().i32().unwrap();
    let (spectest, io) = ("spectest.read_char", "__moonbit_io_unstable.read_char");
    assert_eq!([spectest, io, spectest, io, io, io].map(&mut read), [0x61, 0xe9, 0x20ac, 0x1f600, -1, -1]);
    // What is malformed is one -1 for a byte, and what follows is read.
    let mut program = Program::new(
        WasiCtx::builder().stdin(MemoryInput::new(b"\xff\xe2\x82A\xc0\x80\xed\xa0\x80B\xf0\x9f".to_vec())),
    );
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(program.call(io, &[]).unwrap().i32().unwrap());
    }
    assert_eq!(all, [-1, -1, -1, 0x41, -1, -1, -1, -1, -1, 0x42, -1, -1]);
    let mut program = Program::new(WasiCtx::builder().stdin(MemoryInput::new("xyz")));
    assert_eq!(program.call(spectest, &[]).unwrap().i32(), Some(0x78));
    let bytes = program.call("__moonbit_io_unstable.read_bytes_from_stdin", &[]).unwrap();
    let reader = program.fs("begin_read_byte_array", &[bytes]).unwrap();
    assert_eq!([(); 3].map(|()| program.number("byte_array_read_byte", &[reader])), [0x79, 0x7a, -1]);
}

#[test]
fn arguments_and_environment_are_those_that_were_granted() {
    let mut program =
        Program::new(WasiCtx::builder().args(["app.wasm", "one", "zw\u{f6}lf"]).env("A", "1").env("B", "a=b"));
    let args = program.fs("args_get", &[]).unwrap();
    assert_eq!(program.texts(args), ["app.wasm", "one", "zw\u{f6}lf"]);
    assert!(program.fs("array_get", &[args, Val::I32(3)]).unwrap().is_null());
    let vars = program.fs("get_env_vars", &[]).unwrap();
    assert_eq!(program.texts(vars), ["A", "1", "B", "a=b"]);
    let [a, c, value] = ["A", "C", "new"].map(|text| program.string(text));
    assert_eq!([a, c].map(|name| program.number("get_env_var_exists", &[name])), [1, 0]);
    program.fs("set_env_var", &[c, value]);
    program.fs("unset_env_var", &[a]);
    for name in ["env_get_var", "get_env_var"] {
        let found = [a, c].map(|variable| program.fs(name, &[variable]).unwrap());
        assert_eq!(found.map(|value| program.text(value)), ["", "new"]);
    }
    let reader = program.fs("begin_read_string_array", &[args]).unwrap();
    let read: Vec<_> = (0..4).map(|_| program.fs("string_array_read_string", &[reader]).unwrap()).collect();
    let read: Vec<_> = read.into_iter().map(|string| program.text(string)).collect();
    assert_eq!(read, ["app.wasm", "one", "zw\u{f6}lf", "ffi_end_of_/string_array"]);
    let dir = program.fs("current_dir", &[]).unwrap();
    assert_eq!(program.text(dir), "/");
}

#[test]
fn files_lie_below_granted_directories_in_both_forms() {
    let root = scratch("moonbit-files");
    std::fs::create_dir_all(root.join("ro")).unwrap();
    std::fs::write(root.join("ro/kept"), "kept").unwrap();
    std::fs::create_dir_all(root.join("rw")).unwrap();
    let dir = |name: &str| root.join(name);
    let grants = WasiCtx::builder();
    let grants = grants.preopen_dir(dir("rw"), "/data", DirAccess::ReadWrite).preopen_dir(
        dir("ro"),
        "data/ro",
        DirAccess::ReadOnly,
    );
    let mut program = Program::new(grants);
    let mut path = |text: &str| program.string(text);
    let [file, folder, inner, all, kept, outside, text] =
        ["/data/file", "data/folder", "data/folder/a", "/data", "/data/ro/kept", "/etc/passwd", "h\u{e9}"]
            .map(&mut path);
    program.fs("write_string_to_file", &[file, text]);
    assert_eq!(std::fs::read(dir("rw/file")).unwrap(), "h\u{e9}".as_bytes());
    let read = program.fs("read_file_to_string", &[file]).unwrap();
    assert_eq!(program.text(read), "h\u{e9}");
    program.fs("create_dir", &[folder]);
    assert_eq!(program.number("write_bytes_to_file_new", &[inner, text]), 0);
    let names = program.fs("read_dir", &[all]).unwrap();
    assert_eq!(program.texts(names), ["file", "folder"]);
    assert_eq!(program.number("read_dir_new", &[folder]), 0);
    let names = program.fs("get_dir_files", &[]).unwrap();
    assert_eq!(program.texts(names), ["a"]);
    assert_eq!(program.number("read_file_to_bytes_new", &[kept]), 0);
    let content = program.fs("get_file_content", &[]).unwrap();
    let reader = program.fs("begin_read_byte_array", &[content]).unwrap();
    assert_eq!([(); 5].map(|()| program.number("byte_array_read_byte", &[reader])), [0x6b, 0x65, 0x70, 0x74, -1]);
    for (path, is_file, is_dir) in [(file, 1, 0), (folder, 0, 1), (kept, 1, 0), (outside, 0, 0)] {
        let kinds = ["is_file", "is_file_new", "is_dir", "is_dir_new", "path_exists"];
        let found = kinds.map(|name| program.number(name, &[path]));
        assert_eq!(found, [is_file, is_file, is_dir, is_dir, is_file | is_dir]);
    }
    // The newer form says why.
    for (name, path, reason) in [
        ("remove_dir_new", folder, "directory not empty"),
        ("remove_file_new", kept, "read-only file system"),
        ("create_dir_new", kept, "read-only file system"),
        ("read_file_to_bytes_new", outside, "capabilities insufficient"),
        ("read_dir_new", file, "not a directory"),
    ] {
        assert_eq!(program.number(name, &[path]), -1, "{name}");
        let message = program.fs("get_error_message", &[]).unwrap();
        let message = program.text(message);
        assert!(message.contains(reason), "{name}: {message}");
    }
    // The older one traps.
    for (name, path) in [
        ("remove_dir", folder),
        ("remove_file", kept),
        ("create_dir", outside),
        ("read_dir", outside),
        ("read_file_to_string", folder),
    ] {
        let error = program.try_call(&format!("{FS}.{name}"), &[path]).unwrap_err();
        assert!(error.downcast_ref::<HostTrap>().is_some_and(|trap| trap.function() == name), "{name}: {error}");
    }
    program.fs("remove_file", &[inner]);
    assert_eq!(["remove_dir_new", "remove_dir_new"].map(|name| program.number(name, &[folder])), [0, -1]);
    assert_eq!(program.number("remove_file_new", &[file]), 0);
    assert_eq!(std::fs::read_dir(dir("rw")).unwrap().count(), 0);
}

#[test]
fn time_and_random_numbers() {
    let mut program = Program::new(WasiCtx::builder());
    let now = program.call("__moonbit_time_unstable.now", &[]).unwrap();
    assert_eq!(program.number("array_len", &[now]), 1);
    let instant = program.call("__moonbit_time_unstable.instant_now", &[]).unwrap();
    let elapsed = program.call("__moonbit_time_unstable.instant_elapsed_as_secs_f64", &[instant]).unwrap();
    assert!(elapsed.f64().is_some_and(|secs| secs >= 0.0));
    let mut numbers = |seed: i32| {
        let random = program.call("__moonbit_rand_unstable.stdrng_seed_from_u64", &[Val::I32(seed)]).unwrap();
        let mut next =
            || program.call("__moonbit_rand_unstable.stdrng_gen_range", &[random, Val::I32(6)]).unwrap().i32().unwrap();
        (0..100).map(|_| next()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(5), numbers(5));
    assert_ne!(numbers(5), numbers(6));
    assert!(numbers(7).iter().all(|number| (0..6).contains(number)));
    assert_eq!(program.call("__moonbit_sys_unstable.is_windows", &[]).unwrap().i32(), Some(0));
    assert_eq!(program.call("Math.pow", &[Val::from(2.0), Val::from(0.5)]).unwrap().f64(), Some(2f64.sqrt()));
}

/// A reference that is null, or to something of another host, ends the program and names the function.
#[test]
fn functions_refuse_what_is_no_value_of_theirs() {
    let mut program = Program::new(WasiCtx::builder());
    let foreign: Rooted<ExternRef> = ExternRef::new(&mut program.store, "something else").unwrap();
    let mut count = 0;
    for (module, name, params, _) in FUNCTIONS.iter().filter(|(.., params, _)| params.contains('e')) {
        for reference in [Val::ExternRef(None), Val::ExternRef(Some(foreign))] {
            let args: Vec<_> =
                params.chars().map(|letter| if letter == 'e' { reference } else { Val::I32(1) }).collect();
            let called = program.try_call(&format!("{module}.{name}"), &args);
            count += 1;
            if *name == "jsvalue_is_string" {
                assert_eq!(called.unwrap().unwrap().i32(), Some(0));
                continue;
            }
            let error = called.unwrap_err();
            let trap = error.downcast_ref::<HostTrap>().unwrap_or_else(|| panic!("{name}: {error}"));
            let stem = name.trim_end_matches("_code_unit");
            assert!(trap.function().contains(stem), "{name}: {trap}");
        }
    }
    assert_eq!(count, 86);
}

#[test]
fn a_wrong_type_or_an_unknown_name_is_a_link_error_that_names_it() {
    let engine = Engine::default();
    let mut linker: Linker<Host> = Linker::new(&engine);
    moonbit::add_to_linker(&mut linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi)).unwrap();
    let link = |module: &str, name: &str, ty: &str| {
        let text = format!(r#"(module (import "{module}" "{name}" (func {ty})))"#);
        let module = Module::new(&engine, text).unwrap();
        match linker.instantiate_pre(&module).unwrap_err().into_kind() {
            ErrorKind::Link(errors) => errors[0].clone(),
            kind => panic!("{kind:?}"),
        }
    };
    for (module, name, ..) in FUNCTIONS {
        let error = link(module, name, "(param f32 v128)");
        assert!(error.name == name && error.found.is_some(), "{error}");
    }
    assert!(link(FS, "no_such_function", "").found.is_none());
    assert!(link("exception", "no_such_function", "").found.is_none());
    for ty in ["(tag (param i32))", "(func)", "(global i32)"] {
        let module = Module::new(&engine, format!(r#"(module (import "exception" "tag" {ty}))"#)).unwrap();
        let error = linker.instantiate_pre(&module).unwrap_err();
        assert!(error.to_string().contains("`exception::tag`"), "{ty}: {error}");
    }
}

/// The tag of old versions of the core, which has no payload, and what throws it.
#[test]
fn the_exception_is_caught_by_the_tag_that_the_program_imports() {
    const CATCHES: &str = r#"(module
        (import "exception" "tag" (tag $tag)) (import "exception" "throw" (func $throw))
        (tag $other)
        (func (export "catches") (result i32)
            (block $other (block $caught
                (try_table (catch $other $other) (catch $tag $caught) (call $throw))
                (return (i32.const 0)))
                (return (i32.const 1)))
            (i32.const 2))
        (func (export "throws") (call $throw))
        (func (export "throws_itself") (throw $tag))
        (export "tag" (tag $tag)))"#;
    // Whoever does not import the tag catches the exception with all others.
    const CATCHES_ALL: &str = r#"(module (import "exception" "throw" (func $throw))
        (func (export "catches") (result i32)
            (block $caught (try_table (catch_all $caught) (call $throw)) (return (i32.const 0)))
            (i32.const 1)))"#;
    for stress in [0, 1] {
        let engine = Engine::new(Config::new().gc_stress(stress).gc_verify(true)).unwrap();
        let mut linker = Linker::new(&engine);
        moonbit::add_to_linker(&mut linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi)).unwrap();
        let [catches, all] = [CATCHES, CATCHES_ALL].map(|text| Module::new(&engine, text).unwrap());
        let wasi = WasiCtx::builder().build().unwrap();
        let mut store = Store::new(&engine, Host { moonbit: MoonBit::new(), wasi });
        let instances = [&catches, &catches, &all].map(|module| linker.instantiate(&mut store, module).unwrap());
        for instance in instances {
            for _ in 0..100 {
                let caught = common::call_export(&mut store, instance, "catches", &[]).unwrap();
                assert_eq!(caught.unwrap().i32(), Some(1));
            }
        }
        let tags = [0, 1].map(|at| instances[at].get_tag(&mut store, "tag").unwrap());
        assert_ne!(tags[0], tags[1]);
        for (instance, tag) in instances.into_iter().zip(tags) {
            for name in ["throws", "throws_itself"] {
                let error = common::call_export(&mut store, instance, name, &[]).unwrap_err();
                let ErrorKind::Exception(thrown) = error.kind() else { panic!("{name}: {error}") };
                assert_eq!((thrown.tag(), thrown.payload(&mut store).unwrap().len()), (tag, 0));
            }
        }
    }
    let folder = scratch("moonbit-exception");
    let text = r#"(module (import "exception" "tag" (tag)) (import "exception" "throw" (func $throw))
        (import "spectest" "print_char" (func $put (param i32)))
        (func (export "_start") (call $put (i32.const 72)) (call $throw)))"#;
    let ended = finish(heapwood().arg("run").arg(wat(&folder, "throws.wat", text)));
    assert_eq!((ended.code, &*ended.stdout), (Some(134), "H"), "{}", ended.stderr);
    assert!(ended.stderr.contains("uncaught exception"), "{}", ended.stderr);
}

/// The whole command: which programs get the surface, pending text when a program exits or traps, `-S`.
#[test]
fn programs_run_from_the_command_line() {
    let folder = scratch("moonbit-run");
    let body = |end: &str| {
        format!(
            r#"(module (import "spectest" "print_char" (func $put (param i32)))
                (import "__moonbit_sys_unstable" "exit" (func $exit (param i32)))
                (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
                (func (export "_start") (call $put (i32.const 72)) (call $put (i32.const 0xd83d)) {end}))"#
        )
    };
    let run = |name: &str, text: &str, options: &[&str]| {
        finish(heapwood().arg("run").args(options).arg(wat(&folder, name, text)))
    };
    for (name, end, code) in
        [("returns.wat", "", 0), ("exits.wat", "(call $exit (i32.const 7))", 7), ("traps.wat", "unreachable", 134)]
    {
        let ended = run(name, &body(end), &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(code), "H\u{fffd}"), "{}", ended.stderr);
    }
    let refused = run("off.wat", &body(""), &["-S", "moonbit=n"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("spectest::print_char"), "{}", refused.stderr);
    let wrong = run("wrong.wat", &body(""), &["-S", "basic=y"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("wasi, moonbit"), "{}", wrong.stderr);
    // A module of the specification's tests is no program of MoonBit's.
    let test = r#"(module (import "spectest" "print_char" (func (param i32))) (import "spectest" "print" (func))
        (func (export "_start")))"#;
    let refused = run("test.wat", test, &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("spectest::print"), "{}", refused.stderr);
    let words = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/moonbit");
    let expected = std::fs::read_to_string(words.join("expected/words.out")).unwrap();
    for options in [
        &[][..],
        &["--gc-nursery", "64k"],
        &["--gc-mark-slice", "1000", "--gc-nursery", "64k"],
        &["--gc-stress", "997", "--gc-verify"],
        &["-S", "moonbit"],
    ] {
        let ran = finish(heapwood().arg("run").args(options).arg(words.join("wasm/words.wasm")));
        assert_eq!((ran.code, &*ran.stdout), (Some(0), &*expected), "{options:?}: {}", ran.stderr);
    }
    let inspected = finish(heapwood().arg("inspect").arg(wat(&folder, "inspected.wat", &body(""))));
    assert!(
        inspected.stdout.contains("imports from: MoonBit's surface (2), WASI preview1 (1)"),
        "{}",
        inspected.stdout
    );
    // What the standard runner has besides is refused by name.
    for module in ["moonbitlang/async", "moonbitlang/sqlite", "moonbit:ffi/memory-sanitizer", "ffi-bytes"] {
        let text = format!(r#"(module (import "{module}" "new" (func)) (func (export "_start")))"#);
        let refused = run("refused.wat", &text, &[]);
        assert!(refused.code == Some(1) && refused.stderr.contains(&format!("{module}::new")), "{}", refused.stderr);
    }
}

/// A pipe that nobody reads is full at some time; then whatever writes to it waits, and the deadline ends that.
#[test]
fn a_full_pipe_is_waited_for_until_the_deadline() {
    let folder = scratch("moonbit-full-pipe");
    for (name, import, write) in [
        ("print_char", r#""spectest" "print_char" (func $put (param i32))"#, "(call $put (i32.const 10))"),
        (
            "write_char",
            r#""__moonbit_io_unstable" "write_char" (func $put (param i32 i32))"#,
            "(call $put (i32.const 1) (i32.const 10)) (call $put (i32.const 2) (i32.const 10))",
        ),
    ] {
        let text = format!(r#"(module (import {import}) (func (export "_start") (loop $l {write} (br $l))))"#);
        let module = wat(&folder, &format!("{name}.wat"), &text);
        let mut command = heapwood();
        command.args(["run", "--timeout", "300ms"]).arg(module);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command starts");
        // The other end stays open, and unread.
        assert_eq!(child.wait().expect("it ends").code(), Some(124), "{name}");
        let mut written = Vec::new();
        child.stdout.take().expect("a pipe").read_to_end(&mut written).expect("what was written");
        assert!(written.len() >= 4096 && written.iter().all(|byte| *byte == b'\n'), "{name}: {}", written.len());
    }
}

/// Named pipes are read and written as files are, and waited for: until the deadline if nobody is at the other end.
#[test]
fn a_named_pipe_is_waited_for_until_the_deadline() {
    let root = scratch("moonbit-named-pipe");
    let pipe = root.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut program = Program::new(WasiCtx::builder().preopen_dir(&root, "/", DirAccess::ReadWrite));
    let (path, long) = (program.string("/pipe"), program.string(&"h\u{e9}".repeat(100_000)));
    let reads = [("read_file_to_string", vec![path]), ("read_file_to_bytes_new", vec![path])];
    let writes =
        ["write_string_to_file", "write_bytes_to_file", "write_bytes_to_file_new"].map(|name| (name, vec![path, long]));
    // A pipe that nobody reads is refused at once, as one without a writer is waited for.
    assert_eq!(program.number("write_bytes_to_file_new", &[path, long]), -1);
    let message = program.fs("get_error_message", &[]).unwrap();
    assert!(program.text(message).contains("no such device or address"));
    for (name, args) in reads.iter().chain(&writes) {
        // Of both ends: so the pipe has a reader and no end, and nothing is read nor written.
        let ends =
            name.starts_with("write").then(|| std::fs::File::options().read(true).write(true).open(&pipe).unwrap());
        program.store.set_deadline(Duration::from_millis(50));
        let error = program.try_call(&format!("{FS}.{name}"), args).unwrap_err();
        assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::DeadlineExceeded), "{name}: {error}");
        drop(ends);
    }
    // With somebody at the other end all of it passes.
    let there = pipe.clone();
    let reader = std::thread::spawn(move || std::fs::read(there).unwrap());
    while program.number("write_bytes_to_file_new", &[path, long]) != 0 {
        std::thread::yield_now();
    }
    assert_eq!(reader.join().unwrap(), "h\u{e9}".repeat(100_000).as_bytes());
    let there = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(there, "h\u{e9}".repeat(100_000)).unwrap());
    let read = program.fs("read_file_to_string", &[path]).unwrap();
    writer.join().unwrap();
    assert!(program.text(read) == "h\u{e9}".repeat(100_000));
}

/// The other end of a pipe that is full.
fn full_pipe(folder: &Path) -> (std::io::PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let text = r#"(module (import "spectest" "print_char" (func $put (param i32)))
        (func (export "_start") (loop $l (call $put (i32.const 10)) (br $l))))"#;
    let module = wat(folder, "fills.wat", text);
    let mut command = heapwood();
    command.args(["run", "--timeout", "300ms"]).arg(module).stdout(writer.try_clone().expect("the same end"));
    let mut child = command.stderr(Stdio::null()).spawn().expect("the command starts");
    assert_eq!(child.wait().expect("it ends").code(), Some(124));
    (reader, writer)
}

/// What is left when a program has ended, however it ended, is written until the deadline and no longer.
#[test]
fn the_last_write_ends_at_the_deadline() {
    let folder = scratch("moonbit-last-write");
    let (mut reader, writer) = full_pipe(&folder);
    let surfaces = [
        (r#""spectest" "print_char" (func $put (param i32))"#, r#""spectest" "read_char" (func (result i32))"#),
        (r#""teavmConsole" "putcharStdout" (func $put (param i32))"#, r#""teavmMath" "random" (func (result f64))"#),
    ];
    for (imports, more) in surfaces {
        for (end, code, said) in [
            ("", 124, "timeout"),
            ("(loop $l (br $l))", 124, "timeout"),
            ("unreachable", 134, "unreachable"),
            ("(call $exit (i32.const 7))", 7, ""),
        ] {
            let text = format!(
                r#"(module (import {imports}) (import {more})
                    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                    (func (export "_start") (call $put (i32.const 72)) {end}))"#
            );
            let module = wat(&folder, "ends.wat", &text);
            let mut command = heapwood();
            command.args(["run", "--timeout", "300ms"]).arg(module).stdout(writer.try_clone().expect("the same end"));
            let child = command.stderr(Stdio::piped()).spawn().expect("the command starts");
            let ended = child.wait_with_output().expect("it ends");
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(code), "{imports} {end}: {stderr}");
            assert!(stderr.contains(said), "{imports} {end}: {stderr}");
        }
    }
    drop(writer);
    let mut written = Vec::new();
    reader.read_to_end(&mut written).expect("what was written");
    assert!(written.len() >= 4096 && written.iter().all(|byte| *byte == b'\n'), "{}", written.len());
}
