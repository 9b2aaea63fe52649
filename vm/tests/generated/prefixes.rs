//! Chains of struct types: a field lies where the supertype has it, whoever looks, and no store touches another field.
//!
//! Each type adds fields of random kinds to those of its supertype. An object of each type is read and written through
//! all of its supertypes, by the module that made it and by one that knows the upper half of the chain only. The model
//! is a list of values for each object.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::Val;
use std::fmt::Write;

in_all_modes!(fields_lie_where_the_supertype_has_them);

/// Beyond the eight supertypes that a type's display holds.
const DEPTH: usize = 11;
/// Types that the second module knows.
const KNOWN: usize = 6;
const CHAINS: u64 = 6;

/// Kinds of fields: the storage type, and the type of its value outside (references: of the number in their box).
const KINDS: [(&str, &str); 8] = [
    ("i8", "i32"),
    ("i16", "i32"),
    ("i32", "i32"),
    ("i64", "i64"),
    ("f32", "f32"),
    ("f64", "f64"),
    ("v128", "v128"),
    ("(ref null $box)", "i64"),
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A chain: the kinds of all fields, and how many each type has.
struct Chain {
    kinds: Vec<usize>,
    counts: Vec<usize>,
}

impl Chain {
    fn new(random: &mut Random) -> Chain {
        let mut chain = Chain { kinds: Vec::new(), counts: Vec::new() };
        for _ in 0..DEPTH {
            for _ in 0..random.next() % 4 {
                chain.kinds.push((random.next() % KINDS.len() as u64) as usize);
            }
            chain.counts.push(chain.kinds.len());
        }
        chain
    }

    /// Its first `count` types.
    fn types(&self, count: usize) -> String {
        let mut text = "(type $box (struct (field i64)))\n".to_owned();
        for (number, fields) in self.counts[..count].iter().enumerate() {
            let parent = if number > 0 { format!("${}", number - 1) } else { String::new() };
            let fields: String =
                self.kinds[..*fields].iter().map(|kind| format!("(field (mut {}))", KINDS[*kind].0)).collect();
            writeln!(text, "(type ${number} (sub {parent} (struct {fields})))").unwrap();
        }
        text
    }

    /// Functions that read and write each field through each of the first `count` types.
    fn accessors(&self, count: usize, module: &str) -> String {
        let mut text = String::new();
        for (ty, fields) in self.counts[..count].iter().enumerate() {
            for (field, kind) in self.kinds[..*fields].iter().enumerate() {
                let (storage, outside) = KINDS[*kind];
                let get = if storage.len() < 4 && outside == "i32" && storage != "i32" { "get_u" } else { "get" };
                let object = format!("(ref.cast (ref ${ty}) (local.get 0))");
                let (mut read, mut value) =
                    (format!("(struct.{get} ${ty} {field} {object})"), "(local.get 1)".to_owned());
                if storage.contains("box") {
                    read = format!("(struct.get $box 0 {read})");
                    value = format!("(struct.new $box {value})");
                }
                writeln!(
                    text,
                    r#"(func (export "{module} get {ty} {field}") (param anyref) (result {outside}) {read})
                       (func (export "{module} set {ty} {field}") (param anyref {outside}) (struct.set ${ty} {field} {object} {value}))"#
                )
                .unwrap();
            }
        }
        text
    }
}

/// A value of a kind, its bits as they are read back, and as an instruction.
fn value(kind: usize, random: &mut Random) -> (Val, u128, String) {
    let bits = random.next();
    // No NaN: their bits need not survive.
    let float = bits >> 2;
    match KINDS[kind] {
        (storage, "i32") => {
            let mask = match storage {
                "i8" => 0xff,
                "i16" => 0xffff,
                _ => u32::MAX,
            };
            (Val::I32(bits as i32), (bits as u32 & mask) as u128, format!("(i32.const {})", bits as i32))
        }
        (storage, "i64") => {
            let number = format!("(i64.const {})", bits as i64);
            let made = if storage == "i64" { number } else { format!("(struct.new $box {number})") };
            (Val::I64(bits as i64), bits as u128, made)
        }
        (_, "f32") => {
            let bits = (float >> 32) as u32;
            (Val::F32(bits), bits as u128, format!("(f32.reinterpret_i32 (i32.const {bits}))"))
        }
        (_, "f64") => (Val::F64(float), float as u128, format!("(f64.reinterpret_i64 (i64.const {float}))")),
        _ => {
            let wide = (bits as u128) << 64 | random.next() as u128;
            let (low, high) = (wide as u64 as i64, (wide >> 64) as i64);
            (Val::V128(wide), wide, format!("(v128.const i64x2 {low} {high})"))
        }
    }
}

fn fields_lie_where_the_supertype_has_them(mode: usize) {
    for seed in 1..=CHAINS {
        check_chain(mode, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
}

fn check_chain(mode: usize, random: &mut Random) {
    let chain = Chain::new(random);
    // Makers take the values as constants; the model has them.
    let mut objects: Vec<Vec<u128>> = Vec::new();
    let mut library = format!("(module {}{}", chain.types(DEPTH), chain.accessors(DEPTH, "a"));
    for (ty, fields) in chain.counts.iter().enumerate() {
        let values: Vec<_> = chain.kinds[..*fields].iter().map(|kind| value(*kind, random)).collect();
        let operands: String = values.iter().map(|(_, _, text)| text.as_str()).collect();
        writeln!(library, r#"(func (export "make {ty}") (result anyref) (struct.new ${ty} {operands}))"#).unwrap();
        objects.push(values.iter().map(|(_, bits, _)| *bits).collect());
    }
    library.push(')');
    let mut lab = Lab::new(mode, &[("a", &library)], &user(&chain));
    let handles: Vec<Val> = (0..DEPTH).map(|ty| lab.make(&format!("make {ty}"))).collect();
    for (ty, model) in objects.iter_mut().enumerate() {
        for field in 0..model.len() {
            for (module, known) in [("a", DEPTH), ("b", KNOWN)] {
                // Through the type that introduced it, and through the object's own.
                let first = chain.counts.iter().position(|count| *count > field).expect("some type has it");
                for through in [first, ty] {
                    if through >= known {
                        continue;
                    }
                    let (new, bits, _) = value(chain.kinds[field], random);
                    lab.call(&format!("{module} set {through} {field}"), &[handles[ty], new]).unwrap();
                    model[field] = bits;
                    check_object(&mut lab, &chain, handles[ty], ty, model);
                }
            }
        }
    }
    // Nothing of one object was written to another.
    for (ty, model) in objects.iter().enumerate() {
        check_object(&mut lab, &chain, handles[ty], ty, model);
    }
}

/// A module that knows the first types, and passes on what the other one exports.
fn user(chain: &Chain) -> String {
    let (mut imports, mut exports) = (String::new(), String::new());
    let mut pass = |name: &str, ty: &str| {
        writeln!(imports, r#"(import "a" "{name}" (func $"{name}" {ty}))"#).unwrap();
        writeln!(exports, r#"(export "{name}" (func $"{name}"))"#).unwrap();
    };
    for (ty, fields) in chain.counts.iter().enumerate() {
        pass(&format!("make {ty}"), "(result anyref)");
        for (field, kind) in chain.kinds[..*fields].iter().enumerate() {
            let outside = KINDS[*kind].1;
            pass(&format!("a get {ty} {field}"), &format!("(param anyref) (result {outside})"));
            pass(&format!("a set {ty} {field}"), &format!("(param anyref {outside})"));
        }
    }
    format!("(module {}{imports}{exports}{})", chain.types(KNOWN), chain.accessors(KNOWN, "b"))
}

/// Each field of an object has its value, through every type and in both modules.
fn check_object(lab: &mut Lab, chain: &Chain, object: Val, ty: usize, model: &[u128]) {
    for (module, known) in [("a", DEPTH), ("b", KNOWN)] {
        for through in [ty, ty / 2, ty.min(known - 1)] {
            if through >= known {
                continue;
            }
            for (field, bits) in model.iter().enumerate().take(chain.counts[through]) {
                let found = lab.call(&format!("{module} get {through} {field}"), &[object]);
                assert_eq!(found, Ok(vec![*bits]), "field {field} of type {ty} through {through}, module {module}");
            }
        }
    }
}
