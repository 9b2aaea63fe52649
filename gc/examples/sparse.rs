//! What evacuation of sparse blocks gains: 200 MB of small nodes, of which four fifths die at random, then a program
//! that needs memory for larger objects.
//!
//! `cargo run --release -p heapwood-gc --example sparse -- [y|n: evacuate] [nodes in thousands] [rounds]`

use heapwood_gc::{
    FrameScope, GcEvent, GcEventKind, Heap, HeapConfig, RootCursor, RootProvider, RootVisitor, RootWork,
    TypeDefinition, TypeTable,
};
use heapwood_gc_abi::{ObjectKind, RawRef};
use std::sync::{Arc, Mutex};

/// Elements of an array of the directory.
const PART: u32 = 8_000;
/// Larger objects that are kept at a time, and their bytes.
const KEPT: u32 = 8_000;
const BYTES: u32 = 2_000;

/// The directory, and the array of larger objects.
struct Shadow([RawRef; 3]);

impl RootProvider for Shadow {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        if scope == FrameScope::Settling {
            return RootWork::default();
        }
        visitor.slots(&mut self.0);
        RootWork { frames: 1, slots: 3, more: false }
    }

    fn remembered(&mut self, _: &mut RootCursor, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn all(&mut self, _: &mut RootCursor, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        self.frames(FrameScope::All, visitor)
    }

    fn snapshot(&mut self, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let evacuate = args.next().is_none_or(|answer| answer == "y");
    let mut number = |default: u32| args.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (parts, rounds) = (number(8_700) * 1_000 / PART, number(20));
    let types = Arc::new(TypeTable::new().unwrap());
    let add = |kind, elem_shift, object_bytes, ref_offsets: &[u32]| {
        types.add(&TypeDefinition { ancestors: &[], kind, elem_shift, object_bytes, ref_offsets }).unwrap()
    };
    let node = add(ObjectKind::Struct, 0, 24, &[4, 8]);
    let (refs, data) = (add(ObjectKind::ArrayRef, 2, 0, &[]), add(ObjectKind::ArrayData, 0, 0, &[]));
    let mut heap = Heap::new(&HeapConfig { evacuate, max_bytes: 1 << 30, ..HeapConfig::default() }, types).unwrap();
    let events = Arc::new(Mutex::new(Vec::<GcEvent>::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));

    let shadow = &mut Shadow([0; 3]);
    shadow.0[0] = heap.alloc_array(refs, parts, shadow).unwrap();
    shadow.0[1] = heap.alloc_array(refs, KEPT, shadow).unwrap();
    for part in 0..parts {
        shadow.0[2] = heap.alloc_array(refs, PART, shadow).unwrap();
        heap.array_set_ref(shadow.0[0], part, shadow.0[2]);
        for index in 0..PART {
            let object = heap.alloc_struct(node, shadow).unwrap();
            heap.write_i64(object, 16, (part * PART + index) as u64);
            // A list within the part, as far as it lives.
            let before = if index == 0 { 0 } else { heap.array_get_ref(shadow.0[2], index - 1) };
            heap.write_ref(object, 4, before);
            heap.array_set_ref(shadow.0[2], index, object);
        }
    }
    tell("filled", &heap);
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for part in 0..parts {
        let array = heap.array_get_ref(shadow.0[0], part);
        for index in 0..PART {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let object = heap.array_get_ref(array, index);
            heap.write_ref(object, 4, 0);
            if random >> 33 & 0xff > 51 {
                heap.array_set_ref(array, index, 0);
            }
            if heap.wants_collection() {
                heap.collect_minor(shadow);
            }
        }
        shadow.0[2] = 0;
    }
    tell("thinned out", &heap);
    for round in 0..rounds {
        for index in 0..KEPT {
            for _ in 0..400 {
                heap.alloc_struct(node, shadow).unwrap();
            }
            let object = heap.alloc_array(data, BYTES, shadow).unwrap();
            heap.array_set_ref(shadow.0[1], index, object);
        }
        if round % 4 == 3 {
            tell(&format!("round {}", round + 1), &heap);
        }
    }
    let (mut kept, mut sum) = (0, 0);
    for (part, index) in (0..parts).flat_map(|part| (0..PART).map(move |index| (part, index))) {
        let object = heap.array_get_ref(heap.array_get_ref(shadow.0[0], part), index);
        if object != 0 {
            assert_eq!(heap.read_i64(object, 16), (part * PART + index) as u64);
            (kept, sum) = (kept + 1, sum + heap.read_i64(object, 16));
        }
    }
    println!("{kept} nodes are left, sum {sum}");
    report(&events.lock().unwrap());
}

fn tell(when: &str, heap: &Heap) {
    let stats = heap.stats();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: ?");
    println!(
        "{when}: committed {} MiB, {rss}, live {} MiB; {} markings, {} pauses that evacuated {} blocks of {} KiB, {} called off",
        stats.committed_bytes >> 20,
        stats.live_bytes >> 20,
        stats.markings,
        stats.evacuations,
        stats.evacuated_blocks,
        stats.evacuated_bytes >> 10,
        stats.evacuations_called_off,
    );
}

fn report(events: &[GcEvent]) {
    use GcEventKind::*;
    for kind in [Minor, MarkStart, Slice, MarkEnd, Evacuate] {
        let mut us: Vec<f64> = events.iter().filter(|event| event.kind == kind).map(|event| event.cpu_us).collect();
        us.sort_by(f64::total_cmp);
        if let Some(longest) = us.last() {
            let at = |part: f64| us[((us.len() - 1) as f64 * part) as usize];
            let (count, total) = (us.len(), us.iter().sum::<f64>() / 1e3);
            println!(
                "{}: {count} pauses, {total:.1} ms of CPU, p50 {:.0} us, p99 {:.0} us, longest {longest:.0} us",
                kind.name(),
                at(0.5),
                at(0.99),
            );
        }
    }
    let evacuations = || events.iter().filter(|event| event.kind == Evacuate);
    let most = |of: fn(&GcEvent) -> u64| evacuations().map(of).max().unwrap_or(0);
    let used = events.iter().rev().find(|event| event.kind == Minor).map_or(0, |event| event.old_after);
    println!("blocks in use at the end: {} MiB", used >> 20);
    println!("most of an evacuation: {} bytes, {} words", most(|event| event.promoted), most(|event| event.remembered));
}
