//! Branch hints: what is unlikely lies out of line, and nothing else changes.

use heapwood_vm::*;

const LIKELY: &str = "(@metadata.code.branch_hint \"\\01\")";
const UNLIKELY: &str = "(@metadata.code.branch_hint \"\\00\")";

// ---- where code lies

/// A module whose calls are calls.
fn compile(text: &str) -> Module {
    let engine = Engine::new(Config::new().inline(Inline::Never)).unwrap();
    Module::new(&engine, wat::parse_str(text).unwrap()).unwrap()
}

/// For each call in a function, in the order of the callees: whether it lies out of line.
fn out_of_line(body: &str) -> Vec<bool> {
    let text = format!(
        "(module (tag $t) (func $a) (func $b) (func $c) (func $d)
           (func (export \"f\") (param i32) (result i32) (local i32) {body}))"
    );
    let module = compile(&text);
    let code = module.compiled_function(4).unwrap().unwrap();
    let mut calls: Vec<(u32, bool)> = Vec::new();
    for relocation in &code.relocations {
        if let RelocationTarget::FunctionSlot(callee) = relocation.target {
            calls.push((callee, relocation.offset >= code.cold_start));
        }
    }
    calls.sort_unstable();
    calls.into_iter().map(|(_, cold)| cold).collect()
}

#[test]
fn without_hints_everything_is_in_line() {
    let body = "local.get 0 if call $a else call $b end
        block local.get 0 br_if 0 call $c end call $d i32.const 1";
    assert_eq!(out_of_line(body), [false; 4]);
}

#[test]
fn an_unlikely_arm_lies_out_of_line() {
    let alone = format!("local.get 0 {UNLIKELY} if call $a end call $b i32.const 1");
    assert_eq!(out_of_line(&alone), [true, false]);
    let with_else = format!("local.get 0 {UNLIKELY} if call $a else call $b end call $c i32.const 1");
    assert_eq!(out_of_line(&with_else), [true, false, false]);
    let last = format!("local.get 0 {UNLIKELY} if (result i32) call $a i32.const 1 else call $b i32.const 2 end");
    assert_eq!(out_of_line(&last), [true, false]);
}

#[test]
fn the_else_of_a_likely_arm_lies_out_of_line() {
    let with_else = format!("local.get 0 {LIKELY} if call $a else call $b end call $c i32.const 1");
    assert_eq!(out_of_line(&with_else), [false, true, false]);
    let alone = format!("local.get 0 {LIKELY} if call $a end call $b i32.const 1");
    assert_eq!(out_of_line(&alone), [false, false]);
}

#[test]
fn the_rest_of_a_block_that_is_usually_left_lies_out_of_line() {
    let block = |hint: &str| format!("block call $a local.get 0 {hint} br_if 0 call $b end call $c i32.const 1");
    assert_eq!(out_of_line(&block(LIKELY)), [false, true, false]);
    assert_eq!(out_of_line(&block(UNLIKELY)), [false, false, false]);
    let function = format!("i32.const 1 local.get 0 {LIKELY} br_if 0 call $a");
    assert_eq!(out_of_line(&function), [true]);
}

/// A branch that needs code on its way (to bring the constant to where the first branch put its value): if it is
/// unlikely, that code lies out of line.
#[test]
fn moves_on_an_unlikely_way_lie_out_of_line() {
    let hot_bytes = |hint: &str| {
        let text = format!(
            "(module (func $a) (func (param i32 i32) (result i32)
               block (result i32)
                 (i32.add (local.get 0) (i32.const 1)) local.get 0 br_if 0
                 drop call $a
                 i32.const 9 local.get 1 {hint} br_if 0
                 drop call $a i32.const 11
               end
               call $a))"
        );
        let module = compile(&text);
        module.compiled_function(1).unwrap().unwrap().cold_start
    };
    assert!(hot_bytes(UNLIKELY) < hot_bytes(""), "{} and {}", hot_bytes(UNLIKELY), hot_bytes(""));
}

#[test]
fn what_is_inside_of_unlikely_code_stays_together() {
    let body = format!(
        "local.get 0 {UNLIKELY} if
           local.get 1 {LIKELY} if call $a else call $b end
           block local.get 1 {LIKELY} br_if 0 call $c end
         end
         call $d i32.const 1"
    );
    assert_eq!(out_of_line(&body), [true, true, true, false]);
}

#[test]
fn catches_of_legacy_exceptions_lie_out_of_line() {
    let body = "try call $a catch $t call $b catch_all call $c end call $d i32.const 1";
    assert_eq!(out_of_line(body), [false, true, true, false]);
}

#[test]
fn hints_for_other_instructions_mean_nothing() {
    let body = format!("i32.const 1 {UNLIKELY} if call $a end {UNLIKELY} call $b i32.const 1");
    assert_eq!(out_of_line(&body), [false, false]);
}

// ---- what code does

/// A function of one number, with `?` where a hint may stand, and what it returns.
struct Case {
    body: &'static str,
    meaning: fn(i32) -> i32,
}

const CASES: [Case; 9] = [
    Case {
        body: "(local $b (ref null $box))
            (local.set $b (struct.new $box (local.get 0)))
            (i32.mul (local.get 0) (i32.const 3))
            (i32.lt_s (local.get 0) (i32.const 4))
            ? if (result i32)
              (call $churn)
              (i32.add (struct.get $box 0 (local.get $b)) (i32.const 1))
            else
              (i32.and (local.get 0) (i32.const 1))
              ? if (call $churn) (local.set $b (struct.new $box (i32.const 50))) end
              (struct.get $box 0 (local.get $b))
            end
            (i32.add)",
        meaning: |x| {
            x * 3
                + if x < 4 {
                    x + 1
                } else if x & 1 != 0 {
                    50
                } else {
                    x
                }
        },
    },
    Case {
        body: "(local $y i32)
            block $out (result i32)
              (i32.add (local.get 0) (i32.const 100))
              (i32.gt_s (local.get 0) (i32.const 5))
              ? br_if $out
              (drop)
              (call $churn)
              (local.set $y (i32.mul (local.get 0) (i32.const 2)))
              (local.get $y)
              (i32.eq (local.get 0) (i32.const 3))
              ? br_if $out
              (i32.add (i32.const 7))
            end
            (i32.add (local.get $y))",
        meaning: |x| {
            if x > 5 {
                x + 100
            } else if x == 3 {
                12
            } else {
                4 * x + 7
            }
        },
    },
    Case {
        body: "(local $i i32) (local $sum i32)
            loop $l
              (local.set $sum (i32.add (local.get $sum) (local.get $i)))
              (i32.and (local.get $i) (i32.const 1))
              ? if (local.set $sum (i32.add (local.get $sum) (i32.const 1000))) end
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (i32.lt_s (local.get $i) (local.get 0))
              ? br_if $l
            end
            (local.get $sum)",
        meaning: |x| (0..x.max(1)).map(|i| i + 1000 * (i & 1)).sum(),
    },
    Case {
        body: "(i32.lt_s (local.get 0) (i32.const 2))
            ? if (result i32)
              (local.get 0)
            else
              (i32.add (call $self (i32.sub (local.get 0) (i32.const 1)))
                       (call $self (i32.sub (local.get 0) (i32.const 2))))
            end",
        meaning: fibonacci,
    },
    Case {
        body: "(i32.lt_s (local.get 0) (i32.const 2))
            ? if (return (local.get 0)) end
            (i32.add (call $self (i32.sub (local.get 0) (i32.const 1)))
                     (call $self (i32.sub (local.get 0) (i32.const 2))))",
        meaning: fibonacci,
    },
    Case {
        body: "(local.get 0)
            (i32.eqz (i32.and (local.get 0) (i32.const 3)))
            ? br_if 0
            (drop)
            (call $churn)
            (local.get 0)
            (i32.and (local.get 0) (i32.const 1))
            ? br_if 0
            (i32.mul (i32.const 3))",
        meaning: |x| if x & 3 == 0 || x & 1 != 0 { x } else { 3 * x },
    },
    Case {
        body: "(local $sum i32)
            block $outer
              block $inner
                (i32.gt_s (local.get 0) (i32.const 2))
                ? br_if $inner
                (local.set $sum (i32.const 10))
                loop $l
                  (local.set $sum (i32.add (local.get $sum) (i32.const 5)))
                  (i32.lt_s (local.get $sum) (i32.const 40))
                  ? br_if $l
                  try
                    (i32.eqz (local.get 0))
                    ? if (throw $t (i32.const 7)) end
                    (call $throw (local.get 0))
                  catch $t
                    (local.set $sum (i32.add (local.get $sum)))
                    (i32.eq (local.get 0) (i32.const 1))
                    ? br_if $outer
                  end
                end
                (local.set $sum (i32.add (local.get $sum) (i32.const 1000)))
              end
              (call $churn)
              (local.set $sum (i32.add (local.get $sum) (i32.const 10000)))
            end
            (local.get $sum)",
        meaning: |x| match x {
            0 => 11_047,
            1 => 41,
            x if x > 2 => 10_000,
            x => 11_040 + x,
        },
    },
    // Values of all kinds on both ways, more than registers.
    Case {
        body: "(local $b (ref null $box)) (local $f f64) (local $l i64) (local $v v128)
            (local.set $b (struct.new $box (i32.const 9)))
            block $out (result i32 i64 f64 f32 v128 (ref $box) i64 i64 i64)
              (local.get 0) (i64.const 2) (f64.const 3) (f32.const 4) (i32x4.splat (i32.const 5))
              (struct.new $box (local.get 0)) (i64.const 7) (i64.const 8) (i64.extend_i32_s (local.get 0))
              (i32.and (local.get 0) (i32.const 1))
              ? br_if $out
              (drop)
              (call $churn)
              (i64.const 100)
              (i32.and (local.get 0) (i32.const 2))
              ? if (local.set $b (struct.new $box (i32.const 20))) end
            end
            (i64.add) (i64.add)
            (local.set $l)
            (struct.get $box 0)
            (i32.add (struct.get $box 0 (local.get $b)))
            (i64.add (i64.extend_i32_s) (local.get $l))
            (local.set $l)
            (local.set $v)
            (f64.promote_f32)
            (f64.add)
            (local.set $f)
            (i64.add (local.get $l))
            (i32.wrap_i64)
            (i32.add)
            (i32.add (i32x4.extract_lane 2 (local.get $v)))
            (i32.add (i32.trunc_f64_s (local.get $f)))",
        meaning: |x| {
            let common = x + 2 + 3 + 4 + 5 + x + 7 + 8;
            if x & 1 != 0 { common + x + 9 } else { common + 100 + if x & 2 != 0 { 20 } else { 9 } }
        },
    },
    // Arms that leave in all ways, and dead code behind them.
    Case {
        body: "(i32.eq (local.get 0) (i32.const 1))
            ? if
              (call $churn)
              (return (i32.const 11))
            else
              (i32.eq (local.get 0) (i32.const 2))
              ? if (return (i32.const 22)) else (call $churn) end
            end
            block (result i32)
              (i32.const 33)
              (i32.eq (local.get 0) (i32.const 3))
              ? br_if 0
              (i32.gt_s (local.get 0) (i32.const 5))
              ? if (result i32) (br 1 (i32.const 44)) else (return_call $self (i32.add (local.get 0) (i32.const 3))) end
              (unreachable)
            end",
        meaning: |x| match x {
            1 => 11,
            2 => 22,
            3 => 33,
            x if x > 5 => 44,
            x if x + 3 > 5 => 44,
            _ => 33,
        },
    },
];

fn fibonacci(n: i32) -> i32 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

/// The function with each choice of no hint, a likely and an unlikely one at each place.
fn variants(body: &str) -> Vec<String> {
    let parts: Vec<_> = body.split('?').collect();
    let mut texts = vec![parts[0].to_owned()];
    for part in &parts[1..] {
        let hinted = |text: &String| ["", LIKELY, UNLIKELY].map(|hint| format!("{text}{hint}{part}"));
        texts = texts.iter().flat_map(hinted).collect();
    }
    texts
}

fn configs() -> [Config; 4] {
    let mut stress = Config::new();
    stress.gc_stress(1).gc_verify(true).few_registers(true).debug_checks(true);
    let mut small = Config::new();
    small.gc_nursery(64 << 10);
    let mut unguarded = Config::new();
    unguarded.memory32_guard(false).memory64_guard(false);
    [Config::new(), stress, small, unguarded]
}

#[test]
fn hints_change_no_result() {
    for case in &CASES {
        let mut text = "(module
            (type $box (struct (field i32)))
            (tag $t (param i32))
            (func $churn (drop (struct.new $box (i32.const 1))) (drop (struct.new $box (i32.const 2))))
            (func $throw (param i32) (throw $t (local.get 0)))\n"
            .to_owned();
        let bodies = variants(case.body);
        for (k, body) in bodies.iter().enumerate() {
            let body = body.replace("$self", &format!("$f{k}"));
            text += &format!("(func $f{k} (export \"f{k}\") (param i32) (result i32) {body})\n");
        }
        let bytes = wat::parse_str(text + ")").unwrap_or_else(|error| panic!("{error}"));
        for config in configs() {
            let module = Module::new(&Engine::new(&config).unwrap(), &bytes).unwrap();
            let mut store = Store::new(module.engine(), ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            for (k, body) in bodies.iter().enumerate() {
                let func = instance.get_typed_func::<i32, i32>(&mut store, &format!("f{k}")).unwrap();
                for x in 0..9 {
                    let got = func.call(&mut store, x).unwrap_or_else(|error| panic!("{error} for {x} in {body}"));
                    assert_eq!(got, (case.meaning)(x), "for {x} in {body}");
                }
            }
        }
    }
}
