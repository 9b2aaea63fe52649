//! Checkpoints of worlds: of a heap, and of the model of it.

use super::{Body, Random, Roots, Value, World};
use heapwood_gc::{FreezeError, Heap, HeapConfig, HeapError, HeapImage};
use heapwood_gc_abi::RawRef;
use std::collections::HashSet;

/// A world as it was.
#[derive(Clone)]
pub struct Saved {
    pub image: HeapImage,
    bodies: Vec<Body>,
    frames: Vec<Vec<Value>>,
    globals: Vec<Value>,
    immortals: Vec<(RawRef, usize)>,
    next_host: u32,
    dead_hosts: HashSet<u32>,
    frame_refs: Vec<Vec<RawRef>>,
    global_refs: Vec<RawRef>,
}

impl World {
    /// Freezes the heap, and writes down what the model says of it.
    pub fn freeze(&mut self) -> Result<Saved, FreezeError> {
        let image = self.heap.freeze(&mut self.roots);
        self.drain_hosts();
        let image = image?;
        self.has_frozen = true;
        Ok(Saved {
            image,
            bodies: self.bodies.clone(),
            frames: self.frames.clone(),
            globals: self.globals.clone(),
            immortals: self.immortals.clone(),
            next_host: self.next_host,
            dead_hosts: self.dead_hosts.clone(),
            frame_refs: self.roots.frames.clone(),
            global_refs: self.roots.globals.clone(),
        })
    }

    /// Rolls both back.
    pub fn rollback(&mut self, saved: &Saved) -> Result<(), FreezeError> {
        let rolled = self.heap.rollback(&saved.image, &mut self.roots);
        if rolled.is_ok() {
            self.become_saved(saved);
        }
        rolled
    }

    fn become_saved(&mut self, saved: &Saved) {
        let saved = saved.clone();
        let dirty = vec![false; saved.global_refs.len()];
        self.roots = Roots { frames: saved.frame_refs, globals: saved.global_refs, dirty, ..Roots::default() };
        (self.bodies, self.frames, self.globals) = (saved.bodies, saved.frames, saved.globals);
        (self.immortals, self.next_host, self.dead_hosts) = (saved.immortals, saved.next_host, saved.dead_hosts);
        self.has_frozen = true;
    }

    /// Another world that is like the saved one.
    pub fn fork(&self, config: &HeapConfig, saved: &Saved, seed: u64) -> Result<World, HeapError> {
        let heap = Heap::of_image(config, &saved.image)?;
        let mut world = World::bare(heap, self.types.clone(), Random::new(seed));
        world.become_saved(saved);
        world.collect_every = self.collect_every;
        Ok(world)
    }
}
