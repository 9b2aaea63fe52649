//! What is refused: when a type is bound, and when a binding is used.

use crate::{Node, VAR, field, module, node_of, panics, says, stress};
use heapwood_derive::GcStruct;
use heapwood_vm::*;

#[derive(GcStruct)]
struct Leaf {
    number: i32,
}

#[derive(GcStruct)]
#[wasm(name = "Tree")]
struct Tree {
    #[wasm(mutable)]
    _leaf: Ref<Leaf>,
    _leaves: Option<Ref<GcArray<Ref<Leaf>>>>,
    _any: Option<Ref<AnyRef>>,
}

const LEAF: &str = "(type $Leaf (struct (field i32)))";

/// A module with a tree of these fields.
fn tree(engine: &Engine, types: &str, fields: &str) -> Result<Bound<Tree>> {
    module(engine, &format!("(module {types} (type $Tree (struct {fields})))")).bind()
}

#[test]
fn each_way_in_which_a_type_can_differ() {
    let engine = stress();
    let types = format!("{LEAF} (type $leaves (array (mut (ref $Leaf)))) (type $other (struct (field i64)))");
    let (leaf, leaves, any) = ("(field (mut (ref $Leaf)))", "(field (ref null $leaves))", "(field anyref)");
    tree(&engine, &types, &[leaf, leaves, any].concat()).unwrap();
    let wanted = ["(mut (ref `Leaf`))", "(ref null `GcArray<Ref<Leaf>>`)", "(ref null any)"];
    for (index, name, found, shown) in [
        (
            0,
            "_leaf",
            "(field (ref $Leaf))",
            "(ref (struct (field i32))); it is not mutable: without `#[wasm(mutable)]`",
        ),
        (
            0,
            "_leaf",
            "(field (mut (ref null $Leaf)))",
            "(mut (ref null (struct (field i32)))); it may be null: an `Option` of it",
        ),
        (0, "_leaf", "(field (mut (ref struct)))", "(mut (ref struct))"),
        (0, "_leaf", "(field (mut i32))", "(mut i32)"),
        (
            1,
            "_leaves",
            "(field (ref $leaves))",
            "(ref (array (mut (ref (struct …))))); it is never null: without `Option`",
        ),
        (
            1,
            "_leaves",
            "(field (mut (ref null $leaves)))",
            "(mut (ref null (array (mut (ref (struct …)))))); it is mutable: `#[wasm(mutable)]`",
        ),
        (1, "_leaves", "(field arrayref)", "(ref null array)"),
        (1, "_leaves", "(field i8)", "i8"),
        (2, "_any", "(field eqref)", "(ref null eq)"),
        (2, "_any", "(field (ref any))", "(ref any)"),
        (2, "_any", "(field externref)", "(ref null extern)"),
        (2, "_any", "(field (ref null $Leaf))", "(ref null (struct (field i32)))"),
        (2, "_any", "(field (mut anyref))", "(mut (ref null any))"),
    ] {
        let mut fields = [leaf, leaves, any];
        fields[index] = found;
        let error = tree(&engine, &types, &fields.concat()).unwrap_err().to_string();
        let says = format!("type mismatch: field {index} (`{name}`) of `Tree`: expected {}", wanted[index]);
        assert!(error.starts_with(&says) && error.contains(&format!(", found {shown}")), "{error}");
    }
    // What fields lead to.
    for (index, found, shown) in [
        (0, "(field (mut (ref $other)))", "field 0 (`number`) of `Leaf`: expected i32, found i64"),
        (0, "(field (mut (ref $leaves)))", "`Leaf` is a struct, the type is (array (mut (ref (struct …))))"),
        (1, "(field (ref null $Leaf))", "is an array, the type is (struct (field i32))"),
    ] {
        let mut fields = [leaf, leaves, any];
        fields[index] = found;
        let error = tree(&engine, &types, &fields.concat()).unwrap_err().to_string();
        assert!(error.starts_with("type mismatch: ") && error.contains(shown), "{error}");
    }
    let constant = types.replace("(array (mut (ref $Leaf)))", "(array (ref $Leaf))");
    let error = tree(&engine, &constant, &[leaf, leaves, any].concat()).unwrap_err().to_string();
    assert!(
        error.contains(
            "expected (mut (ref `Leaf`)), found (ref (struct (field i32))); the elements are not mutable: `Const<…>`"
        ),
        "{error}"
    );
    // Two types for one Rust type.
    let two = format!("(rec {LEAF} (type $Leaf2 (struct (field i32)))) (type $leaves (array (mut (ref $Leaf2))))");
    let error = tree(&engine, &two, &[leaf, leaves, any].concat()).unwrap_err().to_string();
    assert!(
        error.starts_with("`Leaf` would stand for two types, (struct (field i32)) and another (struct (field i32)): "),
        "{error}"
    );
    says(tree(&engine, &types, leaf), "type mismatch: `Tree` has 3 fields, the struct type 1");
    says(
        tree(&engine, &types, &[leaf, leaves, any, leaf].concat()),
        "type mismatch: `Tree` has 3 fields, the struct type 4; with `#[wasm(prefix)]` it may have more",
    );
}

#[test]
fn what_a_module_does_not_have() {
    #[derive(GcStruct)]
    #[wasm(type_index = 2)]
    struct Third;

    #[derive(GcStruct)]
    #[wasm(type_index = 1)]
    struct Second {}

    let engine = stress();
    let module = module(&engine, "(module (type $Node (func)) (type (struct)))");
    module.bind::<Second>().unwrap();
    says(module.bind::<Third>(), "`Third` cannot be bound: the module has 2 types, and no type 2");
    says(module.bind::<Leaf>(), "`Leaf` cannot be bound: the module has no type of the name `Leaf`");
    let error = module.bind::<Node>().unwrap_err().to_string();
    assert!(error.starts_with("type mismatch: `Node` is a struct, the type is (func)"), "{error}");
    says(module.bind_array::<u8>("bytes"), "the module has no type of the name `bytes`");
    let error = module.bind_array::<u8>("Node").unwrap_err().to_string();
    assert!(error.contains("GcArray<u8>` is an array, the type is (func)"), "{error}");
}

#[test]
fn bindings_are_of_an_engine() {
    let (engine, other) = (stress(), stress());
    // In the other engine the type has the same number.
    let (node, foreign) = (node_of(&engine), node_of(&other));
    assert_eq!(format!("{node:?}"), format!("{foreign:?}"));
    let bytes = ArrayType::new(&other, field(VAR, StorageType::I8)).bind::<u8, ()>().unwrap();
    let mut store = Store::new(&engine, ());
    let text = "a type of another engine was used";
    for round in 0..2 {
        store
            .scope(|s| {
                says(foreign.alloc(s, 1, None), text);
                says(s.bind(&foreign), text);
                says(bytes.alloc(s, 1, 0), text);
                says(bytes.from_slice(s, &[1, 2]), text);
                let kept = node.alloc(s, round, None)?;
                assert_eq!(kept.val(s), round);
                Ok(())
            })
            .unwrap();
    }
}

/// A Rust type stands for one type in a store: the second is refused, and nothing of its binding is bound.
#[test]
fn a_store_knows_one_type_for_each_rust_type() {
    let engine = stress();
    let two = module(
        &engine,
        "(module (rec (type $Node (struct (field (mut i64)) (field (mut (ref null $Node)))))
            (type (struct)) (type $bytes (array (mut i8)))))",
    );
    let (one, two, bytes) = (node_of(&engine), two.bind::<Node>().unwrap(), two.bind_array::<u8>("bytes").unwrap());
    let tagged = ArrayType::new(&engine, field(VAR, StorageType::I8));
    let (plain, tagged) = (tagged.bind::<u8, ()>().unwrap(), tagged.bind::<u8, Node>().unwrap());
    let mut store = Store::new(&engine, ());
    store
        .scope(|s| {
            let first = one.alloc(s, 1, None)?;
            let error = two.alloc(s, 2, None).unwrap_err().to_string();
            assert!(error.starts_with("`Node` stands for type ") && error.contains(" in this store, not for type "));
            assert!(s.bind(&two).is_err() && one.alloc(s, 3, Some(first)).is_ok());
            let array = bytes.alloc(s, 1, 2)?;
            assert!(plain.alloc(s, 1, 2).is_err());
            let other = tagged.alloc(s, 1, 3)?;
            assert!(array.cast::<GcArray<u8, Node>>(s).is_none() && other.cast::<GcArray<u8>>(s).is_none());
            assert!(other.to_any().cast::<GcArray<u8, Node>>(s).is_some());
            Ok(())
        })
        .unwrap();
    // Another store may have it the other way round.
    let mut store = Store::new(&engine, ());
    store.scope(|s| two.alloc(s, 1, None).map(drop)).unwrap();
    assert!(store.scope(|s| one.alloc(s, 1, None).map(drop)).is_err());
}

#[test]
fn handles_of_another_store_or_scope() {
    let engine = stress();
    let node = node_of(&engine);
    let [mut here, mut there] = [(); 2].map(|()| Store::new(&engine, ()));
    let func = Func::wrap(&mut there, || ());
    let (root, weak, rooted) = there
        .scope(|s| {
            let made = node.alloc(s, 1, None)?;
            Ok((s.root(made), made.downgrade(s)?, made.to_rooted(s)))
        })
        .unwrap();
    let stale = "a reference was used after the end of its scope";
    there
        .scope(|s| {
            says(rooted.local(s), stale);
            says(rooted.local_as::<Node>(s), stale);
            Ok(())
        })
        .unwrap();
    let alive = root.to_rooted(&mut there).unwrap();
    here.scope(|s| {
        let foreign = |result: Result<String>| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("a store that it does not belong to"), "{error}");
        };
        foreign(root.local(s).map(|local| format!("{local:?}")));
        foreign(weak.local(s).map(|local| format!("{local:?}")));
        foreign(alive.local(s).map(|local| format!("{local:?}")));
        foreign(s.func(&func).map(|local| format!("{local:?}")));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cast_to_what_is_not_bound_is_a_panic() {
    let engine = stress();
    let mut store = Store::new(&engine, ());
    let text = panics(|| {
        store
            .scope(|s| {
                let small = s.i31(1)?;
                Ok(small.cast::<Leaf>(s).is_some())
            })
            .map(drop)
            .unwrap();
    });
    assert_eq!(text, "`Leaf` is not bound in this store: see `Scope::bind`");
    let leaf = module(&engine, &format!("(module {LEAF})")).bind::<Leaf>().unwrap();
    let found = store.scope(|s| {
        s.bind(&leaf)?;
        let small = s.i31(1)?;
        Ok((small.cast::<Leaf>(s).is_some(), leaf.alloc(s, 5)?.to_any().cast::<Leaf>(s).map(|leaf| leaf.number(s))))
    });
    assert_eq!(found.unwrap(), (false, Some(5)));
}

/// Whatever fills the heap, the next object is an error, and there is room again when the scope is over.
#[test]
fn a_full_heap() {
    let engine = Engine::new(Config::new().gc_heap_max(4 << 20).gc_nursery(64 << 10).gc_verify(true)).unwrap();
    let node = node_of(&engine);
    let longs = ArrayType::new(&engine, field(VAR, ValType::I64)).bind::<i64, ()>().unwrap();
    let mut store = Store::new(&engine, ());
    for round in 0..4 {
        let made = store.scope(|s| {
            let first = node.alloc(s, round, None)?;
            let mut made = 0;
            let error = loop {
                let result = match round % 2 {
                    0 => node.alloc(s, 1, Some(first)).map(drop),
                    _ => longs.alloc(s, 1_000, 5).map(drop),
                };
                match result {
                    Ok(()) => made += 1,
                    Err(error) => break error,
                }
                assert!(made < 1 << 20, "the heap is never full");
            };
            assert_eq!(error.trap().unwrap().kind(), TrapKind::HeapExhausted, "{error}");
            assert_eq!((first.val(s), first.next(s).is_none()), (round, true));
            Ok(made)
        });
        assert!(made.unwrap() > 100);
        store.gc().unwrap();
    }
}
