//! Bounds of stops, from their events.
#![allow(dead_code, reason = "each test binary uses a part")]

use heapwood_vm::*;
use std::sync::{Arc, Mutex};

/// Fields of the log that make a collection due (`gc/src/minor/log.rs`).
const LOG_FIELDS_MAX: u64 = 131_072;
/// Elements of an array that are scanned at a time, and what else a slice does not divide.
const SLICE_SLACK: u64 = 1024 + 256;
/// Frames and slots that a marking may look at when it starts: the topmost 64 KiB of the stack.
const START_SLOTS: u64 = (64 << 10) / 8;
/// Bytes of eden and of what survived before.
const YOUNG_BYTES: u64 = (64 << 10) + (16 << 10);
/// Slots of roots that a minor may look at: those of the log's weight, one operation more, and the frames.
const MINOR_ROOTS: u64 = LOG_FIELDS_MAX + 2 * 4096 + START_SLOTS;

pub type Events = Arc<Mutex<Vec<GcEvent>>>;

/// A store whose markings start at every minor and go on in slices of `slice` fields.
pub fn store(slice: u64) -> (Store<()>, Events) {
    store_with(slice, 0)
}

/// A store like that of [`store`], with helpers.
pub fn store_with(slice: u64, threads: usize) -> (Store<()>, Events) {
    let mut config = Config::new();
    // A million types take some 800 MB to compile.
    config.max_compile_memory(4 << 30);
    config.gc_nursery(64 << 10).gc_mark_slice(slice).gc_threads(threads).gc_heap_max(512 << 20);
    let mut store = Store::new(&Engine::new(&config).unwrap(), ());
    let events = Events::default();
    let sink = events.clone();
    store.on_gc(move |event| sink.lock().unwrap().push(*event));
    (store, events)
}

pub fn of_kind(events: &[GcEvent], kind: GcEventKind) -> impl Iterator<Item = &GcEvent> {
    events.iter().filter(move |event| event.kind == kind)
}

/// All stops since the last look keep to their bounds. Returns how many markings ended.
pub fn assert_bounds(name: &str, events: &Events, slice: u64) -> usize {
    let events = std::mem::take(&mut *events.lock().unwrap());
    for minor in of_kind(&events, GcEventKind::Minor) {
        let GcEvent { promoted, remembered, roots, frames, .. } = *minor;
        assert!(promoted <= YOUNG_BYTES, "{name}: {promoted} bytes promoted");
        assert!(remembered <= 4096, "{name}: {remembered} entries");
        assert!(roots <= MINOR_ROOTS, "{name}: {roots} roots in a minor");
        assert!(frames <= START_SLOTS, "{name}: {frames} frames in a minor");
    }
    for start in of_kind(&events, GcEventKind::MarkStart) {
        assert!(start.work_units <= START_SLOTS, "{name}: {} units at a start", start.work_units);
    }
    for event in of_kind(&events, GcEventKind::Slice) {
        assert!(event.work_units <= slice + SLICE_SLACK, "{name}: {} units in a slice", event.work_units);
    }
    for end in of_kind(&events, GcEventKind::MarkEnd) {
        assert_eq!((end.work_units, end.roots, end.frames), (0, 0, 0), "{name}: work at an end");
    }
    assert_eq!(of_kind(&events, GcEventKind::Stall).count(), 0, "{name}: stalls");
    of_kind(&events, GcEventKind::MarkEnd).count()
}

/// Allocates `n` nodes of which every `keep`th is kept in a list (0: none).
pub const CHURN: &str = r#"
    (type $n (struct (field (mut (ref null $n))) (field (mut i64))))
    (global $list (mut (ref null $n)) (ref.null $n))
    (func $churn (export "churn") (param $n i32) (param $keep i32)
      (local $node (ref null $n))
      (loop $l
        (local.set $node (struct.new $n (ref.null $n) (i64.extend_i32_u (local.get $n))))
        (if (local.get $keep)
          (then (if (i32.eqz (i32.rem_u (local.get $n) (local.get $keep)))
            (then
              (struct.set $n 0 (local.get $node) (global.get $list))
              (global.set $list (local.get $node))))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $l (local.get $n))))"#;

/// An instance of a module in the text format or in binary.
pub fn instantiate(store: &mut Store<()>, module: impl AsRef<[u8]>) -> Instance {
    let module = Module::new(store.as_context().engine(), wat::parse_bytes(module.as_ref()).unwrap()).unwrap();
    Instance::new(store, &module, &[]).unwrap()
}
