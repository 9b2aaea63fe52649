//! Random programs: what they do between checkpoints, rollbacks to any of them, and forks of forks that are dropped in
//! any order.

use crate::model::{Code, Saved, World, modes};
use crate::random::Random;
use heapwood_vm::Config;

/// A world with the checkpoints that it can come back to, or that forks can be made of.
struct Line {
    world: World,
    saved: Vec<Saved>,
}

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("HEAPWOOD_CHECKPOINT_SEEDS").unwrap_or_else(|_| "0..6".into());
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn stores_agree_with_the_model_after_any_order_of_checkpoints_rollbacks_and_forks() {
    let mut done = [0; 4];
    for (name, config) in modes() {
        for seed in seeds() {
            println!("{name}, seed {seed}");
            let counts = program(&config, seed);
            (0..done.len()).for_each(|index| done[index] += counts[index]);
        }
    }
    println!("{done:?}");
    assert!(done.iter().all(|count| *count >= 8), "checkpoints, rollbacks, forks, drops: {done:?}");
}

fn program(config: &Config, seed: u64) -> [u64; 4] {
    let mut random = Random(seed);
    let mut world = World::new(&Code::new(config));
    world.build(40);
    let mut lines = vec![Line { world, saved: Vec::new() }];
    let mut done = [0; 4];
    for _ in 0..30 {
        let (count, index) = (lines.len(), random.index(lines.len()));
        let Line { world, saved } = &mut lines[index];
        for _ in 0..random.index(40) {
            world.step(&mut random);
        }
        world.compare();
        let chosen = saved.get(random.index(saved.len().max(1))).cloned();
        match (random.index(8), chosen) {
            (0..3, _) => {
                saved.push(world.checkpoint());
                done[0] += 1;
            }
            (3..6, Some(chosen)) if world.knows(&chosen) => {
                world.rollback(&chosen);
                world.compare();
                done[1] += 1;
            }
            (6, Some(chosen)) if count < 5 => {
                let mut fork = world.fork(&chosen);
                fork.compare();
                // What is older than the fork is no state of it, but other forks may begin there.
                let saved = saved.clone();
                lines.push(Line { world: fork, saved });
                done[2] += 1;
            }
            (7, _) if count > 1 => {
                lines.swap_remove(index);
                done[3] += 1;
            }
            _ => {}
        }
        lines.iter_mut().for_each(|line| line.world.compare());
    }
    done
}

/// A graph of 10^5 objects with host values, functions and an exception beside it: parent and children change it while
/// every allocation collects, and each has its own afterwards.
#[test]
fn forks_of_a_large_graph_change_apart_while_every_allocation_collects() {
    const NODES: usize = 100_000;
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true).gc_heap_max(256 << 20);
    let code = Code::new(&config);
    let mut random = Random(4711);
    let mut parent = World::new(&code);
    parent.store.set_checks(0, false);
    parent.build(NODES);
    for _ in 0..200 {
        parent.step(&mut random);
    }
    parent.store.set_checks(1, true);
    let saved = parent.checkpoint();
    assert!(saved.checkpoint.heap_bytes() >= 20 * NODES as u64);
    let mut worlds = vec![parent.fork(&saved), parent.fork(&saved)];
    worlds.push(parent);
    for round in 0..3 {
        for world in &mut worlds {
            for _ in 0..4 {
                world.change_large(&mut random, round);
                world.step(&mut random);
            }
            world.store.check_heap();
        }
        worlds.iter_mut().for_each(World::compare);
    }
    let mut parent = worlds.pop().unwrap();
    let second = parent.checkpoint();
    drop(saved);
    worlds.push(parent.fork(&second));
    for world in &mut worlds {
        world.change_large(&mut random, -1);
        world.compare();
    }
    parent.change_large(&mut random, -2);
    parent.rollback(&second);
    parent.compare();
}
