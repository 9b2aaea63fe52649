//! Host functions with a scope of their own: their types, and references that go in and out while everything moves.

use crate::modes::modes;
use crate::{module, says, stress};
use heapwood_derive::GcStruct;
use heapwood_vm::*;

#[derive(GcStruct)]
struct Node {
    #[wasm(mutable)]
    val: i64,
    #[wasm(mutable)]
    next: Option<Ref<Node>>,
}

const TEXT: &str = r#"(module
    (type $node (struct (field (mut i64)) (field (mut (ref null $node)))))
    (type $bytes (array (mut i8)))
    (import "list" "find" (func $find (param (ref null $node) i64) (result (ref null $node))))
    (import "list" "push" (func $push (param (ref $node) i32 f64 v128 anyref) (result (ref $node) i32)))
    (import "list" "sum" (func $sum (param (ref $bytes)) (result i32)))
    (func (export "run") (param $n i32) (result i64) (local $list (ref null $node)) (local $len i32)
      (local.set $list (struct.new $node (i64.const 0) (ref.null $node)))
      (loop $l
        (call $push (ref.as_non_null (local.get $list)) (local.get $n) (f64.const 0.5) (v128.const i64x2 7 8)
          (ref.i31 (local.get $n)))
        (local.set $len)
        (local.set $list)
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (if (i32.eqz (ref.is_null (call $find (local.get $list) (i64.const -1)))) (then (unreachable)))
      (i64.add
        (i64.extend_i32_u (i32.add (local.get $len)
          (call $sum (array.new_fixed $bytes 3 (i32.const 1) (i32.const 2) (i32.const 255)))))
        (struct.get $node 0 (ref.as_non_null (call $find (local.get $list) (i64.const 3)))))))"#;

fn types(module: &Module) -> [FuncType; 3] {
    let types: Vec<FuncType> = module
        .imports()
        .map(|import| match import.ty {
            ExternType::Func(ty) => ty,
            other => panic!("{other:?}"),
        })
        .collect();
    types.try_into().unwrap()
}

type PushParams = (Ref<Node>, i32, f64, u128, Option<Ref<AnyRef>>);

#[test]
fn locals_go_in_and_out_of_host_functions() {
    for (name, config) in modes() {
        let engine = Engine::new(&config).unwrap();
        let module = module(&engine, TEXT);
        let node = module.types().get(0).unwrap().as_concrete_struct().unwrap().bind::<Node>().unwrap();
        let [find, push, sum] = types(&module);
        let mut linker: Linker<u64> = Linker::new(&engine);
        linker
            .func_scoped::<(Option<Ref<Node>>, i64), Option<Ref<Node>>>("list", "find", find, |s, (mut at, val)| {
                *s.data_mut() += 1;
                while let Some(node) = at.filter(|node| node.val(s) != val) {
                    at = node.next(s);
                }
                Ok(at)
            })
            .unwrap();
        linker
            .func_scoped::<PushParams, (Ref<Node>, i32)>("list", "push", push, move |s, (list, n, half, bits, any)| {
                assert_eq!((half, bits), (0.5, 8 << 64 | 7));
                // Collects, while references are here.
                let new = node.alloc(s, i64::from(n), Some(list))?;
                s.gc()?;
                let small = any.unwrap().cast::<I31Ref>(s).unwrap();
                assert_eq!((small.value(s), new.next(s).unwrap().ref_eq(s, list)), (n, true));
                let (mut len, mut at) = (0, Some(new));
                while let Some(node) = at {
                    len += 1;
                    at = node.next(s);
                }
                Ok((new, len))
            })
            .unwrap();
        linker
            .func_scoped::<Ref<GcArray<u8>>, i32>("list", "sum", sum, |s, bytes| {
                Ok((0..bytes.len(s)).map(|index| i32::from(bytes.get_number(s, index))).sum())
            })
            .unwrap();
        let mut store = Store::new(&engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, i64>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 20).unwrap(), 21 + 258 + 3, "{name}");
        assert_eq!(*store.data(), 2);
    }
}

#[test]
fn types_are_compared_when_a_function_is_defined() {
    let engine = stress();
    let module = module(&engine, TEXT);
    let [find, push, sum] = types(&module);
    let mut linker: Linker<()> = Linker::new(&engine);
    macro_rules! refused {
        ($params:ty, $results:ty, $ty:expr, $says:expr) => {
            says(linker.func_scoped::<$params, $results>("m", "f", $ty.clone(), |_, _| unreachable!()).map(drop), $says)
        };
    }
    refused!(
        (Ref<Node>, i64),
        Option<Ref<Node>>,
        find,
        &format!(
            "type mismatch: parameter 0: expected (ref `Node`), found (ref null {}); it may be null: an `Option` of it",
            node_text(&module)
        )
    );
    refused!((Option<Ref<Node>>, i32), Option<Ref<Node>>, find, "type mismatch: parameter 1: expected i32, found i64");
    refused!(
        (Option<Ref<AnyRef>>, i64),
        Option<Ref<Node>>,
        find,
        &format!("type mismatch: parameter 0: expected (ref null any), found (ref null {})", node_text(&module))
    );
    refused!(i64, Option<Ref<Node>>, find, &format!("type mismatch: the host has 1 parameters, and the type {find} 2"));
    refused!(Ref<GcArray<u8>>, u8, sum, "type mismatch: result 0: expected i8, found i32");
    let error = linker.func_scoped::<Ref<GcArray<u16>>, i32>("m", "f", sum.clone(), |_, _| unreachable!()).map(drop);
    assert!(error.unwrap_err().to_string().ends_with("expected (mut i16), found (mut i8)"));
    refused!(
        PushParams,
        (Option<Ref<Node>>, i32),
        push,
        &format!(
            "type mismatch: result 0: expected (ref null `Node`), found (ref {}); it is never null: without `Option`",
            node_text(&module)
        )
    );
}

fn node_text(module: &Module) -> String {
    module.types().get(0).unwrap().to_string()
}

/// One Rust type for two types: the second function is an error in a store that has called the first one.
#[test]
fn a_rust_type_stands_for_one_type_in_a_store() {
    let engine = stress();
    let text = r#"(module (type $a (sub (struct (field i64)))) (type $b (sub (struct (field i64) (field i32))))
        (import "m" "a" (func $f (param (ref null $a)) (result i64))) (import "m" "b" (func $g (param (ref null $b)) (result i64)))
        (func (export "a") (result i64) (call $f (struct.new $a (i64.const 1))))
        (func (export "b") (result i64) (call $g (struct.new $b (i64.const 2) (i32.const 3)))))"#;
    #[derive(GcStruct)]
    #[wasm(prefix)]
    struct Head {
        val: i64,
    }
    let module = module(&engine, text);
    let mut linker: Linker<()> = Linker::new(&engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty else { panic!("a function") };
        linker
            .func_scoped::<Option<Ref<Head>>, i64>("m", import.name, ty, |s, head| {
                Ok(head.map_or(0, |head| head.val(s)))
            })
            .unwrap();
    }
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let call =
        |store: &mut Store<()>, name| instance.get_typed_func::<(), i64>(&mut *store, name).unwrap().call(store, ());
    assert_eq!(call(&mut store, "a").unwrap(), 1);
    let error = call(&mut store, "b").unwrap_err();
    assert!(error.to_string().contains("`Head` stands for type"), "{error}");
    assert_eq!(call(&mut store, "a").unwrap(), 1);
    let mut other = Store::new(&engine, ());
    let instance = linker.instantiate(&mut other, &module).unwrap();
    assert_eq!(instance.get_typed_func::<(), i64>(&mut other, "b").unwrap().call(&mut other, ()).unwrap(), 2);
}
