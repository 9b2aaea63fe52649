//! An independent model of a heap, a program of random operations on both, and the comparison.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

mod checkpoint;
mod compare;
mod parts;
mod weak;

pub use checkpoint::Saved;
use compare::read_bits;
use heapwood_gc::{Exhausted, Heap, HeapConfig};
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::{FieldKind, RawRef, i31_encode};
pub use parts::{Roots, StructType, Types, array_type, struct_type};
use std::collections::{HashMap, HashSet};

/// Of tests that go through many cases alike, each Nth case runs, or an Nth of a program: `HEAPWOOD_SHARE`, 1 unless it
/// is given. For runs that look at which lines run, and are slow.
pub fn share() -> usize {
    std::env::var("HEAPWOOD_SHARE").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

/// A small generator of random numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end.max(1)
    }
}

/// Globals of the programs: for anything, and for weak cells and ephemerons, which outlive what they name there.
const GLOBALS: usize = 20;
const WEAK_GLOBALS: usize = 40;

/// A reference in the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    Null,
    I31(u32),
    Object(usize),
}

/// An object in the model: reference fields and raw bits of the others, in order.
#[derive(Clone, Debug)]
pub enum Body {
    Struct {
        ty: usize,
        refs: Vec<Value>,
        bits: Vec<u128>,
    },
    Data {
        ty: usize,
        bytes: Vec<u8>,
    },
    Refs(Vec<Value>),
    Host(u32),
    /// What it names: null once that died.
    Weak(Value),
    /// Key and value: both null once the key died.
    Ephemeron(Value, Value),
}

/// A heap, its model and the roots of both.
pub struct World {
    pub heap: Heap,
    pub types: Types,
    pub roots: Roots,
    pub random: Random,
    pub bodies: Vec<Body>,
    pub frames: Vec<Vec<Value>>,
    pub globals: Vec<Value>,
    /// Immortal objects, which are never written.
    immortals: Vec<(RawRef, usize)>,
    /// One in a hundred of these many steps asks for a collection.
    pub collect_every: usize,
    /// Weak cells and ephemerons that were found cleared.
    pub cleared: u64,
    /// Objects hang on an array of so many elements rather than on roots, which are few then.
    directory: usize,
    next_host: u32,
    dead_hosts: HashSet<u32>,
    exhausted: Option<Exhausted>,
    /// Something is, or was, frozen: what is dead there need not be found dead.
    has_frozen: bool,
}

impl World {
    pub fn new(config: &HeapConfig, seed: u64) -> World {
        let types = Types::new();
        let heap = Heap::new(config, types.table.clone()).unwrap();
        World::with(heap, types, seed)
    }

    pub fn with(heap: Heap, types: Types, seed: u64) -> World {
        let mut world = World::bare(heap, types, Random::new(seed));
        world.make_immortals();
        world
    }

    /// A world without anything.
    fn bare(heap: Heap, types: Types, random: Random) -> World {
        let roots = Roots {
            frames: vec![Vec::new()],
            globals: vec![0; GLOBALS + WEAK_GLOBALS],
            dirty: vec![false; GLOBALS + WEAK_GLOBALS],
            ..Roots::default()
        };
        World {
            heap,
            types,
            roots,
            random,
            bodies: Vec::new(),
            frames: vec![Vec::new()],
            globals: vec![Value::Null; GLOBALS + WEAK_GLOBALS],
            immortals: Vec::new(),
            collect_every: 1,
            cleared: 0,
            directory: 0,
            next_host: 0,
            dead_hosts: HashSet::new(),
            exhausted: None,
            has_frozen: false,
        }
    }

    /// From now on objects hang on an array of `length` elements.
    pub fn use_directory(&mut self, length: usize) {
        let array = self.heap.alloc_array(self.types.refs, length as u32, &mut self.roots).unwrap();
        self.bodies.push(Body::Refs(vec![Value::Null; length]));
        self.push(array, Value::Object(self.bodies.len() - 1));
        self.directory = length;
    }

    /// Makes an element of the directory name an object.
    fn enlist(&mut self, index: usize, reference: RawRef, value: Value) {
        let (array, Value::Object(object)) = (self.roots.frames[0][0], self.frames[0][0]) else { unreachable!() };
        let Body::Refs(elements) = &mut self.bodies[object] else { unreachable!() };
        elements[index] = value;
        self.heap.array_set_ref(array, index as u32, reference);
    }

    fn listed(&mut self) -> (RawRef, Value) {
        let index = self.random.below(self.directory);
        let Value::Object(object) = self.frames[0][0] else { unreachable!() };
        let Body::Refs(elements) = &self.bodies[object] else { unreachable!() };
        (self.heap.array_get_ref(self.roots.frames[0][0], index as u32), elements[index])
    }

    /// Forgets most of what hangs on the directory.
    pub fn thin_out(&mut self, percent: usize) {
        for index in 0..self.directory {
            if self.random.below(100) < percent {
                self.enlist(index, 0, Value::Null);
            }
        }
    }

    fn make_immortals(&mut self) {
        let mut last = (0, Value::Null);
        for _ in 0..8 {
            let Ok(object) = self.heap.alloc_immortal_object(self.types.structs[1].id) else { return };
            self.heap.init_immortal_ref(object, 4, last.0);
            self.heap.init_immortal_ref(object, 8, i31_encode(5));
            self.bodies.push(Body::Struct { ty: 1, refs: vec![last.1, Value::I31(5)], bits: vec![] });
            last = (object, Value::Object(self.bodies.len() - 1));
            self.immortals.push((object, self.bodies.len() - 1));
        }
    }

    /// Runs `steps` random operations; stops early when the heap is exhausted. Compares now and then.
    pub fn run(&mut self, steps: usize) {
        for step in 0..steps {
            if let Err(error) = self.step() {
                self.exhausted = Some(error);
                break;
            }
            if step % 512 == 511 {
                self.compare();
            }
        }
        self.compare();
    }

    /// Runs one random operation. Returns what a listener panicked with meanwhile; then the operation was not done.
    pub fn step_watched(&mut self) -> std::thread::Result<Result<(), Exhausted>> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.step()))
    }

    /// Why the last run stopped early, if any did.
    pub fn exhausted(&self) -> Option<Exhausted> {
        self.exhausted
    }

    pub fn forget_exhausted(&mut self) {
        self.exhausted = None;
    }

    fn step(&mut self) -> Result<(), Exhausted> {
        let choice = self.random.below(100);
        if self.directory > 0 && matches!(choice, 76..88 | 93..97) {
            // No frames, and only some globals.
            return if choice == 76 { self.set_global() } else { self.clear_global() };
        }
        match choice {
            0..30 => self.new_struct(),
            30..42 => self.new_array(),
            42..44 => self.new_host(),
            44..49 => self.new_weak(),
            49..53 => self.new_ephemeron(),
            53..57 => self.read_weak(),
            57..69 => self.store(),
            69..72 => self.copy_or_fill(),
            72..76 => self.load(),
            76..84 => self.pop(),
            84..88 => self.call(),
            88..93 => self.set_global(),
            93..97 => self.return_(),
            97..99 => {
                self.heap.step(&mut self.roots);
                Ok(())
            }
            _ if self.random.below(self.collect_every) > 0 => Ok(()),
            _ => {
                self.collect();
                Ok(())
            }
        }
    }

    fn collect(&mut self) {
        match self.random.below(12) {
            0..5 => self.heap.collect_minor(&mut self.roots),
            5 => self.heap.start_major(&mut self.roots),
            6..8 => self.heap.promote_all(&mut self.roots),
            8..10 => self.heap.collect_major(&mut self.roots),
            10 => self.heap.collect_moving(&mut self.roots),
            _ => {
                let before = self.heap.stats();
                self.heap.collect_major(&mut self.roots);
                let after = self.heap.stats();
                let is_exact =
                    (after.compactions, after.held_ephemerons) == (before.compactions, before.held_ephemerons);
                if !is_exact || self.has_frozen {
                    // Memory was refused: what ephemerons hold is not exact.
                    return;
                }
                if after.majors == before.majors {
                    // A cold heap does not collect where the system refuses what that needs.
                    return;
                }
                self.drain_hosts();
                self.compare_weak(true);
                let alive = self.alive_hosts();
                let expected: HashSet<u32> = (0..self.next_host).filter(|index| !alive.contains(index)).collect();
                assert_eq!(self.dead_hosts, expected, "a major finds exactly the dead host values");
            }
        }
    }

    fn push(&mut self, reference: RawRef, value: Value) {
        if self.directory > 0 {
            let index = self.random.below(self.directory);
            return self.enlist(index, reference, value);
        }
        let top = self.frames.len() - 1;
        self.roots.uncover(top, &mut self.heap);
        self.roots.frames[top].push(reference);
        self.frames[top].push(value);
    }

    fn new_struct(&mut self) -> Result<(), Exhausted> {
        // Mostly small ones.
        let ty = if self.random.below(20) == 0 { self.random.below(8) } else { self.random.below(5) };
        let shape = &self.types.structs[ty];
        let (id, refs, bits) = (shape.id, shape.refs.len(), shape.bits.len());
        let reference = match self.random.below(20) {
            0 => self.heap.alloc_old_struct(id, &mut self.roots)?,
            _ => self.heap.alloc_struct(id, &mut self.roots)?,
        };
        let body = Body::Struct { ty, refs: vec![Value::Null; refs], bits: vec![0; bits] };
        self.bodies.push(body);
        self.push(reference, Value::Object(self.bodies.len() - 1));
        for _ in 0..refs.min(3) {
            self.store_to(reference, self.bodies.len() - 1);
        }
        Ok(())
    }

    fn new_array(&mut self) -> Result<(), Exhausted> {
        let length = match self.random.below(200) {
            0..120 => self.random.below(12),
            120..180 => self.random.below(150),
            180..196 => self.random.below(2000),
            196..199 => self.random.below(9000),
            _ => self.random.below(60_000),
        };
        let old = self.random.below(20) == 0;
        let (id, body) = match self.random.below(2) {
            0 => (self.types.refs, Body::Refs(vec![Value::Null; length])),
            _ => {
                let ty = self.random.below(5);
                (self.types.data[ty].0, Body::Data { ty, bytes: vec![0; length << self.types.data[ty].1] })
            }
        };
        let reference = if old {
            self.heap.alloc_old_array(id, length as u32, &mut self.roots)?
        } else {
            self.heap.alloc_array(id, length as u32, &mut self.roots)?
        };
        self.bodies.push(body);
        self.push(reference, Value::Object(self.bodies.len() - 1));
        Ok(())
    }

    fn new_host(&mut self) -> Result<(), Exhausted> {
        let index = self.next_host;
        let cell = self.heap.alloc_host_value(self.types.host, index, &mut self.roots)?;
        self.next_host += 1;
        self.bodies.push(Body::Host(index));
        self.push(cell, Value::Object(self.bodies.len() - 1));
        Ok(())
    }

    /// A random value that the program can reach.
    fn pick(&mut self) -> (RawRef, Value) {
        match self.random.below(20) {
            0 => (0, Value::Null),
            1 => {
                let index = self.random.below(self.immortals.len());
                self.immortals.get(index).map_or((0, Value::Null), |found| (found.0, Value::Object(found.1)))
            }
            2 => {
                let bits = self.random.next() as u32;
                (i31_encode(bits), Value::I31(bits & 0x7fff_ffff))
            }
            _ => self.pick_object().unwrap_or((0, Value::Null)),
        }
    }

    /// A random root object, or one that is a few fields away.
    fn pick_object(&mut self) -> Option<(RawRef, Value)> {
        let (mut reference, mut value) = match self.random.below(4) {
            _ if self.directory > 0 => self.listed(),
            0 => {
                let index = self.random.below(self.globals.len());
                (self.roots.globals[index], self.globals[index])
            }
            _ => {
                let frame = self.random.below(self.frames.len());
                let index = self.random.below(self.frames[frame].len());
                (*self.roots.frames[frame].get(index)?, *self.frames[frame].get(index)?)
            }
        };
        for _ in 0..self.random.below(4) {
            let Value::Object(object) = value else { break };
            if let Some((next_ref, next)) = self.follow_weak(reference, object) {
                let Value::Object(_) = next else { break };
                (reference, value) = (next_ref, next);
                continue;
            }
            let Some((slot, next)) = self.random_field(object) else { break };
            let Value::Object(_) = next else { break };
            reference = self.heap.read_ref(reference, slot);
            value = next;
        }
        matches!(value, Value::Object(_)).then_some((reference, value))
    }

    fn random_field(&mut self, object: usize) -> Option<(u64, Value)> {
        match &self.bodies[object] {
            Body::Struct { ty, refs, .. } if !refs.is_empty() => {
                let index = self.random.below(refs.len());
                Some((self.types.structs[*ty].refs[index] as u64, refs[index]))
            }
            Body::Refs(refs) if !refs.is_empty() => {
                let index = self.random.below(refs.len());
                Some((ARRAY_ELEMENTS_OFFSET as u64 + index as u64 * 4, refs[index]))
            }
            _ => None,
        }
    }

    fn store(&mut self) -> Result<(), Exhausted> {
        if let Some((reference, Value::Object(object))) = self.pick_object() {
            self.store_to(reference, object);
        }
        Ok(())
    }

    /// Writes a random field of an object.
    fn store_to(&mut self, reference: RawRef, object: usize) {
        if self.immortals.iter().any(|immortal| immortal.1 == object) {
            return;
        }
        let (new_ref, new_value) = self.pick();
        let bits = self.random.next() as u128 | (self.random.next() as u128) << 64;
        let choice = self.random.next() as usize;
        match &mut self.bodies[object] {
            Body::Struct { ty, refs, bits: values } => {
                let shape = &self.types.structs[*ty];
                if !refs.is_empty() && (values.is_empty() || choice & 1 == 0) {
                    let index = (choice >> 1) % refs.len();
                    refs[index] = new_value;
                    self.heap.write_ref(reference, shape.refs[index] as u64, new_ref);
                } else if !values.is_empty() {
                    let index = (choice >> 1) % values.len();
                    let (offset, kind) = shape.bits[index];
                    values[index] = write_bits(&mut self.heap, reference, offset as u64, kind, bits);
                }
            }
            Body::Refs(refs) if !refs.is_empty() => {
                let index = choice % refs.len();
                refs[index] = new_value;
                self.heap.array_set_ref(reference, index as u32, new_ref);
            }
            Body::Data { ty, bytes } if !bytes.is_empty() => {
                let (shift, new) = (self.types.data[*ty].1, bits.to_le_bytes());
                let index = choice % (bytes.len() >> shift);
                let new = &new[..1 << shift];
                bytes[index << shift..(index + 1) << shift].copy_from_slice(new);
                self.heap.array_write_bytes(reference, index as u32, new);
            }
            _ => {}
        }
    }

    fn copy_or_fill(&mut self) -> Result<(), Exhausted> {
        let Some((to, Value::Object(to_object))) = self.pick_object() else { return Ok(()) };
        let from = if self.random.below(3) == 0 { Some((to, Value::Object(to_object))) } else { self.pick_object() };
        let Some((from, Value::Object(from_object))) = from else { return Ok(()) };
        if self.random.below(4) == 0 {
            self.fill(to, to_object);
            return Ok(());
        }
        let mut range = |to_len: usize, from_len: usize| {
            let length = self.random.below(to_len.min(from_len) + 1);
            (self.random.below(to_len - length + 1), self.random.below(from_len - length + 1), length)
        };
        match (self.bodies[to_object].clone(), self.bodies[from_object].clone()) {
            (Body::Refs(mut target), Body::Refs(source)) => {
                let (at, start, length) = range(target.len(), source.len());
                target[at..at + length].copy_from_slice(&source[start..start + length]);
                self.bodies[to_object] = Body::Refs(target);
                self.heap.array_copy(to, at as u32, from, start as u32, length as u32);
            }
            (Body::Data { ty, bytes: mut target }, Body::Data { ty: from_ty, bytes: source }) if ty == from_ty => {
                let shift = self.types.data[ty].1;
                let (at, start, length) = range(target.len() >> shift, source.len() >> shift);
                let (at_byte, start_byte) = (at << shift, start << shift);
                target[at_byte..at_byte + (length << shift)]
                    .copy_from_slice(&source[start_byte..start_byte + (length << shift)]);
                self.bodies[to_object] = Body::Data { ty, bytes: target };
                self.heap.array_copy(to, at as u32, from, start as u32, length as u32);
            }
            _ => {}
        }
        Ok(())
    }

    fn fill(&mut self, array: RawRef, object: usize) {
        let (mut new_ref, new_value) = self.pick();
        let bits = self.random.next() as u128;
        let (a, b) = (self.random.next() as usize, self.random.next() as usize);
        match &mut self.bodies[object] {
            Body::Refs(refs) if !refs.is_empty() => {
                let start = a % refs.len();
                let length = b % (refs.len() - start + 1);
                refs[start..start + length].fill(new_value);
                let mut array = array;
                if self.heap.fill_wants_promotion(array, length as u32, new_ref) {
                    self.roots.frames.push(vec![array, new_ref]);
                    self.heap.promote_all(&mut self.roots);
                    let moved = self.roots.frames.pop().unwrap();
                    (array, new_ref) = (moved[0], moved[1]);
                    let top = self.roots.frames.len() - 1;
                    self.roots.uncover(top, &mut self.heap);
                }
                self.heap.array_fill_ref(array, start as u32, length as u32, new_ref);
            }
            Body::Data { ty, bytes } if !bytes.is_empty() => {
                let shift = self.types.data[*ty].1;
                let start = a % (bytes.len() >> shift);
                let length = b % ((bytes.len() >> shift) - start + 1);
                for element in bytes[start << shift..(start + length) << shift].chunks_mut(1 << shift) {
                    element.copy_from_slice(&bits.to_le_bytes()[..1 << shift]);
                }
                self.heap.array_fill_bits(array, start as u32, length as u32, bits);
            }
            _ => {}
        }
    }

    fn load(&mut self) -> Result<(), Exhausted> {
        let (reference, value) = self.pick();
        self.push(reference, value);
        Ok(())
    }

    fn pop(&mut self) -> Result<(), Exhausted> {
        let top = self.frames.len() - 1;
        self.roots.uncover(top, &mut self.heap);
        for _ in 0..self.random.below(6) {
            self.frames[top].pop();
            self.roots.frames[top].pop();
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), Exhausted> {
        if self.frames.len() < 40 {
            self.frames.push(Vec::new());
            self.roots.frames.push(Vec::new());
        }
        Ok(())
    }

    fn return_(&mut self) -> Result<(), Exhausted> {
        let pops = if self.random.below(10) == 0 { 8 } else { 1 };
        for _ in 0..pops {
            if self.frames.len() > 1 {
                self.frames.pop();
                self.roots.frames.pop();
                self.roots.uncover(self.frames.len() - 1, &mut self.heap);
            }
        }
        Ok(())
    }

    fn set_global(&mut self) -> Result<(), Exhausted> {
        let (reference, value) = self.pick();
        let index = self.random.below(GLOBALS);
        self.write_global(index, reference, value);
        Ok(())
    }

    fn clear_global(&mut self) -> Result<(), Exhausted> {
        let index = self.random.below(self.globals.len());
        self.write_global(index, 0, Value::Null);
        Ok(())
    }

    fn write_global(&mut self, index: usize, reference: RawRef, value: Value) {
        self.heap.shade(self.roots.globals[index]);
        (self.roots.globals[index], self.globals[index]) = (reference, value);
        self.roots.dirty[index] = true;
    }
}

fn object_of(value: &Value) -> Option<usize> {
    match value {
        Value::Object(object) => Some(*object),
        _ => None,
    }
}

fn write_bits(heap: &mut Heap, object: RawRef, offset: u64, kind: FieldKind, bits: u128) -> u128 {
    match kind {
        FieldKind::I8 => heap.write_i8(object, offset, bits as u8),
        FieldKind::I16 => heap.write_i16(object, offset, bits as u16),
        FieldKind::I32 => heap.write_i32(object, offset, bits as u32),
        FieldKind::I64 => heap.write_i64(object, offset, bits as u64),
        FieldKind::V128 => heap.write_v128(object, offset, bits),
        FieldKind::Ref => unreachable!("references are written by write_ref"),
    }
    read_bits(heap, object, offset, kind)
}
