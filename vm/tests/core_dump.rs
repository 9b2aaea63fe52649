//! Core dumps hold what the format has a place for, and are valid modules.

use heapwood_vm::{
    Config, Engine, Error, Features, Instance, Linker, Memory, MemoryType, Module, Secrecy, SharedMemory, Store, Trap,
};
use wasmparser::{
    CoreDumpInstance, CoreDumpStackFrame, DataKind, KnownCustom, Operator, Parser, Payload, Validator, WasmFeatures,
};

/// What readers find in a dump.
#[derive(Default)]
struct Dump {
    program: String,
    modules: Vec<String>,
    instances: Vec<CoreDumpInstance>,
    frames: Vec<CoreDumpStackFrame>,
    memories: Vec<wasmparser::MemoryType>,
    /// Globals as text: type, mutability, and the operators of the value.
    globals: Vec<String>,
    /// Segments: memory, address, bytes.
    data: Vec<(u32, u64, Vec<u8>)>,
}

impl Dump {
    fn read(bytes: &[u8]) -> Dump {
        Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).expect("a valid module");
        let mut dump = Dump::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.expect("a module") {
                Payload::CustomSection(section) => dump.read_custom(&section.as_known()),
                Payload::MemorySection(section) => dump.memories = section.into_iter().map(Result::unwrap).collect(),
                Payload::GlobalSection(section) => {
                    for global in section.into_iter().map(Result::unwrap) {
                        let operators: Vec<Operator<'_>> =
                            global.init_expr.get_operators_reader().into_iter().map(Result::unwrap).collect();
                        let values: Vec<_> =
                            operators[..operators.len() - 1].iter().map(|it| format!("{it:?}")).collect();
                        let mutable = if global.ty.mutable { "mut " } else { "" };
                        dump.globals.push(format!("{mutable}{}: {}", global.ty.content_type, values.join(" ")));
                    }
                }
                Payload::DataSection(section) => {
                    for segment in section.into_iter().map(Result::unwrap) {
                        let DataKind::Active { memory_index, offset_expr } = segment.kind else {
                            panic!("active ones")
                        };
                        let address = match offset_expr.get_operators_reader().read().unwrap() {
                            Operator::I32Const { value } => u64::from(value as u32),
                            Operator::I64Const { value } => value as u64,
                            other => panic!("{other:?}"),
                        };
                        dump.data.push((memory_index, address, segment.data.to_vec()));
                    }
                }
                _ => {}
            }
        }
        dump
    }

    fn read_custom(&mut self, section: &KnownCustom<'_>) {
        match section {
            KnownCustom::CoreDump(section) => self.program = section.name.to_owned(),
            KnownCustom::CoreDumpModules(section) => {
                self.modules = section.modules.iter().map(|name| (*name).to_owned()).collect();
            }
            KnownCustom::CoreDumpInstances(section) => {
                let copied = |it: &CoreDumpInstance| CoreDumpInstance {
                    module_index: it.module_index,
                    memories: it.memories.clone(),
                    globals: it.globals.clone(),
                };
                self.instances = section.instances.iter().map(copied).collect();
            }
            KnownCustom::CoreDumpStack(section) => {
                let copied = |it: &CoreDumpStackFrame| CoreDumpStackFrame {
                    instanceidx: it.instanceidx,
                    funcidx: it.funcidx,
                    codeoffset: it.codeoffset,
                    locals: it.locals.clone(),
                    stack: it.stack.clone(),
                };
                self.frames = section.frames.iter().map(copied).collect();
            }
            _ => {}
        }
    }

    /// A byte of a memory; zero where there is no segment.
    fn byte(&self, memory: u32, address: u64) -> u8 {
        let holds = |(of, start, bytes): &&(u32, u64, Vec<u8>)| {
            *of == memory && (*start..*start + bytes.len() as u64).contains(&address)
        };
        self.data.iter().find(holds).map_or(0, |(_, start, bytes)| bytes[(address - start) as usize])
    }
}

fn engine() -> Engine {
    let mut config = Config::new();
    let mut features = Features::default();
    features.apply("threads=y").expect("a feature");
    config.features(features);
    Engine::new(&config).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).expect("a module")).unwrap()
}

/// The error of an export.
fn fails(store: &mut Store<()>, instance: Instance, name: &str) -> Error {
    let func = instance.get_typed_func::<(), ()>(&mut *store, name).unwrap();
    func.call(&mut *store, ()).unwrap_err()
}

fn dump(store: &mut Store<()>, error: &Error) -> Dump {
    let mut bytes = Vec::new();
    store.write_core_dump("run/app.wasm", error, &mut bytes).expect("a vector takes all");
    Dump::read(&bytes)
}

#[test]
fn globals_have_their_values_as_far_as_the_format_goes() {
    let engine = engine();
    let module = module(
        &engine,
        r#"(module
            (type $s (struct (field i32)))
            (type $f (func))
            (global (mut i32) (i32.const -2147483648))
            (global i32 (i32.const 64))
            (global i64 (i64.const -65))
            (global (mut f32) (f32.const nan:0x200001))
            (global f64 (f64.const -0.0))
            (global v128 (v128.const i64x2 1 -1))
            (global anyref (ref.i31 (i32.const -5)))
            (global (mut i31ref) (ref.i31 (i32.const 1073741823)))
            (global (ref $s) (struct.new $s (i32.const 7)))
            (global (mut (ref null $s)) (ref.null $s))
            (global (ref $f) (ref.func $trap))
            (global externref (extern.convert_any (ref.i31 (i32.const 1))))
            (global exnref (ref.null exn))
            (global externref (ref.null extern))
            (global structref (struct.new $s (i32.const 7)))
            (func $trap (export "trap") (global.set 0 (i32.const 2147483647)) unreachable))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let error = fails(&mut store, instance, "trap");
    let dump = dump(&mut store, &error);
    let expected = [
        "mut i32: I32Const { value: 2147483647 }",
        "i32: I32Const { value: 64 }",
        "i64: I64Const { value: -65 }",
        "mut f32: F32Const { value: Ieee32(2141192193) }",
        "f64: F64Const { value: Ieee64(9223372036854775808) }",
        "v128: V128Const { value: V128([1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]) }",
        "anyref: I32Const { value: -5 } RefI31",
        "mut anyref: I32Const { value: 1073741823 } RefI31",
        "anyref: RefNull { hty: any }",
        "mut anyref: RefNull { hty: any }",
        "funcref: RefNull { hty: func }",
        "externref: I32Const { value: 1 } RefI31 ExternConvertAny",
        "exnref: RefNull { hty: exn }",
        "externref: RefNull { hty: extern }",
        "anyref: RefNull { hty: any }",
    ];
    for (global, expected) in dump.globals.iter().zip(expected) {
        // How types of heaps are printed is up to the reader.
        let plain = global.replace("Abstract { shared: false, ty: ", "").replace(" } }", " }").to_lowercase();
        assert_eq!(plain, expected.to_lowercase());
    }
    assert_eq!(dump.globals.len(), expected.len());
    // A module without a name has that of the program.
    assert_eq!((dump.program.as_str(), dump.modules.as_slice()), ("run/app.wasm", &["run/app.wasm".to_owned()][..]));
}

#[test]
fn memories_have_what_they_held() {
    let engine = engine();
    let module = module(
        &engine,
        r#"(module $memories
            (import "host" "shared" (memory $shared 1 4 shared))
            (import "host" "secret" (memory $secret 1))
            (memory $a 3 5)
            (memory $b i64 1)
            (memory $c 0)
            (memory $d 10 (pagesize 1))
            (func (export "trap")
                (i32.store8 $a (i32.const 0) (i32.const 1))
                (i32.store8 $a (i32.const 4095) (i32.const 2))
                (i32.store8 $a (i32.const 65535) (i32.const 3))
                (i32.store8 $a (i32.const 65536) (i32.const 4))
                (i32.store8 $a (i32.const 196607) (i32.const 5))
                (i32.store8 $b (i64.const 40000) (i32.const 6))
                (i32.store8 $d (i32.const 9) (i32.const 7))
                (i32.store8 $shared (i32.const 8192) (i32.const 8))
                (i32.store8 $secret (i32.const 0) (i32.const 9))
                (drop (memory.grow $c (i32.const 2)))
                (i32.store8 $c (i32.const 131071) (i32.const 10))
                unreachable))"#,
    );
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let shared = SharedMemory::new(&engine, MemoryType::shared(1, 4)).unwrap();
    let secret = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    secret.set_secrecy(&mut store, Secrecy::LeftOut).unwrap();
    linker.define("host", "shared", shared).unwrap();
    linker.define("host", "secret", secret).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let error = fails(&mut store, instance, "trap");
    let dump = dump(&mut store, &error);
    // Imported ones come first in the module.
    let [shared, secret, a, b, c, d] = dump.instances[0].memories[..] else { panic!("six memories") };
    let ty = |memory: u32| dump.memories[memory as usize];
    assert_eq!((ty(a).initial, ty(a).maximum, ty(a).memory64), (3, Some(5), false));
    assert_eq!((ty(b).initial, ty(b).maximum, ty(b).memory64), (1, None, true));
    assert_eq!((ty(c).initial, ty(d).initial, ty(d).page_size_log2), (2, 10, Some(0)));
    assert_eq!((ty(shared).initial, ty(shared).maximum, ty(shared).shared), (1, Some(4), true));
    assert_eq!(ty(secret).initial, 1);
    let written = [
        (a, 0, 1),
        (a, 4095, 2),
        (a, 65535, 3),
        (a, 65536, 4),
        (a, 196_607, 5),
        (b, 40_000, 6),
        (c, 131_071, 10),
        (d, 9, 7),
        (shared, 8192, 8),
    ];
    for (memory, address, value) in written {
        assert_eq!(dump.byte(memory, address), value, "memory {memory} at {address}");
    }
    let bytes: Vec<u8> = dump.data.iter().flat_map(|(.., bytes)| bytes.iter().copied()).collect();
    assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), written.len(), "and nothing else");
    assert!(!bytes.contains(&9), "what is secret is left out");
    // Only what is not zero, in chunks: of the six memories there are far fewer bytes than they have.
    assert!(bytes.len() <= 9 * 4096, "{}", bytes.len());
}

#[test]
fn frames_say_the_instance_the_function_and_the_offset() {
    let engine = engine();
    let callee = module(&engine, r#"(module $callee (func $pad) (func (export "trap") (nop) (nop) unreachable))"#);
    let caller = module(
        &engine,
        r#"(module $caller (import "callee" "trap" (func $trap))
            (func $middle (local i32) (call $trap))
            (func (export "run") (call $middle)))"#,
    );
    let mut store = Store::new(&engine, ());
    // Two instances of one module, which share its code: frames name the first one.
    Instance::new(&mut store, &callee, &[]).unwrap();
    let second = Instance::new(&mut store, &callee, &[]).unwrap();
    let mut linker = Linker::new(&engine);
    linker.instance(&mut store, "callee", second).unwrap();
    let instance = linker.instantiate(&mut store, &caller).unwrap();
    let error = fails(&mut store, instance, "run");
    let dump = dump(&mut store, &error);
    assert_eq!(dump.modules, ["callee", "caller"]);
    let modules: Vec<u32> = dump.instances.iter().map(|instance| instance.module_index).collect();
    assert_eq!(modules, [0, 0, 1]);
    let frames: Vec<_> = dump.frames.iter().map(|frame| (frame.instanceidx, frame.funcidx, frame.codeoffset)).collect();
    // From the begin of a body, which is the number of its groups of locals: behind it two `nop`, or a group of locals.
    assert_eq!(frames, [(0, 1, 3), (2, 1, 3), (2, 2, 1)]);
    assert!(dump.frames.iter().all(|frame| frame.locals.is_empty() && frame.stack.is_empty()));

    // A deep stack has its ends.
    let deep = module(&engine, r#"(module (func $deep (export "deep") (call $deep)))"#);
    let instance = Instance::new(&mut store, &deep, &[]).unwrap();
    let error = fails(&mut store, instance, "deep");
    let kept = error.backtrace().unwrap().frames().len();
    assert!(error.backtrace().unwrap().omitted() > 0);
    let mut bytes = Vec::new();
    store.write_core_dump("deep", &error, &mut bytes).unwrap();
    assert_eq!(Dump::read(&bytes).frames.len(), kept);
}

/// An instance goes when its start function fails, and is there nevertheless if it had been seen.
#[test]
fn frames_of_an_instance_that_is_gone_have_one_without_parts() {
    let engine = engine();
    let other = module(&engine, r#"(module $other (memory 1) (func (export "f")))"#);
    let failing = module(
        &engine,
        r#"(module $failing (memory 1) (global i32 (i32.const 1))
            (func $inner unreachable) (func $start (call $inner)) (start $start))"#,
    );
    let mut store = Store::new(&engine, ());
    Instance::new(&mut store, &other, &[]).unwrap();
    let error = Instance::new(&mut store, &failing, &[]).unwrap_err();
    // Whatever has its place in the store's list by now.
    for instances in [1, 2] {
        let dump = dump(&mut store, &error);
        assert_eq!(dump.modules, ["other", "failing"]);
        assert_eq!((dump.instances.len(), dump.memories.len()), (instances + 1, instances));
        let of_frames = &dump.instances[instances];
        assert_eq!((of_frames.module_index, of_frames.memories.len(), of_frames.globals.len()), (1, 0, 0));
        let frames: Vec<_> = dump.frames.iter().map(|frame| (frame.instanceidx, frame.funcidx)).collect();
        assert_eq!(frames, [(instances as u32, 0), (instances as u32, 1)]);
        Instance::new(&mut store, &other, &[]).unwrap();
    }
    // An error of another store is no different.
    let mut another = Store::new(&engine, ());
    assert!(error.downcast_ref::<Trap>().is_some());
    let dump = dump(&mut another, &error);
    assert_eq!((dump.modules.len(), dump.instances.len(), dump.frames.len()), (1, 1, 2));
    let mut bytes = Vec::new();
    another.write_core_dump("app", &Error::msg("no frames"), &mut bytes).unwrap();
    assert!(Dump::read(&bytes).frames.is_empty());
}
