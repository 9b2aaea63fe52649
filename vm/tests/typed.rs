//! Typed functions: which Rust types stand for which types of a guest, what crosses, and what is refused.

use heapwood_vm::*;

/// One of each kind of value, so that types are told apart by the values that belong to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Null,
    I31,
    /// A struct of `$s`, of `$sub` below it, and of `$other`.
    Struct,
    Sub,
    Other,
    Array,
    /// A host value that became one of the `any` hierarchy.
    HostAny,
    /// Functions of `$f` and of `$g`.
    F,
    G,
    Host,
    Exn,
    Number,
}
use What::*;

const ANY: &[What] = &[I31, Struct, Sub, Other, Array, HostAny];

/// Types of a guest: text, the top of the hierarchy (or the number), the values that belong to it.
const TYPES: [(&str, &str, &[What]); 38] = [
    ("i32", "i32", &[Number]),
    ("i64", "i64", &[Number]),
    ("f32", "f32", &[Number]),
    ("f64", "f64", &[Number]),
    ("v128", "v128", &[Number]),
    ("anyref", "any", &[Null, I31, Struct, Sub, Other, Array, HostAny]),
    ("(ref any)", "any", ANY),
    ("eqref", "any", &[Null, I31, Struct, Sub, Other, Array]),
    ("(ref eq)", "any", &[I31, Struct, Sub, Other, Array]),
    ("i31ref", "any", &[Null, I31]),
    ("(ref i31)", "any", &[I31]),
    ("structref", "any", &[Null, Struct, Sub, Other]),
    ("(ref struct)", "any", &[Struct, Sub, Other]),
    ("arrayref", "any", &[Null, Array]),
    ("(ref array)", "any", &[Array]),
    ("(ref null $s)", "any", &[Null, Struct, Sub]),
    ("(ref $s)", "any", &[Struct, Sub]),
    ("(ref null $sub)", "any", &[Null, Sub]),
    ("(ref $sub)", "any", &[Sub]),
    ("(ref null $other)", "any", &[Null, Other]),
    ("(ref null $a)", "any", &[Null, Array]),
    ("(ref $a)", "any", &[Array]),
    ("nullref", "any", &[Null]),
    ("(ref none)", "any", &[]),
    ("funcref", "func", &[Null, F, G]),
    ("(ref func)", "func", &[F, G]),
    ("(ref null $f)", "func", &[Null, F]),
    ("(ref $f)", "func", &[F]),
    ("(ref null $g)", "func", &[Null, G]),
    ("nullfuncref", "func", &[Null]),
    ("(ref nofunc)", "func", &[]),
    ("externref", "extern", &[Null, Host]),
    ("(ref extern)", "extern", &[Host]),
    ("nullexternref", "extern", &[Null]),
    ("exnref", "exn", &[Null, Exn]),
    ("(ref exn)", "exn", &[Exn]),
    ("nullexnref", "exn", &[Null]),
    ("(ref noexn)", "exn", &[]),
];

/// Functions that take and give one type each, and one that gives it back; makers of objects.
fn guest() -> String {
    let mut text = String::from(
        r#"(module
            (type $s (sub (struct (field i32)))) (type $sub (sub $s (struct (field i32 i64))))
            (type $other (struct (field f64))) (type $a (array (mut i16)))
            (type $f (func)) (type $g (func (param i32)))
            (tag $tag)
            (func $f (export "F") (type $f)) (func $g (export "G") (type $g))
            (func (export "Struct") (result anyref) (struct.new $s (i32.const 1)))
            (func (export "Sub") (result anyref) (struct.new $sub (i32.const 1) (i64.const 2)))
            (func (export "Other") (result anyref) (struct.new $other (f64.const 1)))
            (func (export "Array") (result anyref) (array.new $a (i32.const 1) (i32.const 3)))
            (func (export "I31") (result anyref) (ref.i31 (i32.const -5)))
            (func (export "HostAny") (param externref) (result anyref) (any.convert_extern (local.get 0)))
            (func (export "Exn") (result exnref)
                (block $caught (result exnref) (try_table (catch_all_ref $caught) (throw $tag)) (unreachable)))"#,
    );
    for (number, (ty, ..)) in TYPES.iter().enumerate() {
        text += &format!(
            r#"(func (export "take{number}") (param {ty}) (result i32) (i32.const 7))
               (func (export "give{number}") (result {ty}) (unreachable))
               (func (export "same{number}") (param {ty}) (result {ty}) (local.get 0))"#
        );
    }
    text + ")"
}

struct World {
    store: Store<()>,
    instance: Instance,
    any: Vec<(What, Rooted<AnyRef>)>,
    host: Rooted<ExternRef>,
    exception: Rooted<ExnRef>,
    functions: [Func; 2],
}

impl World {
    fn new() -> World {
        let engine = Engine::new(Config::new().gc_stress(1).gc_verify(true)).unwrap();
        let module = Module::new(&engine, wat::parse_str(guest()).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let host = ExternRef::new(&mut store, "a host value").unwrap();
        let mut any = Vec::new();
        for what in [I31, Struct, Sub, Other, Array] {
            let make = instance.get_typed_func::<(), Option<Rooted<AnyRef>>>(&mut store, &format!("{what:?}"));
            any.push((what, make.unwrap().call(&mut store, ()).unwrap().unwrap()));
        }
        let convert =
            instance.get_typed_func::<Option<Rooted<ExternRef>>, Option<Rooted<AnyRef>>>(&mut store, "HostAny");
        any.push((HostAny, convert.unwrap().call(&mut store, Some(host)).unwrap().unwrap()));
        let exception = instance.get_typed_func::<(), Option<Rooted<ExnRef>>>(&mut store, "Exn").unwrap();
        let exception = exception.call(&mut store, ()).unwrap().unwrap();
        let functions = ["F", "G"].map(|name| instance.get_func(&mut store, name).unwrap());
        World { store, instance, any, host, exception, functions }
    }

    fn any(&self, what: What) -> Rooted<AnyRef> {
        self.any.iter().find(|(of, _)| *of == what).expect("it was made").1
    }

    fn kind(&self, value: impl Into<Val>) -> Option<RefKind> {
        value.into().ref_kind(&self.store).unwrap()
    }

    fn typed<P: WasmParams, R: WasmResults>(&mut self, name: &str, number: usize) -> Result<TypedFunc<P, R>> {
        self.instance.get_typed_func(&mut self.store, &format!("{name}{number}"))
    }
}

/// A Rust type: its top and its values.
trait Given: WasmParams + WasmResults + WasmTy {
    const TOP: &'static str;
    const VALUES: &'static [What];
    fn of(world: &World, what: What) -> Self;
    /// What tells values apart.
    fn shown(self, world: &World) -> String;
}

macro_rules! numbers {
    ($($rust:ty: $top:literal = $value:expr;)*) => {
        $(impl Given for $rust {
            const TOP: &'static str = $top;
            const VALUES: &'static [What] = &[Number];
            fn of(_: &World, _: What) -> $rust { $value }
            fn shown(self, _: &World) -> String { format!("{self:?}") }
        })*
    };
}

numbers! {
    i32: "i32" = i32::MIN + 3;
    u32: "i32" = u32::MAX - 3;
    i64: "i64" = i64::MIN + 3;
    u64: "i64" = u64::MAX - 3;
    f32: "f32" = -1.5;
    f64: "f64" = f64::MIN_POSITIVE;
    u128: "v128" = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
}

macro_rules! references {
    ($($rust:ty: $top:literal $values:tt null $with_null:tt, $world:ident $what:ident => $value:expr;)*) => {
        $(impl Given for $rust {
            const TOP: &'static str = $top;
            const VALUES: &'static [What] = &$values;
            fn of($world: &World, $what: What) -> $rust { $value }
            fn shown(self, world: &World) -> String { format!("{:?}", world.kind(self)) }
        }

        impl Given for Option<$rust> {
            const TOP: &'static str = $top;
            const VALUES: &'static [What] = &$with_null;
            fn of(world: &World, what: What) -> Option<$rust> {
                (what != Null).then(|| <$rust>::of(world, what))
            }
            fn shown(self, world: &World) -> String { format!("{:?}", world.kind(self)) }
        })*
    };
}

references! {
    Rooted<AnyRef>: "any" [I31, Struct, Sub, Other, Array, HostAny] null [Null, I31, Struct, Sub, Other, Array, HostAny],
        world what => world.any(what);
    Rooted<StructRef>: "any" [Struct, Sub, Other] null [Null, Struct, Sub, Other],
        world what => world.any(what).unwrap_struct(&world.store).unwrap();
    Rooted<ArrayRef>: "any" [Array] null [Null, Array],
        world what => world.any(what).unwrap_array(&world.store).unwrap();
    Func: "func" [F, G] null [Null, F, G], world what => world.functions[usize::from(what == G)];
    Rooted<ExternRef>: "extern" [Host] null [Null, Host], world _what => world.host;
    Rooted<ExnRef>: "exn" [Exn] null [Null, Exn], world _what => world.exception;
}

fn below(a: &[What], b: &[What]) -> bool {
    a.iter().all(|what| b.contains(what))
}

/// Whether a value of `G` may be passed where the guest takes `wanted`: it always belongs to it, or null does not stand
/// in the way and the guest's type is a part of what Rust says.
fn may_pass<G: Given>(top: &str, wanted: &[What]) -> bool {
    let narrows = below(wanted, G::VALUES) || below(&without_null(wanted), G::VALUES);
    let null = !G::VALUES.contains(&Null) || wanted.contains(&Null);
    top == G::TOP && (below(G::VALUES, wanted) || (narrows && null))
}

fn without_null(values: &[What]) -> Vec<What> {
    values.iter().copied().filter(|what| *what != Null).collect()
}

/// Tries a Rust type as parameter and result of each type of the guest. Returns how many pairs fit, and calls.
fn each_type<G: Given>(world: &mut World) -> (usize, usize) {
    let (mut fitting, mut calls) = (0, 0);
    for (number, (ty, top, wanted)) in TYPES.iter().enumerate() {
        let rust = std::any::type_name::<G>();
        let taken = world.typed::<G, i32>("take", number);
        assert_eq!(taken.is_ok(), may_pass::<G>(top, wanted), "{rust} as parameter {ty}: {:?}", taken.err());
        let given = world.typed::<(), G>("give", number);
        let is_result = *top == G::TOP && below(wanted, G::VALUES);
        assert_eq!(given.is_ok(), is_result, "{rust} as result {ty}: {:?}", given.err());
        let same = world.typed::<G, G>("same", number);
        assert_eq!(same.is_ok(), taken.is_ok() && is_result, "{rust} as parameter and result {ty}");
        fitting += usize::from(taken.is_ok()) + usize::from(is_result);
        let Ok(take) = taken else { continue };
        for what in G::VALUES {
            let value = G::of(world, *what);
            let result = take.call(&mut world.store, value);
            calls += 1;
            assert_eq!(result.is_ok(), wanted.contains(what), "{rust}: {what:?} as {ty}: {result:?}");
            if let Err(error) = &result {
                assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
                assert!(error.to_string().starts_with("type mismatch: expected "), "{error}");
            }
            if let (Ok(same), Ok(_)) = (&same, &result) {
                let back = same.call(&mut world.store, value).unwrap();
                assert_eq!(back.shown(world), value.shown(world), "{rust}: {what:?} through {ty}");
                calls += 1;
            }
        }
    }
    (fitting, calls)
}

#[test]
fn rust_types_stand_for_types_of_guests() {
    let world = &mut World::new();
    let mut totals = (0, 0);
    macro_rules! try_types {
        ($($rust:ty),*) => {$(
            let (fitting, calls) = each_type::<$rust>(world);
            totals = (totals.0 + fitting, totals.1 + calls);
        )*};
    }
    try_types!(i32, u32, i64, u64, f32, f64, u128);
    try_types!(Rooted<AnyRef>, Rooted<StructRef>, Rooted<ArrayRef>, Func, Rooted<ExternRef>, Rooted<ExnRef>);
    try_types!(Option<Rooted<AnyRef>>, Option<Rooted<StructRef>>, Option<Rooted<ArrayRef>>, Option<Func>);
    try_types!(Option<Rooted<ExternRef>>, Option<Rooted<ExnRef>>);
    println!("{} pairs of types fit, {} calls", totals.0, totals.1);
    assert_eq!(totals, (170, 421));
}

/// The type of a host closure is that of its parameters and results; references stay what they are over collections in
/// the closure, in which everything moves.
#[test]
fn references_cross_host_functions() {
    let World { mut store, instance, host, .. } = World::new();
    type All = (i32, Rooted<StructRef>, Option<Rooted<AnyRef>>, Option<Rooted<ExternRef>>, u128, Func);
    let host_function = Func::wrap(
        &mut store,
        |mut caller: Caller<'_, ()>,
         a: i32,
         b: Rooted<StructRef>,
         c: Option<Rooted<AnyRef>>,
         d: Option<Rooted<ExternRef>>,
         e: u128,
         f: Func|
         -> Result<All> {
            caller.gc()?;
            assert_eq!(b.field(&mut caller, 0)?.i32(), Some(1));
            Ok((a + 1, b, c, d, e.rotate_left(64), f))
        },
    );
    assert_eq!(
        host_function.ty(&store).to_string(),
        "(func (param i32 (ref struct) (ref null any) (ref null extern) v128 (ref func)) \
         (result i32 (ref struct) (ref null any) (ref null extern) v128 (ref func)))"
    );
    let guest = Module::new(
        store.engine(),
        wat::parse_str(
            r#"(module
                (import "" "" (func $host (param i32 (ref struct) anyref externref v128 (ref func))
                    (result i32 (ref struct) anyref externref v128 (ref func))))
                (func (export "through") (param i32 (ref struct) anyref externref v128 (ref func))
                    (result i32 (ref struct) anyref externref v128 (ref func))
                    (call $host (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5))))"#,
        )
        .unwrap(),
    )
    .unwrap();
    let through = Instance::new(&mut store, &guest, &[host_function.into()]).unwrap();
    let through = through.get_typed_func::<All, All>(&mut store, "through").unwrap();
    let make = instance.get_typed_func::<(), Option<Rooted<AnyRef>>>(&mut store, "Struct").unwrap();
    let object = make.call(&mut store, ()).unwrap().unwrap();
    let structure = object.unwrap_struct(&store).unwrap();
    for any in [None, Some(object)] {
        for external in [None, Some(host)] {
            let function = *through.func();
            let back = through.call(&mut store, (41, structure, any, external, 1, function)).unwrap();
            assert_eq!((back.0, back.4), (42, 1 << 64));
            assert_eq!(back.1.field(&mut store, 0).unwrap().i32(), Some(1));
            assert_eq!((back.2.is_some(), back.3.is_some()), (any.is_some(), external.is_some()));
            if let Some(external) = back.3 {
                assert_eq!(external.data(&store).unwrap().unwrap().downcast_ref(), Some(&"a host value"));
            }
            assert_eq!(back.5.ty(&store), function.ty(&store));
            // The object is the same one, wherever it lies.
            if let Some(back) = back.2 {
                assert!(back.ref_eq(&store, &object).unwrap());
            }
        }
    }
}

/// A call that checks what is passed keeps no handle of it.
#[test]
fn a_call_leaves_no_handles_behind() {
    let mut world = World::new();
    let number = TYPES.iter().position(|ty| ty.0 == "(ref $s)").unwrap();
    let take = world.typed::<Rooted<StructRef>, i32>("take", number).unwrap();
    let value = Rooted::<StructRef>::of(&world, Struct);
    // Handles outside of calls have consecutive numbers.
    let next = |world: &mut World| format!("{:?}", AnyRef::from_i31(&mut world.store, 1).unwrap());
    let before = next(&mut world);
    for _ in 0..100 {
        take.call(&mut world.store, value).unwrap();
    }
    let entry: u32 = before.trim_start_matches("Rooted(").trim_end_matches(')').parse().unwrap();
    assert_eq!(next(&mut world), format!("Rooted({})", entry + 1));
}

#[test]
fn what_does_not_fit_is_named() {
    let mut world = World::new();
    let mut foreign = World::new();
    let says = |result: Result<i32>, text: &str| assert_eq!(result.expect_err(text).to_string(), text);
    let never = world.instance.get_typed_func::<(i32, i32), i32>(&mut world.store, "take0").map(|_| 0);
    says(
        never,
        "type mismatch: the function `take0` is of type (func (param i32) (result i32)), the host expects 2 parameters and 1 results",
    );
    let never = world.typed::<Func, i32>("take", 0).map(|_| 0);
    says(
        never,
        "type mismatch: the function `take0` is of type (func (param i32) (result i32)), parameter 0 of the host is (ref func)",
    );
    let never = world.typed::<i32, Func>("take", 0).map(|_| 0);
    says(
        never,
        "type mismatch: the function `take0` is of type (func (param i32) (result i32)), result 0 of the host is (ref func)",
    );
    let number = TYPES.iter().position(|ty| ty.0 == "(ref $sub)").unwrap();
    let take = world.typed::<Rooted<StructRef>, i32>("take", number).unwrap();
    let foreign_struct = Rooted::<StructRef>::of(&foreign, Struct);
    says(take.call(&mut world.store, foreign_struct), "a reference was used with a store that it does not belong to");
    let own = Rooted::<StructRef>::of(&world, Sub);
    says(take.call(&mut foreign.store, own), "a reference was used with a store that it does not belong to");
    // What a host function returns is looked at as well.
    let function = Func::wrap(&mut world.store, move || foreign_struct);
    let function = function.typed::<(), Rooted<StructRef>>(&world.store).unwrap();
    let result = function.call(&mut world.store, ()).map(|_| 0);
    says(result, "result of a host function: a reference was used with a store that it does not belong to");
}

#[test]
fn exports_that_are_no_function_of_the_type_are_explained() {
    let engine = Engine::default();
    let text = r#"(module
        (type $Point (struct (field i32)))
        (memory (export "memory") 1)
        (global (export "g") i32 (i32.const 1))
        (func (export "take") (param (ref $Point)))
        (func (export "give") (result (ref null $Point)) (ref.null $Point)))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let mut says = |name: &str, expected: &str| {
        let error = instance.get_typed_func::<(), ()>(&mut store, name).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    says("memory", "`memory` is exported, but is a memory and no function");
    says("g", "`g` is exported, but is a global and no function");
    says("tak", "there is no exported function `tak`; there are `take`, `give`");
    let take = instance.get_typed_func::<Option<Rooted<StructRef>>, ()>(&mut store, "take").unwrap_err();
    assert_eq!(
        take.to_string(),
        "type mismatch: the function `take` is of type (func (param (ref (struct (field i32))))), parameter 0 of the \
         host is (ref null struct); it takes no null: without `Option` it fits"
    );
    let give = instance.get_typed_func::<(), Rooted<AnyRef>>(&mut store, "give").unwrap_err();
    assert_eq!(
        give.to_string(),
        "type mismatch: the function `give` is of type (func (result (ref null (struct (field i32))))), result 0 of \
         the host is (ref any); it may be null: an `Option` of it fits"
    );
    // A value of another type, by the names that the module has.
    let circle = StructType::new(&engine, [FieldType::new(Mutability::Var, StorageType::I8)]);
    let circle = StructRef::new(&mut store, &circle, &[Val::I32(1)]).unwrap();
    let take = instance.get_typed_func::<Rooted<StructRef>, ()>(&mut store, "take").unwrap();
    assert_eq!(
        take.call(&mut store, circle).unwrap_err().to_string(),
        "type mismatch: expected (ref (struct (field i32))) (`Point`), found a (struct (field (mut i8)))"
    );
    // Many exports, and none.
    let many: String = (0..14).map(|number| format!("(func (export \"f{number}\"))")).collect();
    for (text, end) in [(many.as_str(), "`f9` and 4 more"), ("", "; the module exports none")] {
        let module = Module::new(&engine, format!("(module {text})")).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let error = instance.get_typed_func::<(), ()>(&mut store, "x").unwrap_err();
        assert!(error.to_string().ends_with(end), "{error}");
    }
}

/// The text of a type ends, whatever it refers to.
#[test]
fn types_that_refer_to_themselves_are_written() {
    let engine = Engine::default();
    let fields = "(field i8)".repeat(20);
    let text = format!(
        r#"(module (rec (type $Node (struct (field (mut (ref null $Node))) (field (ref $wide)))) (type $wide (struct {fields})))
            (global (export "node") (ref null $Node) (ref.null $Node))
            (global (export "wide") (ref null $wide) (ref.null $wide)))"#
    );
    let module = Module::new(&engine, text).unwrap();
    let text = |name: &str| module.get_export(name).unwrap().to_string();
    assert_eq!(
        text("node"),
        "(global (ref null (struct (field (mut (ref null (struct …)))) (field (ref (struct …))))))"
    );
    assert_eq!(text("wide"), format!("(global (ref null (struct{} …)))", " (field i8)".repeat(8)));
}
