//! Heap snapshots in the format that Chrome DevTools loads (`.heapsnapshot`).
//!
//! The file is JSON: fields of all nodes as one array of numbers, then fields of all edges in the order of the nodes
//! that they leave, then the strings that both name. A node's edges follow those of the node before it, and an edge
//! names the place of its target in the array of nodes.
//!
//! 1. `HeapGraph` finds and numbers what is reachable (bits beside the heap; nothing in it changes).
//! 2. Nodes: the root, groups of roots, tables and frames that hold something, then the objects space by space, by
//!    address.
//! 3. Edges in the same order. Both passes walk the same graph and write as they go.
//!
//! What a weak cell names and an ephemeron's key are edges of the type `weak`, which retain nothing. A value hangs on
//! its ephemeron and its key, by `internal` edges with the name by which DevTools knows that one of them alone does not
//! retain it. These names come first among the strings: they are as many as there are ephemerons, so they are made when
//! they are written.
//!
//! Memory: the graph's bits (a thirtieth of the heap) and names of types, fields, functions and globals.

pub(super) mod names;
mod output;
mod roots;

use crate::rt::walk::Frame;
use crate::store::StoreOpaque;
use heapwood_gc::{GraphEdge, HeapGraph};
use heapwood_gc_abi::{ObjectKind, RawRef};
use names::{Label, Names};
use output::{Rows, Strings};
use roots::Group;
use std::io::{self, BufWriter, Write};

/// Fields of a node.
const NODE_FIELDS: u64 = 6;

/// What DevTools has to know of the file, as V8 writes it.
const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count","detachedness"],
"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number"],
"edge_fields":["type","name_or_index","to_node"],
"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],
"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],
"trace_node_fields":["id","function_info_index","count","size","children"],
"sample_fields":["timestamp_us","last_assigned_id"],
"location_fields":["object_index","script_id","line","column"]}"#;

/// Types of nodes, by their place in the file's list.
#[derive(Clone, Copy)]
enum NodeType {
    Object = 3,
    Closure = 5,
    Synthetic = 9,
}

/// The root and the node that DevTools takes the roots from.
const ROOT: u64 = 0;
const GC_ROOTS: u64 = 1;
/// The first group of roots.
const GROUPS: u64 = 2;

/// A snapshot that is being written.
struct Snapshot<'a> {
    store: &'a StoreOpaque,
    graph: HeapGraph<'a>,
    /// Tables that hold an object, by position in the store.
    tables: Vec<u32>,
    /// Frames that hold an object.
    frames: u64,
    /// References from roots to objects.
    root_edges: u64,
}

impl StoreOpaque {
    /// Writes a snapshot of the heap. Nothing is collected and nothing moves.
    pub fn heap_snapshot(&mut self, output: impl Write) -> io::Result<()> {
        self.reclaim_roots();
        let store = &*self;
        let graph = store.heap().graph(|visit| store.guest().each_root(store.guest().entities().extent(), visit));
        let graph = graph.map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
        let mut names = Names::new(store, graph.entries() as u32);
        Snapshot::new(store, graph).write(&mut names, &mut BufWriter::with_capacity(1 << 16, output))
    }
}

impl<'a> Snapshot<'a> {
    fn new(store: &'a StoreOpaque, graph: HeapGraph<'a>) -> Snapshot<'a> {
        let mut snapshot = Snapshot { store, graph, tables: Vec::new(), frames: 0, root_edges: 0 };
        for group in Group::ALL {
            snapshot.root_edges += snapshot.group_edges(group);
        }
        for table in 0..store.guest().entities().tables().len() as u32 {
            let edges = snapshot.table_edges(table);
            if edges > 0 {
                snapshot.tables.push(table);
                snapshot.root_edges += edges;
            }
        }
        let (mut frames, mut edges) = (0, 0);
        snapshot.each_frame(|_, slots| {
            frames += 1;
            edges += slots.len() as u64;
        });
        (snapshot.frames, snapshot.root_edges) = (frames, snapshot.root_edges + edges);
        snapshot
    }

    /// Whether a root leads to an object.
    fn is_object(&self, reference: RawRef) -> bool {
        self.graph.position(reference).is_some()
    }

    fn group_edges(&self, group: Group) -> u64 {
        let mut edges = 0;
        roots::each_of(self.store, group, |_, reference| edges += u64::from(self.is_object(reference)));
        edges
    }

    fn table_edges(&self, table: u32) -> u64 {
        let elements = roots::table(self.store, table);
        elements.iter().filter(|element| self.is_object(**element)).count() as u64
    }

    /// Calls `visit` with the slots that name objects of each frame that has one, innermost first.
    fn each_frame(&self, mut visit: impl FnMut(&Frame<'_>, &[(u32, RawRef)])) {
        let mut objects = Vec::new();
        for frame in self.store.guest().execution().frames().walk() {
            objects.clear();
            let mut slot = 0;
            frame.each_reference(|reference| {
                if self.is_object(reference) {
                    objects.push((slot, reference));
                }
                slot += 1;
            });
            if !objects.is_empty() {
                visit(&frame, &objects);
            }
        }
    }

    /// The first table node, frame node and object node.
    fn starts(&self) -> (u64, u64, u64) {
        let tables = GROUPS + Group::ALL.len() as u64 + 2;
        let frames = tables + self.tables.len() as u64;
        (tables, frames, frames + self.frames)
    }

    /// Groups, with the nodes of tables and frames below two further ones.
    fn group_count(&self) -> u64 {
        Group::ALL.len() as u64 + 2
    }

    /// What `to_node` says of an object.
    fn target(&self, reference: RawRef) -> u64 {
        let position = self.graph.position(reference).expect("every reference of the graph is in it");
        (self.starts().2 + position) * NODE_FIELDS
    }

    fn write(&self, names: &mut Names<'_>, output: &mut impl Write) -> io::Result<()> {
        let (_, _, objects) = self.starts();
        let nodes = objects + self.graph.objects();
        let structure = 1 + 2 * self.group_count() + self.tables.len() as u64 + self.frames;
        let edges = structure + self.root_edges + self.graph.references();
        write!(output, "{{\"snapshot\":{{\"meta\":{META},\n\"node_count\":{nodes},\"edge_count\":{edges},")?;
        write!(output, "\"trace_function_count\":0,\"extra_native_bytes\":0}},\n\"nodes\":[")?;
        self.write_nodes(names, output)?;
        write!(output, "],\n\"edges\":[")?;
        self.write_edges(names, output)?;
        write!(output, "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n")?;
        write!(output, "\"strings\":[")?;
        self.write_strings(names, output)?;
        writeln!(output, "]}}")?;
        output.flush()
    }

    fn write_nodes(&self, names: &mut Names<'_>, output: &mut impl Write) -> io::Result<()> {
        let mut rows = Rows::new(output);
        // Ids of our own nodes are odd, those of objects (their references) are even.
        let mut own = 0;
        let mut put = |rows: &mut Rows<'_, _>, ty: NodeType, name: u32, edges: u64| {
            own += 1;
            rows.put(&[ty as u64, name.into(), 2 * own - 1, 0, edges, 0])
        };
        let groups = self.group_count();
        put(&mut rows, NodeType::Synthetic, names.string(""), 1 + groups)?;
        put(&mut rows, NodeType::Synthetic, names.string("(GC roots)"), groups)?;
        for group in Group::ALL {
            let edges = self.group_edges(group);
            put(&mut rows, NodeType::Object, names.string(group.name()), edges)?;
        }
        put(&mut rows, NodeType::Object, names.string("(tables)"), self.tables.len() as u64)?;
        put(&mut rows, NodeType::Object, names.string("(frames)"), self.frames)?;
        for &table in &self.tables {
            let name = names.table(table);
            put(&mut rows, NodeType::Object, name, self.table_edges(table))?;
        }
        let mut written = Ok(());
        self.each_frame(|frame, slots| {
            if written.is_ok() {
                let name = names.string(&names::frame(self.store, frame));
                written = put(&mut rows, NodeType::Object, name, slots.len() as u64);
            }
        });
        written?;
        let graph = &self.graph;
        graph.each_object(|object| {
            let ty = match graph.heap().descriptor_of(object).kind() {
                ObjectKind::Func => NodeType::Closure,
                _ => NodeType::Object,
            };
            let bytes = graph.heap().object_bytes(object).min(u32::MAX.into());
            let mut edges = 0;
            graph.each_reference(object, |_, _| edges += 1);
            rows.put(&[ty as u64, names.object(object).into(), object.into(), bytes, edges, 0])
        })
    }

    fn write_edges(&self, names: &mut Names<'_>, output: &mut impl Write) -> io::Result<()> {
        let mut rows = Rows::new(output);
        let element = |index: u64, to: u64| Label::Index(index).row(to * NODE_FIELDS);
        let groups = self.group_count();
        let (tables, frames, _) = self.starts();
        rows.put(&element(1, GC_ROOTS))?;
        for parent in [ROOT, GC_ROOTS] {
            for group in 0..groups {
                rows.put(&element(group + 1 + u64::from(parent == ROOT), GROUPS + group))?;
            }
        }
        self.write_group_edges(names, &mut rows)?;
        for index in 0..self.tables.len() as u64 {
            rows.put(&element(index, tables + index))?;
        }
        for index in 0..self.frames {
            rows.put(&element(index, frames + index))?;
        }
        self.write_table_edges(&mut rows)?;
        self.write_frame_edges(&mut rows)?;
        self.graph.each_object(|object| {
            let mut written = Ok(());
            self.graph.each_reference(object, |edge, target| {
                if written.is_ok() {
                    let label = match edge {
                        GraphEdge::Strong(offset) => names.field(object, offset),
                        GraphEdge::Weak(_) => names.weak(object),
                        GraphEdge::Value(entry) => Label::Value(entry as u32),
                    };
                    written = rows.put(&label.row(self.target(target)));
                }
            });
            written
        })
    }

    fn write_strings(&self, names: &mut Names<'_>, output: &mut impl Write) -> io::Result<()> {
        let mut strings = Strings::new(output);
        for entry in 0..self.graph.entries() {
            let (key, ephemeron, value) = self.graph.entry(entry);
            let (key_name, value_name) = (names.object_text(key), names.object_text(value));
            strings.put(&format!(
                "{} / part of key ({key_name} @{key}) -> value ({value_name} @{value}) pair in WeakMap (table @{ephemeron})",
                entry + 1
            ))?;
        }
        names.strings().try_for_each(|string| strings.put(string))
    }

    fn write_group_edges<W: Write>(&self, names: &Names<'_>, rows: &mut Rows<'_, W>) -> io::Result<()> {
        for group in Group::ALL {
            let mut written = Ok(());
            roots::each_of(self.store, group, |index, reference| {
                if self.is_object(reference) && written.is_ok() {
                    let label = match group {
                        Group::Globals => names.global(index),
                        _ => Label::Index(index),
                    };
                    written = rows.put(&label.row(self.target(reference)));
                }
            });
            written?;
        }
        Ok(())
    }

    fn write_table_edges<W: Write>(&self, rows: &mut Rows<'_, W>) -> io::Result<()> {
        for &table in &self.tables {
            for (index, &element) in roots::table(self.store, table).iter().enumerate() {
                if self.is_object(element) {
                    rows.put(&Label::Index(index as u64).row(self.target(element)))?;
                }
            }
        }
        Ok(())
    }

    fn write_frame_edges<W: Write>(&self, rows: &mut Rows<'_, W>) -> io::Result<()> {
        let mut written = Ok(());
        self.each_frame(|_, slots| {
            for &(slot, reference) in slots {
                if written.is_ok() {
                    written = rows.put(&Label::Index(slot.into()).row(self.target(reference)));
                }
            }
        });
        written
    }
}
