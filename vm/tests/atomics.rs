//! Every atomic access on every kind of memory against a model: edge values, alignment, ends of memories, and all
//! registers in use.

use heapwood_vm::*;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    Load,
    Store,
    Add,
    Sub,
    And,
    Or,
    Xor,
    Exchange,
    CompareExchange,
}

/// An instruction: its name, its type's bits, and the bytes that it touches.
struct Instruction {
    name: String,
    bits: u32,
    bytes: u32,
    op: Op,
}

impl Instruction {
    fn ty(&self) -> &'static str {
        if self.bits == 32 { "i32" } else { "i64" }
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes)
    }

    /// What it leaves in memory of `old`.
    fn stored(&self, old: u64, operand: u64, expected: u64) -> u64 {
        let new = match self.op {
            Op::Load => old,
            Op::Store | Op::Exchange => operand,
            Op::Add => old.wrapping_add(operand),
            Op::Sub => old.wrapping_sub(operand),
            Op::And => old & operand,
            Op::Or => old | operand,
            Op::Xor => old ^ operand,
            Op::CompareExchange if old == expected & self.mask() => operand,
            Op::CompareExchange => old,
        };
        new & self.mask()
    }

    fn value(&self, bits: u64) -> Val {
        if self.bits == 32 { Val::I32(bits as i32) } else { Val::I64(bits as i64) }
    }

    /// The instruction with an address and operands as text; a store leaves a zero.
    fn text(&self, offset: u64, address: &str) -> String {
        let (name, ty) = (&self.name, self.ty());
        match self.op {
            Op::Load => format!("({name} $m offset={offset} {address})"),
            Op::Store => format!("({name} $m offset={offset} {address} (local.get $v)) ({ty}.const 0)"),
            Op::CompareExchange => format!("({name} $m offset={offset} {address} (local.get $e) (local.get $v))"),
            _ => format!("({name} $m offset={offset} {address} (local.get $v))"),
        }
    }
}

fn instructions() -> Vec<Instruction> {
    let ops = [
        ("load", Op::Load),
        ("store", Op::Store),
        ("add", Op::Add),
        ("sub", Op::Sub),
        ("and", Op::And),
        ("or", Op::Or),
        ("xor", Op::Xor),
        ("xchg", Op::Exchange),
        ("cmpxchg", Op::CompareExchange),
    ];
    let mut all = Vec::new();
    for (ty, bits, widths) in [("i32", 32, &[1, 2, 4][..]), ("i64", 64, &[1, 2, 4, 8])] {
        for &bytes in widths {
            let part = if bytes * 8 == bits { String::new() } else { (bytes * 8).to_string() };
            let unsigned = if part.is_empty() { "" } else { "_u" };
            for (word, op) in ops {
                let name = match op {
                    Op::Load => format!("{ty}.atomic.load{part}{unsigned}"),
                    Op::Store => format!("{ty}.atomic.store{part}"),
                    _ => format!("{ty}.atomic.rmw{part}.{word}{unsigned}"),
                };
                all.push(Instruction { name, bits, bytes, op });
            }
        }
    }
    assert_eq!(all.len(), 63);
    all
}

const EDGES: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// A kind of memory: declarations, type of addresses, whether there are guards.
struct Kind {
    what: &'static str,
    memories: &'static str,
    address: &'static str,
    guard: bool,
}

const KINDS: [Kind; 10] = [
    Kind { what: "shared", memories: "(memory $m (export \"m\") 1 2 shared)", address: "i32", guard: true },
    Kind { what: "unshared", memories: "(memory $m (export \"m\") 1 2)", address: "i32", guard: true },
    Kind { what: "shared, compared", memories: "(memory $m (export \"m\") 1 2 shared)", address: "i32", guard: false },
    Kind { what: "unshared, compared", memories: "(memory $m (export \"m\") 1 2)", address: "i32", guard: false },
    Kind { what: "second", memories: "(memory 1) (memory $m (export \"m\") 1 2 shared)", address: "i32", guard: true },
    Kind { what: "64 bits", memories: "(memory $m (export \"m\") i64 1 2 shared)", address: "i64", guard: true },
    Kind {
        what: "64 bits, compared",
        memories: "(memory $m (export \"m\") i64 1 2 shared)",
        address: "i64",
        guard: false,
    },
    Kind {
        what: "64 bits, second, unshared, compared",
        memories: "(memory i64 1) (memory $m (export \"m\") i64 1 2)",
        address: "i64",
        guard: false,
    },
    Kind {
        what: "pages of a byte",
        memories: "(memory $m (export \"m\") 65536 70000 shared (pagesize 1))",
        address: "i32",
        guard: true,
    },
    Kind {
        what: "imported",
        memories: "(import \"\" \"m\" (memory $m 1 2 shared)) (export \"m\" (memory $m))",
        address: "i32",
        guard: true,
    },
];

const LEN: u64 = 65536;

struct Lab {
    store: Store<()>,
    instance: Instance,
    memory: Extern,
    wide: bool,
}

impl Lab {
    fn new(kind: &Kind, instructions: &[Instruction]) -> Lab {
        let mut features = Features::default();
        features.set("threads", true).unwrap();
        let mut config = Config::new();
        config
            .features(features)
            .memory32_guard(kind.guard)
            .memory64_guard(kind.guard)
            .few_registers(true)
            .debug_checks(true);
        let engine = Engine::new(&config).unwrap();
        let functions: String = instructions.iter().map(|instruction| functions(instruction, kind)).collect();
        let text = format!("(module {} {functions})", kind.memories);
        let module = Module::new(&engine, wat::parse_str(&text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = MemoryType { min: 1, max: Some(2), memory64: false, shared: true, page_size_log2: 16 };
        let import = module.imports().next().map(|_| SharedMemory::new(&engine, ty).unwrap().into());
        let instance = Instance::new(&mut store, &module, import.as_slice()).unwrap();
        let memory = instance.get_export(&mut store, "m").unwrap();
        Lab { store, instance, memory, wide: kind.address == "i64" }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        match &self.memory {
            Extern::SharedMemory(memory) => memory.write(at, bytes).unwrap(),
            Extern::Memory(memory) => memory.write(&mut self.store, at, bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, at: usize, bytes: &mut [u8]) {
        match &self.memory {
            Extern::SharedMemory(memory) => memory.read(at, bytes).unwrap(),
            Extern::Memory(memory) => memory.read(&self.store, at, bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn call(&mut self, name: &str, address: u64, value: Val, expected: Val) -> Result<Vec<Val>> {
        let func = self.instance.get_func(&mut self.store, name).expect("an export");
        let address = if self.wide { Val::I64(address as i64) } else { Val::I32(address as i32) };
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &[address, value, expected], &mut results).map(|()| results)
    }
}

/// Forms of one instruction: plain, with an offset, at a constant address, with an offset that is no multiple of its
/// bytes, with a large offset (64 bits), and with all registers in use.
fn functions(instruction: &Instruction, kind: &Kind) -> String {
    let (name, ty, address) = (&instruction.name, instruction.ty(), kind.address);
    let params = format!("(param $a {address}) (param $v {ty}) (param $e {ty})");
    let mut text = String::new();
    for (form, offset, at) in [
        ("", 0, "(local.get $a)".to_owned()),
        (" offset", 24, "(local.get $a)".to_owned()),
        (" constant", 0, format!("({address}.const 24)")),
        (" misaligned constant", 1, format!("({address}.const 24)")),
        (" odd offset", 7, "(local.get $a)".to_owned()),
        (" large", 0xffff_fff8, "(local.get $a)".to_owned()),
    ] {
        let code = instruction.text(offset, &at);
        text += &format!("(func (export \"{name}{form}\") {params} (result {ty}) {code})\n");
    }
    for (form, offset) in [(" busy", 0), (" busy large", 0xffff_fff8u64)] {
        let code = instruction.text(offset, "(local.get $a)");
        text += &format!(
            "(func (export \"{name}{form}\") {params} (result {ty} i64) (local $r {ty}) (local $i i32)
              (local $0 i64) (local $1 i64) (local $2 i64) (local $3 i64) (local $4 i64) (local $5 i64)
              (loop $l
                {additions}
                (i64.mul (local.get $0) (local.get $5))
                (i64.xor (local.get $1) (local.get $4))
                (i64.add (local.get $2) (local.get $3))
                {code}
                local.set $r
                i64.add i64.add local.set $0
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1))))
              (local.get $r)
              (i64.add (i64.add (i64.add (local.get $0) (local.get $1)) (i64.add (local.get $2) (local.get $3)))
                (i64.add (local.get $4) (local.get $5))))\n",
            additions = (0..6)
                .map(|k| format!("(local.set ${k} (i64.add (local.get ${k}) (i64.const {})))", k + 1))
                .collect::<String>(),
        );
    }
    text
}

/// What a busy function returns beside the instruction's result.
const BUSY_SUM: i64 = (6 + (2 ^ 5) + (3 + 4)) + 2 + 3 + 4 + 5 + 6;

/// A word, with others around it that must not change.
const PATTERN: [u8; 24] = *b"before..________..after.";

#[test]
fn each_instruction_does_what_the_model_does() {
    let instructions = instructions();
    for kind in &KINDS {
        let mut lab = Lab::new(kind, &instructions);
        for instruction in &instructions {
            for (number, &old) in EDGES.iter().enumerate() {
                for &operand in &EDGES {
                    let form = ["", " offset", " constant", " busy"][number % 4];
                    check(&mut lab, kind, instruction, form, old, operand);
                }
            }
        }
    }
}

fn check(lab: &mut Lab, kind: &Kind, instruction: &Instruction, form: &str, old: u64, operand: u64) {
    let address = if form == " offset" { 0 } else { 24 };
    let bytes = instruction.bytes as usize;
    let old = old & instruction.mask();
    // Equal, equal but for the bits that are not in memory, different.
    for expected in [old, old | !instruction.mask(), old ^ 1] {
        let mut around = PATTERN;
        around[8..8 + bytes].copy_from_slice(&old.to_le_bytes()[..bytes]);
        lab.write(16, &around);
        let name = format!("{}{form}", instruction.name);
        let what = format!("{name}, {}: {old:#x}, {operand:#x}, {expected:#x}", kind.what);
        let (value, expected_value) = (instruction.value(operand), instruction.value(expected));
        let results = lab.call(&name, address, value, expected_value).unwrap_or_else(|error| panic!("{what}: {error}"));
        let result = if instruction.op == Op::Store { 0 } else { old };
        assert_eq!(results[0].bits(), instruction.value(result).bits(), "{what}");
        if form == " busy" {
            assert_eq!(results[1].bits(), Val::I64(BUSY_SUM).bits(), "{what}");
        }
        let stored = instruction.stored(old, operand, expected);
        around[8..8 + bytes].copy_from_slice(&stored.to_le_bytes()[..bytes]);
        let mut now = [0; 24];
        lab.read(16, &mut now);
        assert_eq!(now, around, "{what}");
    }
}

/// A value's bits, to be compared.
trait Bits {
    fn bits(&self) -> (u32, u64);
}

impl Bits for Val {
    fn bits(&self) -> (u32, u64) {
        match self {
            Val::I32(value) => (32, *value as u32 as u64),
            Val::I64(value) => (64, *value as u64),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn misaligned_accesses_trap_and_change_nothing() {
    let instructions = instructions();
    for kind in &KINDS {
        let mut lab = Lab::new(kind, &instructions);
        for instruction in &instructions {
            let zero = || instruction.value(0);
            lab.write(16, &PATTERN);
            for effective in 24..32u64 {
                for (form, offset) in [("", 0), (" offset", 24), (" odd offset", 7), (" busy", 0)] {
                    let name = format!("{}{form}", instruction.name);
                    let misaligned = effective % instruction.bytes as u64 != 0;
                    let ended = lab.call(&name, effective - offset, zero(), zero());
                    let trap = ended.err().map(|error| error.trap().unwrap().kind());
                    let expected = misaligned.then_some(TrapKind::UnalignedAtomic);
                    assert_eq!(trap, expected, "{name}, {}: at {effective}", kind.what);
                    if misaligned {
                        let mut now = [0; 24];
                        lab.read(16, &mut now);
                        assert_eq!(now, PATTERN, "{name}, {}: at {effective}", kind.what);
                    } else {
                        lab.write(16, &PATTERN);
                    }
                }
            }
            let constant = lab.call(&format!("{} misaligned constant", instruction.name), 0, zero(), zero());
            let trap = constant.err().map(|error| error.trap().unwrap().kind());
            let expected = (instruction.bytes > 1).then_some(TrapKind::UnalignedAtomic);
            assert_eq!(trap, expected, "{}, {}: at a constant", instruction.name, kind.what);
        }
    }
}

#[test]
fn accesses_end_where_the_memory_ends() {
    let instructions = instructions();
    for kind in &KINDS {
        let mut lab = Lab::new(kind, &instructions);
        for instruction in &instructions {
            let bytes = instruction.bytes as u64;
            let zero = || instruction.value(0);
            let mut beyond =
                vec![("", LEN), ("", LEN + 4096), (" busy", LEN), (" offset", LEN - 24), ("", 0xffff_fff8)];
            beyond.extend([(" large", 0), (" large", LEN), (" busy large", 8)]);
            if lab.wide {
                // Far beyond any memory, and a sum that is inside of it modulo 2^64.
                let far = [1 << 35, 1 << 36, 1 << 62, u64::MAX - 7, 0xffff_fff8u64.wrapping_neg()];
                beyond.extend(far.into_iter().flat_map(|at| [("", at), (" large", at), (" busy large", at)]));
            }
            for (form, at) in beyond {
                let name = format!("{}{form}", instruction.name);
                let error = lab.call(&name, at, zero(), zero()).expect_err(&name);
                let kind_of_trap = error.trap().unwrap().kind();
                assert_eq!(kind_of_trap, TrapKind::MemoryOutOfBounds, "{name}, {}: at {at:#x}", kind.what);
            }
            for (form, at) in [("", LEN - bytes), (" offset", LEN - 24 - bytes), (" busy", LEN - bytes)] {
                let name = format!("{}{form}", instruction.name);
                lab.call(&name, at, zero(), zero())
                    .unwrap_or_else(|error| panic!("{name}, {}: at {at:#x}: {error}", kind.what));
            }
        }
    }
}

/// What is written is known where it is compiled: it may be in the instruction itself.
#[test]
fn operands_that_are_constants_are_what_they_are() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    type Model = fn(u64, u64) -> u64;
    let operators: [(&str, Model); 6] = [
        ("add", u64::wrapping_add),
        ("sub", u64::wrapping_sub),
        ("and", |a, b| a & b),
        ("or", |a, b| a | b),
        ("xor", |a, b| a ^ b),
        ("xchg", |_, b| b),
    ];
    let before = 0x8877_6655_4433_2211_u64;
    let mut cases = 0;
    for (ty, width) in [("i32", 8), ("i32", 16), ("i32", 32), ("i64", 8), ("i64", 16), ("i64", 32), ("i64", 64)] {
        let full = ty.ends_with(&width.to_string());
        let (bits, suffix) = if full { (String::new(), "") } else { (width.to_string(), "_u") };
        let mask = u64::MAX >> (64 - width);
        for ((name, model), constant) in
            operators.iter().flat_map(|op| [0, 1, -1, 0x55, 0x7fff_ffff, -0x8000_0000].map(|constant| (op, constant)))
        {
            let text = format!(
                r#"(module (memory 1) (data (i32.const 16) "\11\22\33\44\55\66\77\88")
                    (func (export "run") (result {ty} i64)
                      ({ty}.atomic.rmw{bits}.{name}{suffix} (i32.const 16) ({ty}.const {constant}))
                      (i64.load (i32.const 16))))"#
            );
            let module = Module::new(&engine, &*text).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_func(&mut store, "run").unwrap();
            let mut results = [Val::I32(0), Val::I64(0)];
            run.call(&mut store, &[], &mut results).unwrap();
            let old = match results[0] {
                Val::I32(old) => u64::from(old as u32),
                Val::I64(old) => old as u64,
                ref other => panic!("{other:?}"),
            };
            let after = before & !mask | model(before & mask, constant as i64 as u64 & mask) & mask;
            let seen = results[1].i64().unwrap() as u64;
            assert_eq!((old, seen), (before & mask, after), "{text}");
            cases += 1;
        }
    }
    assert_eq!(cases, 7 * 6 * 6);
}

#[test]
fn a_fence_does_nothing_that_one_thread_sees() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let text = r#"(module (func (export "f") (param i32 i64) (result i32 i64)
        (local.get 0) (atomic.fence) (local.get 1) (atomic.fence)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(i32, i64), (i32, i64)>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, (-3, i64::MIN)).unwrap(), (-3, i64::MIN));
}

/// The offset travels to the runtime in two halves, and a half from 2^31 on is no negative number.
#[test]
fn notify_and_wait_have_offsets_of_all_bits() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let mut cases = 0;
    for (index, offsets) in [
        ("i32", &[8u64, 0x7fff_fff8, 0x8000_0000, 0xffff_fff8][..]),
        ("i64", &[8, 0x7fff_fff8, 0x8000_0000, 0xffff_fff8, 0x1_0000_0000, 0x1_8000_0008, 0x8000_0000_8000_0000]),
    ] {
        for offset in offsets {
            let text = format!(
                r#"(module (memory {} 1 1 shared)
                    (func (export "notify") (param {index}) (result i32)
                      (memory.atomic.notify offset={offset} (local.get 0) (i32.const 1)))
                    (func (export "wait") (param {index}) (result i32)
                      (memory.atomic.wait32 offset={offset} (local.get 0) (i32.const 1) (i64.const 0))))"#,
                if index == "i64" { "i64" } else { "" }
            );
            let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            for (name, right) in [("notify", 0), ("wait", 1)] {
                let func = instance.get_func(&mut store, name).unwrap();
                let mut results = [Val::I32(0)];
                let address = if index == "i64" { Val::I64(8) } else { Val::I32(8) };
                let called = func.call(&mut store, &[address], &mut results);
                match *offset {
                    8 => assert_eq!((called.is_ok(), results[0].i32()), (true, Some(right))),
                    _ => {
                        let kind = called.unwrap_err().trap().unwrap().kind();
                        assert_eq!(kind, TrapKind::MemoryOutOfBounds, "{name} at {offset:#x}");
                    }
                }
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 22);
}

/// The last place is there, the next one is not: of a shared memory, and for notifying of one that is not.
#[test]
fn notify_and_wait_end_where_the_memory_ends() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let mut cases = 0;
    for (memory, shared) in [("1 1 shared", true), ("1 1", false)] {
        let text = format!(
            r#"(module (memory {memory})
                (func (export "notify") (param i32) (result i32) (memory.atomic.notify (local.get 0) (i32.const 1)))
                (func (export "wait32") (param i32) (result i32)
                  (memory.atomic.wait32 (local.get 0) (i32.const 1) (i64.const 0)))
                (func (export "wait64") (param i32) (result i32)
                  (memory.atomic.wait64 (local.get 0) (i64.const 1) (i64.const 0))))"#
        );
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for (name, bytes, right) in [("notify", 4, 0), ("wait32", 4, 1), ("wait64", 8, 1)] {
            if !shared && name != "notify" {
                continue;
            }
            let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            let mut call = |address| func.call(&mut store, address).map_err(|error| error.trap().unwrap().kind());
            assert_eq!(call(65536 - bytes), Ok(right), "{name}, {memory}");
            for beyond in [65536, 65536 + bytes, -bytes] {
                assert_eq!(call(beyond), Err(TrapKind::MemoryOutOfBounds), "{name} at {beyond}, {memory}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 12);
}
