//! `i8x16.shuffle` and `i8x16.swizzle`.
//!
//! A shuffle's mask is known: [`plan`] looks for one instruction that does it, from the narrowest kind to the widest
//! (whole words, interleaving, extraction from the concatenation, blending); any mask of one operand is one `vpshufb`,
//! any of two is two of them and an `or`.

use super::super::parts::Compiler;
use super::super::values::{At, Value};
use super::S;
use crate::abi::Xmm;
use crate::asm::{Vex, VexSource};
use heapwood_gc_abi::Narrow;
use heapwood_module::ValType::V128;

type Mask = [u8; 16];

/// How a shuffle is done. Where two operands meet, `swapped` exchanges them first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plan {
    /// Moves bytes of one operand, the second one if so marked.
    One { second: bool, how: One },
    /// Takes bytes of both operands by one instruction.
    Two { swapped: bool, how: Two },
    /// Takes bytes of both operands without any pattern that one instruction has.
    General,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum One {
    Same,
    /// `vpshufd`, `vpshuflw` or `vpshufhw` by an immediate.
    Words(Vex, u8),
    Rotate(u8),
    Bytes(Mask),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Two {
    Interleave(Vex),
    /// 16 bytes of the concatenation (the first operand below) from this one on.
    Align(u8),
    BlendWords(u8),
    /// Two dwords of each.
    Dwords(u8),
    BlendBytes(Mask),
}

/// The interleaving instructions: lane size, whether they take the upper halves, and the instruction.
const INTERLEAVES: [(usize, bool, Vex); 8] = [
    (1, false, Vex::VPUNPCKLBW),
    (1, true, Vex::VPUNPCKHBW),
    (2, false, Vex::VPUNPCKLWD),
    (2, true, Vex::VPUNPCKHWD),
    (4, false, Vex::VPUNPCKLDQ),
    (4, true, Vex::VPUNPCKHDQ),
    (8, false, Vex::VPUNPCKLQDQ),
    (8, true, Vex::VPUNPCKHQDQ),
];

/// The mask of an interleaving: lane j comes from operand j % 2.
fn interleaved(size: usize, upper: bool) -> Mask {
    std::array::from_fn(|i| {
        let lane = i / size;
        let index = lane / 2 * size + if upper { 8 } else { 0 };
        (lane % 2 * 16 + index + i % size).narrow()
    })
}

/// The mask in units of N bytes, if it moves only such.
fn units<const N: usize>(mask: &Mask, size: usize) -> Option<[u8; N]> {
    let whole = |unit: &[u8]| {
        (unit[0] as usize).is_multiple_of(size)
            && unit.iter().enumerate().all(|(i, b)| *b as usize == unit[0] as usize + i)
    };
    mask.chunks_exact(size).all(whole).then(|| std::array::from_fn(|i| mask[i * size] / size.narrow::<u8>()))
}

/// Four selectors of two bits.
fn selectors(lanes: [u8; 4]) -> u8 {
    lanes.iter().rev().fold(0, |imm, lane| imm << 2 | (lane & 3))
}

fn plan(mask: &Mask) -> Plan {
    let second = mask.iter().all(|b| *b >= 16);
    if second || mask.iter().all(|b| *b < 16) {
        return Plan::One { second, how: plan_one(&mask.map(|b| b & 15)) };
    }
    let swapped_mask = mask.map(|b| b ^ 16);
    match (plan_two(mask), plan_two(&swapped_mask)) {
        (Some(how), _) => Plan::Two { swapped: false, how },
        (None, Some(how)) => Plan::Two { swapped: true, how },
        _ => Plan::General,
    }
}

fn plan_one(mask: &Mask) -> One {
    if let Some(dwords) = units::<4>(mask, 4) {
        return if dwords == [0, 1, 2, 3] { One::Same } else { One::Words(Vex::VPSHUFD, selectors(dwords)) };
    }
    if let Some([a, b, c, d, e, f, g, h]) = units::<8>(mask, 2) {
        if [e, f, g, h] == [4, 5, 6, 7] && a.max(b).max(c).max(d) < 4 {
            return One::Words(Vex::VPSHUFLW, selectors([a, b, c, d]));
        }
        if [a, b, c, d] == [0, 1, 2, 3] && e.min(f).min(g).min(h) >= 4 {
            return One::Words(Vex::VPSHUFHW, selectors([e, f, g, h]));
        }
    }
    if (0..).zip(mask).all(|(i, b)| *b == (mask[0] + i) & 15) {
        return One::Rotate(mask[0]);
    }
    One::Bytes(*mask)
}

fn plan_two(mask: &Mask) -> Option<Two> {
    if let Some((.., op)) = INTERLEAVES.iter().find(|(size, upper, _)| interleaved(*size, *upper) == *mask) {
        return Some(Two::Interleave(*op));
    }
    if (0..).zip(mask).all(|(i, b)| *b == mask[0] + i) {
        return Some(Two::Align(mask[0]));
    }
    let in_place = (0..).zip(mask).all(|(i, b)| b & 15 == i);
    if let (true, Some(words)) = (in_place, units::<8>(mask, 2)) {
        return Some(Two::BlendWords((0..8).fold(0, |imm, i| imm | (words[i] >> 3) << i)));
    }
    if let Some(dwords @ [a, b, c, d]) = units::<4>(mask, 4)
        && a.max(b) < 4
        && c.min(d) >= 4
    {
        return Some(Two::Dwords(selectors(dwords)));
    }
    in_place.then(|| Two::BlendBytes(mask.map(|b| if b >= 16 { 0xff } else { 0 })))
}

/// Whether the two operands are known to be one value.
fn same(a: &Value, b: &Value) -> bool {
    a.at == b.at && !matches!(a.at, At::Temp(_))
}

impl Compiler<'_> {
    pub(crate) fn v_shuffle(&mut self, lanes: Mask) {
        let (second, first) = (self.pop(), self.pop());
        let zero = |value: &Value| value.constant() == Some(0);
        if same(&first, &second) {
            return self.shuffle_one(plan_one(&lanes.map(|b| b & 15)), first);
        }
        // Bytes of a zero vector need no operand: the top bit of a selector says zero.
        if zero(&second) && lanes.iter().any(|b| *b >= 16) {
            return self.shuffle_one(One::Bytes(lanes.map(|b| if b < 16 { b } else { 0x80 })), first);
        }
        if zero(&first) && lanes.iter().any(|b| *b < 16) {
            return self.shuffle_one(One::Bytes(lanes.map(|b| if b < 16 { 0x80 } else { b - 16 })), second);
        }
        match plan(&lanes) {
            Plan::One { second: false, how } => self.shuffle_one(how, first),
            Plan::One { second: true, how } => self.shuffle_one(how, second),
            Plan::Two { swapped: false, how } => self.shuffle_two(how, first, second),
            Plan::Two { swapped: true, how } => self.shuffle_two(how, second, first),
            Plan::General => self.shuffle_general(&lanes, first, second),
        }
    }

    fn shuffle_one(&mut self, how: One, mut value: Value) {
        if how == One::Same {
            return self.push_value(V128, value);
        }
        let src = self.vector(&mut value);
        if let One::Words(op, imm) = how {
            let dst = self.result_of(&[&value]);
            self.asm.rmi(op, dst, src, imm);
            return self.push_vector(dst);
        }
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        match how {
            One::Rotate(n) => self.asm.rvmi(Vex::VPALIGNR, dst, src, src, n),
            One::Bytes(mask) => {
                let mask = self.literal(mask);
                self.asm.rvm(Vex::VPSHUFB, dst, src, mask);
            }
            One::Same | One::Words(..) => unreachable!("done above"),
        }
        self.push_vector(dst);
    }

    fn shuffle_two(&mut self, how: Two, mut first: Value, mut second: Value) {
        let (left, right): (Xmm, VexSource);
        if let Two::Align(_) = how {
            // The operand that supplies the upper bytes comes first in the instruction.
            (left, right) = (self.in_xmm(&mut second), self.vector(&mut first));
        } else {
            (left, right) = (self.in_xmm(&mut first), self.vector(&mut second));
        }
        let dst = self.result_of(&[&first, &second]);
        match how {
            Two::Interleave(op) => self.asm.rvm(op, dst, left, right),
            Two::Align(n) => self.asm.rvmi(Vex::VPALIGNR, dst, left, right, n),
            Two::BlendWords(imm) => self.asm.rvmi(Vex::VPBLENDW, dst, left, right, imm),
            Two::Dwords(imm) => self.asm.rvmi(Vex::VSHUFPS, dst, left, right, imm),
            Two::BlendBytes(mask) => {
                let mask = self.literal(mask);
                self.asm.rm(Vex::VMOVUPS, S, mask);
                self.asm.rvmr(Vex::VPBLENDVB, dst, left, right, S);
            }
        }
        self.push_vector(dst);
    }

    fn shuffle_general(&mut self, lanes: &Mask, mut first: Value, mut second: Value) {
        let of_first = self.literal(lanes.map(|b| if b < 16 { b } else { 0x80 }));
        let of_second = self.literal(lanes.map(|b| if b < 16 { 0x80 } else { b - 16 }));
        let (left, right) = (self.in_xmm(&mut first), self.in_xmm(&mut second));
        let dst = self.result_of(&[&first, &second]);
        self.asm.rvm(Vex::VPSHUFB, S, left, of_first);
        self.asm.rvm(Vex::VPSHUFB, dst, right, of_second);
        self.asm.rvm(Vex::VPOR, dst, dst, S);
        self.push_vector(dst);
    }

    /// The hardware looks at the low four bits and the top one: saturating addition sets the top bit of selectors
    /// from 16 on. Known selectors make a shuffle.
    pub(crate) fn v_swizzle(&mut self) {
        let (mut selectors, mut value) = (self.pop(), self.pop());
        if let Some(bits) = selectors.constant() {
            let bytes = if bits == 0 { [0; 16] } else { self.asm.constant_bytes(bits) };
            let mask = bytes.map(|b| if b < 16 { b } else { 0x80 });
            let how = if mask.contains(&0x80) { One::Bytes(mask) } else { plan_one(&mask) };
            return self.shuffle_one(how, value);
        }
        let bias = self.literal([0x70]);
        let (by, src) = (self.in_xmm(&mut selectors), self.in_xmm(&mut value));
        let dst = self.result_of(&[&value, &selectors]);
        self.asm.rvm(Vex::VPADDUSB, S, by, bias);
        self.asm.rvm(Vex::VPSHUFB, dst, src, S);
        self.push_vector(dst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a plan makes of bytes 0..16 (first operand) and 16..32 (second): the mask itself, if it is right.
    fn run(plan: Plan, mask: &Mask) -> Mask {
        let operand = |second: bool| -> Mask { std::array::from_fn(|i| i as u8 + if second { 16 } else { 0 }) };
        match plan {
            Plan::General => *mask,
            Plan::One { second, how } => {
                let src = operand(second);
                let picked: Mask = match how {
                    One::Same => std::array::from_fn(|i| i as u8),
                    One::Rotate(n) => std::array::from_fn(|i| (i as u8 + n) & 15),
                    One::Bytes(mask) => mask,
                    One::Words(op, imm) => std::array::from_fn(|i| {
                        let (size, base, all) = match op {
                            Vex::VPSHUFD => (4, 0, true),
                            Vex::VPSHUFLW => (2, 0, i < 8),
                            _ => (2, 8, i >= 8),
                        };
                        let lane = (i - if i >= base { base } else { i }) / size;
                        let from = (imm >> (2 * (lane & 3)) & 3) as usize * size + base + i % size;
                        if all { from as u8 } else { i as u8 }
                    }),
                };
                picked.map(|b| src[b as usize])
            }
            Plan::Two { swapped, how } => {
                let (a, b) = (operand(swapped), operand(!swapped));
                std::array::from_fn(|i| match how {
                    Two::Interleave(op) => {
                        let (size, upper, _) = INTERLEAVES.iter().find(|row| row.2 == op).expect("a row");
                        let at = (i / size / 2) * size + i % size + if *upper { 8 } else { 0 };
                        if i / size % 2 == 0 { a[at] } else { b[at] }
                    }
                    Two::Align(n) => *a.iter().chain(&b).nth(i + n as usize).expect("within both"),
                    Two::BlendWords(imm) => {
                        if imm >> (i / 2) & 1 == 0 {
                            a[i]
                        } else {
                            b[i]
                        }
                    }
                    Two::Dwords(imm) => {
                        let at = (imm >> (2 * (i / 4)) & 3) as usize * 4 + i % 4;
                        if i < 8 { a[at] } else { b[at] }
                    }
                    Two::BlendBytes(mask) => {
                        if mask[i] == 0 {
                            a[i]
                        } else {
                            b[i]
                        }
                    }
                })
            }
        }
    }

    /// Masks with all kinds of structure: each plan does what the mask says.
    #[test]
    fn plans_do_what_the_mask_says() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % below) as u8
        };
        let mut general = 0;
        for round in 0..200_000u32 {
            let size = 1usize << (round % 4);
            let mut mask = [0u8; 16];
            for unit in 0..16 / size {
                let from = match round / 4 % 4 {
                    0 => random(32 / size as u64) as usize,
                    1 => random(16 / size as u64) as usize + if round & 16 == 0 { 0 } else { 16 / size },
                    2 => unit + random(2) as usize * 16 / size,
                    _ => (unit + random(2) as usize + round as usize / 16) % (32 / size),
                };
                for i in 0..size {
                    mask[unit * size + i] = (from * size + i) as u8;
                }
            }
            let plan = plan(&mask);
            general += (plan == Plan::General) as u32;
            assert_eq!(run(plan, &mask), mask, "{plan:?}");
        }
        assert!(general < 150_000, "most structure is found: {general}");
    }

    #[test]
    fn known_idioms_are_one_instruction() {
        for (size, upper, op) in INTERLEAVES {
            let mask = interleaved(size, upper);
            assert_eq!(plan(&mask), Plan::Two { swapped: false, how: Two::Interleave(op) });
            let swapped = mask.map(|b| b ^ 16);
            assert_eq!(plan(&swapped), Plan::Two { swapped: true, how: Two::Interleave(op) });
        }
        let from = |first: u8| -> Mask { std::array::from_fn(|i| first + i as u8) };
        assert_eq!(plan(&from(0)), Plan::One { second: false, how: One::Same });
        assert_eq!(plan(&from(16)), Plan::One { second: true, how: One::Same });
        assert_eq!(plan(&from(5)), Plan::Two { swapped: false, how: Two::Align(5) });
        let reversed = std::array::from_fn(|i| 15 - i as u8);
        assert_eq!(plan(&reversed), Plan::One { second: false, how: One::Bytes(reversed) });
        let words = [2, 3, 0, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(plan(&words), Plan::One { second: false, how: One::Words(Vex::VPSHUFLW, 0b10_11_00_01) });
    }
}
