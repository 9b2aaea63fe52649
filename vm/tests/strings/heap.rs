//! Strings as objects of the heap: joined in every order, copied, kept, rolled back, refused.

use crate::calls::World;
use crate::common::{HEAP_MAX, modes_and_markings};
use crate::random::Random;
use heapwood_vm::*;

fn unit(random: &mut Random) -> u16 {
    random.of(&[0x41, 0x61, 0xe9, 0xff, 0x100, 0x20ac, 0xd83d, 0xde00, 0])
}

/// A string in the host's hands.
fn string(world: &World, value: Val) -> Rooted<StringRef> {
    let Val::ExternRef(Some(reference)) = value else { panic!("{value:?}") };
    reference.as_string(&world.store).unwrap().expect("a string")
}

/// Random strings, joined, cut and compared by guest and host, against vectors.
#[test]
fn joined_and_cut_at_random_they_are_those_of_vectors() {
    for (mode, config) in modes_and_markings() {
        let steps = if mode.contains("stress") { 300 } else { 3000 };
        let mut world = World::new(&config);
        let mut random = Random(1);
        let mut known: Vec<(Val, Vec<u16>)> = vec![(world.str(&[]), Vec::new())];
        for step in 0..steps {
            let (a, a_units) = known[random.index(known.len())].clone();
            let (b, b_units) = known[random.index(known.len())].clone();
            let (host_a, host_b) = (string(&world, a), string(&world, b));
            let made = match random.index(8) {
                0..2 if a_units.len() + b_units.len() < 20_000 => {
                    let joined = host_a.concat(&mut world.store, &host_b).unwrap();
                    (joined.to_externref().into(), [a_units, b_units].concat())
                }
                2..4 if a_units.len() + b_units.len() < 20_000 => (world.concat(a, b), [a_units, b_units].concat()),
                4 => {
                    let (start, end) = (random.below(a_units.len() as u32 + 2), random.below(a_units.len() as u32 + 2));
                    let piece = a_units.get(start as usize..(end as usize).min(a_units.len())).unwrap_or_default();
                    let args = [a, Val::I32(start as i32), Val::I32(end as i32)];
                    let cut = host_a.substring(&mut world.store, start..end).unwrap().to_externref();
                    assert_eq!(world.units(cut.into()), piece, "{mode}, step {step}");
                    (world.call("substring", &args).unwrap(), piece.to_vec())
                }
                5 => {
                    let equal = world.call("equals", &[a, b]).unwrap().i32();
                    assert_eq!(equal, Some((a_units == b_units).into()), "{mode}, step {step}");
                    let order = world.call("compare", &[a, b]).unwrap().i32();
                    assert_eq!(order, Some(a_units.cmp(&b_units) as i32), "{mode}, step {step}");
                    assert_eq!(host_a.equals(&mut world.store, &host_b).unwrap(), a_units == b_units);
                    assert_eq!(host_a.compare(&mut world.store, &host_b).unwrap(), a_units.cmp(&b_units));
                    continue;
                }
                6 => {
                    assert_eq!(world.units(a), a_units, "{mode}, step {step}");
                    let hash =
                        a_units.iter().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add((*unit).into()));
                    let Val::ExternRef(Some(reference)) = a else { panic!() };
                    let string = reference.as_string(&world.store).unwrap().unwrap();
                    for _ in 0..2 {
                        assert_eq!(string.hash(&mut world.store).unwrap(), hash, "{mode}, step {step}");
                    }
                    continue;
                }
                _ => {
                    let is_narrow = random.index(2) == 0;
                    let units: Vec<u16> = (0..random.index(40))
                        .map(|_| if is_narrow { unit(&mut random) & 0xff } else { unit(&mut random) })
                        .collect();
                    (world.str(&units), units)
                }
            };
            match known.len() < 60 {
                true => known.push(made),
                false => {
                    let place = random.index(known.len());
                    known[place] = made;
                }
            }
        }
        for (value, units) in known {
            assert_eq!(world.units(value), units, "{mode}");
        }
    }
}

/// Appended, prepended, and in the middle: ropes as deep as they get.
#[test]
fn deep_ropes_are_read_without_a_deep_stack_of_ours() {
    let count = 50_000;
    for (mode, config) in modes_and_markings() {
        if mode.contains("stress") {
            continue;
        }
        let mut world = World::new(&config);
        let wasm = wat::parse_str(
            r#"(module
                (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
                (import "wasm:js-string" "fromCharCode" (func $unit (param i32) (result (ref extern))))
                (func (export "build") (param $count i32) (param $how i32) (result externref) (local $s externref)
                    (local.set $s (call $unit (i32.const 0x2e)))
                    (loop $again
                        (if (i32.and (i32.shr_u (local.get $how) (i32.and (local.get $count) (i32.const 1))) (i32.const 1))
                            (then (local.set $s (call $concat (call $unit (local.get $count)) (local.get $s))))
                            (else (local.set $s (call $concat (local.get $s) (call $unit (local.get $count))))))
                        (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
                    (local.get $s)))"#,
        )
        .unwrap();
        let engine = world.store.engine().clone();
        let mut linker = Linker::new(&engine);
        linker.define_js_string().unwrap();
        let instance = linker.instantiate(&mut world.store, &Module::new(&engine, wasm).unwrap()).unwrap();
        let build = instance.get_func(&mut world.store, "build").unwrap();
        for how in 0..4 {
            let mut units = std::collections::VecDeque::from([0x2e_u16]);
            for number in (1..=count).rev() {
                match how >> (number & 1) & 1 {
                    1 => units.push_front(number as u16),
                    _ => units.push_back(number as u16),
                }
            }
            let mut results = [Val::ExternRef(None)];
            build.call(&mut world.store, &[Val::I32(count), Val::I32(how)], &mut results).unwrap();
            assert_eq!(world.units(results[0]), Vec::from(units), "{mode}, {how}");
            // Once more, of the whole that it has become.
            assert_eq!(world.units(results[0]).len(), count as usize + 1);
        }
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let mut config = Config::new();
    config.gc_heap_max(HEAP_MAX);
    let mut world = World::new(&config);
    let mut string = world.str(&[0x61; 64]);
    // 2^29 units and more; ropes take no room for them.
    let error = loop {
        match world.call("concat", &[string, string]) {
            Ok(longer) => string = longer,
            Err(error) => break error,
        }
    };
    let trap = error.trap().unwrap();
    assert_eq!(trap.kind(), TrapKind::AllocationTooLarge, "{error}");
    assert!(trap.detail().unwrap().contains("wasm:js-string.concat: a string of 536870912 units"), "{error}");
    assert_eq!(world.call("length", &[string]).unwrap().i32(), Some(1 << 28));
    // More than the heap may have.
    let error = world.call("charCodeAt", &[string, Val::I32(0)]).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::HeapExhausted, "{error}");
    // The store goes on.
    let short = world.str(&[0x62]);
    let length = world.call("concat", &[short, short]).unwrap();
    assert_eq!(world.units(length), [0x62, 0x62]);
    let units = vec![0x100_u16; (HEAP_MAX / 2) as usize + 1];
    let error = StringRef::from_utf16(&mut world.store, &units).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::HeapExhausted, "{error}");
}

#[test]
fn strings_go_to_other_stores_and_ropes_arrive_whole() {
    let mut world = World::new(&Config::new());
    let wide = world.str(&[0x20ac; 50]);
    let narrow = world.str(&[0x61; 50]);
    let rope = world.concat(narrow, wide);
    let engine = world.store.engine().clone();
    let mut other = Store::new(&engine, ());
    for value in [narrow, wide, rope] {
        let Val::ExternRef(Some(reference)) = value else { panic!() };
        let there = reference.to_any().transfer(&world.store, &mut other, 10_000).unwrap().to_extern();
        let there = there.as_string(&other).unwrap().expect("a string");
        let units: Vec<u16> = there.units(&mut other).unwrap().iter().collect();
        assert_eq!(units, world.units(value));
        let error = reference.to_any().transfer(&world.store, &mut other, 20).unwrap_err();
        assert!(error.to_string().contains("limit of 20 bytes"), "{error}");
    }
}

#[test]
fn a_rollback_brings_back_what_they_were() {
    for (mode, mut config) in modes_and_markings() {
        config.gc_heap_max(HEAP_MAX);
        let mut world = World::new(&config);
        let wide = world.str(&[0x20ac; 50]);
        let narrow = world.str(&[0x61; 50]);
        let rope = world.concat(narrow, wide);
        let Val::ExternRef(Some(reference)) = rope else { panic!() };
        let root = reference.to_owned(&mut world.store).unwrap();
        let wanted = [[0x61; 50], [0x20ac; 50]].concat();
        let checkpoint = world.store.checkpoint().unwrap();
        for _ in 0..3 {
            let string = root.to_rooted(&mut world.store).unwrap();
            assert_eq!(world.units(string.into()), wanted, "{mode}");
            let more = world.concat(string.into(), string.into());
            assert_eq!(world.units(more).len(), 200);
            world.store.rollback(&checkpoint).unwrap();
        }
        let mut fork = checkpoint.fork(()).unwrap();
        let there = checkpoint.root(&mut fork, &root).unwrap().to_rooted(&mut fork).unwrap();
        let there = there.as_string(&fork).unwrap().unwrap();
        assert_eq!(there.units(&mut fork).unwrap().iter().collect::<Vec<_>>(), wanted, "{mode}");
    }
}

#[test]
fn snapshots_name_them() {
    let mut world = World::new(&Config::new());
    let long = world.str(&[0x61; 50]);
    let _rope = world.concat(long, long);
    let mut json = Vec::new();
    world.store.heap_snapshot(&mut json).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(json.contains("\"string\"") && json.contains("\"rope of strings\""), "names");
}

#[test]
fn constants_are_strings_of_each_store() {
    let engine = Engine::default();
    let wasm = wat::parse_str(
        r#"(module
            (import "_" "gr\c3\bcn" (global $a (ref extern)))
            (import "_" "\f0\9f\8e\89" (global $b externref))
            (import "_" "" (global $c externref))
            (export "a" (global $a)) (export "b" (global $b)) (export "c" (global $c)))"#,
    )
    .unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.resolve_with("_", |import| Ok(Some(Resolved::string(&import.name.encode_utf16().collect::<Vec<_>>()))));
    let pre = linker.instantiate_pre(&module).unwrap();
    for _ in 0..2 {
        let mut store = Store::new(&engine, ());
        let instance = pre.instantiate(&mut store).unwrap();
        for (name, text) in [("a", "grün"), ("b", "🎉"), ("c", "")] {
            let Some(Val::ExternRef(Some(value))) =
                instance.get_global(&mut store, name).map(|global| global.get(&mut store))
            else {
                panic!("{name}")
            };
            let string = value.as_string(&store).unwrap().expect("a string");
            assert_eq!(string.to_string_lossy(&mut store).unwrap(), text);
        }
    }
    for ty in ["(global (mut externref))", "(global funcref)", "(func)"] {
        let text = format!(r#"(module (import "_" "name" {ty}))"#);
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        for error in [
            linker.instantiate_pre(&module).map(drop).unwrap_err(),
            linker.instantiate(&mut Store::new(&engine, ()), &module).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error.kind(), ErrorKind::Link(_)) && error.to_string().contains("name"), "{error}");
        }
    }
}

/// What is joined in machine code, and what is around it: the ends of eden come at every place.
#[test]
fn short_strings_of_all_lengths_are_joined() {
    for (mode, config) in modes_and_markings() {
        let mut world = World::new(&config);
        let text: Vec<u16> = (0x41..0x41 + 26).collect();
        let wide: Vec<u16> = text.iter().map(|unit| unit + 0x400).collect();
        let rounds = if mode.contains("stress") { 1 } else { 10 };
        for round in 0..rounds {
            for (a_len, b_len) in (0..26).flat_map(|a| (0..26).map(move |b| (a, b))) {
                if mode.contains("stress") && (a_len + b_len) % 5 != 0 {
                    continue;
                }
                let store = &mut world.store;
                let a = StringRef::from_utf16(&mut *store, &text[..a_len]).unwrap().to_externref();
                let is_wide = (a_len + b_len + round) % 7 == 0;
                let b_units = if is_wide { &wide[26 - b_len..] } else { &text[26 - b_len..] };
                let b = StringRef::from_utf16(&mut *store, b_units).unwrap().to_externref();
                let joined = world.concat(a.into(), b.into());
                assert_eq!(world.units(joined), [&text[..a_len], b_units].concat(), "{mode}: {a_len} and {b_len}");
                assert_eq!(world.units(a.into()), text[..a_len], "{mode}");
            }
            world = World::new(&config);
        }
    }
}

/// Strings that are the same up to one place, of every length that machine code compares and some more: behind the last
/// unit of a joined string lies whatever was there before.
#[test]
fn strings_that_differ_in_one_place_are_told_apart() {
    for (mode, config) in modes_and_markings() {
        let mut world = World::new(&config);
        let lengths: Vec<usize> = if mode.contains("stress") { vec![1, 4, 7, 64, 65] } else { (0..70).collect() };
        for len in lengths {
            let units: Vec<u16> = (0..len).map(|place| 0x80 + place as u16).collect();
            // The same with other neighbours: made by the host, joined, and with units of two bytes before it was cut.
            let whole = world.str(&units);
            let (head, tail) = (world.str(&units[..len / 2]), world.str(&units[len / 2..]));
            let wide = world.str(&[&[0x20ac][..], &units].concat());
            let forms = [world.str(&units), world.concat(head, tail), {
                let args = [wide, Val::I32(1), Val::I32(i32::MAX)];
                world.call("substring", &args).unwrap()
            }];
            for form in forms {
                for (a, b) in [(whole, form), (form, whole), (form, form)] {
                    assert_eq!(world.call("equals", &[a, b]).unwrap().i32(), Some(1), "{mode}: {len}");
                }
            }
            for place in 0..len {
                let mut other = units.clone();
                other[place] ^= 1;
                let (head, tail) = (world.str(&other[..len / 2]), world.str(&other[len / 2..]));
                for other in [world.str(&other), world.concat(head, tail)] {
                    for (a, b) in [(whole, other), (other, whole)] {
                        assert_eq!(world.call("equals", &[a, b]).unwrap().i32(), Some(0), "{mode}: {place} of {len}");
                    }
                }
            }
        }
    }
}
