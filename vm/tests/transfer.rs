//! What goes from one store to another: copies of graphs of objects, and messages.

#[path = "common/random.rs"]
mod random;

use heapwood_vm::*;
use random::Random;

const VAR: Mutability = Mutability::Var;
const UNLIMITED: u64 = u64::MAX;

/// A reference in a graph.
#[derive(Clone, Copy)]
enum Edge {
    Null,
    I31(i32),
    To(usize),
}

/// An object of a graph.
enum Object {
    /// Numbers of every width, and references of three types.
    Struct {
        numbers: u128,
        edges: [Edge; 3],
    },
    Bytes(Vec<u8>),
    Wide(Vec<u128>),
    References(Vec<Edge>),
}

fn edge(random: &mut Random, objects: usize) -> Edge {
    match random.index(8) {
        0 => Edge::Null,
        1 => Edge::I31(random.next() as i32 >> 1),
        _ => Edge::To(random.index(objects)),
    }
}

/// An object of a graph. The lengths of arrays are around those at which the heap treats them otherwise: chunks,
/// blocks, large objects, pieces of a copy.
fn object(random: &mut Random, objects: usize, longest: usize) -> Object {
    let lengths = [0, 1, 61, 62, 63, 2047, 4095, 4096, 4097, 9000, 40_000];
    let length = match random.index(4) {
        0 => random.of(&lengths).min(longest),
        _ => random.index(20),
    };
    match random.index(6) {
        0 => Object::Bytes((0..length).map(|_| random.next() as u8).collect()),
        1 => Object::Wide((0..length / 16).map(|_| u128::from(random.next()) << 64 | 7).collect()),
        2 => Object::References((0..length).map(|_| edge(random, objects)).collect()),
        _ => Object::Struct { numbers: random.bits(), edges: [(); 3].map(|()| edge(random, objects)) },
    }
}

/// A graph with cycles and shared objects.
fn graph(random: &mut Random, objects: usize, longest: usize) -> Vec<Object> {
    // The first one leads to many, so that a graph is more than its root.
    let root = Object::References((0..20).map(|_| edge(random, objects)).collect());
    std::iter::once(root).chain((1..objects).map(|_| object(random, objects, longest))).collect()
}

/// The types of a graph's objects.
struct Types {
    node: StructType,
    bytes: ArrayType,
    wide: ArrayType,
    references: ArrayType,
}

const NUMBERS: usize = 7;

impl Types {
    fn new(engine: &Engine) -> Types {
        let numbers = [
            StorageType::I8,
            StorageType::I16,
            StorageType::ValType(ValType::I32),
            StorageType::ValType(ValType::F32),
            StorageType::ValType(ValType::I64),
            StorageType::ValType(ValType::F64),
            StorageType::ValType(ValType::V128),
        ];
        let any = StorageType::ValType(ValType::ANYREF);
        let fields = numbers.into_iter().chain([any.clone(), any.clone(), any.clone()]);
        let array = |storage: StorageType| ArrayType::new(engine, FieldType::new(VAR, storage));
        Types {
            node: StructType::new(engine, fields.map(|storage| FieldType::new(VAR, storage))),
            bytes: array(StorageType::I8),
            wide: array(StorageType::ValType(ValType::V128)),
            references: array(any),
        }
    }

    fn numbers(bits: u128) -> [Val; NUMBERS] {
        [
            Val::I32(i32::from(bits as u8)),
            Val::I32(i32::from(bits as u16)),
            Val::I32(bits as i32),
            Val::F32(bits as u32),
            Val::I64(bits as i64),
            Val::F64((bits >> 3) as u64),
            Val::V128(bits),
        ]
    }

    /// The object without its references.
    fn blank(&self, store: &mut Store<()>, object: &Object) -> Rooted<AnyRef> {
        let null = Val::AnyRef(None);
        match object {
            Object::Struct { numbers, .. } => {
                let fields: Vec<Val> = Types::numbers(*numbers).into_iter().chain([null; 3]).collect();
                StructRef::new(store, &self.node, &fields).unwrap().to_anyref()
            }
            Object::Bytes(bytes) => ArrayRef::from_slice(store, &self.bytes, bytes).unwrap().to_anyref(),
            Object::Wide(vectors) => ArrayRef::from_slice(store, &self.wide, vectors).unwrap().to_anyref(),
            Object::References(edges) => {
                ArrayRef::new(store, &self.references, &null, edges.len() as u32).unwrap().to_anyref()
            }
        }
    }

    /// Makes a graph; its objects.
    fn make(&self, store: &mut Store<()>, graph: &[Object]) -> Vec<Rooted<AnyRef>> {
        let made: Vec<_> = graph.iter().map(|object| self.blank(store, object)).collect();
        for (object, handle) in graph.iter().zip(&made) {
            let value = |store: &mut Store<()>, edge: &Edge| match edge {
                Edge::Null => Val::AnyRef(None),
                Edge::I31(number) => Val::AnyRef(Some(AnyRef::from_i31(store, *number).unwrap())),
                Edge::To(other) => made[*other].into(),
            };
            match object {
                Object::Struct { edges, .. } => {
                    let handle = handle.unwrap_struct(&*store).unwrap();
                    for (index, edge) in edges.iter().enumerate() {
                        let value = value(store, edge);
                        handle.set_field(&mut *store, NUMBERS + index, value).unwrap();
                    }
                }
                Object::References(edges) => {
                    let handle = handle.unwrap_array(&*store).unwrap();
                    for (index, edge) in edges.iter().enumerate() {
                        let value = value(store, edge);
                        handle.set(&mut *store, index as u32, value).unwrap();
                    }
                }
                Object::Bytes(_) | Object::Wide(_) => {}
            }
        }
        made
    }
}

/// Compares what a handle leads to with a graph: each object is found where an edge leads to it, and is the same one
/// wherever another does.
struct Comparison<'c> {
    store: &'c mut Store<()>,
    types: &'c Types,
    graph: &'c [Object],
    found: Vec<Option<Rooted<AnyRef>>>,
    waiting: Vec<usize>,
}

impl Comparison<'_> {
    fn edge(&mut self, edge: Edge, value: Val) {
        match (edge, value) {
            (Edge::Null, Val::AnyRef(None)) => {}
            (Edge::I31(number), Val::AnyRef(Some(small))) => {
                assert_eq!(small.as_i31(&*self.store).unwrap(), Some(number));
            }
            (Edge::To(object), Val::AnyRef(Some(handle))) => match self.found[object] {
                Some(before) => assert!(handle.ref_eq(&*self.store, &before).unwrap(), "object {object} is two"),
                None => {
                    self.found[object] = Some(handle);
                    self.waiting.push(object);
                }
            },
            (_, value) => panic!("{value:?}"),
        }
    }

    fn object(&mut self, number: usize) {
        let (store, handle) = (&mut *self.store, self.found[number].unwrap());
        match &self.graph[number] {
            Object::Struct { numbers, edges } => {
                let handle = handle.unwrap_struct(&*store).unwrap();
                assert_eq!(handle.ty(&*store).unwrap(), self.types.node);
                let fields: Vec<Val> = handle.fields(store).unwrap().collect();
                for (found, expected) in fields.iter().zip(Types::numbers(*numbers)) {
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
                }
                edges.iter().zip(&fields[NUMBERS..]).for_each(|(edge, value)| self.edge(*edge, *value));
            }
            Object::Bytes(bytes) => {
                let handle = handle.unwrap_array(&*store).unwrap();
                let mut found = vec![0; handle.len(&*store).unwrap() as usize];
                handle.copy_to_slice(&*store, 0, &mut found).unwrap();
                assert!(found == *bytes);
            }
            Object::Wide(vectors) => {
                let handle = handle.unwrap_array(&*store).unwrap();
                let mut found = vec![0u128; handle.len(&*store).unwrap() as usize];
                handle.copy_to_slice(&*store, 0, &mut found).unwrap();
                assert!(found == *vectors);
            }
            Object::References(edges) => {
                let handle = handle.unwrap_array(&*store).unwrap();
                assert_eq!(handle.len(&*store).unwrap() as usize, edges.len());
                for (index, edge) in edges.iter().enumerate() {
                    let value = handle.get(&mut *self.store, index as u32).unwrap();
                    self.edge(*edge, value);
                }
            }
        }
    }
}

/// Asserts that a handle leads to the objects of a graph that its first one leads to; how many these are.
fn compare(store: &mut Store<()>, types: &Types, graph: &[Object], root: Rooted<AnyRef>) -> usize {
    let mut found = vec![None; graph.len()];
    found[0] = Some(root);
    let mut comparison = Comparison { store, types, graph, found, waiting: vec![0] };
    let mut objects = 0;
    while let Some(number) = comparison.waiting.pop() {
        comparison.object(number);
        objects += 1;
    }
    objects
}

/// Changes everything that a graph of a store holds.
fn destroy(store: &mut Store<()>, made: &[Rooted<AnyRef>]) {
    for handle in made {
        if let Some(node) = handle.as_struct(&*store).unwrap() {
            node.set_field(&mut *store, NUMBERS, Val::AnyRef(None)).unwrap();
            node.set_field(&mut *store, 4, Val::I64(-1)).unwrap();
        } else if let Some(array) = handle.as_array(&*store).unwrap() {
            let zero = match array.ty(&*store).unwrap().element_type().to_string().as_str() {
                text if text.contains("ref") => Val::AnyRef(None),
                text if text.contains("v128") => Val::V128(0),
                _ => Val::I32(0),
            };
            let len = array.len(&*store).unwrap();
            array.fill(&mut *store, 0, len, zero).unwrap();
        }
    }
}

fn copies_are_like_the_originals(config: &Config, seeds: std::ops::Range<u64>, objects: usize, longest: usize) {
    let engine = Engine::new(config).unwrap();
    let mut compared = 0;
    for seed in seeds.clone() {
        let mut random = Random(seed);
        let objects = 1 + random.index(objects);
        let graph = graph(&mut random, objects, longest);
        let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
        let types = Types::new(&engine);
        let made = types.make(&mut one, &graph);
        let copy = made[0].transfer(&one, &mut two, UNLIMITED).unwrap();
        let again = made[0].transfer(&one, &mut two, UNLIMITED).unwrap();
        assert!(!copy.ref_eq(&two, &again).unwrap(), "each copy is one of its own");
        two.gc().unwrap();
        assert_eq!(compare(&mut one, &types, &graph, made[0]), compare(&mut two, &types, &graph, copy));
        destroy(&mut one, &made);
        drop(one);
        compared += compare(&mut two, &types, &graph, copy);
        compare(&mut two, &types, &graph, again);
        // And back from the copy.
        let mut three = Store::new(&engine, ());
        let back = copy.transfer(&two, &mut three, UNLIMITED).unwrap();
        drop(two);
        compare(&mut three, &types, &graph, back);
    }
    println!("{compared} objects of {} graphs", seeds.end - seeds.start);
    assert!(compared > 20 * (seeds.end - seeds.start) as usize, "{compared} objects only");
}

#[test]
fn small_graphs_while_everything_moves_at_each_allocation() {
    copies_are_like_the_originals(Config::new().gc_stress(1).gc_verify(true), 0..60, 120, 300);
}

#[test]
fn long_arrays_in_verified_heaps() {
    copies_are_like_the_originals(Config::new().gc_verify(true), 100..112, 300, usize::MAX);
}

/// Many objects: the receiver's collections run as they do for its guest, markings included.
#[test]
fn many_objects_in_a_small_nursery() {
    copies_are_like_the_originals(Config::new().gc_nursery(1 << 20), 200..203, 30_000, 5000);
}

/// A chain that is longer than any recursion would be deep.
#[test]
fn a_long_list() {
    let engine = Engine::default();
    let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let types = Types::new(&engine);
    let length = 200_000;
    let list: Vec<Object> = (0..length)
        .map(|number| {
            let next = if number + 1 < length { Edge::To(number + 1) } else { Edge::To(0) };
            Object::Struct { numbers: number as u128, edges: [next, Edge::Null, Edge::I31(8)] }
        })
        .collect();
    let made = types.make(&mut one, &list);
    let copy = made[0].transfer(&one, &mut two, UNLIMITED).unwrap();
    assert_eq!(compare(&mut two, &types, &list, copy), length);
}

#[test]
fn nothing_is_made_beyond_the_limit() {
    let engine = Engine::default();
    let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let types = Types::new(&engine);
    let graph = [Object::References(vec![Edge::To(1), Edge::To(1), Edge::To(0)]), Object::Bytes(vec![7; 1000])];
    let made = types.make(&mut one, &graph);
    // The first limit that is enough.
    let (mut refused, mut enough) = (0, 1 << 20);
    while enough - refused > 1 {
        let middle = (refused + enough) / 2;
        match made[0].transfer(&one, &mut two, middle) {
            Ok(_) => enough = middle,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error:?}");
                assert_eq!(error.to_string(), format!("the objects take more than the limit of {middle} bytes"));
                refused = middle;
            }
        }
    }
    assert!((1000 + 12..1100).contains(&enough), "{enough} bytes: a shared object counts once");
}

#[test]
fn a_full_heap_refuses_and_goes_on() {
    let big = Engine::default();
    let types = Types::new(&big);
    let mut one = Store::new(&big, ());
    let made = types.make(&mut one, &[Object::References(vec![Edge::To(1); 3]), Object::Bytes(vec![1; 100 << 20])]);
    let small = Engine::new(Config::new().gc_heap_max(64 << 20)).unwrap();
    let types = Types::new(&small);
    let mut two = Store::new(&small, ());
    let pair = |bytes: usize| [Object::References(vec![Edge::To(1); 3]), Object::Bytes(vec![1; bytes])];
    let error = made[0].transfer(&one, &mut two, UNLIMITED).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
    // One that fits once, and not twice.
    let mut one = Store::new(&small, ());
    let graph = pair(30 << 20);
    let made = types.make(&mut one, &graph);
    let kept = made[0].transfer(&one, &mut two, UNLIMITED).unwrap();
    for _ in 0..3 {
        let error = made[0]
            .transfer(&one, &mut two, UNLIMITED)
            .map(|_| ())
            .and_then(|()| made[0].transfer(&one, &mut two, UNLIMITED).map(drop));
        assert!(error.unwrap_err().trap().is_some());
        compare(&mut two, &types, &graph, kept);
    }
}

#[test]
fn what_belongs_to_a_store_stays_there() {
    let engine = Engine::default();
    let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let host = ExternRef::new(&mut one, 5).unwrap();
    let error = host.transfer(&one, &mut two, UNLIMITED).unwrap_err();
    assert!(error.to_string().contains("leads to a host value"), "{error}");
    let cases = [("functions", ValType::FUNCREF, "a function"), ("values", ValType::EXTERNREF, "a host value")];
    for (name, ty, what) in cases {
        let array = ArrayType::new(&engine, FieldType::new(VAR, StorageType::ValType(ty)));
        let func = Func::wrap(&mut one, || ());
        let value = if name == "functions" { Val::FuncRef(Some(func)) } else { Val::ExternRef(Some(host)) };
        let array = ArrayRef::new_fixed(&mut one, &array, &[value]).unwrap();
        let before = two.gc_stats();
        let error = array.transfer(&one, &mut two, UNLIMITED).unwrap_err();
        assert!(error.to_string().contains(&format!("leads to {what}")), "{name}: {error}");
        assert_eq!(format!("{:?}", two.gc_stats()), format!("{before:?}"), "nothing was allocated");
    }
    let small = AnyRef::from_i31(&mut one, -9).unwrap();
    assert_eq!(small.transfer(&one, &mut two, 0).unwrap().as_i31(&two).unwrap(), Some(-9));
}

/// The types of what arrives live on with the store that has it.
#[test]
fn types_outlive_the_module_that_defined_them() {
    let engine = Engine::default();
    let mut two = Store::new(&engine, ());
    let copy = {
        let text = r#"(module (type $t (struct (field i64) (field (ref null $t))))
            (func (export "make") (result (ref $t)) (struct.new $t (i64.const 77) (ref.null none))))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut one = Store::new(&engine, ());
        let instance = Instance::new(&mut one, &module, &[]).unwrap();
        let make = instance.get_typed_func::<(), Rooted<StructRef>>(&mut one, "make").unwrap();
        make.call(&mut one, ()).unwrap().transfer(&one, &mut two, UNLIMITED).unwrap()
    };
    let types: Vec<_> = (1..40)
        .map(|fields| {
            let field = || FieldType::new(VAR, StorageType::ValType(ValType::F64));
            StructType::new(&engine, std::iter::repeat_with(field).take(fields))
        })
        .collect();
    two.gc().unwrap();
    assert_eq!(copy.field(&mut two, 0).unwrap().i64(), Some(77));
    assert_eq!(copy.ty(&two).unwrap().fields().count(), 2);
    drop(types);
}

#[test]
fn messages_arrive_in_order_and_within_the_bounds() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    assert!(store.receive().is_none());
    let inbox = store.open_inbox(10, 3);
    assert_eq!(inbox.send(&[0; 11]), Err(InboxError::TooLong { bytes: 11, bytes_max: 10 }));
    inbox.send(&[1; 10]).unwrap();
    let full = Err(InboxError::Full { messages_max: 3, bytes_max: 10 });
    assert_eq!(inbox.send(&[1]), full);
    inbox.send(&[]).unwrap();
    inbox.send(&[]).unwrap();
    assert_eq!((inbox.send(&[]), inbox.len(), inbox.is_empty()), (full, 3, false));
    let lengths: Vec<usize> = std::iter::from_fn(|| store.receive()).map(|message| message.len()).collect();
    assert_eq!((lengths, inbox.is_empty()), (vec![10, 0, 0], true));
    let second = store.open_inbox(1, 1);
    assert_eq!(inbox.send(&[1]), Err(InboxError::Closed));
    second.send(&[2]).unwrap();
    assert_eq!(store.receive().as_deref(), Some(&[2][..]));
    drop(store);
    assert_eq!(second.send(&[2]), Err(InboxError::Closed));
}

/// Threads send while the guest of the store receives; nothing is lost, and each sender's messages keep their order.
#[test]
fn many_threads_send_to_a_guest() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Vec::<(u8, u32)>::new());
    let inbox = store.open_inbox(64, 8);
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("host", "receive", |mut caller: Caller<'_, Vec<(u8, u32)>>| -> i32 {
            let Some(message) = caller.receive() else { return 0 };
            let number = u32::from_le_bytes(message[1..5].try_into().expect("four bytes"));
            caller.data_mut().push((message[0], number));
            1
        })
        .unwrap();
    let text = r#"(module (import "host" "receive" (func $receive (result i32)))
        (func (export "run") (param $messages i32)
          (loop $l
            (local.set $messages (i32.sub (local.get $messages) (call $receive)))
            (br_if $l (local.get $messages)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    let messages = 2000;
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let inbox = inbox.clone();
            scope.spawn(move || {
                for number in 0..messages {
                    let mut message = vec![sender];
                    message.extend(u32::to_le_bytes(number));
                    while matches!(inbox.send(&message), Err(InboxError::Full { .. })) {
                        std::thread::yield_now();
                    }
                }
            });
        }
        run.call(&mut store, 4 * messages as i32).unwrap();
    });
    for sender in 0..4 {
        let numbers: Vec<u32> = store.data().iter().filter(|(from, _)| *from == sender).map(|pair| pair.1).collect();
        assert!(numbers.iter().copied().eq(0..messages), "of sender {sender}");
    }
}
