//! A world of 10,000 entities in a Kotlin guest, stepped sixty times a second by guest and host: the host gives the
//! wind and shows what each step left in the memory. Entities die young, as cycles, and are collected; the longest
//! pause is printed. A model in Rust, which has the same numbers to the last bit, says where everybody has to be in the
//! end.

use heapwood::{Caller, Engine, Extern, GcEventKind, Linker, Module, Result, Store};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Compiled from `examples/guests/kotlin/src/game_world.kt`.
const WORLD: &[u8] = include_bytes!("guests/kotlin/wasm/game_world.wasm");

const ENTITIES: usize = 10_000;
const STEPS: u32 = 180;
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
const SIDE: f64 = 1000.0;
/// The most that the guest's heap may take: less than all entities that there will have been.
const HEAP_BYTES_MAX: u64 = 12 << 20;

/// What the host draws: how many entities are in each square of the world.
const SQUARES: usize = 20;

#[derive(Default)]
struct Screen {
    step: u32,
    squares: Vec<u32>,
    frames: u32,
}

/// The wind of a step.
fn wind(step: u32) -> f64 {
    f64::from(step % 7) * 0.25 - 0.75
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Shows what the guest wrote: entities of 12 bytes, read where they lie.
fn show(mut caller: Caller<'_, Screen>, address: i32, count: i32) -> Result<()> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or("the guest exports no memory")?;
    let (bytes, screen) = memory.data_and_store_mut(&mut caller);
    let at = address as u32 as usize;
    let entities = bytes.get(at..at + 12 * count as u32 as usize).ok_or("entities beyond the memory")?;
    screen.squares.clear();
    screen.squares.resize(SQUARES * SQUARES, 0);
    let square = |place: f32| (place / (SIDE as f32) * SQUARES as f32) as usize;
    for entity in entities.chunks_exact(12) {
        screen.squares[square(f32_at(entity, 4)) * SQUARES + square(f32_at(entity, 0))] += 1;
    }
    screen.step += 1;
    screen.frames += 1;
    Ok(())
}

/// An entity of the model: what the guest has in objects, in one row.
struct Entity {
    id: u32,
    x: f64,
    y: f64,
    vx: f64,
    vy: f64,
    age: u32,
    /// Whom it chases: a place, and who was there then.
    target: Option<(usize, u32)>,
}

impl Entity {
    fn new(id: u32) -> Entity {
        let modulo = |factor: u32, modulus: u32| f64::from(id.wrapping_mul(factor) % modulus);
        let (x, y, vx, vy) = (modulo(37, 1000), modulo(91, 1000), modulo(1, 11) - 5.0, modulo(1, 13) - 6.0);
        Entity { id, x, y, vx, vy, age: 0, target: None }
    }

    fn go(&mut self) {
        let go = |place: &mut f64, speed: &mut f64| {
            *place += *speed;
            if *place < 0.0 || *place >= SIDE {
                *speed = -*speed;
                *place = place.clamp(0.0, SIDE - 1.0);
            }
        };
        go(&mut self.x, &mut self.vx);
        go(&mut self.y, &mut self.vy);
    }
}

/// The world without a guest.
struct Model {
    entities: Vec<Entity>,
    made: u32,
    step: u32,
}

impl Model {
    fn new() -> Model {
        let made = ENTITIES as u32;
        Model { entities: (0..made).map(Entity::new).collect(), made, step: 0 }
    }

    fn run_script(&mut self, slot: usize) {
        let own = &self.entities[slot];
        match own.id % 3 {
            0 => self.entities[slot].vx += wind(self.step),
            1 => {
                let (vx, vy) = (own.vx * 0.8 - own.vy * 0.6, own.vx * 0.6 + own.vy * 0.8);
                (self.entities[slot].vx, self.entities[slot].vy) = (vx, vy);
            }
            _ => {
                let lives = |&(at, id): &(usize, u32)| self.entities[at].id == id && at != slot;
                let (at, id) = own.target.filter(lives).unwrap_or_else(|| {
                    let at = (slot * 31 + self.step as usize) % self.entities.len();
                    (at, self.entities[at].id)
                });
                let (dx, dy) = (self.entities[at].x - own.x, self.entities[at].y - own.y);
                let own = &mut self.entities[slot];
                own.target = Some((at, id));
                own.vx += dx * 0.001;
                own.vy += dy * 0.001;
            }
        }
    }

    fn step(&mut self) -> u32 {
        for slot in 0..self.entities.len() {
            self.run_script(slot);
            let entity = &mut self.entities[slot];
            entity.go();
            entity.age += 1;
            if entity.age == 10 + entity.id % 31 {
                *entity = Entity::new(self.made);
                self.made += 1;
            }
        }
        self.step += 1;
        self.made
    }

    fn checksum(&self) -> i64 {
        self.entities.iter().fold(0, |sum: i64, entity| {
            [entity.x.to_bits() as i64, entity.y.to_bits() as i64, i64::from(entity.id)]
                .into_iter()
                .fold(sum, |sum, part| sum.wrapping_mul(31).wrapping_add(part))
        })
    }
}

/// What the pauses of the collector were.
#[derive(Clone, Copy, Default)]
struct Pauses {
    count: u32,
    longest_us: f64,
    minors: u32,
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut linker: Linker<Screen> = Linker::new(&engine);
    linker.func_wrap("host", "wind", |caller: Caller<'_, Screen>| wind(caller.data().step))?;
    linker.func_wrap("host", "show", show)?;
    let module = Module::new(&engine, WORLD)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let mut store = Store::builder(&engine).gc_heap_max(HEAP_BYTES_MAX).build(Screen::default())?;
    let pauses = Arc::new(Mutex::new(Pauses::default()));
    let seen = pauses.clone();
    store.on_gc(move |event| {
        let mut pauses = seen.lock().expect("not poisoned");
        pauses.count += 1;
        pauses.minors += u32::from(event.kind == GcEventKind::Minor);
        pauses.longest_us = pauses.longest_us.max(event.pause_us);
    });
    let instance = linker.instantiate(&mut store, &module)?;
    let create = instance.get_typed_func::<i32, ()>(&mut store, "create")?;
    let step = instance.get_typed_func::<(), i32>(&mut store, "step")?;
    let checksum = instance.get_typed_func::<(), i64>(&mut store, "checksum")?;

    create.call(&mut store, ENTITIES as i32)?;
    store.gc()?;
    let first = store.gc_stats();
    let (mut model, mut busy, mut late, mut made) = (Model::new(), Duration::ZERO, 0, 0);
    let begin = Instant::now();
    for number in 1..=STEPS {
        let began = Instant::now();
        made = step.call(&mut store, ())? as u32;
        busy += began.elapsed();
        assert_eq!(made, model.step(), "step {number}");
        assert_eq!(store.data().squares.iter().sum::<u32>(), ENTITIES as u32, "all of them are shown");
        // Until the next frame; one that is late already is counted.
        match (begin + FRAME * number).checked_duration_since(Instant::now()) {
            Some(rest) => std::thread::sleep(rest),
            None => late += 1,
        }
    }
    // The guest's world and the model's are the same after the last step, to the bit.
    assert_eq!(checksum.call(&mut store, ())?, model.checksum());
    assert_eq!(store.data().frames, STEPS);

    // What died is gone, though all of it was cycles: there are as many bytes as in the beginning, and what was made in
    // between is more than the heap could hold.
    let pauses = *pauses.lock().expect("not poisoned");
    store.gc()?;
    let last = store.gc_stats();
    let died = made - ENTITIES as u32;
    let each = first.live_bytes / ENTITIES as u64;
    assert!(u64::from(died) * each > HEAP_BYTES_MAX, "{died} entities of {each} bytes");
    assert!(last.live_bytes < first.live_bytes + first.live_bytes / 4, "{} and {}", first.live_bytes, last.live_bytes);
    assert!(pauses.minors > 0);
    Ok(format!(
        "{ENTITIES} entities, {STEPS} steps of {:.2} ms ({late} late); {died} died of {each} bytes each; the longest of {} \
         pauses {:.3} ms, live {} KiB at first and {} KiB at last",
        busy.as_secs_f64() * 1000.0 / f64::from(STEPS),
        pauses.count,
        pauses.longest_us / 1000.0,
        first.live_bytes / 1024,
        last.live_bytes / 1024
    ))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok game_world {}", run()?);
    Ok(())
}
