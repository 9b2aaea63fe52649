//! The programs of `benches/guests` against models of them that share nothing but the order of random numbers.

mod common;

use common::{finish, heapwood};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The generator that all programs use.
struct Random(u64);

impl Random {
    fn new() -> Random {
        Random(88172645463325252)
    }

    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % end
    }
}

fn mix(sum: &mut i64, value: i64) {
    *sum = sum.wrapping_mul(31).wrapping_add(value);
}

fn lru_cache(n: u32) -> i64 {
    let (mut random, mut sum) = (Random::new(), 0);
    let (mut stamps, mut by_stamp) = (HashMap::new(), BTreeMap::new());
    for now in 0..n {
        let key = random.below(256_000);
        match stamps.insert(key, now) {
            Some(earlier) => {
                by_stamp.remove(&earlier);
                mix(&mut sum, i64::from(key) * 7 + 2 + i64::from(key & 15));
            }
            None => {
                mix(&mut sum, 1);
                if by_stamp.len() == 128_000 {
                    let (_, oldest) = by_stamp.pop_first().unwrap();
                    stamps.remove(&oldest);
                }
            }
        }
        by_stamp.insert(now, key);
    }
    sum.wrapping_add(stamps.len() as i64)
}

#[derive(Default)]
struct Session {
    id: u32,
    /// Number and words of each message that waits.
    inbox: VecDeque<(u32, u32)>,
    read: i64,
}

fn message_bus(n: u32) -> i64 {
    let (mut random, mut sum) = (Random::new(), 0);
    let mut sessions: Vec<Session> = (1..=2000).map(|id| Session { id, ..Session::default() }).collect();
    let mut made = 2000;
    for number in 1..=n {
        let topic = random.below(256);
        random.below(16); // how many words
        for k in 0..16 {
            let session = &mut sessions[((topic * 7 + k * 125) % 2000) as usize];
            session.inbox.push_back((number, topic ^ number));
            if session.inbox.len() == 50 {
                session.read += session.inbox.drain(..25).map(|(number, word)| i64::from(number + word)).sum::<i64>();
                mix(&mut sum, session.read);
            }
        }
        if number % 500 == 0 {
            made += 1;
            sessions[random.below(2000) as usize] = Session { id: made, ..Session::default() };
        }
    }
    for session in &sessions {
        mix(&mut sum, session.read + session.inbox.len() as i64 + i64::from(session.id));
    }
    sum
}

struct Vertex {
    label: u32,
    edges: [Option<usize>; 4],
    visits: u32,
}

struct Graph {
    random: Random,
    /// All vertices that ever were, and which of them are at the places.
    vertices: Vec<Vertex>,
    places: Vec<Option<usize>>,
}

impl Graph {
    fn any(&mut self) -> Option<usize> {
        self.places[self.random.below(50_000) as usize]
    }

    fn put_new(&mut self, place: usize) {
        let edges = std::array::from_fn(|_| self.any());
        self.vertices.push(Vertex { label: self.vertices.len() as u32 + 1, edges, visits: 0 });
        self.places[place] = Some(self.vertices.len() - 1);
    }
}

fn graph(n: u32) -> i64 {
    let mut graph = Graph { random: Random::new(), vertices: Vec::new(), places: vec![None; 50_000] };
    (0..50_000).for_each(|place| graph.put_new(place));
    let mut sum = 0;
    for _ in 0..n {
        for _ in 0..2 {
            let from = graph.any().unwrap();
            let edge = graph.random.below(4) as usize;
            graph.vertices[from].edges[edge] = graph.any();
        }
        if graph.random.below(4) == 0 {
            let place = graph.random.below(50_000) as usize;
            graph.put_new(place);
        }
        let mut at = graph.any();
        for left in (1..=16).rev() {
            let Some(vertex) = at.map(|at| &mut graph.vertices[at]) else { break };
            vertex.visits += 1;
            mix(&mut sum, i64::from(vertex.label + vertex.visits));
            at = vertex.edges[((vertex.label + left) & 3) as usize];
        }
    }
    sum
}

fn gcbench(n: u32) -> i64 {
    /// Every vertex weighs one more than the depth below it.
    fn weight(depth: u32) -> i64 {
        (0..=depth).map(|level| (i64::from(level) + 1) << (depth - level)).sum()
    }
    let mut sum = 0;
    for depth in (4..=n).step_by(2) {
        for _ in 0..2 * (1 << (n + 1 - depth)) {
            mix(&mut sum, weight(depth));
        }
    }
    mix(&mut sum, weight(n));
    mix(&mut sum, 5);
    sum
}

fn deep_lists(n: u32) -> i64 {
    let (mut random, mut sum) = (Random::new(), 0);
    let mut queues: Vec<VecDeque<i64>> = (0..16).map(|at| (at * 20_000 + 1..=(at + 1) * 20_000).collect()).collect();
    for made in 320_001..=320_000 + i64::from(n) {
        let queue = &mut queues[random.below(16) as usize];
        mix(&mut sum, queue.pop_front().unwrap());
        queue.push_back(made);
        if random.below(4096) == 0 {
            queue.make_contiguous().reverse();
        }
    }
    sum
}

/// Documents as they are generated: never as text.
struct Documents {
    random: Random,
    /// Bytes that the text would have.
    length: i64,
}

impl Documents {
    fn word(&mut self) -> i64 {
        let letters = 2 + self.random.below(12);
        self.length += i64::from(letters) + 2;
        (0..letters).fold(0i64, |sum, _| sum.wrapping_mul(3) + 97 + i64::from(self.random.below(26)))
    }

    fn value(&mut self, depth: u32) -> i64 {
        match self.random.below(if depth == 0 { 2 } else { 6 }) {
            0 => {
                let number = self.random.below(1_000_000);
                self.length += number.to_string().len() as i64;
                i64::from(number)
            }
            1 => self.word(),
            kind => {
                let members = 1 + self.random.below(7);
                self.length += 2 * i64::from(members);
                let is_record = kind % 2 == 1;
                let start = if is_record { 0 } else { i64::from(members) };
                (0..members).fold(start, |sum, _| {
                    if is_record {
                        self.length += 1;
                        let key = self.word();
                        sum.wrapping_mul(7).wrapping_add(key ^ self.value(depth - 1))
                    } else {
                        sum.wrapping_mul(5).wrapping_add(self.value(depth - 1))
                    }
                })
            }
        }
    }
}

fn json_parse(n: u32) -> i64 {
    let (mut documents, mut sum) = (Documents { random: Random::new(), length: 0 }, 0);
    for _ in 0..n {
        documents.length = 1;
        let weight = documents.value(6);
        mix(&mut sum, weight.wrapping_add(documents.length));
    }
    sum
}

/// Only the order of random numbers matters: the node at a position always has that position's number.
fn large_graph(mib: u32) -> i64 {
    let mut random = Random::new();
    // Rows above the one that is being filled do not exist yet.
    let any = |random: &mut Random, row: u32| {
        if random.below(mib) <= row {
            random.below(32768);
        }
    };
    let make = |random: &mut Random, row: u32| {
        if random.below(4) == 0 {
            any(random, row);
        }
    };
    for row in 0..mib {
        (0..32768).for_each(|_| make(&mut random, row));
    }
    let mut sum = 0;
    for _ in 0..mib * 8192 {
        random.below(mib);
        sum += i64::from(random.below(32768));
        if random.below(4) == 0 {
            any(&mut random, mib);
            any(&mut random, mib);
        }
        make(&mut random, mib);
    }
    sum
}

/// What `run(n)` of a program of `benches/guests` returns.
fn run(name: &str, n: u32, options: &[&str]) -> i64 {
    run_file(&format!("benches/guests/{name}.wat"), n, options)
}

/// What `run(n)` of a module returns, whose path begins at the repository.
fn run_file(name: &str, n: u32, options: &[&str]) -> i64 {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut command = heapwood();
    command.args(["bench", &path, "--invoke", "run", "--arg", &n.to_string(), "--json"]);
    // Two calls: the second must find nothing of the first.
    let finished = finish(command.args(["--warmup", "1", "--reps", "1"]).args(options));
    assert_eq!(finished.code, Some(0), "{name} {options:?}: {}", finished.stderr);
    let object: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    object["result"].as_str().expect("a result").parse().expect("a number")
}

type Model = fn(u32) -> i64;

/// Each program with its model, a size that reaches everything, and one for slow modes.
const GUESTS: [(&str, Model, u32, u32); 7] = [
    ("lru_cache", lru_cache, 400_000, 20_000),
    ("message_bus", message_bus, 60_000, 3_000),
    ("graph", graph, 100_000, 500),
    ("gcbench", gcbench, 12, 8),
    ("deep_lists", deep_lists, 100_000, 500),
    ("json_parse", json_parse, 400, 20),
    ("large_graph", large_graph, 4, 1),
];

#[test]
fn programs_compute_what_their_models_do() {
    for (name, model, n, _) in GUESTS {
        assert_eq!(run(name, n, &[]), model(n), "{name}({n})");
    }
}

#[test]
fn they_do_in_the_other_modes_and_without_a_collector() {
    for (name, model, _, n) in GUESTS {
        let expected = model(n);
        for options in [&["--gc-nursery", "64k"][..], &["--gc", "none"], &["--gc-stress", "20011", "--gc-verify"]] {
            assert_eq!(run(name, n, options), expected, "{name}({n}) {options:?}");
        }
    }
}

#[test]
fn they_can_be_measured_in_slices() {
    for (name, ..) in GUESTS {
        let path = format!("{}/benches/guests/{name}.wat", env!("CARGO_MANIFEST_DIR"));
        let mut command = heapwood();
        command.args(["bench", &path, "--invoke", "run", "--arg", "4", "--warmup", "0", "--reps", "1", "--json"]);
        let finished = finish(command.args(["--slice", "10:20"]));
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
        let object: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(object["slice_ms"]["slices"], 20, "{name}");
    }
}

/// The rows of `benches/compare`, at the sizes of `--quick`: other engines return the same.
#[test]
fn rows_of_the_comparison_have_their_results() {
    let folder = format!("{}/benches/compare/rows", env!("CARGO_MANIFEST_DIR"));
    let rows = std::fs::read(format!("{folder}/rows.json")).expect("the rows");
    let rows: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&rows).expect("JSON");
    let files = std::fs::read_dir(folder).expect("their folder").count();
    assert_eq!(files, rows.len() + 1, "a module for each row");
    for (name, row) in rows {
        let n = row["quick"].as_u64().expect("a size").try_into().expect("32 bits");
        let expected: i64 = row["quick_checksum"].as_str().expect("a result").parse().expect("a number");
        assert_eq!(run_file(&format!("benches/compare/rows/{name}.wat"), n, &[]), expected, "{name}({n})");
    }
}
