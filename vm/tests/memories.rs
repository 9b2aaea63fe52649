//! Memories as the host makes them, their ends, and 64-bit memories above 4 GiB.

#[path = "../../tests/common/skip.rs"]
mod skip;

use heapwood_vm::*;
use skip::skip;

fn engine(guard: bool) -> Engine {
    Engine::new(Config::new().memory64_guard(guard)).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

fn trap(error: Error) -> TrapKind {
    error.trap().unwrap_or_else(|| panic!("no trap: {error:?}")).kind()
}

#[test]
fn types_are_built_and_memories_made_of_them() -> Result<()> {
    let mut store = Store::new(&engine(true), ());
    let ty = MemoryType::builder().min(10).max(20).page_size_log2(0).build()?;
    let memory = Memory::new(&mut store, ty)?;
    assert_eq!((memory.size(&store), memory.page_size(&store), memory.data_size(&store)), (10, 1, 10));
    assert_eq!(memory.grow(&mut store, 10)?, 10);
    memory.grow(&mut store, 1).unwrap_err();
    let memory = Memory::new(&mut store, MemoryType::builder().min(1).memory64(true).build()?)?;
    assert_eq!((memory.page_size(&store), memory.data_size(&store), memory.ty(&store).memory64), (65536, 65536, true));
    // Types that were not built are looked at as well.
    for wrong in [
        MemoryType { page_size_log2: 99, ..ty },
        MemoryType { min: 21, ..ty },
        MemoryType { min: 1 << 40, max: None, ..ty },
    ] {
        let error = Memory::new(&mut store, wrong).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    }
    let error = MemoryType::builder().min(2).max(1).build().map_err(Error::from).unwrap_err();
    assert!(error.to_string().contains("above max"), "{error}");
    Ok(())
}

/// A memory with pages of a byte ends at the byte at every size on its way, beside one that is full.
#[test]
fn pages_of_one_byte_are_exact_beside_a_full_memory() {
    let engine = engine(true);
    let module = module(
        &engine,
        r#"(module (memory $bytes 0 100000 (pagesize 1)) (memory $full (export "full") 65536 65536)
            (func (export "grow") (param i32) (result i32) (memory.grow $bytes (local.get 0)))
            (func (export "size") (param i32) (result i32) (memory.size $bytes))
            (func (export "write") (param i32) (result i32)
                (i32.store8 $bytes (local.get 0) (i32.const 0x5a)) (i32.load8_u $bytes (local.get 0)))
            (func (export "write4") (param i32) (result i32)
                (i32.store $bytes (local.get 0) (i32.const -1)) (i32.load $bytes (local.get 0)))
            (func (export "write full") (param i32) (result i32)
                (i32.store8 $full (local.get 0) (i32.const 0x33)) (i32.load8_u $full (local.get 0)))
            (func (export "write full, offset") (param i32) (result i32)
                (i32.store8 $full offset=1 (local.get 0) (i32.const 0x33)) (i32.const 0))
            (func (export "grow full") (param i32) (result i32) (memory.grow $full (local.get 0))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = match Instance::new(&mut store, &module, &[]) {
        Ok(instance) => instance,
        Err(error) => return skip("memory-4g", error),
    };
    let mut call = |name: &str, arg: u32| {
        instance.get_typed_func::<i32, i32>(&mut store, name).unwrap().call(&mut store, arg as i32).map_err(trap)
    };
    let out = Err(TrapKind::MemoryOutOfBounds);
    let mut size = 0u32;
    for next in [1, 2, 3, 4, 5, 4095, 4096, 4097, 65535, 65536, 65537, 99_999, 100_000] {
        assert_eq!(call("write", size), out);
        assert_eq!(call("grow", next - size), Ok(size as i32));
        size = next;
        assert_eq!(call("size", 0), Ok(size as i32));
        assert_eq!(call("write", size - 1), Ok(0x5a));
        assert_eq!(call("write", size), out);
        if size >= 4 {
            assert_eq!(call("write4", size - 4), Ok(-1));
        }
        for back in 0..size.min(4) {
            assert_eq!(call("write4", size - back), out, "{size} - {back}");
        }
    }
    for delta in [1, 65536, u32::MAX] {
        assert_eq!(call("grow", delta), Ok(-1));
    }
    assert_eq!(call("write full", u32::MAX), Ok(0x33));
    assert_eq!(call("write full, offset", u32::MAX), out);
    assert_eq!(call("grow full", 1), Ok(-1));
    assert_eq!(call("grow full", 0), Ok(65536));
    let full = instance.get_memory(&mut store, "full").unwrap();
    assert_eq!(full.data_size(&store), 1 << 32);
    assert_eq!(full.data(&store)[..1 << 20], vec![0; 1 << 20], "what is written to one memory is in no other");
}

/// Addresses and page size of a memory, and the pages at which it ends.
const ENDS: [(bool, u32, u64); 4] =
    [(false, 16, 1 << 16), (false, 0, u32::MAX as u64), (true, 16, 1 << 48), (true, 0, u64::MAX)];

/// A module with a memory of its own, or an imported one.
fn with_memory(ty: &MemoryType, imported: bool) -> Vec<u8> {
    let ty = wasm_encoder::MemoryType {
        minimum: ty.min,
        maximum: ty.max,
        memory64: ty.memory64,
        shared: ty.shared,
        page_size_log2: Some(ty.page_size_log2),
    };
    let mut module = wasm_encoder::Module::new();
    if imported {
        module.section(wasm_encoder::ImportSection::new().import("", "", ty));
    } else {
        module.section(wasm_encoder::MemorySection::new().memory(ty));
    }
    module.finish()
}

/// Sizes around the end of every kind of memory are types for the builder if and only if they are for modules.
#[test]
fn types_end_where_addresses_and_sizes_do() {
    let engine = Engine::new(Config::new().features(Features::all())).unwrap();
    let mut cases = 0;
    for (memory64, page_size_log2, most) in ENDS {
        let sizes: Vec<u64> = [0, 1, most - 1, most].into_iter().chain(most.checked_add(1)).collect();
        for &min in &sizes {
            for max in sizes.iter().copied().map(Some).chain([None]) {
                for shared in [false, true] {
                    let ty = MemoryType { min, max, memory64, shared, page_size_log2 };
                    let possible = min.max(max.unwrap_or(0)) <= most
                        && max.is_none_or(|max| min <= max)
                        && (max.is_some() || !shared);
                    assert_eq!(ty.check().is_ok(), possible, "{ty:?}");
                    for imported in [false, true] {
                        let valid = Module::validate(&engine, &with_memory(&ty, imported));
                        assert_eq!(valid.is_ok(), possible, "{ty:?}, imported: {imported}: {valid:?}");
                    }
                    cases += 3;
                }
            }
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 660);
}

/// Memories with 32-bit addresses grow to their end and not beyond it: by the guest and by the host, shared and not,
/// with a largest size and without.
#[test]
fn memories_grow_to_their_end() {
    let engine = Engine::new(Config::new().features(Features::all())).unwrap();
    let mut cases = 0;
    for (_, page_size_log2, most) in ENDS.into_iter().filter(|end| !end.0) {
        for (shared, max) in [(false, None), (false, Some(most)), (true, Some(most))] {
            for by_guest in [false, true] {
                let ty = MemoryType { min: most - 1, max, memory64: false, shared, page_size_log2 };
                let (limit, shared_word) =
                    (max.map_or(String::new(), |max| max.to_string()), if shared { "shared" } else { "" });
                let module = module(
                    &engine,
                    &format!(
                        r#"(module (import "" "" (memory {} {limit} {shared_word} (pagesize {})))
                            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
                            (func (export "size") (result i32) (memory.size))
                            (func (export "last") (result i32) (i32.load8_u (i32.const -1)))
                            (func (export "end") (result i32) (i32.load8_u (i32.const -2))))"#,
                        ty.min,
                        ty.page_size()
                    ),
                );
                let mut store = Store::new(&engine, ());
                let (own, common) = if shared {
                    (None, Some(SharedMemory::new(&engine, ty).unwrap()))
                } else {
                    (Some(Memory::new(&mut store, ty).unwrap()), None)
                };
                let import = match (&own, &common) {
                    (Some(memory), _) => Extern::from(*memory),
                    (_, Some(memory)) => Extern::from(memory.clone()),
                    _ => unreachable!(),
                };
                let instance = Instance::new(&mut store, &module, &[import]).unwrap();
                let grow = |store: &mut Store<()>, delta: u64| match (&own, &common) {
                    _ if by_guest => {
                        let grow = instance.get_typed_func::<i32, i32>(&mut *store, "grow").unwrap();
                        let old = grow.call(store, delta as i32).unwrap();
                        (old != -1).then_some(old as u32 as u64)
                    }
                    (Some(memory), _) => memory.grow(store, delta).ok(),
                    (_, Some(memory)) => memory.grow(delta).ok(),
                    _ => unreachable!(),
                };
                let last = |store: &mut Store<()>, name: &str| {
                    instance.get_typed_func::<(), i32>(&mut *store, name).unwrap().call(store, ()).map_err(trap)
                };
                assert_eq!(last(&mut store, "last"), Err(TrapKind::MemoryOutOfBounds), "{ty:?}");
                for too_much in [2, 3, 1 << 31, u32::MAX as u64] {
                    assert_eq!(grow(&mut store, too_much), None, "{ty:?} by {too_much}");
                }
                assert_eq!(grow(&mut store, 1), Some(most - 1), "{ty:?}");
                for too_much in [1, 2, u32::MAX as u64] {
                    assert_eq!(grow(&mut store, too_much), None, "{ty:?} by {too_much}");
                }
                let size =
                    instance.get_typed_func::<(), i32>(&mut store, "size").unwrap().call(&mut store, ()).unwrap();
                assert_eq!(size as u32 as u64, most, "{ty:?}");
                // 2^32 - 1 bytes end before the last address, whole pages with it.
                let expected = if page_size_log2 == 0 { Err(TrapKind::MemoryOutOfBounds) } else { Ok(0) };
                assert_eq!((last(&mut store, "last"), last(&mut store, "end")), (expected, Ok(0)), "{ty:?}");
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 12);
}

const GIB: u64 = 1 << 30;
/// Size of the large memory.
const LARGE: u64 = 64 * GIB;

/// Loads and stores by result type: name, bytes, whether a load extends the sign.
const LOADS: [(&str, &str, u64, bool); 14] = [
    ("i32.load8_s", "i32", 1, true),
    ("i32.load8_u", "i32", 1, false),
    ("i32.load16_s", "i32", 2, true),
    ("i32.load16_u", "i32", 2, false),
    ("i32.load", "i32", 4, false),
    ("i64.load8_s", "i64", 1, true),
    ("i64.load8_u", "i64", 1, false),
    ("i64.load16_s", "i64", 2, true),
    ("i64.load16_u", "i64", 2, false),
    ("i64.load32_s", "i64", 4, true),
    ("i64.load32_u", "i64", 4, false),
    ("i64.load", "i64", 8, false),
    ("f32.load", "f32", 4, false),
    ("f64.load", "f64", 8, false),
];
const STORES: [(&str, &str, u64); 9] = [
    ("i32.store8", "i32", 1),
    ("i32.store16", "i32", 2),
    ("i32.store", "i32", 4),
    ("i64.store8", "i64", 1),
    ("i64.store16", "i64", 2),
    ("i64.store32", "i64", 4),
    ("i64.store", "i64", 8),
    ("f32.store", "f32", 4),
    ("f64.store", "f64", 8),
];
/// Static offsets: none, near the largest displacement, beyond it, and beyond 32 bits.
const OFFSETS: [u64; 6] = [0, 0x7fff_fff0, 0x8000_0000, 0xffff_fff0, 5 * GIB, 63 * GIB];

/// Functions that take and give bits as i64.
fn large_module() -> String {
    let mut text = String::from(
        r#"(module (memory (export "m") i64 1 0x200000) (data $d "passive bytes")
        (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
        (func (export "fill") (param i64 i32 i64) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "copy") (param i64 i64 i64) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "init") (param i64 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
        (func (export "v128") (param i64 i64) (result i64)
            (v128.store (local.get 0) (i64x2.splat (local.get 1)))
            (i64x2.extract_lane 1 (v128.load (local.get 0))))"#,
    );
    for offset in OFFSETS {
        for (name, ty, ..) in LOADS {
            let load = format!("({name} offset={offset} (local.get 0))");
            let bits = match ty {
                "i32" => format!("(i64.extend_i32_u {load})"),
                "i64" => load,
                "f32" => format!("(i64.extend_i32_u (i32.reinterpret_f32 {load}))"),
                _ => format!("(i64.reinterpret_f64 {load})"),
            };
            text += &format!("(func (export \"{name} {offset}\") (param i64) (result i64) {bits})\n");
        }
        for (name, ty, _) in STORES {
            let value = match ty {
                "i32" => "(i32.wrap_i64 (local.get 1))",
                "i64" => "(local.get 1)",
                "f32" => "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 1)))",
                _ => "(f64.reinterpret_i64 (local.get 1))",
            };
            text += &format!(
                "(func (export \"{name} {offset}\") (param i64 i64) ({name} offset={offset} (local.get 0) {value}))\n"
            );
        }
    }
    text + ")"
}

struct Large {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Large {
    /// None where the system refuses so much address space.
    fn new(guard: bool) -> Option<Large> {
        let engine = engine(guard);
        let module = module(&engine, &large_module());
        let mut store = Store::new(&engine, ());
        let made = Instance::new(&mut store, &module, &[]);
        let instance = match made {
            Ok(instance) => instance,
            Err(error) => {
                skip("memory-64g", format_args!("guarded: {guard}: {error}"));
                return None;
            }
        };
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let mut large = Large { store, instance, memory };
        let old = large.call::<_, i64>("grow", (LARGE / 65536 - 1) as i64).unwrap();
        if old == -1 {
            skip("memory-64g", format_args!("guarded: {guard}: the system refuses to grow it"));
            return None;
        }
        assert_eq!((old, large.memory.data_size(&large.store) as u64), (1, LARGE));
        Some(large)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R, TrapKind> {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name).unwrap();
        func.call(&mut self.store, params).map_err(trap)
    }

    fn bytes(&mut self, at: u64, len: u64) -> &mut [u8] {
        &mut self.memory.data_mut(&mut self.store)[at as usize..(at + len) as usize]
    }
}

/// Places around which pages differ: widths of addresses, pages of the system and of the memory, its end.
fn places() -> Vec<u64> {
    let around = |at: u64| [at - 65536, at - 4096, at - 8, at - 3, at - 1, at, at + 5, at + 4096];
    let mut places: Vec<u64> = [4, 8, 16, 32].into_iter().flat_map(|gib| around(gib * GIB)).collect();
    places.extend([2 * GIB - 4, 6 * GIB + 12345, LARGE - 65536, LARGE - 4096 - 3, LARGE - 8]);
    places
}

#[test]
fn loads_and_stores_of_each_width_reach_64_gib() {
    for guard in [true, false] {
        let Some(mut large) = Large::new(guard) else { continue };
        for (number, at) in places().into_iter().enumerate() {
            for offset in OFFSETS.into_iter().filter(|offset| *offset <= at) {
                let value = 0x89ab_cdef_f7d6_e5c4u64.rotate_left(number as u32 * 8);
                for (name, _, bytes) in STORES {
                    large.bytes(at, 8).fill(0x77);
                    large.call::<_, ()>(&format!("{name} {offset}"), ((at - offset) as i64, value as i64)).unwrap();
                    let mut expected = [0x77; 8];
                    expected[..bytes as usize].copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
                    assert_eq!(large.bytes(at, 8), expected, "{name} at {at:#x}, offset {offset:#x}, guarded: {guard}");
                }
                large.bytes(at, 8).copy_from_slice(&value.to_le_bytes());
                for (name, ty, bytes, signed) in LOADS {
                    let shift = 64 - 8 * bytes;
                    let raw = value << shift;
                    let mut expected = if signed { (raw as i64 >> shift) as u64 } else { raw >> shift };
                    if ty == "i32" {
                        expected = expected as u32 as u64;
                    }
                    let loaded: i64 = large.call(&format!("{name} {offset}"), (at - offset) as i64).unwrap();
                    assert_eq!(loaded as u64, expected, "{name} at {at:#x}, offset {offset:#x}, guarded: {guard}");
                }
            }
            if at + 16 <= LARGE {
                assert_eq!(large.call("v128", (at as i64, number as i64)), Ok(number as i64));
                assert_eq!(large.bytes(at, 8), (number as u64).to_le_bytes());
            }
        }
    }
}

#[test]
fn accesses_beyond_64_gib_trap() {
    for guard in [true, false] {
        let Some(mut large) = Large::new(guard) else { continue };
        let out = TrapKind::MemoryOutOfBounds;
        for offset in OFFSETS {
            for (name, _, bytes, _) in LOADS {
                let name = format!("{name} {offset}");
                let last = LARGE - bytes - offset;
                large.call::<_, i64>(&name, last as i64).unwrap();
                // The sum may be beyond the memory, beyond its reservation, or beyond 64 bits.
                for at in [last + 1, LARGE - offset, LARGE + 2 * GIB, 1 << 40, 1 << 63, u64::MAX - 7, u64::MAX] {
                    let sum = at as u128 + offset as u128 + bytes as u128;
                    assert!(sum > LARGE as u128);
                    let ended = large.call::<_, i64>(&name, at as i64);
                    assert_eq!(ended, Err(out), "{name} at {at:#x}, guarded: {guard}");
                }
            }
            for (name, _, bytes) in STORES {
                let name = format!("{name} {offset}");
                let last = LARGE - bytes - offset;
                large.call::<_, ()>(&name, (last as i64, 0i64)).unwrap();
                for at in [last + 1, LARGE - offset, 1 << 40, u64::MAX - offset] {
                    let ended = large.call::<_, ()>(&name, (at as i64, -1i64));
                    assert_eq!(ended, Err(out), "{name} at {at:#x}, guarded: {guard}");
                }
            }
        }
        assert_eq!(large.bytes(LARGE - 8, 8), [0; 8], "what traps writes nothing");
    }
}

#[test]
fn block_operations_reach_64_gib() {
    for guard in [true, false] {
        let Some(mut large) = Large::new(guard) else { continue };
        for gib in [4, 8, 16, 32] {
            let edge = gib * GIB;
            large.call::<_, ()>("fill", ((edge - 3) as i64, 0xabi32, 6i64)).unwrap();
            assert_eq!(large.bytes(edge - 5, 10), [0, 0, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0, 0]);
            large.call::<_, ()>("init", ((edge - 4) as i64, 0, 13)).unwrap();
            assert_eq!(large.bytes(edge - 4, 13), b"passive bytes");
            // To the end of the memory, and within overlapping ranges across the edge.
            large.call::<_, ()>("copy", ((LARGE - 13) as i64, (edge - 4) as i64, 13i64)).unwrap();
            assert_eq!(large.bytes(LARGE - 13, 13), b"passive bytes");
            large.call::<_, ()>("copy", ((edge - 2) as i64, (edge - 4) as i64, 9i64)).unwrap();
            assert_eq!(large.bytes(edge - 4, 11), b"papassive b");
            large.bytes(edge - 8, 32).fill(0);
        }
        let out = Err(TrapKind::MemoryOutOfBounds);
        for (at, len) in [(LARGE - 3, 4u64), (LARGE + 1, 0), (0, LARGE + 1), (u64::MAX, 2), (4 * GIB, u64::MAX)] {
            assert_eq!(large.call::<_, ()>("fill", (at as i64, 1, len as i64)), out);
            assert_eq!(large.call::<_, ()>("copy", (at as i64, 0i64, len as i64)), out);
            assert_eq!(large.call::<_, ()>("copy", (0i64, at as i64, len as i64)), out);
        }
        assert_eq!(large.call::<_, ()>("init", ((LARGE - 3) as i64, 0, 4)), out);
        assert_eq!(large.bytes(LARGE - 3, 3), b"tes", "what traps writes nothing");
    }
}

/// The runtime works in pieces of 16 MiB; the bounds are those of the whole.
#[test]
fn block_operations_beyond_the_end_change_nothing() {
    const PAGES: usize = 300;
    let engine = engine(true);
    let text = format!(
        r#"(module (memory (export "m") {PAGES})
            (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
            (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2))))"#
    );
    let module = module(&engine, &text);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    let image: Vec<u8> = (0..PAGES << 16).map(|at| (at >> 8) as u8 ^ at as u8).collect();
    memory.write(&mut store, 0, &image).unwrap();
    let fill = instance.get_typed_func::<(i32, i32), ()>(&mut store, "fill").unwrap();
    let copy = instance.get_typed_func::<(i32, i32, i32), ()>(&mut store, "copy").unwrap();
    let size = image.len() as i32;
    let out = Err(TrapKind::MemoryOutOfBounds);
    for (at, len) in [(0, size + 1), (1, size), (5, -1), (0, -1)] {
        assert_eq!(fill.call(&mut store, (at, len)).map_err(trap), out, "fill of {len} at {at}");
        for (to, from) in [(at, 0), (0, at), (at, at)].into_iter().filter(|ends| ends.0.max(ends.1) == at) {
            assert_eq!(copy.call(&mut store, (to, from, len)).map_err(trap), out, "copy of {len} from {from} to {to}");
        }
        assert!(memory.data(&store) == image, "bytes were written before the end was seen");
    }
}

#[test]
fn growth_beyond_the_limit_is_refused() {
    for guard in [true, false] {
        let Some(mut large) = Large::new(guard) else { continue };
        // The type allows 128 GiB, no reservation does.
        for delta in [1, 0x10_0000, 0x10_0001, 1 << 47, 1 << 48, i64::MAX, -1] {
            assert_eq!(large.call("grow", delta), Ok(-1i64), "{delta}, guarded: {guard}");
        }
        assert_eq!(large.call("grow", 0i64), Ok((LARGE / 65536) as i64));
        large.memory.grow(&mut large.store, 1).unwrap_err();
        let engine = engine(guard);
        let text =
            r#"(module (memory i64 1 3) (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))"#;
        let module = module(&engine, text);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let grow = instance.get_typed_func::<i64, i64>(&mut store, "grow").unwrap();
        let grown = [3, 2, 1, -1].map(|delta| grow.call(&mut store, delta).unwrap());
        assert_eq!(grown, [-1, 1, -1, -1], "guarded: {guard}");
    }
}

/// Bases of memories are kept in registers over calls, exceptions and tail calls; callees use the same registers.
#[test]
fn bases_of_several_memories_survive_calls_exceptions_and_tail_calls() {
    let engine = engine(true);
    let module = module(
        &engine,
        r#"(module (import "" "host" (func $host (param i32)))
            (memory 1) (memory $a 1) (memory $b 1) (memory $c i64 1) (memory $d 1) (tag $t (param i32))
            (func $other (param $n i32) (result i32)
                (loop $l
                    (i32.store $d (i32.const 8) (i32.add (i32.load $d (i32.const 8)) (local.get $n)))
                    (i32.store $c (i64.const 8) (i32.add (i32.load $c (i64.const 8)) (i32.const 1)))
                    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 3)))
                    (br_if $l (i32.lt_u (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 1000))))
                (i32.load $d (i32.const 8)))
            (func $tail (param $n i32) (result i32) (local $i i32)
                (loop $l
                    (i32.store $b (i32.const 16) (i32.add (i32.load $b (i32.const 16)) (i32.const 1)))
                    (i32.store $a (i32.const 16) (i32.load $b (i32.const 16)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
                (return_call $other (local.get $n)))
            (func $throws (param $n i32) (local $i i32)
                (loop $l
                    (i32.store $d (i32.const 24) (i32.load $c (i64.const 24)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
                (throw $t (local.get $n)))
            ;; Counts rounds in four memories, with everything between that uses registers.
            (func (export "run") (param $n i32) (result i32 i32 i32 i32) (local $i i32)
                (loop $l
                    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
                    (drop (call $tail (local.get $i)))
                    (i32.store $a (i32.const 0) (i32.add (i32.load $a (i32.const 0)) (i32.const 2)))
                    (call $host (local.get $i))
                    (i32.store $b (i32.const 0) (i32.add (i32.load $b (i32.const 0)) (i32.const 3)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
                (i32.load (i32.const 0)) (i32.load $a (i32.const 0)) (i32.load $b (i32.const 0))
                (i32.load $c (i64.const 0)))
            (func (export "catch") (param $n i32) (result i32 i32 i32 i32) (local $i i32)
                (loop $l
                    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
                    (block $caught (result i32)
                        (try_table (catch $t $caught) (call $throws (local.get $i)))
                        (i32.const 0))
                    drop
                    (i32.store $a (i32.const 0) (i32.add (i32.load $a (i32.const 0)) (i32.const 2)))
                    (i32.store $b (i32.const 0) (i32.add (i32.load $b (i32.const 0)) (i32.const 3)))
                    (call $host (local.get $i))
                    (i32.store $c (i64.const 0) (i32.add (i32.load $c (i64.const 0)) (i32.const 4)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
                (i32.load (i32.const 0)) (i32.load $a (i32.const 0)) (i32.load $b (i32.const 0))
                (i32.load $c (i64.const 0)))
            (func (export "trap") (param $n i32) (result i32 i32 i32 i32)
                (loop $l (i32.store $b (local.get $n) (i32.const 1)) (br_if $l (local.tee $n (i32.shl (local.get $n) (i32.const 1)))))
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"#,
    );
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |_: i32| ());
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let mut call = |name: &str, n: i32| {
        let func = instance.get_typed_func::<i32, (i32, i32, i32, i32)>(&mut store, name).unwrap();
        func.call(&mut store, n).map_err(trap)
    };
    assert_eq!(call("run", 100), Ok((100, 200, 300, 0)));
    assert_eq!(call("catch", 100), Ok((200, 400, 600, 400)));
    assert_eq!(call("trap", 64), Err(TrapKind::MemoryOutOfBounds));
    assert_eq!(call("run", 1), Ok((201, 402, 603, 400)));
}
