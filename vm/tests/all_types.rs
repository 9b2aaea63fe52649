//! Every type id of an engine in use: collections cost what they cost with few, and one type more is refused by name.

mod common {
    pub mod bounds;
}

use common::bounds::{CHURN, assert_bounds, instantiate, store};
use heapwood_vm::*;

/// Types of one module (a limit of the JavaScript interface).
const MODULE_TYPES: usize = 1_000_000;
/// Types that the engine gives by default.
const QUOTA: usize = 1_900_000;
/// Of so many types in a row one has an object.
const STRIDE: usize = 20;

/// Writes modules of nothing but types, and objects of some of them.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u(&mut self, mut value: usize) -> &mut Bytes {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A type index where a heap type is wanted: signed.
    fn heap_type(&mut self, mut value: usize) -> &mut Bytes {
        while value >= 0x40 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.0.extend(bytes);
        self
    }

    fn section(&mut self, id: u8, contents: &Bytes) -> &mut Bytes {
        self.raw(&[id]).u(contents.0.len()).raw(&contents.0)
    }
}

/// `types` struct types `{(ref null of the one before), (mut anyref)}`, the first of which is marked by `first` more
/// fields, and a function `make` that prepends an object of each `STRIDE`th to a list.
fn module(types: usize, first: usize) -> Vec<u8> {
    let mut section = Bytes::default();
    // Type 0: the function's.
    section.u(types + 1).raw(&[0x60, 0, 0]);
    section.raw(&[0x5f]).u(2 + first).raw(&[0x6e, 0, 0x6e, 1]);
    for _ in 0..first {
        section.raw(&[0x7f, 0]);
    }
    for index in 1..types {
        section.raw(&[0x5f, 2, 0x63]).heap_type(index).raw(&[0, 0x6e, 1]);
    }
    let made: Vec<usize> = (2..=types).step_by(STRIDE).collect();
    let bodies: Vec<&[usize]> = made.chunks(20_000).collect();
    let mut functions = Bytes::default();
    functions.u(bodies.len() + 1);
    for _ in 0..=bodies.len() {
        functions.u(0);
    }
    let mut code = Bytes::default();
    code.u(bodies.len() + 1);
    for body in &bodies {
        let mut text = Bytes::default();
        text.u(0);
        for ty in *body {
            // ref.null none, global.get 0, struct.new ty, global.set 0
            text.raw(&[0xd0, 0x71, 0x23, 0, 0xfb, 0]).u(*ty).raw(&[0x24, 0]);
        }
        text.raw(&[0x0b]);
        code.u(text.0.len()).raw(&text.0);
    }
    let mut all = Bytes::default();
    all.u(0);
    for index in 0..bodies.len() {
        all.raw(&[0x10]).u(index);
    }
    all.raw(&[0x0b]);
    code.u(all.0.len()).raw(&all.0);
    let mut export = Bytes::default();
    export.u(1).u(4).raw(b"make").raw(&[0]).u(bodies.len());
    let mut module = Bytes::default();
    module.raw(b"\0asm\x01\0\0\0").section(1, &section).section(3, &functions);
    module.section(6, Bytes::default().raw(&[1, 0x6e, 1, 0xd0, 0x71, 0x0b])).section(7, &export).section(10, &code);
    module.0
}

#[test]
fn with_every_type_in_use_stops_are_bounded_and_one_more_is_refused() {
    let (mut store, events) = store(100);
    let churn = instantiate(&mut store, format!("(module {CHURN})"));
    let engine = store.engine().clone();
    let mut instances = vec![instantiate(&mut store, module(MODULE_TYPES - 1, 0))];
    let left = QUOTA - engine.live_types();
    instances.push(instantiate(&mut store, module(left, 1)));
    assert_eq!(engine.live_types(), QUOTA, "every type of the default configuration is taken");
    for instance in instances {
        instance.get_typed_func::<(), ()>(&mut store, "make").unwrap().call(&mut store, ()).unwrap();
        assert_bounds("objects of all types", &events, 100);
    }
    let churn = churn.get_typed_func::<(i32, i32), ()>(&mut store, "churn").unwrap();
    for keep in [0, 10, 1] {
        churn.call(&mut store, (100_000, keep)).unwrap();
        assert_bounds("churn", &events, 100);
    }
    store.gc().unwrap();
    let error = Module::new(&engine, module(1, 2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    let says =
        format!("the engine's quota of {QUOTA} types (Config::max_types) is used up: {QUOTA} are alive, 1 more are");
    assert!(error.to_string().contains(&says), "{error}");
    // What is known needs no id.
    Module::new(&engine, module(500_000, 1)).unwrap();
    drop((store, churn));
    assert_eq!(engine.live_types(), 0);
    Module::new(&engine, module(1, 2)).unwrap();
}
