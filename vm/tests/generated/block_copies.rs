//! `array.copy` of all lengths around those at which it is done in another way, with a model: elements of each size,
//! ranges that overlap by every distance, ranges that end one beyond the array, null; references into arrays that are
//! young, old, and old and logged.

use crate::in_all_modes;
use crate::lab::Lab;
use crate::random::Random;
use heapwood_vm::*;
use std::fmt::{Debug, Write};

in_all_modes!(short_copies_of_numbers, short_copies_of_references);

/// Bytes of the longest copy: beyond all that the stub copies.
const BYTES_MAX: u32 = 300;

const NUMBERS: [&str; 5] = ["i8", "i16", "i32", "i64", "v128"];

/// A module that copies between arrays of each number.
fn numbers() -> String {
    let mut text = "(module".to_owned();
    for ty in NUMBERS {
        write!(
            text,
            r#" (type ${ty} (array (mut {ty})))
            (func (export "{ty}") (param (ref null ${ty}) i32 (ref null ${ty}) i32 i32)
                (array.copy ${ty} ${ty} (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
            (func (export "make {ty}") (param i32) (result (ref ${ty})) (array.new_default ${ty} (local.get 0)))"#
        )
        .unwrap();
    }
    text + ")"
}

/// What a copy is asked for.
#[derive(Clone, Copy, Debug)]
struct Ranges {
    to: u32,
    from: u32,
    len: u32,
    is_one: bool,
}

/// Arrays of a number, and what is expected in them.
struct Pair<'a, T> {
    lab: &'a mut Lab,
    ty: &'static str,
    copy: Func,
    arrays: [Rooted<ArrayRef>; 2],
    model: [Vec<T>; 2],
    count: u32,
}

impl<'a, T: ArrayElement + Copy + Default + PartialEq<T> + Debug> Pair<'a, T> {
    fn new(lab: &'a mut Lab, ty: &'static str, elements: Vec<T>) -> Pair<'a, T> {
        let len = elements.len() as i32;
        let make = lab.func(&format!("make {ty}"));
        let arrays = [0, 1].map(|_| match lab.values(make, &[Val::I32(len)]).unwrap()[0] {
            Val::AnyRef(Some(array)) => array.unwrap_array(&lab.store).unwrap(),
            other => panic!("{other:?}"),
        });
        let mut back = elements.clone();
        back.reverse();
        let copy = lab.func(ty);
        let mut pair = Pair { lab, ty, copy, arrays, model: [elements, back], count: 0 };
        pair.fill();
        pair
    }

    fn fill(&mut self) {
        for (array, model) in self.arrays.iter().zip(&self.model) {
            array.copy_from_slice(&mut self.lab.store, 0, model).unwrap();
        }
    }

    /// Copies into the first array, from it or the other one.
    fn check(&mut self, ranges: Ranges) {
        let Ranges { to, from, len, is_one } = ranges;
        let source = usize::from(!is_one);
        let args = [
            Val::AnyRef(Some(self.arrays[0].to_anyref())),
            Val::I32(to.cast_signed()),
            Val::AnyRef(Some(self.arrays[source].to_anyref())),
            Val::I32(from.cast_signed()),
            Val::I32(len.cast_signed()),
        ];
        let got = self.lab.values(self.copy, &args).map(drop);
        let all = self.model[0].len() as u64;
        let fits = [to, from].iter().all(|start| u64::from(*start) + u64::from(len) <= all);
        let wanted = if fits { Ok(()) } else { Err(TrapKind::ArrayOutOfBounds) };
        assert_eq!(got, wanted, "{} {ranges:?}", self.ty);
        if fits {
            let (to, from, len) = (to as usize, from as usize, len as usize);
            let copied = self.model[source][from..from + len].to_vec();
            self.model[0][to..to + len].copy_from_slice(&copied);
        }
        let mut seen = vec![T::default(); self.model[0].len()];
        self.arrays[0].copy_to_slice(&self.lab.store, 0, &mut seen).unwrap();
        assert_eq!(seen, self.model[0], "{} {ranges:?}", self.ty);
        self.count += 1;
    }

    /// Every length up to the longest; random places, and all that end at the arrays' ends or one beyond.
    fn check_all(&mut self, bytes: u32, random: &mut Random) -> u32 {
        let all = self.model[0].len() as u32;
        for len in 0..=BYTES_MAX / bytes {
            let last = all - len;
            for (to, from) in [(0, last), (last, 0), (last + 1, 0), (0, last + 1), (u32::MAX, 0), (0, u32::MAX - len)] {
                let is_one = random.below(2) == 0;
                self.check(Ranges { to, from, len, is_one });
            }
            for _ in 0..3 {
                self.check(Ranges { to: random.below(last), from: random.below(last), len, is_one: false });
            }
            // Ranges of one array at each distance near 0, and near the length.
            for distance in (0..20).chain(len.saturating_sub(2)..len + 2) {
                let low = random.below(last.saturating_sub(distance).max(1));
                for (to, from) in [(low, low + distance), (low + distance, low)] {
                    self.check(Ranges { to, from, len, is_one: true });
                }
            }
            self.fill();
        }
        self.check(Ranges { to: 0, from: 0, len: u32::MAX, is_one: true });
        self.count
    }
}

/// Copies between arrays of one type; how many.
fn check_numbers<T>(lab: &mut Lab, ty: &'static str, number: fn(u128) -> T, random: &mut Random) -> u32
where
    T: ArrayElement + Copy + Default + PartialEq<T> + Debug,
{
    let bytes = size_of::<T>() as u32;
    let elements = (0..BYTES_MAX / bytes + 40).map(|_| number(random.bits())).collect();
    Pair::new(lab, ty, elements).check_all(bytes, random)
}

fn short_copies_of_numbers(mode: usize) {
    let mut lab = Lab::new(mode, &[], &numbers());
    let mut random = Random(7 + mode as u64);
    let mut count = 0;
    count += check_numbers(&mut lab, "i8", |bits| bits as u8, &mut random);
    count += check_numbers(&mut lab, "i16", |bits| bits as u16, &mut random);
    count += check_numbers(&mut lab, "i32", |bits| bits as u32, &mut random);
    count += check_numbers(&mut lab, "i64", |bits| bits as u64, &mut random);
    count += check_numbers(&mut lab, "v128", |bits| bits, &mut random);
    for ty in NUMBERS {
        let array = lab.func(&format!("make {ty}"));
        let array = lab.values(array, &[Val::I32(4)]).unwrap()[0];
        let (null, copy, zero) = (Val::AnyRef(None), lab.func(ty), Val::I32(0));
        for (to, from) in [(null, array), (array, null), (null, null)] {
            for len in [0, 1, 5] {
                let got = lab.values(copy, &[to, zero, from, zero, Val::I32(len)]);
                assert_eq!(got.map(drop), Err(TrapKind::NullArray), "{ty}, {len}");
                count += 1;
            }
        }
    }
    println!("{count} copies");
    assert!(count > 25_000, "{count}");
}

// ---- references

/// Leaves have numbers; `churn` makes garbage until a minor has come.
const REFERENCES: &str = r#"(module
    (type $leaf (struct (field i32)))
    (type $refs (array (mut (ref null $leaf))))
    (func (export "make") (param $len i32) (param $first i32) (result (ref $refs))
        (local $refs (ref $refs)) (local $k i32)
        (local.set $refs (array.new_default $refs (local.get $len)))
        (loop $next
            (if (i32.lt_u (local.get $k) (local.get $len)) (then
                (array.set $refs (local.get $refs) (local.get $k)
                    (struct.new $leaf (i32.add (local.get $first) (local.get $k))))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br $next))))
        (local.get $refs))
    (func (export "touch") (param $refs (ref $refs))
        (array.set $refs (local.get $refs) (i32.const 0) (array.get $refs (local.get $refs) (i32.const 0))))
    (func (export "copy") (param (ref $refs) i32 (ref $refs) i32 i32)
        (array.copy $refs $refs (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (func (export "number") (param (ref $refs) i32) (result i32)
        (struct.get $leaf 0 (array.get $refs (local.get 0) (local.get 1))))
    (func (export "churn") (param $count i32)
        (loop $next
            (drop (array.new_default $refs (i32.const 200)))
            (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))"#;

/// Where the target is when it is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    Young,
    Old,
    /// Old, and in the log since its last store.
    Logged,
}

struct References {
    lab: Lab,
    /// Arrays of garbage that bring a minor.
    churn: i32,
    count: u32,
    collections: u64,
}

impl References {
    fn call(&mut self, name: &str, args: &[Val]) -> Vec<Val> {
        let func = self.lab.func(name);
        self.lab.values(func, args).unwrap_or_else(|trap| panic!("{name}: {trap:?}"))
    }

    fn collections_so_far(&self) -> u64 {
        let stats = self.lab.store.gc_stats();
        stats.minors + stats.majors
    }

    fn make(&mut self, len: u32, first: i32) -> Val {
        self.call("make", &[Val::I32(len.cast_signed()), Val::I32(first)])[0]
    }

    /// Copies between arrays of `all` references and looks at every one after the next minor.
    fn check(&mut self, target: Target, source_is_old: bool, all: u32, ranges: Ranges) {
        let Ranges { to, from, len, is_one } = ranges;
        let what = format!("{target:?}, source old: {source_is_old}, {all} references, {ranges:?}");
        let mut made = Vec::new();
        for is_old in [target != Target::Young, source_is_old] {
            let first = 1_000 * made.len() as i32;
            made.push(self.make(all, first));
            if is_old {
                self.lab.store.gc().unwrap();
            }
        }
        if target == Target::Logged {
            self.call("touch", &[made[0]]);
        }
        let source = if is_one { made[0] } else { made[1] };
        let number = |number: u32| Val::I32(number.cast_signed());
        self.call("copy", &[made[0], number(to), source, number(from), number(len)]);
        let collections = self.collections_so_far();
        // What was copied is named by the target only, as far as compiled code goes.
        self.call("churn", &[Val::I32(self.churn)]);
        self.collections += self.collections_so_far() - collections;
        let base = if is_one { 0 } else { 1_000 };
        for index in 0..all {
            let got = self.call("number", &[made[0], number(index)])[0].i32().unwrap();
            let is_copied = (to..to + len).contains(&index);
            let wanted = if is_copied { base + index - to + from } else { index };
            assert_eq!(got, wanted.cast_signed(), "element {index}: {what}");
        }
        self.count += 1;
    }
}

fn short_copies_of_references(mode: usize) {
    let (name, mut config) = crate::common::modes()[mode].clone();
    config.gc_verify(true);
    let lab = Lab::with(&config, &[], REFERENCES).unwrap();
    let mut random = Random(3 + mode as u64);
    let is_slow = name == "stress1";
    let churn = if is_slow { 2 } else { 1_000 };
    // Up to 62 references an array is logged whole; the stub copies up to 64.
    let lengths: &[u32] = if is_slow { &[4, 62, 63] } else { &[1, 4, 33, 62, 63, 70, 130] };
    let mut references = References { lab, churn, count: 0, collections: 0 };
    for target in [Target::Young, Target::Old, Target::Logged] {
        for source_is_old in [false, true] {
            for &all in lengths {
                for len in [0, 1, 3, 4, 7, 31, 62, 64, 65].into_iter().filter(|len| *len <= all) {
                    let last = all - len + 1;
                    let (to, from) = (random.below(last), random.below(last));
                    let is_one = random.below(4) == 0;
                    references.check(target, source_is_old, all, Ranges { to, from, len, is_one });
                }
            }
        }
    }
    let References { count, collections, .. } = references;
    println!("{count} copies, {collections} collections");
    assert!(count > 100 && collections >= u64::from(count), "{count}, {collections}");
}
