//! Wide arithmetic against Rust's 128-bit integers: edge values by edge values, in every form in which operands reach
//! the instructions.

use heapwood_vm::*;
use std::fmt::Write;

const EDGES: [u64; 9] = [0, 1, 2, u32::MAX as u64, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

/// An instruction: name, operands, and what it means on them.
struct Op {
    name: &'static str,
    operands: usize,
    meaning: fn(&[u64]) -> u128,
}

fn wide(low: u64, high: u64) -> u128 {
    low as u128 | (high as u128) << 64
}

const OPS: [Op; 4] = [
    Op { name: "i64.add128", operands: 4, meaning: |v| wide(v[0], v[1]).wrapping_add(wide(v[2], v[3])) },
    Op { name: "i64.sub128", operands: 4, meaning: |v| wide(v[0], v[1]).wrapping_sub(wide(v[2], v[3])) },
    Op { name: "i64.mul_wide_s", operands: 2, meaning: |v| (v[0] as i64 as i128 * v[1] as i64 as i128) as u128 },
    Op { name: "i64.mul_wide_u", operands: 2, meaning: |v| v[0] as u128 * v[1] as u128 },
];

/// How an operand reaches the instruction.
#[derive(Clone, Copy, PartialEq, Debug)]
enum From {
    /// This parameter.
    Param(usize),
    /// This parameter's value as a result of a call, which later calls push out of its register.
    Called(usize),
    /// This parameter's value in a register of the operand's own.
    Computed(usize),
    Const(u64),
}

/// A form of an instruction: its operands, and how much else is on the operand stack and in locals meanwhile.
struct Form {
    from: Vec<From>,
    below: usize,
}

impl Form {
    /// A function that takes as many parameters as the instruction operands.
    fn text(&self, op: &Op, name: &str) -> String {
        let params = "i64 ".repeat(op.operands);
        let mut text =
            format!("(func (export \"{name}\") (param {params}) (result i64 i64) (local $l i64) (local $h i64)\n");
        for k in 0..self.below {
            let _ = writeln!(text, "(i64.mul (local.get {}) (i64.const {}))", k % op.operands, k + 2);
        }
        for from in &self.from {
            let _ = match from {
                From::Param(k) => writeln!(text, "(local.get {k})"),
                From::Called(k) => writeln!(text, "(call $same (local.get {k}))"),
                From::Computed(k) => writeln!(text, "(i64.xor (i64.xor (local.get {k}) (i64.const 5)) (i64.const 5))"),
                From::Const(value) => writeln!(text, "(i64.const {})", *value as i64),
            };
        }
        let _ = writeln!(text, "({}) (local.set $h) (local.set $l)", op.name);
        for k in (0..self.below).rev() {
            // What was below is whole: each word is compared with what it was made of.
            let _ = writeln!(
                text,
                "(if (i64.ne (i64.mul (local.get {}) (i64.const {}))) (then (unreachable)))",
                k % op.operands,
                k + 2
            );
        }
        text + "(local.get $l) (local.get $h))\n"
    }

    fn operands(&self, params: &[u64]) -> Vec<u64> {
        let value = |from: &From| match *from {
            From::Param(k) | From::Called(k) | From::Computed(k) => params[k],
            From::Const(value) => value,
        };
        self.from.iter().map(value).collect()
    }
}

/// All parameters each way, in both orders; one operand at a time from somewhere else; parameters several times.
fn forms(op: &Op) -> Vec<Form> {
    let n = op.operands;
    let mut lists: Vec<Vec<From>> = Vec::new();
    for make in [From::Param, From::Called, From::Computed] {
        lists.push((0..n).map(make).collect());
        lists.push((0..n).rev().map(make).collect());
        for k in 0..n {
            let mut list: Vec<_> = (0..n).map(From::Param).collect();
            list[k] = make(k);
            lists.push(list);
            let mut list: Vec<_> = (0..n).map(From::Computed).collect();
            list[k] = make(n - 1 - k);
            lists.push(list);
        }
    }
    lists.push(vec![From::Param(0); n]);
    lists.push((0..n).map(|k| From::Param(k % 2)).collect());
    for value in EDGES {
        for k in 0..n {
            let mut list: Vec<_> = (0..n).map(From::Param).collect();
            list[k] = From::Const(value);
            lists.push(list);
        }
        lists.push((0..n).map(|k| if k < n / 2 { From::Computed(k) } else { From::Const(value) }).collect());
        lists.push((0..n).map(|k| if k < n / 2 { From::Const(value) } else { From::Computed(k) }).collect());
        for other in EDGES {
            lists.push((0..n).map(|k| From::Const(if k % 2 == 0 { value } else { other })).collect());
        }
    }
    let with = |from: Vec<From>| [0, 3, 11].map(|below| Form { from: from.clone(), below });
    lists.into_iter().flat_map(with).collect()
}

/// Parameters: all edges by all edges, the rest in an order that meets every pair of halves.
fn parameters(n: usize) -> Vec<Vec<u64>> {
    let edge = |k: usize| EDGES[k % EDGES.len()];
    let pairs = (0..EDGES.len()).flat_map(|a| (0..EDGES.len()).map(move |b| (a, b)));
    if n == 2 {
        return pairs.map(|(a, b)| vec![edge(a), edge(b)]).collect();
    }
    pairs
        .flat_map(|(a, b)| (0..3).map(move |k| vec![edge(a), edge(a + b + k), edge(b), edge(a * 2 + b + 4 * k)]))
        .collect()
}

/// Options that change compiled code or what happens between its instructions.
fn configs() -> [Config; 4] {
    let mut stress = Config::new();
    stress.gc_stress(1).gc_verify(true).debug_checks(true);
    let mut small = Config::new();
    small.gc_nursery(64 << 10);
    let mut unguarded = Config::new();
    unguarded.memory32_guard(false).memory64_guard(false).few_registers(true).debug_checks(true);
    [Config::new(), stress, small, unguarded].map(|mut config| {
        let mut features = Features::default();
        features.set("wide-arithmetic", true).unwrap();
        config.features(features);
        config
    })
}

fn check(op: &Op) {
    let (forms, parameters) = (forms(op), parameters(op.operands));
    let mut text = "(module (func $same (param i64) (result i64) (local.get 0))\n".to_owned();
    for (k, form) in forms.iter().enumerate() {
        text += &form.text(op, &format!("f{k}"));
    }
    let bytes = wat::parse_str(text + ")").unwrap();
    for config in configs() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for (k, form) in forms.iter().enumerate() {
            let func = instance.get_func(&mut store, &format!("f{k}")).unwrap();
            for values in &parameters {
                let params: Vec<_> = values.iter().map(|value| Val::I64(*value as i64)).collect();
                let mut results = [Val::I64(0), Val::I64(0)];
                let called = func.call(&mut store, &params, &mut results);
                called.unwrap_or_else(|error| panic!("{} {:?} of {values:x?}: {error}", op.name, form.from));
                let [Val::I64(low), Val::I64(high)] = results else { panic!("two integers: {results:?}") };
                let (got, expected) = (wide(low as u64, high as u64), (op.meaning)(&form.operands(values)));
                assert_eq!(got, expected, "{} {:?} of {values:x?}", op.name, form.from);
                if form.from.iter().all(|from| matches!(from, From::Const(_))) {
                    break;
                }
            }
        }
    }
}

#[test]
fn sums() {
    check(&OPS[0]);
}

#[test]
fn differences() {
    check(&OPS[1]);
}

#[test]
fn signed_products() {
    check(&OPS[2]);
}

#[test]
fn unsigned_products() {
    check(&OPS[3]);
}

/// Off by default; the message names the option.
#[test]
fn it_is_refused_unless_it_is_switched_on() {
    let text = "(module (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2))))";
    let error = Module::new(&Engine::default(), wat::parse_str(text).unwrap()).unwrap_err();
    assert!(error.to_string().contains("wide"), "{error}");
}

/// A sum is two instructions, a product one, operands in memory and small constants included.
#[test]
fn the_code_is_short() {
    let text = "(module
        (func (param i64 i64) (result i64 i64)
          (i64.add128 (local.get 0) (local.get 1) (i64.const 1) (i64.const 0))))";
    let config = &configs()[0];
    let module = Module::new(&Engine::new(config).unwrap(), wat::parse_str(text).unwrap()).unwrap();
    let code = module.compiled_function(0).unwrap().unwrap().code;
    // add r64, imm8 is REX 83 /0 ib, adc r64, imm8 is REX 83 /2 ib.
    let add = code.windows(3).position(|w| w[0] & 0xf8 == 0x48 && w[1] == 0x83 && w[2] & 0xf8 == 0xc0);
    let adc = code.windows(3).position(|w| w[0] & 0xf8 == 0x48 && w[1] == 0x83 && w[2] & 0xf8 == 0xd0);
    let (add, adc) = (add.expect("an addition"), adc.expect("an addition with carry"));
    assert_eq!(adc, add + 4, "nothing in between: {code:x?}");
}
