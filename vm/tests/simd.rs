//! Vector instructions beyond the specification's scripts: ends of memories, forms that only known operands take, and
//! vectors through everything that carries values; each on machines with and without AVX2.

use heapwood_vm::*;

struct Lab {
    store: Store<()>,
    instance: Instance,
}

impl Lab {
    fn new(config: &Config, text: &str) -> Lab {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Lab { store, instance }
    }

    fn try_call(&mut self, name: &str, params: &[Val]) -> Result<Vec<Val>> {
        let func = self.instance.get_func(&mut self.store, name).expect("an export");
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, params, &mut results).map(|()| results)
    }

    fn call(&mut self, name: &str, params: &[Val]) -> Val {
        self.try_call(name, params).unwrap_or_else(|error| panic!("{name}: {error:?}")).remove(0)
    }

    fn vector(&mut self, name: &str, params: &[Val]) -> u128 {
        match self.call(name, params) {
            Val::V128(value) => value,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn i32(&mut self, name: &str, params: &[Val]) -> i32 {
        match self.call(name, params) {
            Val::I32(value) => value,
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// This machine, one without AVX2, and this one with the compiler checking itself.
fn configs() -> Vec<Config> {
    let mut plain = Config::new();
    plain.cpu_features(true, false);
    let mut checked = Config::new();
    checked.debug_checks(true).few_registers(true).gc_stress(1).gc_verify(true);
    vec![Config::new(), plain, checked]
}

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 24
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn vector(&mut self) -> u128 {
        (0..4).fold(0, |value, _| value << 32 | (self.next() as u32) as u128)
    }
}

fn constant(value: u128) -> String {
    format!("(v128.const i64x2 {} {})", value as u64 as i64, (value >> 64) as i64)
}

// ---- memories

/// Instruction, bytes it touches, and whether it takes a lane.
const LOADS: [(&str, usize, bool); 17] = [
    ("v128.load", 16, false),
    ("v128.load8x8_s", 8, false),
    ("v128.load8x8_u", 8, false),
    ("v128.load16x4_s", 8, false),
    ("v128.load16x4_u", 8, false),
    ("v128.load32x2_s", 8, false),
    ("v128.load32x2_u", 8, false),
    ("v128.load8_splat", 1, false),
    ("v128.load16_splat", 2, false),
    ("v128.load32_splat", 4, false),
    ("v128.load64_splat", 8, false),
    ("v128.load32_zero", 4, false),
    ("v128.load64_zero", 8, false),
    ("v128.load8_lane", 1, true),
    ("v128.load16_lane", 2, true),
    ("v128.load32_lane", 4, true),
    ("v128.load64_lane", 8, true),
];
const STORES: [(&str, usize, bool); 5] = [
    ("v128.store", 16, false),
    ("v128.store8_lane", 1, true),
    ("v128.store16_lane", 2, true),
    ("v128.store32_lane", 4, true),
    ("v128.store64_lane", 8, true),
];

/// Three functions for an access: at the parameter's address, and at constant ones just within and just beyond.
fn access(op: &str, bytes: usize, lane: Option<usize>, store: bool, index: &str, end: usize) -> String {
    let name = format!("{op}{}", lane.map_or(String::new(), |lane| format!(" {lane}")));
    let value = if store || lane.is_some() { "(local.get 1)" } else { "" };
    let result = if store { "" } else { "(result v128)" };
    let lane = lane.map_or(String::new(), |lane| lane.to_string());
    let (fits, beyond) = (end - bytes, end - bytes + 1);
    format!(
        r#"(func (export "{name}") (param {index} v128) {result} ({op} {lane} (local.get 0) {value}))
           (func (export "{name} fits") (param {index} v128) {result}
             ({op} offset={} {lane} ({index}.const 3) {value}))
           (func (export "{name} beyond") (param {index} v128) {result}
             ({op} offset={} {lane} ({index}.const 3) {value}))
        "#,
        fits - 3,
        beyond - 3
    )
}

fn lanes(bytes: usize, takes_lane: bool) -> Vec<Option<usize>> {
    if takes_lane { vec![Some(0), Some(16 / bytes - 1)] } else { vec![None] }
}

fn ends_of_a_memory(config: &Config, memory: &str, index: &str, end: usize) {
    let mut text = format!("(module (memory (export \"memory\") {memory})");
    for (op, bytes, takes_lane) in LOADS {
        lanes(bytes, takes_lane).into_iter().for_each(|l| text += &access(op, bytes, l, false, index, end));
    }
    for (op, bytes, takes_lane) in STORES {
        lanes(bytes, takes_lane).into_iter().for_each(|l| text += &access(op, bytes, l, true, index, end));
    }
    let mut lab = Lab::new(config, &(text + ")"));
    let at = |address: usize| if index == "i64" { Val::I64(address as i64) } else { Val::I32(address as i32) };
    let value = u128::from_le_bytes(std::array::from_fn(|i| 0x91 + i as u8));
    let memory = lab.instance.get_memory(&mut lab.store, "memory").unwrap();
    for (table, store) in [(&LOADS[..], false), (&STORES[..], true)] {
        for &(op, bytes, takes_lane) in table {
            for lane in lanes(bytes, takes_lane) {
                let name = format!("{op}{}", lane.map_or(String::new(), |lane| format!(" {lane}")));
                let stored = &value.to_le_bytes()[lane.unwrap_or(0) * bytes..][..bytes];
                for (name, address) in [(name.clone(), end - bytes), (format!("{name} fits"), 0)] {
                    memory.write(&mut lab.store, end - 16, &[0x55; 16]).unwrap();
                    lab.try_call(&name, &[at(address), Val::V128(value)]).unwrap();
                    let kept = [vec![0x55; 16 - bytes], if store { stored.to_vec() } else { vec![0x55; bytes] }];
                    assert_eq!(memory.data(&lab.store)[end - 16..], kept.concat(), "{name} at {address}");
                }
                memory.write(&mut lab.store, end - 16, &[0x55; 16]).unwrap();
                let beyond = format!("{name} beyond");
                for (name, address) in [(&name, end - bytes + 1), (&name, end), (&beyond, 0)] {
                    let error = lab.try_call(name, &[at(address), Val::V128(value)]).unwrap_err();
                    assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds, "{name} at {address}");
                }
                assert_eq!(memory.data(&lab.store)[end - 16..], [0x55; 16], "{name}: a trapping store writes nothing");
            }
        }
    }
}

#[test]
fn accesses_reach_the_last_byte_of_a_memory_and_no_further() {
    for config in configs() {
        ends_of_a_memory(&config, "1", "i32", 65536);
        ends_of_a_memory(&config, "i64 1", "i64", 65536);
        ends_of_a_memory(&config, "100001 100001 (pagesize 1)", "i32", 100001);
        ends_of_a_memory(config.clone().memory64_guard(false), "i64 1", "i64", 65536);
        ends_of_a_memory(config.clone().memory32_guard(false), "1", "i32", 65536);
    }
}

// ---- shuffles

/// Masks with structure: units of 1, 2, 4 or 8 bytes, in place, in order, interleaved or anywhere.
fn masks() -> Vec<[u8; 16]> {
    let mut random = Random(7);
    let mut masks: Vec<[u8; 16]> = (0..=16).map(|first| std::array::from_fn(|i| first + i as u8)).collect();
    for round in 0..240usize {
        let size = 1 << (round % 4);
        let count = 16 / size;
        let mut mask = [0; 16];
        for unit in 0..count {
            let either = random.below(2) as usize * count;
            let from = match round / 4 % 5 {
                0 => random.below(2 * count as u64) as usize,
                1 => unit + either,
                2 => unit / 2 + unit % 2 * count + if round % 3 == 0 { count / 2 } else { 0 },
                3 => random.below(count as u64) as usize,
                _ => (unit + round) % (2 * count),
            };
            (0..size).for_each(|i| mask[unit * size + i] = (from * size + i) as u8);
        }
        masks.push(mask);
        masks.push(mask.map(|b| b ^ 16));
    }
    masks
}

fn shuffled(mask: &[u8; 16], a: u128, b: u128) -> u128 {
    let both = [a.to_le_bytes(), b.to_le_bytes()].concat();
    u128::from_le_bytes(mask.map(|from| both[from as usize]))
}

#[test]
fn shuffles_of_all_kinds() {
    let (masks, mut random) = (masks(), Random(11));
    let (a, b) = (random.vector(), random.vector());
    let mut text = "(module ".to_string();
    for (i, mask) in masks.iter().enumerate() {
        let lanes = mask.map(|b| b.to_string()).join(" ");
        let forms = [
            ("plain", "(local.get 0)".to_string(), "(local.get 1)".to_string()),
            ("same", "(local.get 0)".into(), "(local.get 0)".into()),
            ("first zero", constant(0), "(local.get 1)".into()),
            ("second zero", "(local.get 0)".into(), constant(0)),
            ("first known", constant(a), "(local.get 1)".into()),
            ("second known", "(local.get 0)".into(), constant(b)),
        ];
        for (form, left, right) in forms {
            text += &format!(
                "(func (export \"{form} {i}\") (param v128 v128) (result v128) (i8x16.shuffle {lanes} {left} {right}))"
            );
        }
        let selectors = constant(u128::from_le_bytes(*mask));
        text += &format!(
            "(func (export \"swizzle {i}\") (param v128 v128) (result v128) (i8x16.swizzle (local.get 0) {selectors}))"
        );
    }
    text += ")";
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        for (i, mask) in masks.iter().enumerate() {
            let params = [Val::V128(a), Val::V128(b)];
            let expected = [
                ("plain", shuffled(mask, a, b)),
                ("same", shuffled(mask, a, a)),
                ("first zero", shuffled(mask, 0, b)),
                ("second zero", shuffled(mask, a, 0)),
                ("first known", shuffled(mask, a, b)),
                ("second known", shuffled(mask, a, b)),
                ("swizzle", shuffled(mask, a, 0)),
            ];
            for (form, expected) in expected {
                assert_eq!(lab.vector(&format!("{form} {i}"), &params), expected, "{form} {mask:?}");
            }
        }
    }
}

// ---- shifts and splats

/// Lanes of so many bits shifted: "shl", "shr_s" or "shr_u".
fn shifted(value: u128, bits: u32, op: &str, count: u32) -> u128 {
    let (n, lane_mask) = (count % bits, (1u128 << bits) - 1);
    (0..128 / bits).fold(0, |result, i| {
        let lane = value >> (i * bits) & lane_mask;
        let signed = (lane << (128 - bits)) as i128 >> (128 - bits);
        let new = match op {
            "shl" => lane << n,
            "shr_s" => (signed >> n) as u128,
            _ => lane >> n,
        };
        result | (new & lane_mask) << (i * bits)
    })
}

#[test]
fn shifts_by_known_and_unknown_counts() {
    let shapes = [("i8x16", 8), ("i16x8", 16), ("i32x4", 32), ("i64x2", 64)];
    let ops = ["shl", "shr_s", "shr_u"];
    let counts: Vec<i32> = (0..66).chain([-1, 127, 128, 255, 256, i32::MIN, i32::MAX]).collect();
    let mut text = "(module ".to_string();
    for (shape, _) in shapes {
        for op in ops {
            let name = format!("{shape}.{op}");
            text += &format!(
                "(func (export \"{name}\") (param v128 i32) (result v128) ({name} (local.get 0) (local.get 1)))"
            );
            for n in &counts {
                text += &format!(
                    "(func (export \"{name} {n}\") (param v128 i32) (result v128)
                       ({name} (local.get 0) (i32.const {n})))"
                );
            }
        }
    }
    text += ")";
    let mut random = Random(3);
    let values = [random.vector(), 0x80017fff_fffe8000_00ff7f80_017ffe80, u128::MAX, random.vector()];
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        for (shape, bits) in shapes {
            for op in ops {
                for n in &counts {
                    for value in values {
                        let (name, params) = (format!("{shape}.{op}"), [Val::V128(value), Val::I32(*n)]);
                        let expected = shifted(value, bits, op, *n as u32);
                        assert_eq!(lab.vector(&name, &params), expected, "{name} by {n}");
                        assert_eq!(lab.vector(&format!("{name} {n}"), &params), expected, "{name} by known {n}");
                    }
                }
            }
        }
    }
}

#[test]
fn splats_of_registers_slots_and_constants() {
    let mut text = "(module ".to_string();
    for (shape, ty, number) in [
        ("i8x16", "i32", "0x12345678"),
        ("i16x8", "i32", "0x12345678"),
        ("i32x4", "i32", "0x12345678"),
        ("i64x2", "i64", "0x123456789abcdef0"),
        ("f32x4", "f32", "1.5"),
        ("f64x2", "f64", "-2.5"),
    ] {
        // A local that was never in a register: the loop's head wrote it home.
        text += &format!(
            "(func (export \"{shape}\") (result i32) (local $x {ty}) (local $v v128)
               (local.set $x ({ty}.const {number}))
               (loop (call $nothing) (local.set $v ({shape}.splat (local.get $x))))
               (i32.and
                 (i32x4.all_true (i32x4.eq (local.get $v) ({shape}.splat ({ty}.const {number}))))
                 (i32x4.all_true (i32x4.eq (local.get $v) ({shape}.splat ({ty}.add (local.get $x) ({ty}.const 0)))))))"
        );
    }
    text += "(func $nothing))";
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        for shape in ["i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2"] {
            assert_eq!(lab.i32(shape, &[]), 1, "{shape}");
        }
    }
}

// ---- conditions

#[test]
fn truth_of_vectors_as_conditions() {
    let tests = ["v128.any_true", "i8x16.all_true", "i16x8.all_true", "i32x4.all_true", "i64x2.all_true"];
    let mut text = "(module ".to_string();
    for test in tests {
        let condition = format!("({test} (local.get 0))");
        let bodies = [
            ("value", condition.clone()),
            ("if", format!("(if (result i32) {condition} (then (i32.const 1)) (else (i32.const 0)))")),
            ("eqz", format!("(i32.eqz (i32.eqz {condition}))")),
            ("select", format!("(select (i32.const 1) (i32.const 0) {condition})")),
            ("br_if", format!("(block (br_if 0 {condition}) (return (i32.const 0))) (i32.const 1)")),
        ];
        for (form, body) in bodies {
            text += &format!("(func (export \"{test} {form}\") (param v128) (result i32) {body})");
        }
    }
    let mut lab = Lab::new(&Config::new(), &(text + ")"));
    let full = u128::MAX / 3;
    let cases = [
        (0, [0; 5]),
        (1 << 77, [1, 0, 0, 0, 0]),
        (full, [1; 5]),
        (full & !(0xff << 40), [1, 0, 1, 1, 1]),
        (full & !(0xffff << 112), [1, 0, 0, 1, 1]),
        (full & !(0xffff_ffff), [1, 0, 0, 0, 1]),
        (full >> 64, [1, 0, 0, 0, 0]),
    ];
    for (value, expected) in cases {
        for (test, expected) in tests.iter().zip(expected) {
            for form in ["value", "if", "eqz", "select", "br_if"] {
                assert_eq!(
                    lab.i32(&format!("{test} {form}"), &[Val::V128(value)]),
                    expected,
                    "{test} {form} {value:x}"
                );
            }
        }
    }
}

// ---- vectors as values

/// Mixes one more value into the hash in local `$h`.
fn mix(expression: &str) -> String {
    let rotated = "(i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0 (local.get $h) (local.get $h))";
    format!("(local.set $h (v128.xor {rotated} {expression}))\n")
}

fn hash(values: &[u128]) -> u128 {
    values.iter().fold(0u128, |h, value| h.rotate_right(8) ^ value)
}

#[test]
fn known_and_unknown_vectors_through_everything_that_carries_values() {
    let mut random = Random(5);
    let k: Vec<u128> = (0..12).map(|i| if i == 3 { 0 } else { random.vector() }).collect();
    let c: Vec<String> = k.iter().map(|value| constant(*value)).collect();
    let p = random.vector();
    let ten = "(param v128 v128 v128 v128 v128 v128 v128 v128 v128 v128)";
    let args = (0..10).map(|i| if i % 2 == 0 { c[i].as_str() } else { "(local.get $p)" }).collect::<Vec<_>>().join(" ");
    let mut body = String::new();
    body += &mix(&format!("(block (result v128) (br_if 0 {} (local.get $yes)) (drop) (local.get $p))", c[0]));
    body += &mix(&format!("(if (result v128) (local.get $yes) (then {}) (else {}))", c[1], c[3]));
    body += &mix(&format!("(if (result v128) (i32.eqz (local.get $yes)) (then {}) (else (local.get $p)))", c[1]));
    body += &mix(&format!("(select (result v128) {} {} (local.get $yes))", c[3], c[4]));
    body += &format!("(call $ten {args}) (local.set $x) (local.set $y)");
    body += &(mix("(local.get $x)") + &mix("(local.get $y)"));
    body += &format!("(local.set $s (struct.new $s {} (i32.const 5) (local.get $p)))", c[5]);
    body += &(mix("(struct.get $s 0 (local.get $s))") + &mix("(struct.get $s 2 (local.get $s))"));
    body += &format!("(struct.set $s 0 (local.get $s) {})", c[6]);
    body += &mix("(struct.get $s 0 (local.get $s))");
    body += &format!("(local.set $a (array.new_fixed $a 3 {} (local.get $p) {}))", c[7], c[3]);
    body += &(0..3).map(|i| mix(&format!("(array.get $a (local.get $a) (i32.const {i}))"))).collect::<String>();
    body += &format!("(array.fill $a (local.get $a) (i32.const 1) {} (i32.const 2))", c[8]);
    body += &mix("(array.get $a (local.get $a) (i32.const 2))");
    body += &format!("(local.set $a (array.new $a {} (i32.const 9)))", c[9]);
    body += &mix("(array.get $a (local.get $a) (i32.const 8))");
    body += &format!(
        "(block $caught (result v128 i32 v128) (try_table (catch $t $caught) (throw $t {} (i32.const 7) (local.get $p)))
           unreachable) (local.set $x) (drop) (local.set $y)",
        c[10]
    );
    body += &(mix("(local.get $x)") + &mix("(local.get $y)"));
    body += &format!("{} (global.set $g {})", mix("(global.get $g)"), c[11]);
    body += &mix("(global.get $g)");
    // Sums in a pinned local, and operands that wait below a call.
    body += &format!(
        "(local.set $x (local.get $p)) (local.set $n (i32.const 5))
         (loop $l (local.set $x (i64x2.add (local.get $x) {}))
           (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))",
        c[2]
    );
    body += &mix("(local.get $x)");
    body += &mix(&format!("(v128.xor {} (v128.xor (local.get $p) (call $same {})))", c[0], c[1]));
    let text = format!(
        r#"(module
          (type $s (struct (field (mut v128)) (field i32) (field v128)))
          (type $a (array (mut v128)))
          (tag $t (param v128 i32 v128))
          (global $g (mut v128) {})
          (func $same (param v128) (result v128) (local.get 0))
          (func $ten {ten} (result v128 v128) (local $i i32)
            (v128.xor (local.get 0) (v128.xor (local.get 2) (v128.xor (local.get 4) (v128.xor (local.get 6) (local.get 8)))))
            (v128.or (local.get 1) (v128.and (local.get 7) (local.get 9))))
          (func (export "f") (param $p v128) (param $yes i32) (result v128)
            (local $h v128) (local $x v128) (local $y v128) (local $n i32)
            (local $s (ref null $s)) (local $a (ref null $a))
            {body} (local.get $h)))"#,
        c[4]
    );
    let add = |a: u128, b: u128| -> u128 {
        let (low, high) = ((a as u64).wrapping_add(b as u64), ((a >> 64) as u64).wrapping_add((b >> 64) as u64));
        low as u128 | (high as u128) << 64
    };
    let sum = (0..5).fold(p, |sum, _| add(sum, k[2]));
    let values = [
        k[0],
        k[1],
        p,
        k[3],
        p,
        k[0] ^ k[2] ^ k[4] ^ k[6] ^ k[8],
        k[5],
        p,
        k[6],
        k[7],
        p,
        k[3],
        k[8],
        k[9],
        p,
        k[10],
        k[4],
        k[11],
        sum,
        k[0] ^ p ^ k[1],
    ];
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        assert_eq!(lab.vector("f", &[Val::V128(p), Val::I32(1)]), hash(&values));
    }
}

// ---- operands that no register has

/// Lanes of vectors, and scalars for lanes, that lie in the frame, since a call came between.
#[test]
fn lanes_are_read_and_replaced_where_the_operand_lies_in_memory() {
    let shapes = [("i8x16", 16, "i32"), ("i16x8", 8, "i32"), ("i32x4", 4, "i32"), ("i64x2", 2, "i64")];
    let shapes = shapes.into_iter().chain([("f32x4", 4, "f32"), ("f64x2", 2, "f64")]);
    let lanes = shapes.flat_map(|(shape, lanes, ty)| (0..lanes).map(move |lane| (shape, lanes, ty, lane)));
    let mut text = "(module (func $call)".to_owned();
    for (shape, lanes, ty, lane) in lanes.clone() {
        let suffix = if lanes > 4 { "_u" } else { "" };
        text += &format!(
            "(func (export \"{shape} extract {lane}\") (param v128) (result {ty})
              (call $call) ({shape}.extract_lane{suffix} {lane} (local.get 0)))
            (func (export \"{shape} replace {lane}\") (param v128 {ty}) (result v128)
              (call $call) ({shape}.replace_lane {lane} (local.get 0) (local.get 1)))"
        );
    }
    text += ")";
    let (mut random, mut cases) = (Random(11), 0);
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        for (shape, lanes, ty, lane) in lanes.clone() {
            let (bits, value, new) = (128 / lanes, random.vector(), random.vector());
            let mask = u128::MAX >> (128 - bits);
            let (old, new, at) = (value >> (bits * lane) & mask, new & mask, bits * lane);
            let scalar = |bits: u128| match ty {
                "i32" => Val::I32(bits as i32),
                "i64" => Val::I64(bits as i64),
                "f32" => Val::F32(bits as u32),
                _ => Val::F64(bits as u64),
            };
            let found = lab.call(&format!("{shape} extract {lane}"), &[Val::V128(value)]);
            assert_eq!(format!("{found:?}"), format!("{:?}", scalar(old)), "{shape} {lane}");
            let found = lab.vector(&format!("{shape} replace {lane}"), &[Val::V128(value), scalar(new)]);
            assert_eq!(found, value & !(mask << at) | new << at, "{shape} {lane}");
            cases += 2;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 3 * 2 * 36);
}

// ---- the machine

#[test]
fn a_machine_without_avx_refuses_instructions_and_carries_values() {
    let mut config = Config::new();
    config.cpu_features(false, false);
    let engine = Engine::new(&config).unwrap();
    let text = "(module (func (param v128) (result v128) (v128.not (local.get 0))))";
    let error = Module::new(&engine, wat::parse_str(text).unwrap()).expect_err("refused");
    assert!(format!("{error:?} {error}").contains("SIMD on a CPU without AVX"), "{error}");
    let text = "(module (func (export \"f\") (param v128 i32) (result v128) (local v128)
        (local.set 2 (v128.const i64x2 3 4))
        (if (result v128) (local.get 1) (then (local.get 2)) (else (local.get 0)))))";
    let mut lab = Lab::new(&config, text);
    assert_eq!(lab.vector("f", &[Val::V128(9), Val::I32(0)]), 9);
    assert_eq!(lab.vector("f", &[Val::V128(9), Val::I32(1)]), 3 | 4 << 64);
}

/// A number that a call left in its slot goes into a lane from there.
#[test]
fn lanes_take_numbers_from_slots() {
    let mut functions = String::new();
    for (ty, shape, lanes) in [("f32", "f32x4", 4), ("f64", "f64x2", 2), ("i32", "i32x4", 4), ("i64", "i64x2", 2)] {
        for lane in 0..lanes {
            functions.push_str(&format!(
                r#"(func (export "{shape}-{lane}") (param {ty} v128) (result v128)
                    (call $other) (local.get 1) (local.get 0) ({shape}.replace_lane {lane}))"#
            ));
        }
    }
    let text = format!(
        r#"(module (table 1 funcref) (func $nothing) (elem (i32.const 0) $nothing)
            (func $other (call_indirect (i32.const 0))) {functions})"#
    );
    for config in configs() {
        let mut lab = Lab::new(&config, &text);
        let before = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128;
        for (shape, lanes, bits) in [("f32x4", 4, 32), ("f64x2", 2, 64), ("i32x4", 4, 32), ("i64x2", 2, 64)] {
            let new = 0x4141_4243_4445_4647_u64 >> (64 - bits);
            let scalar = match shape {
                "f32x4" => Val::F32(new as u32),
                "f64x2" => Val::F64(new),
                "i32x4" => Val::I32(new as i32),
                _ => Val::I64(new as i64),
            };
            for lane in 0..lanes {
                let mask = (u128::MAX >> (128 - bits)) << (lane * bits);
                let expected = before & !mask | u128::from(new) << (lane * bits);
                let found = lab.vector(&format!("{shape}-{lane}"), &[scalar, Val::V128(before)]);
                assert_eq!(found, expected, "{shape}, lane {lane}: {found:#x}");
            }
        }
    }
}
