//! The system refuses each call once: the store is what it was, or says that it cannot be used until a rollback
//! succeeds.

use crate::model::{Code, World};
use crate::random::Random;
use heapwood_vm::*;

/// Which calls are refused: those of the heap, or others for memory.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Of {
    Heap,
    Others,
}

/// Runs `work` while call number `call` is refused. Returns whether it came to that call, and what it answered.
fn refusing<R>(world: &mut World, of: Of, call: u64, work: impl FnOnce(&mut World) -> R) -> (bool, R) {
    match of {
        Of::Heap => {
            let refused = world.store.backing_calls() + call;
            world.store.refuse_calls(refused..refused + 1);
            let result = work(world);
            let is_reached = world.store.backing_calls() >= refused;
            world.store.refuse_calls(0..0);
            (is_reached, result)
        }
        Of::Others => {
            Engine::refuse_mappings(call..call + 1);
            let result = work(world);
            let is_reached = Engine::mapping_calls() >= call;
            Engine::refuse_mappings(0..0);
            (is_reached, result)
        }
    }
}

#[test]
fn each_refused_call_leaves_the_store_as_it_was_or_unusable_until_it_is_rolled_back() {
    for of in [Of::Heap, Of::Others] {
        let mut failures = [0; 3];
        for call in 1.. {
            let mut config = Config::new();
            config.gc_verify(true).gc_nursery(64 << 10);
            let mut random = Random(call);
            let mut world = World::new(&Code::new(&config));
            world.build(300);
            let steps = |world: &mut World, random: &mut Random| (0..40).for_each(|_| world.step(random));
            steps(&mut world, &mut random);
            let first = world.checkpoint();
            steps(&mut world, &mut random);
            let (mut is_reached, frozen) = refusing(&mut world, of, call, |world| world.store.checkpoint());
            failures[0] += u32::from(frozen.is_err());
            world.compare();
            let second = world.checkpoint();
            steps(&mut world, &mut random);
            for (index, saved) in [(1, &second), (2, &first)] {
                let store = |world: &mut World| world.store.rollback(&saved.checkpoint);
                let (reached, rolled) = refusing(&mut world, of, call, store);
                is_reached |= reached;
                if rolled.is_err() {
                    failures[index] += 1;
                    let error = world.store.gc().unwrap_err();
                    assert!(error.to_string().contains("unusable"), "{error}");
                    assert!(world.store.checkpoint().is_err() && world.store.instances().next().is_none());
                    let ty = GlobalType::new(ValType::I32, true);
                    assert!(Global::new(&mut world.store, ty, Val::I32(1)).is_err());
                }
                world.rollback(saved);
                world.compare();
                steps(&mut world, &mut random);
            }
            if !is_reached {
                println!("{of:?}: {call} calls, {failures:?} failures");
                break;
            }
        }
        assert!(failures.iter().all(|count| *count >= 1), "{of:?}: {failures:?}");
    }
}

#[test]
fn a_fork_that_is_refused_memory_is_an_error_and_the_next_one_is_made() {
    let mut random = Random(1);
    let mut world = World::new(&Code::new(&Config::new()));
    (0..60).for_each(|_| world.step(&mut random));
    let saved = world.checkpoint();
    let mut failures = 0;
    for call in 1.. {
        Engine::refuse_mappings(call..call + 1);
        let forked = saved.checkpoint.fork(crate::model::Data { added: 1, calls: 0 });
        let is_reached = Engine::mapping_calls() >= call;
        Engine::refuse_mappings(0..0);
        failures += u32::from(forked.is_err());
        if !is_reached {
            break;
        }
    }
    assert!(failures >= 2, "{failures} failures");
    let mut fork = world.fork(&saved);
    fork.compare();
}
