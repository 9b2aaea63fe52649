//! What compiled code does for the collector where nothing is collected, instruction by instruction: watching a heap
//! (events, traces, snapshots, samples) adds nothing to allocation, barrier and poll.

mod common;

use common::{finish, heapwood, scratch, wat};

const GUEST: &str = r#"(module
    (type $n (struct (field $next (mut (ref null $n)))))
    (func $alloc (result (ref $n)) (struct.new $n (ref.null $n)))
    (func $store (param $to (ref $n)) (param $v (ref null $n))
      (struct.set $n $next (local.get $to) (local.get $v)))
    (func $poll (param $i i32)
      (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;

/// Mnemonics with memory operands relative to the heap base, of the part of a function that is not out of line.
fn instructions(function: &str) -> Vec<String> {
    let path = wat(&scratch(&format!("fast-paths-{function}")), "guest.wat", GUEST);
    let shown = finish(heapwood().arg("inspect").arg(path).args(["--asm", function]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let inline = shown.stdout.split("out of line:").next().expect("a listing").lines().skip(2);
    let is_code = |line: &&str| line.starts_with(' ') && !line.trim_start().starts_with("0x");
    let instruction = |line: &str| {
        let text = line.split(';').next().unwrap_or_default().trim();
        let (_offset, text) = text.split_once(char::is_whitespace).expect("an offset and an instruction");
        let mnemonic = text.split_whitespace().next().expect("a mnemonic").to_owned();
        let base = text.find("[r15").map(|at| text[at..].split(']').next().expect("an end").to_owned() + "]");
        // Displacements below the base are the heap's words; the rest are objects.
        match base {
            Some(word) if word.starts_with("[r15-") => format!("{mnemonic} {word}"),
            Some(_) => format!("{mnemonic} object"),
            None => mnemonic,
        }
    };
    inline.filter(is_code).map(instruction).take_while(|instruction| instruction != "leave").collect()
}

#[track_caller]
fn assert_contains(instructions: &[String], wanted: &[&str]) {
    let found = instructions.windows(wanted.len()).any(|window| window == wanted);
    assert!(found, "{wanted:?} is not in {instructions:?}");
}

/// The words of the heap that a function reads.
fn words(instructions: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = instructions.iter().filter_map(|text| text.split_once(' ')).map(|pair| pair.1).collect();
    words.retain(|word| *word != "object");
    words.dedup();
    words
}

#[test]
fn allocation_is_a_bump_a_comparison_and_the_stores_of_the_object() {
    let code = instructions("alloc");
    assert_contains(&code, &["mov", "add", "cmp [r15-8]", "ja", "mov object", "mov object"]);
    assert_eq!(words(&code), ["[r15-8]"], "the limit; so simple a function has no frame: {code:?}");
}

#[test]
fn the_barrier_is_a_test_and_a_branch() {
    let code = instructions("store");
    assert_contains(&code, &["test object", "jne", "mov object"]);
    assert!(words(&code).is_empty(), "nothing of the heap: {code:?}");
}

#[test]
fn a_poll_is_a_comparison_and_a_branch() {
    let code = instructions("poll");
    assert_contains(&code, &["cmp [r15-0x10]", "jb", "sub", "jne"]);
    assert_eq!(words(&code), ["[r15-0x10]"], "the guard: {code:?}");
}
