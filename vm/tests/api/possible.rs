//! What is not possible is refused where it is asked for, by name.

use crate::world::module;
use heapwood_vm::*;

#[test]
fn a_linker_that_refuses_a_definition_keeps_the_first() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let answer = |linker: &Linker<()>, store: &mut Store<()>| {
        let func = linker.get(&mut *store, "m", "f").unwrap().unwrap().into_func().unwrap();
        func.typed::<(), i32>(&*store).unwrap().call(&mut *store, ()).unwrap()
    };
    linker.func_wrap("m", "f", || 1i32).unwrap();
    let twice = "import of `m::f` defined twice";
    assert_eq!(linker.func_wrap("m", "f", || 2i32).map(drop).unwrap_err().to_string(), twice);
    let ty = FuncType::new(&engine, [], [ValType::I32]).unwrap();
    assert_eq!(linker.func_new("m", "f", ty, |_, _, _| Ok(())).map(drop).unwrap_err().to_string(), twice);
    let other = Func::wrap(&mut store, || 3i32);
    assert_eq!(linker.define("m", "f", other).map(drop).unwrap_err().to_string(), twice);
    let text = r#"(module (func (export "before")) (func (export "f") (result i32) (i32.const 4)))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).unwrap();
    assert_eq!(linker.instance(&mut store, "m", instance).map(drop).unwrap_err().to_string(), twice);
    assert!(!linker.is_defined("m", "before"), "all exports of an instance, or none");
    assert_eq!(answer(&linker, &mut store), 1);
    linker.allow_shadowing(true).func_wrap("m", "f", || 5i32).unwrap();
    assert_eq!(answer(&linker, &mut store), 5);
}

#[test]
fn an_i31_takes_what_31_bits_hold_signed_or_unsigned() {
    let mut store = Store::new(&Engine::default(), ());
    let (least, most) = (-1 << 30, i32::MAX);
    for (value, kept) in
        [(0, 0), (-1, -1), (least, least), ((1 << 30) - 1, (1 << 30) - 1), (1 << 30, least), (most, -1)]
    {
        let made = AnyRef::from_i31(&mut store, value).unwrap();
        assert_eq!(made.kind(&store).unwrap(), RefKind::I31(kept), "{value}");
    }
    for value in [least - 1, i32::MIN] {
        let error = AnyRef::from_i31(&mut store, value).unwrap_err();
        assert!(error.to_string().contains("does not fit an i31"), "{value}: {error}");
    }
}

#[test]
fn tables_and_tags_that_no_module_could_have() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let wide = TableType { table64: true, ..TableType::new(RefType::FUNCREF, 1, Some(u64::MAX)) };
    Table::new(&mut store, wide.clone(), Val::FuncRef(None)).unwrap();
    let beyond = u64::from(u32::MAX) + 1;
    for (ty, says) in [
        (TableType::new(RefType::FUNCREF, 2, Some(1)), "a table of at least 2 and at most 1 elements"),
        (TableType { min: 3, max: Some(2), ..wide }, "a table of at least 3 and at most 2 elements"),
        (TableType::new(RefType::FUNCREF, 0, Some(beyond)), "a table of 4294967296 elements with 32-bit indices"),
        (TableType::new(RefType::FUNCREF, beyond, None), "a table of 4294967296 elements with 32-bit indices"),
        (
            TableType::new(RefType::FUNCREF, 10_000_001, None),
            "a table of 10000001 elements is beyond the limit of 10000000",
        ),
    ] {
        let error = Table::new(&mut store, ty, Val::FuncRef(None)).unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    let ty = FuncType::new(&engine, [ValType::I32], [ValType::I64]).unwrap();
    let error = Tag::new(&mut store, TagType::new(ty)).unwrap_err();
    assert_eq!(error.to_string(), "a tag of the type (func (param i32) (result i64)), which has results");
}

/// Whatever a failed instantiation has added to the store names types of its module, which live on with the store.
#[test]
fn instantiations_that_fail_anywhere_leave_nothing_behind_that_names_a_dead_type() {
    let engine = Engine::new(Config::new().gc_verify(true).gc_threads(0)).unwrap();
    let text = format!(
        r#"(module (type $s (struct (field i64 i32)))
            (global (mut (ref null $s)) (ref.null $s)) (table 8 (ref null $s)) {})"#,
        "(tag (param (ref null $s)))".repeat(30_000)
    );
    let bytes = wat::parse_str(text).unwrap();
    let (mut failures, mut is_made) = (0, false);
    while !is_made {
        let mut store = Store::new(&engine, ());
        // One more call of the heap for memory is answered in each round.
        let first = store.backing_calls() + 1 + failures;
        store.refuse_calls(first..u64::MAX);
        let module = Module::new(&engine, &bytes).unwrap();
        is_made = Instance::new(&mut store, &module, &[]).is_ok();
        store.refuse_calls(0..0);
        drop(module);
        let _other = self::module(&engine, "(module (type (array i8)) (type (struct)) (type (func)))");
        store.gc().unwrap();
        store.heap_snapshot(std::io::sink()).unwrap();
        failures += u64::from(!is_made);
    }
    println!("{failures} failures");
    assert!(failures >= 2, "{failures} failures");
    assert_eq!(engine.live_types(), 0);
}
