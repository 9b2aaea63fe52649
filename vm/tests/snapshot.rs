//! Heap snapshots: the file read back, its form as DevTools needs it, and its graph against known programs.

use heapwood_vm::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// A snapshot that was read back.
struct Graph {
    nodes: Vec<Node>,
}

struct Node {
    ty: String,
    name: String,
    id: u64,
    bytes: u64,
    /// Type, name or number, and target.
    edges: Vec<(String, String, usize)>,
}

/// What is true of every file that DevTools loads.
fn read(file: &[u8]) -> Graph {
    let file: Value = serde_json::from_slice(file).expect("JSON");
    let meta = &file["snapshot"]["meta"];
    let list = |value: &Value| -> Vec<u64> {
        value.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a number")).collect()
    };
    let strings: Vec<&str> = file["strings"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let fields = |what: &str| -> Vec<String> {
        meta[what].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let types = |what: &str| -> Vec<String> {
        meta[what][0].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fields("node_fields"), ["type", "name", "id", "self_size", "edge_count", "detachedness"]);
    assert_eq!(fields("edge_fields"), ["type", "name_or_index", "to_node"]);
    let (node_types, edge_types) = (types("node_types"), types("edge_types"));
    let (nodes, edges) = (list(&file["nodes"]), list(&file["edges"]));
    assert_eq!(nodes.len() as u64, 6 * file["snapshot"]["node_count"].as_u64().unwrap());
    assert_eq!(edges.len() as u64, 3 * file["snapshot"]["edge_count"].as_u64().unwrap());
    let mut rest = edges.chunks(3);
    let read_node = |node: &[u64]| {
        let read_edge = |edge: &[u64]| {
            assert_eq!(edge[2] % 6, 0, "an edge names the first field of a node");
            assert!(edge[2] < nodes.len() as u64, "an edge names a node");
            let ty = edge_types[edge[0] as usize].clone();
            let name = if ty == "element" { edge[1].to_string() } else { strings[edge[1] as usize].to_owned() };
            (ty, name, edge[2] as usize / 6)
        };
        Node {
            ty: node_types[node[0] as usize].clone(),
            name: strings[node[1] as usize].to_owned(),
            id: node[2],
            bytes: node[3],
            edges: rest.by_ref().take(node[4] as usize).map(read_edge).collect(),
        }
    };
    let graph = Graph { nodes: nodes.chunks(6).map(read_node).collect() };
    assert!(rest.next().is_none(), "every edge belongs to a node");
    assert_eq!((graph.nodes[0].ty.as_str(), graph.nodes[0].name.as_str()), ("synthetic", ""));
    assert!(graph.nodes[0].edges.iter().any(|edge| graph.nodes[edge.2].name == "(GC roots)"));
    let ids: HashSet<u64> = graph.nodes.iter().map(|node| node.id).collect();
    assert_eq!(ids.len(), graph.nodes.len(), "ids name one node each");
    let mut reached = HashSet::from([0]);
    let mut grey = vec![0];
    while let Some(node) = grey.pop() {
        let strong = graph.nodes[node].edges.iter().filter(|edge| edge.0 != "weak").map(|edge| edge.2);
        grey.extend(strong.filter(|to| reached.insert(*to)));
    }
    assert_eq!(reached.len(), graph.nodes.len(), "the root leads to every node, not by weak edges");
    graph
}

impl Graph {
    /// Follows edges by their names, from the root.
    fn follow(&self, path: &[&str]) -> &Node {
        let group = |name: &str| self.nodes[0].edges.iter().find(|edge| self.nodes[edge.2].name == name);
        let start = group(path[0]).unwrap_or_else(|| panic!("no group {}", path[0])).2;
        let step = |at: usize, name: &&str| {
            let edge = self.nodes[at].edges.iter().find(|edge| edge.1 == *name || self.nodes[edge.2].name == *name);
            edge.unwrap_or_else(|| panic!("{path:?}: no edge {name} of {}", self.nodes[at].name)).2
        };
        &self.nodes[path[1..].iter().fold(start, step)]
    }

    fn count(&self, name: &str) -> usize {
        self.nodes.iter().filter(|node| node.name == name).count()
    }
}

/// A list behind `$head`, a tree in a table, `$only` in the frames of two functions.
const GUEST: &str = r#"(module $guest
    (type $node (struct (field $value i64) (field $next (mut (ref null $node)))))
    (type $bytes (array i8))
    (type $call (func (param i32)))
    (type $only (struct (field $bytes (ref null $bytes)) (field (ref null $call))))
    (type $anys (array (mut anyref)))
    (import "host" "look" (func $look))
    (global $head (mut (ref null $node)) (ref.null $node))
    (global (export "shown") (mut (ref null $node)) (ref.null $node))
    (table $shelf 10 anyref)
    (elem declare func $inner)
    (func $inner (type $call) (local $kept (ref null $only))
      (local.set $kept (struct.new $only (array.new_default $bytes (i32.const 100)) (ref.func $inner)))
      (if (local.get 0) (then (call $inner (i32.sub (local.get 0) (i32.const 1)))) (else (call $look)))
      (drop (struct.get $only $bytes (local.get $kept))))
    (func (export "outer") (param $n i32)
      (local $i i32) (local $anys (ref null $anys))
      (loop $more
        (global.set $head (struct.new $node (i64.const 1) (global.get $head)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
      (local.set $anys (array.new $anys (ref.i31 (i32.const 3)) (i32.const 4)))
      (array.set $anys (local.get $anys) (i32.const 2) (global.get $head))
      (table.set $shelf (i32.const 7) (local.get $anys))
      (call $inner (i32.const 2)))
    (func (export "fill")
      (loop $more
        (global.set $head (struct.new $node (i64.const 1) (global.get $head)))
        (br $more))))"#;

/// Instantiates the guest; what it looked at when it called the host comes out of the second value.
fn start(config: &Config) -> (Store<()>, Instance, Arc<Mutex<Vec<u8>>>) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut linker = Linker::new(&engine);
    let sink = seen.clone();
    let look = move |mut caller: Caller<'_, ()>| {
        let mut file = Vec::new();
        caller.as_context_mut().heap_snapshot(&mut file).unwrap();
        *sink.lock().unwrap() = file;
    };
    linker.func_wrap("host", "look", look).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance, seen)
}

fn modes() -> Vec<Config> {
    let (mut stress, mut small, mut none) = (Config::new(), Config::new(), Config::new());
    stress.gc_stress(1).gc_verify(true);
    small.gc_nursery(64 << 10);
    none.gc_none(true);
    vec![Config::new(), stress, small, none]
}

#[test]
fn the_graph_is_that_of_the_program() {
    for config in modes() {
        let (mut store, instance, seen) = start(&config);
        instance.get_typed_func::<i32, ()>(&mut store, "outer").unwrap().call(&mut store, 200).unwrap();
        let graph = read(&seen.lock().unwrap());

        // The list: each node names the next by the field's name.
        let head = graph.follow(&["(globals)", "head"]);
        let (mut at, mut length) = (head, 1);
        while let Some(next) = at.edges.first() {
            assert_eq!((at.name.as_str(), at.bytes), ("node", 24));
            assert_eq!((next.0.as_str(), next.1.as_str()), ("property", "next"));
            (at, length) = (&graph.nodes[next.2], length + 1);
        }
        assert_eq!((length, graph.count("node")), (200, 200));

        // The table's element by its index; i31s are no nodes.
        let anys = graph.follow(&["(tables)", "table shelf", "7"]);
        assert_eq!((anys.name.as_str(), anys.edges.len()), ("anys", 1));
        assert_eq!(anys.edges[0].1, "2");
        assert_eq!(graph.nodes[anys.edges[0].2].id, head.id);

        // Three frames of `inner`, each with an object of its own; a function by its name, an array with its bytes.
        let frames = graph.follow(&["(frames)"]);
        let functions: Vec<&str> = frames.edges.iter().map(|edge| graph.nodes[edge.2].name.as_str()).collect();
        assert_eq!(functions[..3], ["inner", "inner", "inner"], "{functions:?}");
        assert_eq!((graph.count("only"), graph.count("bytes")), (3, 3));
        let mut kept = HashSet::new();
        for frame in &frames.edges[..3] {
            let only = graph.nodes[frame.2].edges.iter().map(|edge| &graph.nodes[edge.2]).find(|n| n.name == "only");
            let only = only.expect("the frame keeps its object");
            assert!(kept.insert(only.id), "each frame keeps another");
            assert_eq!(only.edges[0].1, "bytes");
            assert_eq!(graph.nodes[only.edges[0].2].bytes, 112, "header, length, 100 bytes, rounded up");
            let function = &graph.nodes[only.edges[1].2];
            assert_eq!((function.ty.as_str(), function.name.as_str()), ("closure", "inner"));
            assert_eq!(only.edges[1].1, "1", "an unnamed field is named by its number");
        }
    }
}

#[test]
fn handles_of_the_host_keep_what_they_name() {
    let (mut store, instance, _) = start(&Config::new());
    let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer").unwrap();
    outer.call(&mut store, 10).unwrap();
    let head = |store: &mut Store<()>| -> Graph {
        let mut file = Vec::new();
        store.heap_snapshot(&mut file).unwrap();
        read(&file)
    };
    let value = ExternRef::new(&mut store, String::from("host")).unwrap();
    let kept = value.to_owned(&mut store).unwrap();
    let graph = head(&mut store);
    assert!(graph.count("host value") == 1, "{}", graph.count("host value"));
    let handles = graph.follow(&["(host handles)"]);
    assert!(handles.edges.iter().any(|edge| graph.nodes[edge.2].name == "host value"));
    assert_eq!(graph.follow(&["(frames)"]).edges.len(), 0, "nothing runs");
    drop(kept);
}

/// What hangs on weak references and on entries with weak keys.
#[test]
fn weak_edges_retain_nothing_and_values_hang_on_their_keys() {
    for config in modes() {
        let mut store = Store::new(&Engine::new(&config).unwrap(), ());
        // The name that DevTools looks for, with the identities of key, value and table.
        let entry_name = |number: u32, key: &Node, value: &Node, table: &Node| {
            let (key, value) = ((&key.name, key.id), (&value.name, value.id));
            format!(
                "{number} / part of key ({} @{}) -> value ({} @{}) pair in WeakMap (table @{})",
                key.0, key.1, value.0, value.1, table.id
            )
        };
        let mut scope = RootScope::new(&mut store);
        let objects: Vec<_> = (0..6).map(|number: u32| ExternRef::new(&mut scope, number).unwrap()).collect();
        // 0 is held and named by a weak reference; 1 by a weak reference only.
        let held = objects[0].to_owned(&mut scope).unwrap();
        let weak: Vec<_> = objects[..2].iter().map(|object| object.downgrade(&mut scope).unwrap()).collect();
        // 2 is held and the key of 3, which is the key of 4; 5 is nobody's, and the key of 0.
        let key = objects[2].to_owned(&mut scope).unwrap();
        let pairs = [(2, 3), (3, 4), (5, 0)];
        let entries = pairs.map(|(key, value)| WeakEntry::new(&mut scope, &objects[key], &objects[value]).unwrap());
        drop(scope);
        let mut file = Vec::new();
        store.heap_snapshot(&mut file).unwrap();
        let graph = read(&file);
        assert_eq!(graph.count("weak reference"), 2);
        assert_eq!(graph.count("ephemeron"), 3);
        assert_eq!(graph.count("host value"), 4, "0, 2, and by their keys 3 and 4");
        let of_kind = |kind: &str| -> Vec<(&Node, &(String, String, usize))> {
            let edges = graph.nodes.iter().flat_map(|node| node.edges.iter().map(move |edge| (node, edge)));
            edges.filter(|(_, edge)| edge.0 == kind).collect()
        };
        let mut weak_edges: Vec<_> = of_kind("weak").iter().map(|(node, edge)| (&*node.name, &*edge.1)).collect();
        weak_edges.sort_unstable();
        assert_eq!(weak_edges, [("ephemeron", "key"), ("ephemeron", "key"), ("weak reference", "referent")]);
        // Each value hangs on its entry and on its key, by one name.
        let values = of_kind("internal");
        assert_eq!(values.len(), 4);
        for (table, edge) in values.iter().filter(|(node, _)| node.name == "ephemeron") {
            let key = &graph.nodes[table.edges.iter().find(|edge| edge.0 == "weak").expect("a key").2];
            let number = edge.1.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
            assert_eq!(edge.1, entry_name(number, key, &graph.nodes[edge.2], table));
            let same: Vec<_> = values.iter().filter(|(node, other)| node.id == key.id && other.1 == edge.1).collect();
            assert_eq!((same.len(), same[0].1.2), (1, edge.2));
        }
        drop((held, weak, key, entries));
        let mut file = Vec::new();
        store.heap_snapshot(&mut file).unwrap();
        assert_eq!(read(&file).count("host value"), 0);
    }
}

#[test]
fn a_full_heap_is_seen_with_its_frames() {
    let mut config = Config::new();
    config.gc_heap_max(8 << 20);
    let (mut store, instance, _) = start(&config);
    let seen = Arc::new(Mutex::new((Vec::new(), 0)));
    let sink = seen.clone();
    store.on_heap_exhausted(move |heap| {
        let mut file = Vec::new();
        heap.heap_snapshot(&mut file).unwrap();
        *sink.lock().unwrap() = (file, heap.gc_stats().committed_bytes);
    });
    let fill = instance.get_typed_func::<(), ()>(&mut store, "fill").unwrap();
    let error = fill.call(&mut store, ()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Trap(trap) if trap.kind() == TrapKind::HeapExhausted), "{error}");
    let (file, committed) = std::mem::take(&mut *seen.lock().unwrap());
    let graph = read(&file);
    let bytes: u64 = graph.nodes.iter().map(|node| node.bytes).sum();
    assert!(bytes > 5 << 20 && bytes <= committed, "{bytes} bytes of objects in {committed}");
    assert!(graph.count("node") > 200_000);
    // The store stays usable, and another snapshot can be taken.
    let mut again = Vec::new();
    store.heap_snapshot(&mut again).unwrap();
    assert_eq!(read(&again).count("node"), graph.count("node"));
}

#[test]
fn memory_is_told_for_each_memory_and_the_heap() {
    let text =
        r#"(module (memory (export "a") 2 8) (memory 3) (func (export "grow") (drop (memory.grow 1 (i32.const 4)))))"#;
    let mut config = Config::new();
    config.gc_heap_max(32 << 20);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "grow").unwrap().call(&mut store, ()).unwrap();
    let stats = store.memory_stats();
    let sizes: Vec<_> = stats.memories.iter().map(|memory| (memory.pages, memory.used_bytes)).collect();
    assert_eq!((sizes, stats.total_pages), (vec![(2, 2 << 16), (7, 7 << 16)], 9));
    let HeapUse { limit_bytes, used_bytes, peak_bytes } = stats.heap;
    assert_eq!(limit_bytes, 32 << 20);
    assert!(used_bytes > 0 && used_bytes <= peak_bytes && peak_bytes <= limit_bytes, "{stats:?}");
}

#[test]
fn host_calls_are_told_by_name() {
    let (mut store, instance, _) = start(&Config::new());
    let calls = Arc::new(Mutex::new(HashMap::new()));
    let sink = calls.clone();
    store.on_host_call(move |call| {
        assert!(call.start <= call.end);
        *sink.lock().unwrap().entry(call.name.map(str::to_owned)).or_insert(0) += 1;
    });
    let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer").unwrap();
    for _ in 0..3 {
        outer.call(&mut store, 1).unwrap();
    }
    assert_eq!(*calls.lock().unwrap(), HashMap::from([(Some("host.look".to_owned()), 3)]));
}
