//! What a component says is what the plan has; bytes that are none are errors.

use heapwood_component::{CoreFunc, CoreInstance, CoreItem, CoreKind, ExportOf, Plan, PlanError, is_component, lookup};

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(text: &str) -> Result<Plan, PlanError> {
    Plan::new(&binary(text))
}

/// A command as tools make them: an interface's function lowered with a memory, a bag of exports, and `run` handed on
/// by a component within.
const COMMAND: &str = r#"(component
    (type $streams (instance
        (export "output-stream" (type $out (sub resource)))
        (export "[method]output-stream.flush" (func (param "self" (borrow $out))))))
    (import "wasi:io/streams@0.2.9" (instance $streams (type $streams)))
    (import "wasi:random/random@0.2.0" (instance $random
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
    (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "listen" (func))))
    (core module $libc (memory (export "memory") 1) (table (export "table") 1 funcref)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    (alias export $random "get-random-bytes" (func $bytes))
    (core func $bytes (canon lower (func $bytes) (memory $memory) (realloc $realloc)))
    (alias export $streams "output-stream" (type $out))
    (core func $drop (canon resource.drop $out))
    (core instance $bag (export "drop" (func $drop)) (export "bytes" (func $bytes)) (export "memory" (memory $memory)))
    (core module $main (import "host" "bytes" (func (param i64 i32))) (import "host" "drop" (func (param i32)))
        (import "host" "memory" (memory 1)) (func (export "run") (result i32) (i32.const 0)))
    (core instance $main (instantiate $main (with "host" (instance $bag))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (component $shim
        (import "import-func-run" (func $f (result (result))))
        (export "run" (func $f)))
    (instance $command (instantiate $shim (with "import-func-run" (func $run))))
    (export "wasi:cli/run@0.2.3" (instance $command)))"#;

#[test]
fn a_command_is_taken_apart() {
    let plan = plan(COMMAND).unwrap();
    assert_eq!(plan.modules().len(), 2);
    let export = |instance, name: &str| ExportOf { instance, name: name.to_owned() };
    let item = |kind, index| CoreItem { kind, index };
    assert_eq!(plan.memories(), [export(0, "memory")]);
    assert_eq!(
        plan.instances(),
        [
            CoreInstance::Instantiate { module: 0, args: vec![] },
            CoreInstance::Exports(vec![
                ("drop".to_owned(), item(CoreKind::Func, 2)),
                ("bytes".to_owned(), item(CoreKind::Func, 1)),
                ("memory".to_owned(), item(CoreKind::Memory, 0)),
            ]),
            CoreInstance::Instantiate { module: 1, args: vec![("host".to_owned(), 1)] },
        ]
    );
    let lowered = CoreFunc::Lowered {
        interface: "wasi:random/random@0.2.0".to_owned(),
        name: "get-random-bytes".to_owned(),
        memory: Some(0),
        realloc: Some(0),
    };
    assert_eq!(
        plan.funcs(),
        [
            CoreFunc::Export(export(0, "realloc")),
            lowered,
            CoreFunc::Drop("output-stream".to_owned()),
            CoreFunc::Export(export(2, "run")),
        ]
    );
    assert_eq!(plan.run(), Some(3));
    assert_eq!(plan.imports(), ["wasi:io/streams@0.2.9", "wasi:random/random@0.2.0", "wasi:sockets/tcp@0.2.0"]);
    assert_eq!(plan.exports(), ["wasi:cli/run@0.2.3"]);
    // An interface of which nothing is called is not missing.
    assert_eq!((plan.lowered().count(), plan.missing().count()), (1, 0));
}

#[test]
fn cut_off_anywhere_it_is_invalid_or_no_command() {
    let whole = binary(COMMAND);
    assert!(is_component(&whole) && Plan::new(&whole).is_ok_and(|plan| plan.run().is_some()));
    let mut commands = 0;
    for len in 0..whole.len() {
        match Plan::new(&whole[..len]) {
            // At the end of a section.
            Ok(plan) => commands += usize::from(plan.run().is_some()),
            Err(error) => assert!(matches!(error, PlanError::Invalid(_)), "{len}: {error}"),
        }
    }
    // It lacks nothing but the names behind it.
    assert_eq!(commands, 1);
}

#[test]
fn with_any_byte_changed_it_is_an_error_or_a_plan_in_order() {
    let whole = binary(COMMAND);
    let mut plans = 0;
    for at in 0..whole.len() {
        for change in [1, 2, 4, 8, 16, 32, 64, 128, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            if let Ok(plan) = Plan::new(&bytes) {
                plans += 1;
                check_order(&plan, bytes.len());
            }
        }
    }
    assert!(plans > 100, "{plans}");
}

/// Whatever uses something comes behind it.
fn check_order(plan: &Plan, len: usize) {
    assert!(plan.modules().iter().all(|range| range.start <= range.end && range.end <= len));
    let lists = [plan.memories(), plan.tables(), plan.globals(), plan.tags()];
    assert!(lists.into_iter().flatten().all(|export| export.instance < plan.instances().len()));
    for (place, instance) in plan.instances().iter().enumerate() {
        let instances: Vec<usize> = match instance {
            CoreInstance::Instantiate { module, args } => {
                assert!(*module < plan.modules().len());
                args.iter().map(|(_, instance)| *instance).collect()
            }
            CoreInstance::Exports(items) => items.iter().flat_map(|(_, item)| behind(plan, *item)).collect(),
        };
        assert!(instances.iter().all(|instance| *instance < place));
    }
}

/// The instances that an item needs.
fn behind(plan: &Plan, item: CoreItem) -> Vec<usize> {
    let list = match item.kind {
        CoreKind::Func => match &plan.funcs()[item.index] {
            CoreFunc::Export(export) => return vec![export.instance],
            CoreFunc::Lowered { memory, realloc, .. } => {
                let memory = memory.map(|index| plan.memories()[index].instance);
                let realloc = realloc.map(|index| behind(plan, CoreItem { kind: CoreKind::Func, index }));
                return memory.into_iter().chain(realloc.into_iter().flatten()).collect();
            }
            CoreFunc::Drop(_) => return vec![],
        },
        CoreKind::Memory => plan.memories(),
        CoreKind::Table => plan.tables(),
        CoreKind::Global => plan.globals(),
        CoreKind::Tag => plan.tags(),
    };
    vec![list[item.index].instance]
}

#[test]
fn what_is_not_there_is_named() {
    for (text, words) in [
        ("(type (resource (rep i32)))", "resources that a component defines"),
        (r#"(import "m" (core module))"#, "core modules"),
        (r#"(import "c" (component))"#, "components"),
        (
            "(component $c (core module)) (instance (instantiate $c))",
            "core modules and functions in a component within",
        ),
        (
            r#"(import "i" (instance $i (export "f" (func (param "t" string)))))
            (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $m (instantiate $m)) (alias export $i "f" (func $f))
            (core func (canon lower (func $f) (memory $m "m") (realloc (func $m "r")) string-encoding=utf16))"#,
            "another encoding than UTF-8 (`i`: `f`)",
        ),
        ("(core func (canon backpressure.inc))", "BackpressureInc"),
        (
            r#"(core module $m (func (export "f"))) (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f"))) (core func (canon lower (func $f)))"#,
            "functions of the component that it lowers for itself",
        ),
    ] {
        match plan(&format!("(component {text})")) {
            Err(PlanError::Unsupported(said)) => assert!(said.contains(words), "{said}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn components_that_multiply_come_to_an_end() {
    let mut nested = "(component $c (type u32) (type u32))".to_owned();
    for _ in 0..18 {
        nested = format!("(component $c {nested} (instance (instantiate $c)) (instance (instantiate $c)))");
    }
    is_too_much(plan(&format!("(component {nested} (instance (instantiate $c)))")), "more definitions than");
}

fn is_too_much(plan: Result<Plan, PlanError>, words: &str) {
    assert!(matches!(&plan, Err(PlanError::Unsupported(said)) if said.contains(words)), "{plan:?}");
}

/// Few definitions with many names, which a component within makes again and again, or is given.
#[test]
fn names_that_multiply_come_to_an_end() {
    let again = "(instance (instantiate $c))".repeat(900);
    let exports: String = (0..1000).map(|k| format!(r#"(export "a{k}" (type $t))"#)).collect();
    for text in [format!("(type $t u32) (instance {exports})"), format!("(type $t u32) {exports}")] {
        is_too_much(plan(&format!("(component (component $c {text}) {again})")), "more definitions than");
    }
}

#[test]
fn components_within_each_other_are_followed_to_a_depth() {
    // In the bytes: each lies in a section of the one around it.
    let nested = |depth: usize| {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 0..depth {
            let (mut size, mut outer) = (bytes.len(), b"\0asm\x0d\0\x01\0\x04".to_vec());
            while size > 0x7f {
                outer.push(u8::try_from(size & 0x7f).expect("7 bits") | 0x80);
                size >>= 7;
            }
            outer.push(u8::try_from(size).expect("7 bits"));
            outer.extend(&bytes);
            bytes = outer;
        }
        Plan::new(&bytes)
    };
    assert!(nested(100).is_ok());
    for depth in [101, 1000, 5000] {
        is_too_much(nested(depth), "more than 100 deep");
    }
}

#[test]
fn versions_0_2_are_one_and_others_are_none() {
    for version in ["0.2.0", "0.2.3", "0.2.12", "0.2.0-rc-2024-01-01"] {
        assert!(lookup(&format!("wasi:cli/exit@{version}"), "exit").is_some(), "{version}");
    }
    for name in
        ["wasi:cli/exit", "wasi:cli/exit@0.3.0", "wasi:cli/exit@0.20.0", "wasi:cli/exit@0.2.", "wasi:cli/exi@0.2.0"]
    {
        assert!(lookup(name, "exit").is_none(), "{name}");
    }
}

#[test]
fn what_is_no_component_is_invalid() {
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"(component)", &[0xff; 100]] {
        assert!(!is_component(bytes));
        assert!(matches!(Plan::new(bytes), Err(PlanError::Invalid(_))), "{bytes:?}");
    }
}
