//! The objects of a heap that can be reached, counted by type.

use super::snapshot::names::Names;
use crate::errors::{Error, Result};
use crate::store::StoreOpaque;
use heapwood_gc_abi::{ObjectKind, RawRef};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

/// Objects and bytes of a heap by type, of what can be reached. Made by [`Store::histogram`](crate::Store::histogram).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeapHistogram {
    rows: Vec<HistogramRow>,
}

/// Objects of one type, or of several that have one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistogramRow {
    type_name: Arc<str>,
    objects: u64,
    bytes: u64,
}

impl HeapHistogram {
    /// The rows, with the most bytes first.
    pub fn rows(&self) -> &[HistogramRow] {
        &self.rows
    }

    /// All objects.
    pub fn objects(&self) -> u64 {
        self.rows.iter().map(|row| row.objects).sum()
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.bytes).sum()
    }
}

impl HistogramRow {
    /// The name of the type in the module's name section, or else what it is. It is the guest's: see
    /// [`printable`](crate::printable).
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// How many objects there are.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// How many bytes they take, headers included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Objects of a type, and one of them.
struct Counted {
    example: RawRef,
    objects: u64,
    bytes: u64,
}

impl StoreOpaque {
    /// Counts what can be reached. Nothing is collected and nothing moves.
    pub fn histogram(&mut self) -> Result<HeapHistogram> {
        self.check_usable()?;
        self.reclaim_roots();
        let store = &*self;
        let graph = store.heap().graph(|visit| store.guest().each_root(store.guest().entities().extent(), visit));
        let graph = graph.map_err(|error| Error::limit(error.to_string()))?;
        let mut counted: FxHashMap<u32, Counted> = FxHashMap::default();
        let heap = store.heap();
        let visited = graph.each_object(|object| {
            let ty = heap.type_of(object).0;
            let of_type = counted.entry(ty).or_insert(Counted { example: object, objects: 0, bytes: 0 });
            of_type.objects += 1;
            of_type.bytes += heap.object_bytes(object);
            Ok::<(), Infallible>(())
        });
        let Ok(()) = visited;
        Ok(named(&mut Names::new(store, 0), counted))
    }
}

/// Rows of what was counted. Types of one name are one row.
fn named(names: &mut Names<'_>, counted: FxHashMap<u32, Counted>) -> HeapHistogram {
    // Names are the guest's: the hasher has a random key.
    let mut by_name: HashMap<Arc<str>, HistogramRow> = HashMap::new();
    for Counted { example, objects, bytes } in counted.into_values() {
        let name = names.type_text(example);
        let row = by_name.entry(name.clone()).or_insert(HistogramRow { type_name: name, objects: 0, bytes: 0 });
        row.objects += objects;
        row.bytes += bytes;
    }
    let mut rows: Vec<_> = by_name.into_values().collect();
    rows.sort_by(|a, b| (b.bytes, &a.type_name).cmp(&(a.bytes, &b.type_name)));
    HeapHistogram { rows }
}

impl Names<'_> {
    /// The name of an object's type.
    fn type_text(&mut self, object: RawRef) -> Arc<str> {
        match self.kind_of(object) {
            ObjectKind::Func => "function".into(),
            _ => self.object_text(object),
        }
    }
}
