//! Weak cells and ephemerons in the random programs.

use super::{Body, GLOBALS, Value, WEAK_GLOBALS, World, object_of};
use heapwood_gc::Exhausted;
use heapwood_gc_abi::RawRef;

impl World {
    pub(super) fn new_weak(&mut self) -> Result<(), Exhausted> {
        let cell = self.heap.alloc_weak(self.types.weak, &mut self.roots)?;
        let (referent, value) = self.pick();
        self.heap.init_weak(cell, referent);
        self.keep_weak(cell, Body::Weak(value));
        Ok(())
    }

    pub(super) fn new_ephemeron(&mut self) -> Result<(), Exhausted> {
        let cell = self.heap.alloc_weak(self.types.ephemeron, &mut self.roots)?;
        let ((key_ref, key), (value_ref, value)) = (self.pick(), self.pick());
        self.heap.init_ephemeron(cell, key_ref, value_ref);
        let body =
            if key == Value::Null { Body::Ephemeron(Value::Null, Value::Null) } else { Body::Ephemeron(key, value) };
        self.keep_weak(cell, body);
        Ok(())
    }

    fn keep_weak(&mut self, cell: RawRef, body: Body) {
        self.bodies.push(body);
        let value = Value::Object(self.bodies.len() - 1);
        if self.directory > 0 || self.random.below(3) == 0 {
            self.push(cell, value);
        } else {
            let index = GLOBALS + self.random.below(WEAK_GLOBALS);
            self.write_global(index, cell, value);
        }
    }

    /// Reads a random weak cell or ephemeron and sometimes keeps what it named, or writes an ephemeron.
    pub(super) fn read_weak(&mut self) -> Result<(), Exhausted> {
        let Some((reference, Value::Object(object))) = self.pick_object() else { return Ok(()) };
        if matches!(self.bodies[object], Body::Ephemeron(..)) && self.random.below(2) == 0 {
            let (value_ref, value) = self.pick();
            if self.heap.ephemeron_set_value(reference, value_ref) {
                let Body::Ephemeron(_, old) = &mut self.bodies[object] else { unreachable!() };
                *old = value;
            } else {
                self.assert_forgotten(object);
            }
        } else if let Some((next_ref, next)) = self.follow_weak(reference, object) {
            self.push(next_ref, next);
        }
        Ok(())
    }

    /// Reads a weak cell, or key or value of an ephemeron.
    pub(super) fn follow_weak(&mut self, reference: RawRef, object: usize) -> Option<(RawRef, Value)> {
        match self.bodies[object] {
            Body::Weak(value) => match self.heap.weak_get(reference) {
                0 => {
                    self.assert_forgotten(object);
                    Some((0, Value::Null))
                }
                referent => Some((referent, value)),
            },
            Body::Ephemeron(key, value) => match self.heap.ephemeron_get(reference) {
                None => {
                    self.assert_forgotten(object);
                    Some((0, Value::Null))
                }
                Some((key_ref, value_ref)) => {
                    Some(if self.random.below(3) == 0 { (key_ref, key) } else { (value_ref, value) })
                }
            },
            _ => None,
        }
    }

    /// The heap has cleared a cell: nothing may hold what it named. From now on the model knows.
    fn assert_forgotten(&mut self, object: usize) {
        let (named, cleared) = match self.bodies[object] {
            Body::Weak(referent) => (referent, Body::Weak(Value::Null)),
            Body::Ephemeron(key, _) => (key, Body::Ephemeron(Value::Null, Value::Null)),
            _ => unreachable!("only weak cells and ephemerons are cleared"),
        };
        match named {
            Value::Null => {}
            Value::I31(_) => panic!("an i31 died"),
            Value::Object(named) => {
                let is_alive = self.alive().contains(&named) || self.is_immortal(named);
                assert!(!is_alive, "object {named} is alive, but cell {object} was cleared");
                self.cleared += 1;
            }
        }
        self.bodies[object] = cleared;
    }

    /// Compares all weak cells and ephemerons that can be reached, also through each other. `exact`: a major has just
    /// cleared those whose object nothing holds.
    pub fn compare_weak(&mut self, exact: bool) {
        let alive = self.alive();
        self.match_from_roots(true);
        for object in alive.iter().filter(|_| exact) {
            if let Body::Weak(named) | Body::Ephemeron(named, _) = &self.bodies[*object]
                && let Some(named) = object_of(named)
            {
                let is_held = alive.contains(&named) || self.is_immortal(named);
                assert!(is_held, "cell {object} still names {named}, which nothing holds");
            }
        }
    }

    pub(super) fn compare_weak_cell(&mut self, reference: RawRef, object: usize, grey: &mut Vec<(RawRef, Value)>) {
        match self.bodies[object] {
            Body::Weak(value) => match self.heap.weak_get(reference) {
                0 => self.assert_forgotten(object),
                referent => grey.push((referent, value)),
            },
            Body::Ephemeron(key, value) => match self.heap.ephemeron_get(reference) {
                None => self.assert_forgotten(object),
                Some((key_ref, value_ref)) => grey.extend([(key_ref, key), (value_ref, value)]),
            },
            _ => {}
        }
    }
}
