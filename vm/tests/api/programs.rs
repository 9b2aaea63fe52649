//! Programs over the public API that once read or wrote what they must not.

use crate::world::{World, module};
use heapwood_vm::*;

fn two_engines() -> [Engine; 2] {
    [(); 2].map(|()| Engine::default())
}

/// A function type of one engine names a host function in a store of another, where its number means a type that
/// returns a reference: the host's integer became one.
#[test]
#[should_panic(expected = "a type of another engine")]
fn a_host_function_with_a_type_of_another_engine() {
    let [a, b] = two_engines();
    let ta = FuncType::new(&a, [], [ValType::I64]).unwrap();
    let tb = FuncType::new(&b, [], [ValType::EXTERNREF]).unwrap();
    assert_eq!(ta.id(), tb.id(), "the numbers are the same, which is the point");
    assert_ne!(ta, tb);
    let mut store = Store::new(&b, ());
    Func::new(&mut store, ta, |_, _, results| {
        results[0] = Val::I64(0x1234_5678);
        Ok(())
    });
}

/// The definitions of a linker of one engine were matched by number with the imports of a module of another.
#[test]
fn a_linker_of_another_engine() {
    let [a, b] = two_engines();
    let mut linker: Linker<()> = Linker::new(&a);
    linker.func_wrap("h", "f", || -> i64 { 0x1234_5678 }).unwrap();
    let module = module(
        &b,
        r#"(module (type $t (func (result externref))) (import "h" "f" (func $f (type $t)))
            (func (export "g") (result externref) (call $f)))"#,
    );
    let error = linker.instantiate(&mut Store::new(&b, ()), &module).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
}

/// The payload of an i64 tag was read with a tag type of another engine: as a reference.
#[test]
fn a_tag_with_a_type_of_another_engine() {
    let [a, b] = two_engines();
    let ta = FuncType::new(&a, [ValType::EXTERNREF], []).unwrap();
    let _module = module(&b, r#"(module (type $t (func (param i64))) (import "h" "t" (tag $t (type $t))))"#);
    let error = Tag::new(&mut Store::new(&b, ()), TagType::new(ta)).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
}

/// Trampolines rely on the limits of modules: they overwrote memory beyond the room that is there for a call.
#[test]
fn function_types_of_the_host_have_the_limits_of_modules() {
    let engine = Engine::default();
    for (count, is_right) in [(0, true), (1_000, true), (1_001, false), (8_200, false), (2_000_000, false)] {
        let types = || vec![ValType::I64; count];
        let made =
            [("parameters", FuncType::new(&engine, types(), [])), ("results", FuncType::new(&engine, [], types()))];
        for (what, made) in made {
            match made {
                Ok(ty) => assert!(is_right && ty.params().len() + ty.results().len() == count),
                Err(error) => {
                    let wanted = format!("a function type with {count} {what}: more than the limit of 1000");
                    assert_eq!((error.to_string(), is_right), (wanted, false));
                    assert!(matches!(error.kind(), ErrorKind::Limit(_)));
                }
            }
        }
    }
}

/// Functions of the largest types are called in all ways with all kinds of values, and each value arrives.
#[test]
fn functions_at_the_limits_are_called() {
    let engine = Engine::default();
    let kinds = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128, ValType::EXTERNREF];
    let mut calls = 0;
    for kind in kinds {
        for (params, results) in [(1_000, 0), (0, 1_000), (1_000, 1_000)] {
            let ty = FuncType::new(&engine, vec![kind.clone(); params], vec![kind.clone(); results]).unwrap();
            let mut store = Store::new(&engine, ());
            let value = |store: &mut Store<()>, number: u32| match kind {
                ValType::I32 => Val::I32(number as i32),
                ValType::I64 => Val::I64(number as i64),
                ValType::F32 => Val::F32(number),
                ValType::F64 => Val::F64(number as u64),
                ValType::V128 => Val::V128((number as u128) << 90 | number as u128),
                ValType::Ref(_) => Val::ExternRef(Some(ExternRef::new(store, number).unwrap())),
            };
            let given: Vec<Val> = (0..1_000).map(|number| value(&mut store, number)).collect();
            let (want, answers) = (given.clone(), given.clone());
            // Handles of arguments are others of the same objects, so they are compared by what they show.
            let host = Func::new(&mut store, ty.clone(), move |caller, args, out| {
                for (arg, want) in args.iter().zip(&want) {
                    assert_same(&caller, arg, want);
                }
                out.copy_from_slice(&answers[..out.len()]);
                Ok(())
            });
            let guest = forwarding(&engine, &mut store, &ty, host);
            for func in [host, guest] {
                let mut out = vec![Val::I32(0); results];
                func.call(&mut store, &given[..params], &mut out).unwrap();
                for (result, want) in out.iter().zip(&given) {
                    assert_same(&store, result, want);
                }
                calls += 1;
            }
        }
    }
    println!("{calls} calls");
    assert_eq!(calls, 36);
}

fn assert_same(store: &impl AsContext<Data = ()>, a: &Val, b: &Val) {
    match (a, b) {
        (Val::ExternRef(Some(a)), Val::ExternRef(Some(b))) => assert!(a.ref_eq(store, b).unwrap()),
        (a, b) => assert_eq!(format!("{a:?}"), format!("{b:?}")),
    }
}

/// A guest's function that calls `host` with its own arguments.
fn forwarding(engine: &Engine, store: &mut Store<()>, ty: &FuncType, host: Func) -> Func {
    // Types that are not defined ones print as the text format writes them.
    let word = |ty: ValType| format!("{ty} ");
    let signature = format!(
        "(param {}) (result {})",
        ty.params().map(word).collect::<String>(),
        ty.results().map(word).collect::<String>()
    );
    let args: String = (0..ty.params().len()).map(|index| format!("(local.get {index})")).collect();
    let text =
        format!(r#"(module (import "" "" (func $h {signature})) (func (export "f") {signature} (call $h {args})))"#);
    let instance = Instance::new(&mut *store, &module(engine, &text), &[host.into()]).unwrap();
    instance.get_func(store, "f").unwrap()
}

/// What a host function returns is checked as what a call is given: no guest sees it, and no `catch_all` catches it.
#[test]
fn host_functions_that_return_what_is_not_theirs() {
    let World { engine, mut store, here, stale, there, foreign, .. } = World::new(&Config::new());
    let any = |object| Val::AnyRef(Some(object));
    let (host, thrown) = (|host| Val::ExternRef(Some(host)), |thrown| Val::ExnRef(Some(thrown)));
    let (store_error, scope_error, mismatch) = ("does not belong to", "after the end of its scope", "type mismatch");
    let cases = [
        (ValType::ANYREF, any(there.object), store_error),
        (ValType::ANYREF, any(foreign.object), store_error),
        (ValType::ANYREF, any(stale.any), scope_error),
        (ValType::EXTERNREF, host(there.host), store_error),
        (ValType::EXTERNREF, host(stale.host), scope_error),
        (ValType::EXNREF, thrown(there.thrown), store_error),
        (ValType::EXNREF, thrown(stale.thrown), scope_error),
        (ValType::FUNCREF, there.func.into(), store_error),
        (ValType::FUNCREF, foreign.func.into(), store_error),
        (ValType::EXTERNREF, any(here.object), mismatch),
        (ValType::ANYREF, Val::I32(1), mismatch),
        (ValType::I32, any(here.object), mismatch),
    ];
    let mut refused = 0;
    for (ty, value, says) in &cases {
        let signature = FuncType::new(&engine, [], [ty.clone()]).unwrap();
        let given = *value;
        let func = Func::new(&mut store, signature.clone(), move |_, _, results| {
            results[0] = given;
            Ok(())
        });
        let guest = forwarding(&engine, &mut store, &signature, func);
        for func in [func, guest] {
            let error = func.call(&mut store, &[], &mut [Val::I32(0)]).unwrap_err().to_string();
            assert!(error.starts_with("result of a host function: ") && error.contains(says), "{value:?}: {error}");
            refused += 1;
        }
    }
    println!("{refused} refused");
    assert_eq!(refused, 24);

    let exception = there.exception;
    let func = Func::wrap(&mut store, move || -> Result<()> { Err(exception.clone().into()) });
    let text =
        r#"(module (import "" "" (func $h)) (func (export "f") (block $all (try_table (catch_all $all) (call $h)))))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[func.into()]).unwrap();
    let error = instance.get_func(&mut store, "f").unwrap().call(&mut store, &[], &mut []).unwrap_err();
    let error = error.exception().expect("the same error").payload(&mut store).unwrap_err();
    assert!(error.to_string().contains(store_error), "{error}");
}
