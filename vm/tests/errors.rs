//! Errors of hosts: how they come in, through guests' frames, and out again.

use heapwood_vm::*;
use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no more than {0}")]
struct Own(u32);

#[derive(Debug, thiserror::Error)]
#[error("around it")]
struct Around(#[source] Own);

/// An error type of an embedder that holds one of ours.
#[derive(Debug, thiserror::Error)]
enum Embedders {
    #[error("the guest")]
    Guest(#[source] Error),
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file")
}

/// Calls a host function that fails, below the frames of two guests and of a host between them.
fn through_guests(fail: impl Fn() -> Result<()> + Send + Sync + 'static) -> Error {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let text = r#"(module (import "" "" (func $f)) (func $g (call $f)) (func (export "f") (call $g)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let host = Func::wrap(&mut store, fail);
    let inner = Instance::new(&mut store, &module, &[host.into()]).unwrap().get_func(&mut store, "f").unwrap();
    let between =
        Func::wrap(&mut store, move |caller: Caller<'_, ()>| inner.typed::<(), ()>(&caller)?.call(caller, ()));
    let outer = Instance::new(&mut store, &module, &[between.into()]).unwrap();
    outer.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ()).unwrap_err()
}

#[test]
fn errors_of_hosts_pass_through_guests() {
    let error = through_guests(|| Err(missing())?);
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    assert_eq!((error.to_string().as_str(), error.backtrace().unwrap().frames().len()), ("no such file", 4));
    let error = through_guests(|| Err(Own(3))?);
    assert_eq!(error.downcast_ref(), Some(&Own(3)));
    assert!(error.downcast_ref::<io::Error>().is_none() && error.source().is_none());
    let error = through_guests(|| Err(Around(Own(4)))?);
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&Own(4)));
    let error = through_guests(|| Err("a text")?);
    assert!(matches!(error.kind(), ErrorKind::Host(_)));
    assert_eq!(error.to_string(), "a text");
    let error = through_guests(|| Err(Box::<dyn StdError + Send + Sync>::from(Own(5)))?);
    assert_eq!(error.downcast_ref(), Some(&Own(5)));
    let error = through_guests(|| Err(anyhow::Error::new(Own(6)).context("about it"))?);
    assert_eq!(error.to_string(), "about it");
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&Own(6)));
}

/// What a guest did stays what it is, however often hosts pass it on.
#[test]
fn what_guests_did_stays_what_it_is() {
    let trap = || Error::from(Trap::from(TrapKind::IntegerOverflow));
    let error = through_guests(move || Err(trap()));
    assert_eq!(error.trap().unwrap().kind(), TrapKind::IntegerOverflow);
    assert_eq!(error.downcast_ref::<Trap>().unwrap().kind(), TrapKind::IntegerOverflow);
    let error = through_guests(move || Err(trap().into_boxed())?);
    assert_eq!(error.trap().unwrap().kind(), TrapKind::IntegerOverflow);
    let error = through_guests(move || Err(Error::new(Trap::from(TrapKind::IntegerOverflow))));
    assert_eq!(error.trap().unwrap().kind(), TrapKind::IntegerOverflow);
    let invalid = Module::new(&Engine::default(), b"no module").unwrap_err();
    let ErrorKind::Module(error) = invalid.into_kind() else { panic!("another kind") };
    assert!(matches!(Error::from(error).kind(), ErrorKind::Module(_)));
    let error = Error::from(MemoryType::builder().min(2).max(1).build().unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
}

#[test]
fn contexts_come_first_and_the_cause_stays() {
    let fail = || -> Result<()> { Err(missing()).context("reading the list") };
    let error = through_guests(move || fail().with_context(|| format!("round {}", 2)));
    assert_eq!(error.to_string(), "round 2");
    assert_eq!(format!("{error:#}"), "round 2: reading the list: no such file");
    assert!(format!("{error:?}").starts_with("round 2: reading the list: no such file\n"), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "no such file");
    assert!(error.downcast_ref::<io::Error>().is_some());
    let error = Error::from(Trap::from(TrapKind::Interrupted)).context("the guest's turn");
    assert_eq!((error.to_string().as_str(), error.trap().unwrap().kind()), ("the guest's turn", TrapKind::Interrupted));
    let nothing: Option<u32> = None;
    assert_eq!(nothing.context("nothing there").unwrap_err().to_string(), "nothing there");
    assert_eq!(Some(1).context("nothing there").unwrap(), 1);
}

/// An error becomes one of another type and comes back as it was.
#[test]
fn errors_go_out_and_come_back() {
    let make = || through_guests(|| Err(Own(7))?).context("about it");
    let boxed = || -> Result<(), Box<dyn StdError>> { Err(make())? };
    let with_anyhow = || -> anyhow::Result<()> { Err(make())? };
    let (boxed, with_anyhow) = (boxed().unwrap_err(), with_anyhow().unwrap_err());
    for error in [&*boxed, with_anyhow.as_ref(), &*make()] {
        assert_eq!(error.to_string(), "about it");
        assert!(matches!(ErrorKind::of(error), Some(ErrorKind::Host(_))));
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&Own(7)));
    }
    assert!(ErrorKind::of(&missing()).is_none());
    for error in [Error::from(with_anyhow), Error::from(make().into_boxed())] {
        assert_eq!((error.to_string().as_str(), error.downcast_ref()), ("about it", Some(&Own(7))));
        assert_eq!(error.backtrace().unwrap().frames().len(), 4);
    }
    // A trap stays one, and what others say about it stays with it.
    let trap = || -> anyhow::Result<()> { Err(Error::from(Trap::from(TrapKind::Interrupted)).context("inner"))? };
    let error = through_guests(move || anyhow::Context::context(trap(), "outer").map_err(Error::from));
    assert_eq!(format!("{error:#}"), "outer: inner: interrupted");
    assert_eq!(error.trap().unwrap().kind(), TrapKind::Interrupted);
    let held = Embedders::Guest(make());
    assert_eq!(held.source().unwrap().to_string(), "about it");
}

/// A panic about what belongs to another store or engine is at the call, not in the library.
#[test]
fn panics_about_foreign_handles_name_the_call() {
    let [engine, other] = [(); 2].map(|()| Engine::default());
    let [mut store, mut foreign] = [&engine, &other].map(|engine| Store::new(engine, ()));
    let module =
        Module::new(&other, wat::parse_str(r#"(module (func (export "f")) (memory (export "m") 1))"#).unwrap());
    let instance = Instance::new(&mut foreign, &module.unwrap(), &[]).unwrap();
    let func = instance.get_func(&mut foreign, "f").unwrap();
    let memory = instance.get_memory(&mut foreign, "m").unwrap();
    let element = FieldType::new(
        Mutability::Var,
        StorageType::ValType(ValType::Ref(RefType::new(true, StructType::new(&other, []).into()))),
    );
    type Call<'a> = Box<dyn Fn(&mut Store<()>) + 'a>;
    let calls: [Call<'_>; 5] = [
        Box::new(|store| drop(func.ty(store))),
        Box::new(|store| _ = memory.size(store)),
        Box::new(|_| drop(StructType::new(&engine, [element.clone()]))),
        Box::new(|_| drop(ArrayType::new(&engine, element.clone()))),
        Box::new(|store| _ = instance.get_memory(store, "m")),
    ];
    let places = Arc::new(Mutex::new(Vec::new()));
    let seen = places.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        seen.lock().unwrap().extend(info.location().map(|at| at.file().to_owned()));
    }));
    let ended: Vec<_> = calls
        .into_iter()
        .map(|call| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&mut store))).is_err())
        .collect();
    std::panic::set_hook(before);
    assert_eq!(ended, [true; 5]);
    assert_eq!(*places.lock().unwrap(), [file!(); 5]);
}
