//! Every cast × every value × every pair of static and target type, with a model of subtyping to compare with.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::*;
use std::fmt::Write;

in_all_modes!(casts_agree_with_the_model, nulls_are_told);

const TYPES: &str = r#"
    (type $s0 (sub (struct (field i32))))
    (type $s1 (sub $s0 (struct (field i32) (field i64))))
    (type $s2 (sub final $s1 (struct (field i32) (field i64) (field anyref))))
    (type $t1 (sub $s0 (struct (field i32) (field i64))))
    (rec (type $u1 (sub $s0 (struct (field i32) (field i64)))) (type $other (struct)))
    (type $sf (struct (field i32)))
    (type $a0 (sub (array anyref)))
    (type $a1 (sub final $a0 (array eqref)))
    (type $ab (array (mut i8)))
    (type $f0 (sub (func (result anyref))))
    (type $f1 (sub $f0 (func (result eqref))))
    (type $f2 (sub final $f1 (func (result (ref null $s0)))))
    (type $ff (func (result anyref)))
    (tag $tag (param i32))"#;

/// A heap type and the one directly above it.
const ABOVE: [(&str, &str); 27] = [
    ("any", ""),
    ("eq", "any"),
    ("i31", "eq"),
    ("struct", "eq"),
    ("array", "eq"),
    ("$s0", "struct"),
    ("$s1", "$s0"),
    ("$s2", "$s1"),
    ("$t1", "$s0"),
    ("$u1", "$s0"),
    ("$sf", "struct"),
    ("$a0", "array"),
    ("$a1", "$a0"),
    ("$ab", "array"),
    ("none", "*any"),
    ("func", ""),
    ("$f0", "func"),
    ("$f1", "$f0"),
    ("$f2", "$f1"),
    ("$ff", "func"),
    ("nofunc", "*func"),
    ("extern", ""),
    ("noextern", "*extern"),
    ("exn", ""),
    ("noexn", "*exn"),
    // A value of the host has no type of ours below these.
    ("host", "any"),
    ("outside", "extern"),
];

/// `$s1` and `$t1` are one type: each is alone in its recursion group, and they are equal.
fn canonical(ty: &str) -> &str {
    if ty == "$t1" { "$s1" } else { ty }
}

fn above(ty: &str) -> &'static str {
    ABOVE.iter().find(|row| row.0 == ty).unwrap_or_else(|| panic!("no type {ty}")).1
}

fn top(ty: &str) -> &'static str {
    let name = ABOVE.iter().find(|row| row.0 == ty).expect("a type").0;
    match above(name) {
        "" => name,
        bottom if bottom.starts_with('*') => &bottom[1..],
        next => top(next),
    }
}

/// Whether the heap type `a` is below `b` or the same.
fn is_below(a: &str, b: &str) -> bool {
    let (a, b) = (canonical(a), canonical(b));
    a == b
        || match above(a) {
            "" => false,
            bottom if bottom.starts_with('*') => top(b) == &bottom[1..],
            next => is_below(next, b),
        }
}

#[derive(Clone, Copy, PartialEq)]
struct Ref {
    heap: &'static str,
    nullable: bool,
}

impl Ref {
    fn text(&self) -> String {
        format!("(ref {}{})", if self.nullable { "null " } else { "" }, self.heap)
    }

    fn is_below(&self, other: &Ref) -> bool {
        is_below(self.heap, other.heap) && (other.nullable || !self.nullable)
    }
}

/// A value: expression, heap type (none for null), hierarchy.
const VALUES: [(&str, &str, &str); 26] = [
    ("(ref.null any)", "", "any"),
    ("(ref.null none)", "", "any"),
    ("(ref.null $s1)", "", "any"),
    ("(any.convert_extern (ref.null extern))", "", "any"),
    ("(ref.i31 (i32.const 0))", "i31", "any"),
    ("(ref.i31 (i32.const -1))", "i31", "any"),
    ("(struct.new_default $s0)", "$s0", "any"),
    ("(struct.new_default $s1)", "$s1", "any"),
    ("(struct.new_default $s2)", "$s2", "any"),
    ("(struct.new_default $t1)", "$t1", "any"),
    ("(struct.new_default $u1)", "$u1", "any"),
    ("(struct.new_default $sf)", "$sf", "any"),
    ("(array.new_default $a0 (i32.const 2))", "$a0", "any"),
    ("(array.new_default $a1 (i32.const 0))", "$a1", "any"),
    ("(array.new_default $ab (i32.const 100000))", "$ab", "any"),
    ("(any.convert_extern (global.get $host))", "host", "any"),
    ("(any.convert_extern (extern.convert_any (struct.new_default $s1)))", "$s1", "any"),
    ("(any.convert_extern (extern.convert_any (ref.i31 (i32.const 5))))", "i31", "any"),
    ("(ref.null nofunc)", "", "func"),
    ("(ref.func $g0)", "$f0", "func"),
    ("(ref.func $g1)", "$f1", "func"),
    ("(ref.func $g2)", "$f2", "func"),
    ("(ref.func $gf)", "$ff", "func"),
    ("(ref.null extern)", "", "extern"),
    ("(global.get $host)", "outside", "extern"),
    ("(extern.convert_any (struct.new_default $s2))", "outside", "extern"),
];

/// Exceptions come from a handler.
const EXCEPTION: &str =
    "(block $h (result (ref exn)) (try_table (catch_all_ref $h) (throw $tag (i32.const 1))) (unreachable))";

/// Forms of a cast of the parameter: text with FROM and TO, and what it answers if the value is of the type or not.
const FORMS: [(&str, Option<u128>, Option<u128>); 9] = [
    ("(ref.test TO (local.get 0))", Some(1), Some(0)),
    ("(i32.eqz (ref.test TO (local.get 0)))", Some(0), Some(1)),
    ("(if (result i32) (ref.test TO (local.get 0)) (then (i32.const 5)) (else (i32.const 6)))", Some(5), Some(6)),
    ("(block (br_if 0 (ref.test TO (local.get 0))) (return (i32.const 7))) (i32.const 8)", Some(8), Some(7)),
    ("(drop (ref.cast TO (local.get 0))) (i32.const 9)", Some(9), None),
    // What a cast gives is what it was given.
    ("(call $same TOP (local.get 0) (ref.cast TO (local.get 0)))", Some(1), None),
    (
        "(block $yes (result TO) (drop (br_on_cast $yes FROM TO (local.get 0))) (return (i32.const 10))) (drop) (i32.const 11)",
        Some(11),
        Some(10),
    ),
    (
        "(block $no (result LEFT) (drop (br_on_cast_fail $no FROM TO (local.get 0))) (return (i32.const 12))) (drop) (i32.const 13)",
        Some(12),
        Some(13),
    ),
    (
        "(block $no (result LEFT) (br_on_cast_fail $no FROM TO (local.get 0)) (drop) (return (i32.const 14))) (drop) (i32.const 15)",
        Some(14),
        Some(15),
    ),
];

struct Cast {
    from: Ref,
    to: Ref,
    form: usize,
}

/// All pairs of types in which the target is below the static type, with all forms.
fn casts() -> Vec<Cast> {
    let named = ABOVE.iter().map(|row| row.0).filter(|ty| !["host", "outside"].contains(ty));
    let types: Vec<_> = named.flat_map(|heap| [Ref { heap, nullable: true }, Ref { heap, nullable: false }]).collect();
    let pairs = types.iter().flat_map(|from| types.iter().map(move |to| (*from, *to)));
    let valid = pairs.filter(|(from, to)| to.is_below(from));
    valid.flat_map(|(from, to)| (0..FORMS.len()).map(move |form| Cast { from, to, form })).collect()
}

fn module(casts: &[Cast]) -> String {
    let mut text = format!(
        r#"(module {TYPES}
            (global $host (import "host" "value") externref)
            (elem declare func $g0 $g1 $g2 $gf)
            (func $g0 (type $f0) (ref.null any)) (func $g1 (type $f1) (ref.null eq))
            (func $g2 (type $f2) (ref.null $s0)) (func $gf (type $ff) (ref.null any))
            ;; Identity where the language has it; else that one is null when the other is.
            (func $same_any (param anyref anyref) (result i32)
              (if (i32.or (ref.is_null (local.get 0)) (i32.eqz (ref.test eqref (local.get 0))))
                (then (return (i32.eq (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))))
              (ref.eq (ref.cast eqref (local.get 0)) (ref.cast eqref (local.get 1))))
            (func $same_func (param funcref funcref) (result i32)
              (i32.eq (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))
            (func $same_extern (param externref externref) (result i32)
              (call $same_any (any.convert_extern (local.get 0)) (any.convert_extern (local.get 1))))
            (func $same_exn (param exnref exnref) (result i32)
              (i32.eq (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))
        "#
    );
    for (k, (value, _, hierarchy)) in VALUES.iter().enumerate() {
        writeln!(text, r#"(func (export "value {k}") (result (ref null {hierarchy})) {value})"#).unwrap();
    }
    writeln!(text, r#"(func (export "exception") (result exnref) {EXCEPTION})"#).unwrap();
    writeln!(text, r#"(func (export "no exception") (result exnref) (ref.null noexn))"#).unwrap();
    for (k, Cast { from, to, form }) in casts.iter().enumerate() {
        // What a failed cast leaves has no null if that went the other way.
        let left = Ref { nullable: from.nullable && !to.nullable, ..*from };
        let body = FORMS[*form].0.replace("$same TOP", &format!("$same_{}", top(from.heap)));
        let body = body.replace("FROM", &from.text()).replace("TO", &to.text()).replace("LEFT", &left.text());
        writeln!(text, r#"(func (export "{k}") (param {}) (result i32) {body})"#, from.text()).unwrap();
    }
    text + ")"
}

/// Questions for null: what they answer for it, and for everything else.
const NULL_FORMS: [(&str, Option<u128>, Option<u128>); 6] = [
    ("(ref.is_null (local.get 0))", Some(1), Some(0)),
    ("(if (result i32) (ref.is_null (local.get 0)) (then (i32.const 2)) (else (i32.const 3)))", Some(2), Some(3)),
    ("(drop (ref.as_non_null (local.get 0))) (i32.const 4)", None, Some(4)),
    ("(block $null (drop (br_on_null $null (local.get 0))) (return (i32.const 5))) (i32.const 6)", Some(6), Some(5)),
    (
        "(block $some (result (ref TOP)) (br_on_non_null $some (local.get 0)) (return (i32.const 7))) (drop) (i32.const 8)",
        Some(7),
        Some(8),
    ),
    ("(block $same (result i32) (call $is_null_TOP (br_on_null 1 (i32.const 9) (local.get 0))))", Some(9), Some(0)),
];

fn nulls_are_told(mode: usize) {
    let mut text = module(&[]);
    text.pop();
    for top in ["any", "func", "extern", "exn"] {
        writeln!(text, "(func $is_null_{top} (param i32 (ref {top})) (result i32) (ref.is_null (local.get 1)))")
            .unwrap();
        for (k, (form, ..)) in NULL_FORMS.iter().enumerate() {
            let body = form.replace("TOP", top);
            writeln!(text, r#"(func (export "{top} {k}") (param (ref null {top})) (result i32) {body})"#).unwrap();
        }
    }
    let mut lab = Lab::new(mode, &[], &(text + ")"));
    let mut values: Vec<_> =
        VALUES.iter().enumerate().map(|(k, (_, heap, top))| (format!("value {k}"), heap.is_empty(), *top)).collect();
    values.extend([("exception".to_owned(), false, "exn"), ("no exception".to_owned(), true, "exn")]);
    for (name, is_null, top) in values {
        let value = lab.make(&name);
        for (k, (form, null, other)) in NULL_FORMS.iter().enumerate() {
            let func = lab.func(&format!("{top} {k}"));
            let got = lab.values(func, &[value]).map(|results| results[0].i32().unwrap() as u128);
            let wanted = if is_null { null } else { other };
            assert_eq!(got, wanted.ok_or(TrapKind::NullReference), "{form} of {name}");
        }
    }
}

fn casts_agree_with_the_model(mode: usize) {
    let casts = casts();
    let mut lab = Lab::new(mode, &[], &module(&casts));
    let mut values: Vec<(String, &str, &str)> =
        VALUES.iter().enumerate().map(|(k, (_, heap, hierarchy))| (format!("value {k}"), *heap, *hierarchy)).collect();
    values.push(("exception".to_owned(), "exn", "exn"));
    values.push(("no exception".to_owned(), "", "exn"));
    let made: Vec<_> = values.iter().map(|(name, ..)| lab.make(name)).collect();
    let mut tried = 0;
    for (k, Cast { from, to, form }) in casts.iter().enumerate() {
        let func = lab.func(&k.to_string());
        for ((name, heap, hierarchy), value) in values.iter().zip(&made) {
            let is = |ty: &Ref| match *heap {
                "" => ty.nullable,
                heap => is_below(heap, ty.heap),
            };
            if *hierarchy != top(from.heap) || !is(from) {
                continue;
            }
            let (_, yes, no) = FORMS[*form];
            let wanted = if is(to) { yes } else { no };
            let got = lab.values(func, &[*value]).map(|results| results[0].i32().unwrap() as u128);
            let what = || format!("{} of {name} ({heap}) from {} to {}", FORMS[*form].0, from.text(), to.text());
            assert_eq!(got, wanted.ok_or(TrapKind::CastFailure), "{}", what());
            tried += 1;
        }
    }
    assert!(tried > 5000, "{tried} casts");
}
