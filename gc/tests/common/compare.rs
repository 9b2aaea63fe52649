//! What the roots of the model keep alive, and the comparison of the heap with it.

use super::{Body, Value, World, object_of};
use heapwood_gc::Heap;
use heapwood_gc_abi::{FieldKind, RawRef, i31_encode};
use std::collections::{HashMap, HashSet};

impl World {
    pub(super) fn drain_hosts(&mut self) {
        while let Some(index) = self.heap.pop_dead_host_value() {
            assert!(self.dead_hosts.insert(index), "host value {index} died twice");
        }
    }

    pub(super) fn alive_hosts(&self) -> HashSet<u32> {
        let hosts = self.alive().into_iter().filter_map(|object| match self.bodies[object] {
            Body::Host(index) => Some(index),
            _ => None,
        });
        hosts.collect()
    }

    /// All objects that the roots keep alive.
    pub fn alive(&self) -> HashSet<usize> {
        let mut alive = HashSet::new();
        let mut ephemerons = Vec::new();
        let roots = self.frames.iter().flatten().chain(&self.globals);
        let mut grey: Vec<usize> = roots.filter_map(object_of).collect();
        loop {
            while let Some(object) = grey.pop() {
                if alive.insert(object) {
                    match &self.bodies[object] {
                        Body::Struct { refs, .. } | Body::Refs(refs) => grey.extend(refs.iter().filter_map(object_of)),
                        Body::Ephemeron(key, value) => ephemerons.push((*key, *value)),
                        Body::Weak(_) | Body::Host(_) | Body::Data { .. } => {}
                    }
                }
            }
            ephemerons.retain(|(key, value)| {
                let waits = object_of(key).is_some_and(|key| !alive.contains(&key) && !self.is_immortal(key));
                if !waits {
                    grey.extend(object_of(value));
                }
                waits
            });
            if grey.is_empty() {
                return alive;
            }
        }
    }

    pub fn is_immortal(&self, object: usize) -> bool {
        self.immortals.iter().any(|immortal| immortal.1 == object)
    }

    /// Compares the heap with the model, from the roots.
    pub fn compare(&mut self) {
        self.heap.check(&mut self.roots);
        self.drain_hosts();
        if self.random.below(3) == 0 {
            self.compare_weak(false);
        }
        let alive = self.alive_hosts();
        assert!(self.dead_hosts.is_disjoint(&alive), "a host value died whose cell is alive");
        self.match_from_roots(false);
    }

    /// Compares everything that the roots lead to, through weak cells and ephemerons if `weak`, and returns where in
    /// the heap the objects of the model lie.
    pub(super) fn match_from_roots(&mut self, weak: bool) -> HashMap<usize, RawRef> {
        let mut matched: HashMap<usize, RawRef> = HashMap::new();
        let mut taken: HashMap<RawRef, usize> = HashMap::new();
        let mut grey: Vec<(RawRef, Value)> = Vec::new();
        for (refs, values) in self.roots.frames.iter().zip(&self.frames) {
            grey.extend(refs.iter().copied().zip(values.iter().copied()));
        }
        grey.extend(self.roots.globals.iter().copied().zip(self.globals.iter().copied()));
        while let Some((reference, value)) = grey.pop() {
            let object = match value {
                Value::Null => {
                    assert_eq!(reference, 0);
                    continue;
                }
                Value::I31(bits) => {
                    assert_eq!(reference, i31_encode(bits));
                    continue;
                }
                Value::Object(object) => object,
            };
            if let Some(known) = matched.insert(object, reference) {
                assert_eq!(known, reference, "one object of the model is two of the heap");
                continue;
            }
            assert_eq!(taken.insert(reference, object), None, "two objects of the model are one of the heap");
            self.compare_object(reference, object, &mut grey);
            if weak {
                self.compare_weak_cell(reference, object, &mut grey);
            }
        }
        matched
    }

    pub(super) fn compare_object(&self, reference: RawRef, object: usize, grey: &mut Vec<(RawRef, Value)>) {
        let heap = &self.heap;
        match &self.bodies[object] {
            Body::Struct { ty, refs, bits } => {
                let shape = &self.types.structs[*ty];
                assert_eq!(heap.type_of(reference), shape.id);
                for (offset, value) in shape.refs.iter().zip(refs) {
                    grey.push((heap.read_ref(reference, *offset as u64), *value));
                }
                for ((offset, kind), expected) in shape.bits.iter().zip(bits) {
                    assert_eq!(read_bits(heap, reference, *offset as u64, *kind), *expected);
                }
            }
            Body::Data { ty, bytes } => {
                let (id, shift) = self.types.data[*ty];
                assert_eq!(heap.type_of(reference), id);
                assert_eq!(heap.array_length(reference) as usize, bytes.len() >> shift);
                let mut read = vec![0; bytes.len()];
                heap.array_read_bytes(reference, 0, &mut read);
                assert!(read == bytes[..]);
            }
            Body::Refs(refs) => {
                assert_eq!(heap.type_of(reference), self.types.refs);
                assert_eq!(heap.array_length(reference) as usize, refs.len());
                grey.extend((0..refs.len()).map(|index| (heap.array_get_ref(reference, index as u32), refs[index])));
            }
            // Reading what they name would keep it alive: `compare_weak` does that now and then.
            Body::Weak(_) => assert_eq!(heap.type_of(reference), self.types.weak),
            Body::Ephemeron(..) => assert_eq!(heap.type_of(reference), self.types.ephemeron),
            Body::Host(index) => {
                assert_eq!(heap.type_of(reference), self.types.host);
                assert_eq!(heap.read_i32(reference, 4), *index);
            }
        }
    }
}

pub(super) fn read_bits(heap: &Heap, object: RawRef, offset: u64, kind: FieldKind) -> u128 {
    match kind {
        FieldKind::I8 => heap.read_i8(object, offset) as u128,
        FieldKind::I16 => heap.read_i16(object, offset) as u128,
        FieldKind::I32 => heap.read_i32(object, offset) as u128,
        FieldKind::I64 => heap.read_i64(object, offset) as u128,
        FieldKind::V128 => heap.read_v128(object, offset),
        FieldKind::Ref => unreachable!("references are read by read_ref"),
    }
}
