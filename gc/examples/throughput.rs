//! Measures collections on two programs: `trees` (garbage, small survival) and `gcbench` (promotes much).
//!
//! `cargo run --release -p heapwood-gc --example throughput -- [trees|gcbench|list|table|copy] [n] [nursery-kib]`

use heapwood_gc::{
    FrameScope, Heap, HeapConfig, RootCursor, RootProvider, RootVisitor, RootWork, TypeDefinition, TypeTable,
};
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};
use std::sync::Arc;
use std::time::Instant;

/// A shadow stack: every reference that the program holds.
#[derive(Default)]
struct Shadow(Vec<RawRef>);

impl RootProvider for Shadow {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        if scope == FrameScope::Settling {
            return RootWork::default();
        }
        visitor.slots(&mut self.0);
        RootWork { frames: 1, slots: self.0.len() as u64, more: false }
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

struct Program {
    heap: Heap,
    shadow: Shadow,
    node: TypeId,
    data: TypeId,
    refs: TypeId,
}

impl Program {
    fn new(config: &HeapConfig) -> Program {
        let types = Arc::new(TypeTable::new().unwrap());
        let array =
            |kind, elem_shift| TypeDefinition { ancestors: &[], kind, elem_shift, object_bytes: 0, ref_offsets: &[] };
        let node = TypeDefinition {
            ancestors: &[],
            kind: ObjectKind::Struct,
            elem_shift: 0,
            object_bytes: 24,
            ref_offsets: &[4, 8],
        };
        let node = types.add(&node).unwrap();
        let data = types.add(&array(ObjectKind::ArrayData, 3)).unwrap();
        let refs = types.add(&array(ObjectKind::ArrayRef, 2)).unwrap();
        Program { heap: Heap::new(config, types).unwrap(), shadow: Shadow::default(), node, data, refs }
    }

    fn node(&mut self) -> RawRef {
        self.heap.alloc_struct(self.node, &mut self.shadow).unwrap()
    }

    fn make(&mut self, depth: u32) -> RawRef {
        if depth == 0 {
            return self.node();
        }
        let left = self.make(depth - 1);
        self.shadow.0.push(left);
        let right = self.make(depth - 1);
        self.shadow.0.push(right);
        let node = self.node();
        let right = self.shadow.0.pop().unwrap();
        let left = self.shadow.0.pop().unwrap();
        self.heap.write_ref(node, 4, left);
        self.heap.write_ref(node, 8, right);
        node
    }

    /// Fills the tree below the node on top of the shadow stack, and pops it.
    fn populate(&mut self, depth: u32) {
        if depth > 0 {
            for offset in [4, 8] {
                let child = self.node();
                let parent = *self.shadow.0.last().unwrap();
                self.heap.write_ref(parent, offset, child);
                self.shadow.0.push(child);
                self.populate(depth - 1);
            }
        }
        self.shadow.0.pop();
    }

    fn count(&self, node: RawRef) -> u64 {
        if node == 0 {
            return 0;
        }
        1 + self.count(self.heap.read_ref(node, 4)) + self.count(self.heap.read_ref(node, 8))
    }

    fn trees(&mut self, n: u32) -> u64 {
        let mut sum = 0;
        let long = self.make(n);
        self.shadow.0.push(long);
        for depth in (4..=n).step_by(2) {
            for _ in 0..1u32 << (n - depth + 4) {
                let tree = self.make(depth);
                sum += self.count(tree);
            }
        }
        sum + self.count(self.shadow.0[0])
    }

    fn gcbench(&mut self, n: u32) -> u64 {
        let stretch = self.make(n + 2);
        let mut sum = self.count(stretch);
        let long = self.node();
        self.shadow.0.extend([long, long]);
        self.populate(n);
        let array = self.heap.alloc_array(self.data, 500_000, &mut self.shadow).unwrap();
        self.shadow.0.push(array);
        for depth in (4..=n).step_by(2) {
            let size = |depth: u32| (1u64 << (depth + 1)) - 1;
            for _ in 0..2 * size(n + 2) / size(depth) {
                let top = self.node();
                self.shadow.0.push(top);
                self.populate(depth);
            }
            for _ in 0..2 * size(n + 2) / size(depth) {
                self.make(depth);
            }
        }
        sum += self.count(self.shadow.0[0]);
        sum
    }

    /// A list that only grows, to `n` thousand nodes.
    fn list(&mut self, n: u32) -> u64 {
        self.shadow.0.push(0);
        for _ in 0..n * 1000 {
            let node = self.node();
            let tail = self.shadow.0[0];
            self.heap.write_ref(node, 4, tail);
            self.shadow.0[0] = node;
        }
        n as u64
    }

    /// Copies of 64 KiB between large reference arrays, beside memmove between two buffers of the same size.
    fn copy(&mut self, n: u32) -> u64 {
        for _ in 0..2 {
            let array = self.heap.alloc_array(self.refs, 64 << 10, &mut self.shadow).unwrap();
            self.shadow.0.push(array);
        }
        let (from, to) = (self.shadow.0[0], self.shadow.0[1]);
        self.heap.array_fill_ref(from, 0, 64 << 10, from);
        self.heap.array_fill_ref(to, 0, 64 << 10, from);
        let mut buffers = vec![1u8; 512 << 10];
        for _ in 0..3 {
            let start = Instant::now();
            for round in 0..n * 100 {
                let at = (round % 4) * (16 << 10);
                self.heap.array_copy(to, at, from, at, 16 << 10);
            }
            let copied = start.elapsed();
            let start = Instant::now();
            for round in 0..n as usize * 100 {
                let at = (round % 4) * (64 << 10);
                buffers.copy_within(at..at + (64 << 10), (256 << 10) + at);
                std::hint::black_box(&mut buffers);
            }
            println!(
                "array.copy of 64 KiB takes {:.3} of memmove's time",
                copied.as_secs_f64() / start.elapsed().as_secs_f64()
            );
        }
        n as u64
    }

    /// A large table of references whose entries are replaced at random.
    fn table(&mut self, n: u32) -> u64 {
        let table = self.heap.alloc_array(self.refs, 128 << 10, &mut self.shadow).unwrap();
        self.shadow.0.push(table);
        let mut random = 1u64;
        for _ in 0..n * 1000 {
            let node = self.node();
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let table = self.shadow.0[0];
            self.heap.array_set_ref(table, (random >> 40) as u32 % (128 << 10), node);
        }
        n as u64
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let which = args.get(1).map_or("gcbench", String::as_str);
    let n: u32 = args.get(2).map_or(16, |n| n.parse().unwrap());
    let nursery_bytes = args.get(3).map(|kib| kib.parse::<u32>().unwrap() << 10);
    let start = Instant::now();
    let mut program = Program::new(&HeapConfig { nursery_bytes, ..HeapConfig::default() });
    let born = start.elapsed();
    let start = Instant::now();
    let result = match which {
        "trees" => program.trees(n),
        "gcbench" => program.gcbench(n),
        "list" => program.list(n),
        "copy" => program.copy(n),
        "table" => program.table(n),
        other => panic!("no program {other}"),
    };
    let wall = start.elapsed();
    let start = Instant::now();
    program.heap.collect_minor(&mut program.shadow);
    program.heap.collect_minor(&mut program.shadow);
    let empty = Instant::now();
    for _ in 0..1000 {
        program.heap.collect_minor(&mut program.shadow);
    }
    let empty_ns = empty.elapsed().as_nanos() / 1000;
    let _ = start;
    let stats = program.heap.stats();
    let copied = stats.aged_bytes + stats.promoted_bytes;
    println!("{which} {n}: result {result}, born in {born:?}, ran {wall:?}, an empty minor {empty_ns} ns");
    for (name, pauses) in [("minor", &stats.minor_pauses), ("major", &stats.major_pauses)] {
        println!(
            "{name}: {} pauses, p50 {} us, p99 {} us, max {} us, total {} ms",
            pauses.count(),
            pauses.quantile_ns(500) / 1000,
            pauses.quantile_ns(990) / 1000,
            pauses.max_ns() / 1000,
            pauses.total_ns() / 1_000_000
        );
    }
    println!(
        "eden {} MB, aged {} MB, promoted {} MB, copied at {:.2} GB/s, logged {}, peak {} MB, live {} MB, {} objects marked",
        stats.eden_bytes >> 20,
        stats.aged_bytes >> 20,
        stats.promoted_bytes >> 20,
        copied as f64 / stats.minor_pauses.total_ns() as f64,
        stats.log_entries,
        stats.peak_bytes >> 20,
        stats.live_bytes >> 20,
        stats.marked_objects,
    );
}
