//! Functions of strings whose usual case is some instructions, in front of the host function's trampoline.
//!
//! What the short way does not know (null, another object, an index beyond the end, a rope that was not read yet) goes
//! on in the trampoline as if there was no short way: arguments are where they were, but that a rope may be replaced by
//! the string that it has become. It uses r11 and registers of arguments, and no safe point.

use super::host::emit_trampoline;
use super::{Assembler, assemble};
use crate::abi::{CallLayout, Gpr, Place};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use heapwood_gc_abi::descriptor::TYPE_ID_STEP;
use heapwood_gc_abi::hot::ALLOC_LIMIT;
use heapwood_gc_abi::layout::{
    ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET, STRING_HASH_OFFSET, STRING_LENGTH_OFFSET, STRING_UNITS_OFFSET,
};
use heapwood_gc_abi::{Narrow, TypeId, disp, header};

/// A function with a short way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StringFunction {
    /// Whether a reference is a string.
    Test,
    /// The reference, if it is a string.
    Cast,
    /// Number of units.
    Length,
    /// A unit.
    UnitAt,
    /// Whether two strings are the same; the short way knows it if they are one, or of different lengths, or short and of
    /// one byte each unit.
    Equals,
    /// Two strings, one behind the other; the short way takes what is short, and of one byte each unit.
    Concat,
}

/// The types of strings: four that follow each other, of which this is the first. Flat ones come before ropes, units of
/// one byte before units of two.
pub type FirstStringType = TypeId;

const LENGTH: i32 = disp(STRING_LENGTH_OFFSET as usize);
const UNITS: i32 = disp(STRING_UNITS_OFFSET as usize);
const HASH: i32 = disp(STRING_HASH_OFFSET as usize);
const LEFT: i32 = disp(ROPE_LEFT_OFFSET as usize);
const RIGHT: i32 = disp(ROPE_RIGHT_OFFSET as usize);
/// Most units of a string that the short way makes: what is longer may be a rope.
pub const CONCAT_UNITS_MAX: u32 = 23;
/// Most units of strings that the short way compares: the runtime compares what is longer, faster.
const EQUALS_UNITS_MAX: i32 = 64;
/// How far behind the first type the last ones lie: of flat strings, and of all.
const LAST_FLAT: i32 = disp(TYPE_ID_STEP as usize);
const LAST: i32 = 3 * LAST_FLAT;

/// The code of a host function that is one of these; the rest as of [`host_trampoline`](super::host_trampoline).
pub fn string_trampoline(
    function: StringFunction,
    first: FirstStringType,
    layout: &CallLayout,
    dispatch: u64,
    special: u64,
) -> Vec<u8> {
    let gpr = |places: &[Place], index: usize| match places.get(index) {
        Some(Place::Gpr(gpr)) => gpr.0,
        place => panic!("place {place:?} of a value of {function:?}"),
    };
    let (a, result) = (gpr(&layout.params, 0), gpr(&layout.results, 0));
    let b = if layout.params.len() > 1 { gpr(&layout.params, 1) } else { a };
    assemble(|ops| {
        let strings = Strings { first: first.0.narrow::<i32>(), otherwise: ops.new_dynamic_label() };
        match function {
            StringFunction::Test => test(ops, strings, a, result),
            StringFunction::Cast => cast(ops, strings, a, result),
            StringFunction::Length => length(ops, strings, a, result),
            StringFunction::UnitAt => unit_at(ops, strings, a, b, result),
            StringFunction::Equals => equals(ops, strings, [a, b], result),
            StringFunction::Concat => concat(ops, strings, [a, b], result),
        }
        dynasm!(ops ; .arch x64 ; =>strings.otherwise);
        emit_trampoline(ops, layout, dispatch, special);
    })
}

/// What is known of strings, and where to go on with what is none.
#[derive(Clone, Copy)]
struct Strings {
    /// The id of the first of their types.
    first: i32,
    otherwise: DynamicLabel,
}

/// Leaves in r11 how far the type of `a` is behind the first type of strings, or goes on `otherwise` if it is null or
/// an i31. What is more than [`LAST`], unsigned, is no string.
fn load_type(ops: &mut Assembler, strings: Strings, a: u8) {
    dynasm!(ops
        ; .arch x64
        ; test Rd(a), Rd(a)
        ; jz =>strings.otherwise
        ; test Rd(a), 1
        ; jnz =>strings.otherwise
        ; mov r11d, [r15 + Rq(a) * 4]
        ; shr r11d, header::TYPE_ID_SHIFT.narrow::<i8>()
        ; sub r11d, strings.first
    );
}

/// Goes on `otherwise` unless `a` is a string.
fn check_string(ops: &mut Assembler, strings: Strings, a: u8) {
    load_type(ops, strings, a);
    dynasm!(ops
        ; .arch x64
        ; cmp r11d, LAST
        ; ja =>strings.otherwise
    );
}

fn test(ops: &mut Assembler, strings: Strings, a: u8, result: u8) {
    let no = ops.new_dynamic_label();
    check_string(ops, Strings { otherwise: no, ..strings }, a);
    dynasm!(ops
        ; .arch x64
        ; mov Rd(result), 1
        ; ret
        ; =>no
        ; xor Rd(result), Rd(result)
        ; ret
    );
}

fn cast(ops: &mut Assembler, strings: Strings, a: u8, result: u8) {
    check_string(ops, strings, a);
    dynasm!(ops
        ; .arch x64
        ; mov Rd(result), Rd(a)
        ; ret
    );
}

fn length(ops: &mut Assembler, strings: Strings, a: u8, result: u8) {
    check_string(ops, strings, a);
    dynasm!(ops
        ; .arch x64
        ; mov Rd(result), [r15 + Rq(a) * 4 + LENGTH]
        ; ret
    );
}

fn unit_at(ops: &mut Assembler, strings: Strings, a: u8, index: u8, result: u8) {
    dynasm!(ops ; .arch x64 ; again:);
    load_type(ops, strings, a);
    dynasm!(ops
        ; .arch x64
        ; cmp r11d, LAST_FLAT
        ; ja >rope
        ; cmp Rd(index), [r15 + Rq(a) * 4 + LENGTH]
        ; jae =>strings.otherwise
        ; lea Rq(a), [r15 + Rq(a) * 4]
        ; test r11d, r11d
        ; jnz >wide
        ; movzx Rd(result), BYTE [Rq(a) + Rq(index) + UNITS]
        ; ret
        ; wide:
        ; movzx Rd(result), WORD [Rq(a) + Rq(index) * 2 + UNITS]
        ; ret
        ; rope:
        ; cmp r11d, LAST
        ; ja =>strings.otherwise
        ; cmp DWORD [r15 + Rq(a) * 4 + RIGHT], 0
        ; jne =>strings.otherwise
        ; mov Rd(a), [r15 + Rq(a) * 4 + LEFT]
        ; jmp <again
    );
}

/// Compares units four at a time where both have them of one byte, up to [`EQUALS_UNITS_MAX`]. What is read ends where
/// its object does, as for [`concat`]; what lies behind the last unit there is whatever it is, and is shifted out.
fn equals(ops: &mut Assembler, strings: Strings, [a, b]: [u8; 2], result: u8) {
    let [len, rest, word, at_a, at_b] = [Gpr::RSI.0, Gpr::RCX.0, Gpr::R8.0, Gpr::RDI.0, Gpr::R9.0];
    assert!(![a, b].iter().any(|place| [len, rest, word, at_a, at_b].contains(place)), "places of two arguments");
    dynasm!(ops
        ; .arch x64
        ; cmp Rd(a), Rd(b)
        ; je >same
    );
    check_string(ops, strings, a);
    dynasm!(ops ; .arch x64 ; mov Rd(word), r11d);
    check_string(ops, strings, b);
    dynasm!(ops
        ; .arch x64
        ; mov Rd(len), [r15 + Rq(a) * 4 + LENGTH]
        ; cmp Rd(len), [r15 + Rq(b) * 4 + LENGTH]
        ; jne >no
        ; or r11d, Rd(word)
        ; jnz =>strings.otherwise
        ; cmp Rd(len), EQUALS_UNITS_MAX
        ; ja =>strings.otherwise
        ; lea Rq(at_a), [r15 + Rq(a) * 4 + UNITS]
        ; lea Rq(at_b), [r15 + Rq(b) * 4 + UNITS]
        ; xor r11d, r11d
        ; words:
        ; mov Rd(rest), Rd(len)
        ; sub Rd(rest), r11d
        ; jz >yes
        ; mov Rd(word), [Rq(at_a) + r11]
        ; xor Rd(word), [Rq(at_b) + r11]
        ; cmp Rd(rest), 4
        ; jb >tail
        ; test Rd(word), Rd(word)
        ; jnz >no
        ; add r11d, 4
        ; jmp <words
        ; tail:
        ; shl Rd(rest), 3
        ; neg Rd(rest)
        // Modulo 32: what the rest has is at the top then.
        ; shl Rd(word), cl
        ; jz >yes
        ; no:
        ; xor Rd(result), Rd(result)
        ; ret
        ; same:
        ; test Rd(a), Rd(a)
        ; jz >yes
    );
    check_string(ops, strings, a);
    dynasm!(ops
        ; .arch x64
        ; yes:
        ; mov Rd(result), 1
        ; ret
    );
}

/// Makes a string of two that are short and have units of one byte, both not empty, if eden has room for it.
///
/// Units are copied four at a time: what is read ends where its object does, since that is a multiple of 8 bytes and
/// units begin at one of 4; what is written goes up to 3 bytes beyond the new object, for which there has to be room as
/// well.
fn concat(ops: &mut Assembler, strings: Strings, [a, b]: [u8; 2], result: u8) {
    let [a_len, b_len, made, word] = [Gpr::RCX.0, Gpr::RSI.0, Gpr::RDI.0, Gpr::R8.0];
    let to = Gpr::R9.0;
    assert!(![a, b].iter().any(|place| [a_len, b_len, made, word, to].contains(place)), "places of two arguments");
    for string in [a, b] {
        load_type(ops, strings, string);
        dynasm!(ops ; .arch x64 ; test r11d, r11d ; jnz =>strings.otherwise);
    }
    dynasm!(ops
        ; .arch x64
        ; mov Rd(a_len), [r15 + Rq(a) * 4 + LENGTH]
        ; mov Rd(b_len), [r15 + Rq(b) * 4 + LENGTH]
        ; test Rd(a_len), Rd(a_len)
        ; jz =>strings.otherwise
        ; test Rd(b_len), Rd(b_len)
        ; jz =>strings.otherwise
        ; lea Rd(word), [Rq(a_len) + Rq(b_len)]
        ; cmp Rd(word), CONCAT_UNITS_MAX.narrow::<i32>()
        ; ja =>strings.otherwise
        // References count words: the object ends at a multiple of two.
        ; lea r11d, [Rq(word) + UNITS + 7]
        ; shr r11d, 3
        ; lea r11d, [r12 + r11 * 2]
        ; lea Rd(to), [r11 + 2]
        ; cmp Rd(to), [r15 + ALLOC_LIMIT]
        ; ja =>strings.otherwise
        ; mov Rd(made), r12d
        ; mov r12d, r11d
        ; mov DWORD [r15 + Rq(made) * 4], strings.first << header::TYPE_ID_SHIFT
        ; mov [r15 + Rq(made) * 4 + LENGTH], Rd(word)
        ; mov DWORD [r15 + Rq(made) * 4 + HASH], 0
        ; lea Rq(to), [r15 + Rq(made) * 4 + UNITS]
    );
    for (from, len) in [(a, a_len), (b, b_len)] {
        dynasm!(ops
            ; .arch x64
            ; lea Rq(from), [r15 + Rq(from) * 4 + UNITS]
            ; xor r11d, r11d
            ; copy:
            ; mov Rd(word), [Rq(from) + r11]
            ; mov [Rq(to) + r11], Rd(word)
            ; add r11d, 4
            ; cmp r11d, Rd(len)
            ; jb <copy
            ; add Rq(to), Rq(len)
        );
    }
    dynasm!(ops
        ; .arch x64
        ; mov Rd(result), Rd(made)
        ; ret
    );
}
