//! Every form of `forms.rs` against a disassembler: all registers, all shapes of memory operands, edge immediates.

use super::*;
use crate::abi::{Gpr, Xmm};
use Width::{W8, W16, W32, W64};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

const ALUS: [(Alu, &str); 8] = [
    (Alu::Add, "add"),
    (Alu::Or, "or"),
    (Alu::Adc, "adc"),
    (Alu::Sbb, "sbb"),
    (Alu::And, "and"),
    (Alu::Sub, "sub"),
    (Alu::Xor, "xor"),
    (Alu::Cmp, "cmp"),
];

const SHIFTS: [(ShiftOp, &str); 5] =
    [(ShiftOp::Rol, "rol"), (ShiftOp::Ror, "ror"), (ShiftOp::Shl, "shl"), (ShiftOp::Shr, "shr"), (ShiftOp::Sar, "sar")];

const UNARIES: [(Unary, &str); 5] =
    [(Unary::Neg, "neg"), (Unary::Mul, "mul"), (Unary::Imul, "imul"), (Unary::Div, "div"), (Unary::Idiv, "idiv")];

const CONDITIONS: [(Cond, &str); 13] = [
    (Cond::B, "b"),
    (Cond::Ae, "ae"),
    (Cond::E, "e"),
    (Cond::Ne, "ne"),
    (Cond::Be, "be"),
    (Cond::A, "a"),
    (Cond::S, "s"),
    (Cond::P, "p"),
    (Cond::Np, "np"),
    (Cond::L, "l"),
    (Cond::Ge, "ge"),
    (Cond::Le, "le"),
    (Cond::G, "g"),
];

/// Operations of two vectors or of a vector and memory: how many bytes of memory they read.
const SSES: [(Sse, &str, usize); 21] = [
    (Sse::ADDSS, "addss", 4),
    (Sse::ADDSD, "addsd", 8),
    (Sse::MULSS, "mulss", 4),
    (Sse::MULSD, "mulsd", 8),
    (Sse::SUBSS, "subss", 4),
    (Sse::SUBSD, "subsd", 8),
    (Sse::DIVSS, "divss", 4),
    (Sse::DIVSD, "divsd", 8),
    (Sse::MINSS, "minss", 4),
    (Sse::MINSD, "minsd", 8),
    (Sse::MAXSS, "maxss", 4),
    (Sse::MAXSD, "maxsd", 8),
    (Sse::SQRTSS, "sqrtss", 4),
    (Sse::SQRTSD, "sqrtsd", 8),
    (Sse::UCOMISS, "ucomiss", 4),
    (Sse::UCOMISD, "ucomisd", 8),
    (Sse::CVTSS2SD, "cvtss2sd", 4),
    (Sse::CVTSD2SS, "cvtsd2ss", 8),
    (Sse::ANDPS, "andps", 16),
    (Sse::ORPS, "orps", 16),
    (Sse::XORPS, "xorps", 16),
];

/// Loads and stores of a vector register.
const SSE_MOVES: [(Sse, &str, usize, bool); 6] = [
    (Sse::MOVSS_LOAD, "movss", 4, false),
    (Sse::MOVSD_LOAD, "movsd", 8, false),
    (Sse::MOVUPS_LOAD, "movups", 16, false),
    (Sse::MOVSS_STORE, "movss", 4, true),
    (Sse::MOVSD_STORE, "movsd", 8, true),
    (Sse::MOVUPS_STORE, "movups", 16, true),
];

const DISPLACEMENTS: [i32; 9] = [0, 1, -1, 127, 128, -128, -129, i32::MIN, i32::MAX];
const IMMEDIATES: [i32; 8] = [0, 1, -1, 127, 128, -128, -129, i32::MAX];

/// An operand, as the disassembler and the test see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operand {
    Gpr(Gpr, Width),
    Xmm(Xmm),
    /// With the bytes that are accessed.
    Mem(Mem, usize),
    Imm(i64),
}

use Operand::Imm as I;

fn gprs() -> impl Iterator<Item = Gpr> + Clone {
    (0..16).map(Gpr)
}

fn xmms() -> impl Iterator<Item = Xmm> + Clone {
    (0..16).map(Xmm)
}

/// Each base with each index and scale, and each displacement.
fn memories() -> Vec<Mem> {
    let indexes =
        gprs().filter(|index| *index != Gpr::RSP).flat_map(|index| (0..4).map(move |shift| Some((index, shift))));
    let indexes: Vec<_> = std::iter::once(None).chain(indexes).collect();
    let mut memories = Vec::new();
    for base in gprs() {
        for &index in &indexes {
            memories.extend(DISPLACEMENTS.map(|disp| Mem { base, index, disp }));
        }
    }
    memories
}

/// A register that varies with the place in a list, so that all are seen.
fn turn(at: usize) -> u8 {
    (at % 16) as u8
}

fn bytes_of(width: Width) -> usize {
    match width {
        W8 => 1,
        W16 => 2,
        W32 => 4,
        W64 => 8,
    }
}

/// The register of the disassembler.
fn register(register: Register) -> Operand {
    let number = register.number() as u8;
    match () {
        () if register.is_gpr8() => {
            // ah, ch, dh and bh are numbered behind al to bl: no form means them.
            let is_high = matches!(register, Register::AH | Register::CH | Register::DH | Register::BH);
            assert!(!is_high, "{register:?}");
            let number = Gpr(register.full_register().number() as u8);
            Operand::Gpr(number, W8)
        }
        () if register.is_gpr16() => Operand::Gpr(Gpr(number), W16),
        () if register.is_gpr32() => Operand::Gpr(Gpr(number), W32),
        () if register.is_gpr64() => Operand::Gpr(Gpr(number), W64),
        () if register.is_xmm() => Operand::Xmm(Xmm(number)),
        () => panic!("{register:?}"),
    }
}

fn memory(instruction: &Instruction) -> Operand {
    let gpr = |register: Register| Gpr(register.number() as u8);
    let index = instruction.memory_index();
    let index = (index != Register::None).then(|| (gpr(index), instruction.memory_index_scale().ilog2() as u8));
    let disp = instruction.memory_displacement64() as i64;
    let mem = Mem { base: gpr(instruction.memory_base()), index, disp: disp.try_into().expect("32 bits") };
    let shortest = match mem.disp {
        0 if mem.base.0 & 7 != 5 => 0,
        disp if i8::try_from(disp).is_ok() => 1,
        _ => 8,
    };
    // The disassembler counts the bytes of an address of 64 bits.
    let size = instruction.memory_displ_size();
    assert!(size == shortest, "{mem:?} takes {size} bytes");
    Operand::Mem(mem, instruction.memory_size().size())
}

fn decoded(code: &[u8]) -> Instruction {
    let instruction = Decoder::with_ip(64, code, 0, DecoderOptions::NONE).decode();
    assert_eq!(instruction.len(), code.len(), "{code:x?}");
    instruction
}

fn operand(instruction: &Instruction, at: u32) -> Operand {
    match instruction.op_kind(at) {
        OpKind::Register => register(instruction.op_register(at)),
        OpKind::Memory => memory(instruction),
        OpKind::Immediate8 => I(i64::from(instruction.immediate8().cast_signed())),
        OpKind::Immediate16 => I(i64::from(instruction.immediate16().cast_signed())),
        OpKind::Immediate32 => I(i64::from(instruction.immediate32().cast_signed())),
        _ => I(instruction.immediate(at).cast_signed()),
    }
}

/// Assembles one instruction, and holds it to what it should be.
fn check(name: &str, operands: &[Operand], emit: impl FnOnce(&mut Assembler)) {
    let mut asm = Assembler::default();
    emit(&mut asm);
    let instruction = decoded(&asm.code);
    let found: Vec<_> = (0..instruction.op_count()).map(|at| operand(&instruction, at)).collect();
    let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
    assert_eq!((&*mnemonic, &found[..]), (name, operands), "{:x?}", asm.code);
}

fn low(value: i32, width: Width) -> Operand {
    match width {
        W8 => I(i64::from(value as i8)),
        W16 => I(i64::from(value as i16)),
        _ => I(i64::from(value)),
    }
}

#[test]
fn operations_of_two_registers() {
    for (a, b) in gprs().flat_map(|a| gprs().map(move |b| (a, b))) {
        for width in [W32, W64] {
            let [left, right] = [a, b].map(|gpr| Operand::Gpr(gpr, width));
            for (alu, name) in ALUS {
                check(name, &[left, right], |asm| asm.alu_rr(width, alu, a, b));
            }
            check("test", &[left, right], |asm| asm.test_rr(width, a, b));
            check("mov", &[left, right], |asm| asm.mov_rr(width, a, b));
            check("imul", &[left, right], |asm| asm.imul_rr(width, a, b));
            for (cond, suffix) in CONDITIONS {
                check(&format!("cmov{suffix}"), &[left, right], |asm| asm.cmov(width, cond, a, b));
            }
            let counts = [
                ("lzcnt", true, 0xbd),
                ("tzcnt", true, 0xbc),
                ("popcnt", true, 0xb8),
                ("bsr", false, 0xbd),
                ("bsf", false, 0xbc),
            ];
            for (name, prefix, byte) in counts {
                check(name, &[left, right], |asm| asm.bit_count(prefix, byte, width, a, b));
            }
            for (from, name) in [(W8, "movsx"), (W16, "movsx"), (W32, "movsxd")] {
                check(name, &[left, Operand::Gpr(b, from)], |asm| asm.movsx(from, width, a, b));
            }
        }
        for from in [W8, W16] {
            check("movzx", &[Operand::Gpr(a, W32), Operand::Gpr(b, from)], |asm| asm.movzx(from, a, b));
        }
        // The operands of an exchange have no order.
        check("xchg", &[Operand::Gpr(b, W64), Operand::Gpr(a, W64)], |asm| asm.xchg(a, b));
    }
}

#[test]
fn operations_of_a_register() {
    for reg in gprs() {
        for width in [W32, W64] {
            let operand = Operand::Gpr(reg, width);
            for (shift, name) in SHIFTS {
                check(name, &[operand, Operand::Gpr(Gpr::RCX, W8)], |asm| asm.shift_cl(width, shift, reg));
                for imm in [1, 2, 31, 63] {
                    check(name, &[operand, I(i64::from(imm))], |asm| asm.shift_ri(width, shift, reg, imm));
                }
            }
            for (unary, name) in UNARIES {
                check(name, &[operand], |asm| asm.unary(width, unary, reg));
            }
        }
        for (cond, suffix) in CONDITIONS {
            check(&format!("set{suffix}"), &[Operand::Gpr(reg, W8)], |asm| asm.setcc(cond, reg));
        }
        let wide = Operand::Gpr(reg, W64);
        check("jmp", &[wide], |asm| asm.jmp_reg(reg));
        check("call", &[wide], |asm| asm.call_reg(reg));
        check("push", &[wide], |asm| asm.push(reg));
        check("pop", &[wide], |asm| asm.pop(reg));
    }
}

#[test]
fn operations_with_an_immediate() {
    for (at, imm) in IMMEDIATES.into_iter().enumerate() {
        for reg in gprs() {
            let other = Gpr(turn(at + usize::from(reg.0)));
            for width in [W32, W64] {
                let operand = Operand::Gpr(reg, width);
                for (alu, name) in ALUS {
                    check(name, &[operand, low(imm, width)], |asm| asm.alu_ri(width, alu, reg, imm));
                    check(name, &[operand, low(imm, width)], |asm| asm.alu_ri32(width, alu, reg, imm));
                }
                let operands = [operand, Operand::Gpr(other, width), low(imm, width)];
                check("imul", &operands, |asm| asm.imul_rri(width, reg, other, imm));
            }
            let byte = imm as u8;
            check("test", &[Operand::Gpr(reg, W8), low(imm, W8)], |asm| asm.test_ri8(reg, byte));
        }
    }
}

/// The register has the whole constant, however few bytes say so.
#[test]
fn constants_of_registers() {
    let values =
        [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, u64::MAX, i64::MIN as u64, i32::MIN as i64 as u64];
    for reg in gprs() {
        for value in values {
            let mut asm = Assembler::default();
            asm.mov_ri(reg, value);
            let instruction = decoded(&asm.code);
            let found = match operand(&instruction, 0) {
                // The upper half is cleared.
                Operand::Gpr(gpr, W32) => (gpr, u64::from(instruction.immediate32())),
                Operand::Gpr(gpr, W64) => (gpr, instruction.immediate(1)),
                other => panic!("{other:?}"),
            };
            assert_eq!(found, (reg, value));
        }
    }
}

#[test]
fn operations_of_a_register_and_memory() {
    for (at, mem) in memories().into_iter().enumerate() {
        let reg = Gpr(turn(at / DISPLACEMENTS.len()));
        for width in [W32, W64] {
            let (operand, place) = (Operand::Gpr(reg, width), Operand::Mem(mem, bytes_of(width)));
            let (alu, name) = ALUS[at % ALUS.len()];
            check(name, &[operand, place], |asm| asm.alu_rm(width, alu, reg, mem));
            check("mov", &[operand, place], |asm| asm.load(width, reg, mem));
            for (from, name) in [(W8, "movsx"), (W16, "movsx"), (W32, "movsxd")] {
                let place = Operand::Mem(mem, bytes_of(from));
                check(name, &[operand, place], |asm| asm.load_sx(from, width, reg, mem));
            }
            check("lea", &[operand, Operand::Mem(mem, 0)], |asm| asm.lea(width, reg, mem));
        }
        for (from, name, to) in [(W8, "movzx", W32), (W16, "movzx", W32), (W32, "mov", W32), (W64, "mov", W64)] {
            let place = Operand::Mem(mem, bytes_of(from));
            check(name, &[Operand::Gpr(reg, to), place], |asm| asm.load_zx(from, reg, mem));
        }
        for width in [W8, W16, W32, W64] {
            let (operand, place) = (Operand::Gpr(reg, width), Operand::Mem(mem, bytes_of(width)));
            check("mov", &[place, operand], |asm| asm.store(width, mem, reg));
            for (locked, name) in
                [(Locked::Exchange, "xchg"), (Locked::ExchangeAdd, "xadd"), (Locked::CompareExchange, "cmpxchg")]
            {
                check(name, &[place, operand], |asm| asm.locked(locked, width, mem, reg));
            }
        }
        check("call", &[Operand::Mem(mem, 8)], |asm| asm.call_mem(mem));
    }
}

#[test]
fn operations_of_memory_and_an_immediate() {
    for (at, mem) in memories().into_iter().enumerate() {
        let imm = IMMEDIATES[at % IMMEDIATES.len()];
        let (alu, name) = ALUS[at / 3 % ALUS.len()];
        for width in [W32, W64] {
            let operands = [Operand::Mem(mem, bytes_of(width)), low(imm, width)];
            check(name, &operands, |asm| asm.alu_mi(width, alu, mem, imm));
            check(name, &operands, |asm| asm.alu_mi32(width, alu, mem, imm));
        }
        let byte = imm as i8;
        check(name, &[Operand::Mem(mem, 1), low(imm, W8)], |asm| asm.alu_mi(W8, alu, mem, i32::from(byte)));
        check("test", &[Operand::Mem(mem, 1), low(imm, W8)], |asm| asm.test_mi8(mem, byte.cast_unsigned()));
        let constants =
            [(W8, Imm::B8(imm as u8)), (W16, Imm::B16(imm as u16)), (W32, Imm::B32(imm as u32)), (W64, Imm::B64(imm))];
        for (width, constant) in constants {
            assert_eq!(Imm::new(width, i64::from(imm) as u64), Some(constant));
            check("mov", &[Operand::Mem(mem, bytes_of(width)), low(imm, width)], |asm| asm.store_imm(mem, constant));
        }
        check("mov", &[Operand::Mem(mem, 8), I(0)], |asm| asm.store_imm32(mem));
        check("mov", &[Operand::Mem(mem, 4), I(0)], |asm| asm.store_imm32_narrow(mem));
    }
}

#[test]
fn vector_operations() {
    for (a, b) in xmms().flat_map(|a| xmms().map(move |b| (a, b))) {
        let [left, right] = [a, b].map(Operand::Xmm);
        for (sse, name, _) in SSES {
            check(name, &[left, right], |asm| asm.sse_rr(sse, a, b));
        }
        check("movaps", &[left, right], |asm| asm.movaps(a, b));
        for (double, name) in [(false, "roundss"), (true, "roundsd")] {
            for mode in 0..4 {
                check(name, &[left, right, I(i64::from(mode | 8))], |asm| asm.round(double, mode, a, b));
            }
        }
        let gpr = Gpr(b.0);
        for width in [W32, W64] {
            let general = Operand::Gpr(gpr, width);
            let name = if width == W64 { "movq" } else { "movd" };
            check(name, &[left, general], |asm| asm.movd_to_xmm(width, a, gpr));
            check(name, &[general, left], |asm| asm.movd_from_xmm(width, gpr, a));
            for (double, letter) in [(false, 's'), (true, 'd')] {
                check(&format!("cvtsi2s{letter}"), &[left, general], |asm| asm.cvt_from_int(double, width, a, gpr));
                check(&format!("cvtts{letter}2si"), &[general, left], |asm| asm.cvtt_to_int(double, width, gpr, a));
            }
        }
    }
    for reg in xmms() {
        let operand = Operand::Xmm(reg);
        check("pshufd", &[operand, operand, I(0x1b)], |asm| asm.pshufd(reg, 0x1b));
        check("pshuflw", &[operand, operand, I(0x1b)], |asm| asm.pshuflw(reg, 0x1b));
        check("punpcklbw", &[operand, operand], |asm| asm.punpck(0x60, reg));
        check("punpcklwd", &[operand, operand], |asm| asm.punpck(0x61, reg));
    }
}

#[test]
fn vectors_and_memory() {
    for (at, mem) in memories().into_iter().enumerate() {
        let reg = Xmm(turn(at / DISPLACEMENTS.len()));
        let (sse, name, bytes) = SSES[at % SSES.len()];
        check(name, &[Operand::Xmm(reg), Operand::Mem(mem, bytes)], |asm| asm.sse_rm(sse, reg, mem));
        for (sse, name, bytes, stores) in SSE_MOVES {
            let (vector, place) = (Operand::Xmm(reg), Operand::Mem(mem, bytes));
            let operands = if stores { [place, vector] } else { [vector, place] };
            check(name, &operands, |asm| asm.sse_rm(sse, reg, mem));
        }
    }
}

/// Where an instruction that names a label leads; `emit` writes it into the section `from`, the label is bound in `to`.
fn target(from: Section, to: Section, gap: usize, emit: impl FnOnce(&mut Assembler, Label)) -> (Instruction, u64, u64) {
    let mut asm = Assembler::default();
    asm.switch(from);
    let label = asm.new_label();
    let at = asm.position();
    emit(&mut asm, label);
    let length = (asm.position().0 - at.0) as usize;
    asm.switch(to);
    (0..gap).for_each(|_| asm.byte(0x90));
    let bound = asm.position();
    asm.bind(label);
    asm.byte(0x90);
    let (code, starts) = asm.finish();
    let at = at.resolve(starts) as usize;
    let instruction = Decoder::with_ip(64, &code[at..at + length], at as u64, DecoderOptions::NONE).decode();
    assert_eq!(instruction.len(), length);
    let found = if instruction.is_ip_rel_memory_operand() {
        instruction.ip_rel_memory_address()
    } else {
        instruction.near_branch_target()
    };
    (instruction, found, bound.resolve(starts).into())
}

#[test]
fn labels_are_found_from_every_section() {
    let sections = [Section::Hot, Section::Unlikely, Section::Cold];
    for (from, to) in sections.into_iter().flat_map(|from| sections.map(|to| (from, to))) {
        for gap in [0, 1, 127, 128, 5000] {
            let named = |name: &str, (instruction, found, expected): (Instruction, u64, u64)| {
                assert_eq!(format!("{:?}", instruction.mnemonic()).to_lowercase(), name);
                assert_eq!(found, expected, "{name} from {from:?} to {to:?} over {gap} bytes");
            };
            named("jmp", target(from, to, gap, Assembler::jmp));
            named("jo", target(from, to, gap, Assembler::jcc_overflow));
            for (cond, suffix) in CONDITIONS {
                named(&format!("j{suffix}"), target(from, to, gap, |asm, label| asm.jcc(cond, label)));
            }
            for gpr in gprs() {
                named("lea", target(from, to, gap, |asm, label| asm.lea_label(gpr, label)));
            }
            for xmm in xmms() {
                named("movups", target(from, to, gap, |asm, label| asm.sse_label(Sse::MOVUPS_LOAD, xmm, label)));
            }
        }
    }
}

/// Backwards, a jump over 126 bytes takes two bytes, one over 130 five or six.
#[test]
fn jumps_back_are_short_where_they_can_be() {
    for gap in 0..300u32 {
        for is_conditional in [false, true] {
            let mut asm = Assembler::default();
            let label = asm.bound_label();
            (0..gap).for_each(|_| asm.byte(0x90));
            if is_conditional {
                asm.jcc(Cond::Ne, label)
            } else {
                asm.jmp(label)
            }
            let end = asm.position().0;
            let (code, _) = asm.finish();
            let length = match () {
                () if gap + 2 <= 128 => 2,
                () if is_conditional => 6,
                () => 5,
            };
            assert_eq!(end, gap + length);
            let instruction =
                Decoder::with_ip(64, &code[gap as usize..end as usize], gap.into(), DecoderOptions::NONE).decode();
            assert_eq!(instruction.near_branch_target(), 0, "over {gap} bytes");
        }
    }
}

/// Entries of a jump table count from its start, in every section, and over more than 255 bytes.
#[test]
fn entries_of_jump_tables_count_from_the_table() {
    for to in [Section::Hot, Section::Unlikely, Section::Cold] {
        let mut asm = Assembler::default();
        asm.byte(0x90);
        let labels: Vec<_> = (0..300).map(|_| asm.new_label()).collect();
        asm.switch(Section::Cold);
        let table = asm.position();
        labels.iter().for_each(|label| asm.table_entry(table, *label));
        asm.switch(to);
        let bound: Vec<_> = labels
            .iter()
            .map(|label| {
                asm.bind(*label);
                asm.byte(0x90);
                asm.position().minus(1)
            })
            .collect();
        let (code, starts) = asm.finish();
        let start = table.resolve(starts);
        for (entry, bound) in bound.iter().enumerate() {
            let at = start as usize + 4 * entry;
            let distance = i32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"));
            assert_eq!(start.wrapping_add_signed(distance), bound.resolve(starts));
        }
    }
}

#[test]
fn forms_without_choice() {
    let text = |emit: fn(&mut Assembler)| {
        let mut asm = Assembler::default();
        emit(&mut asm);
        (format!("{:?}", decoded(&asm.code).code()).to_lowercase(), asm.code)
    };
    assert_eq!(text(|asm| asm.cdq(W32)).0, "cdq");
    assert_eq!(text(|asm| asm.cdq(W64)).0, "cqo");
    assert_eq!(text(Assembler::leave).0, "leaveq");
    assert_eq!(text(Assembler::ud2).0, "ud2");
    assert_eq!(text(|asm| asm.ret(0)).0, "retnq");
    let (name, code) = text(|asm| asm.ret(0x1234));
    assert_eq!((&*name, decoded(&code).immediate16()), ("retnq_imm16", 0x1234));
    let fence = decoded(&text(Assembler::fence).1);
    assert!(fence.has_lock_prefix() && fence.mnemonic() == iced_x86::Mnemonic::Or);
}

/// Fields that are filled in later are the last four bytes of their instruction.
#[test]
fn fields_for_relocations_are_last() {
    let field = |emit: &dyn Fn(&mut Assembler)| {
        let mut asm = Assembler::default();
        emit(&mut asm);
        let (kept, length) = (asm.code.clone(), asm.code.len());
        asm.code[length - 4..].copy_from_slice(&0x1234_5678u32.to_le_bytes());
        assert_ne!(kept, asm.code);
        decoded(&asm.code)
    };
    let mem = Mem::indexed(Gpr::R15, Gpr::RAX, 2, 8);
    for reg in gprs() {
        let load = field(&|asm| asm.load_rip(reg));
        assert_eq!(register(load.op0_register()), Operand::Gpr(reg, W64));
        assert_eq!(load.ip_rel_memory_address(), 0x1234_5678 + load.len() as u64);
        for base in gprs() {
            let lea = field(&|asm| asm.lea32(reg, base));
            assert_eq!(register(lea.op0_register()), Operand::Gpr(reg, W64));
            assert_eq!(
                (register(lea.memory_base()), lea.memory_displacement32()),
                (Operand::Gpr(base, W64), 0x1234_5678)
            );
        }
    }
    let call = field(&|asm| asm.call_rip());
    assert_eq!(call.ip_rel_memory_address(), 0x1234_5678 + call.len() as u64);
    assert_eq!(field(&|asm| asm.store_imm32(mem)).immediate(1), 0x1234_5678);
    assert_eq!(field(&|asm| asm.store_imm32_narrow(mem)).immediate(1), 0x1234_5678);
    assert_eq!(field(&|asm| asm.alu_mi32(W32, Alu::Cmp, mem, 0)).immediate(1), 0x1234_5678);
    assert_eq!(field(&|asm| asm.alu_ri32(W32, Alu::Cmp, Gpr::RAX, 0)).immediate(1), 0x1234_5678);
}

/// The encodings of a condition and of its negation differ in the lowest bit alone.
#[test]
fn conditions_are_negated_by_their_lowest_bit() {
    for (condition, name) in CONDITIONS.iter().filter(|(condition, _)| *condition != Cond::S) {
        assert_eq!(condition.negate() as u8, *condition as u8 ^ 1, "{name}");
    }
}

/// The type id of a reference is known until other code follows, or another path comes.
#[test]
fn a_type_id_is_known_where_the_code_ends() {
    let (rax, rcx) = (Gpr::RAX, Gpr::RCX);
    let known = |then: &dyn Fn(&mut Assembler)| {
        let mut asm = Assembler::default();
        asm.note_type_id(rax);
        then(&mut asm);
        asm.type_id()
    };
    assert_eq!(known(&|_| ()), Some(rax));
    let jump = |asm: &mut Assembler| {
        let label = asm.new_label();
        asm.jcc(Cond::E, label);
        asm.bind(label);
    };
    assert_eq!(known(&jump), None, "a label");
    let short = |asm: &mut Assembler| {
        let head = asm.bound_label();
        asm.note_type_id(rcx);
        asm.jcc(Cond::E, head);
    };
    assert_eq!(known(&short), Some(rcx), "a conditional jump changes no register");
    assert_eq!(known(&|asm| asm.mov_rr(W32, rcx, rax)), None, "an instruction");
    let elsewhere = |asm: &mut Assembler| {
        asm.switch(Section::Cold);
        asm.mov_rr(W32, rcx, rax);
    };
    assert_eq!(known(&elsewhere), None, "another section");
    let back = |asm: &mut Assembler| {
        elsewhere(asm);
        asm.switch(Section::Hot);
    };
    assert_eq!(known(&back), Some(rax), "the section is as it was left");
    assert_eq!(known(&|asm| asm.reset()), None, "another function");
}

/// A test of a register follows, unless the instruction right before it has told the same.
#[test]
fn what_the_zero_flag_tells_is_not_tested_again() {
    let bytes = |before: &dyn Fn(&mut Assembler), width: Width, reg: Gpr| {
        let mut asm = Assembler::default();
        before(&mut asm);
        let len = asm.code.len();
        asm.test_zero(width, reg);
        asm.code.len() - len
    };
    let (rax, rcx) = (Gpr::RAX, Gpr::RCX);
    for (alu, name) in ALUS {
        let is_known = alu != Alu::Cmp;
        type Form<'f> = &'f dyn Fn(&mut Assembler, Width);
        let forms: [Form<'_>; 3] = [
            &|asm, width| asm.alu_rr(width, alu, rax, rcx),
            &|asm, width| asm.alu_ri(width, alu, rax, 5),
            &|asm, width| asm.alu_rm(width, alu, rax, Mem::base(rcx, 8)),
        ];
        for form in forms {
            for (before, after) in [(W32, W32), (W64, W64), (W32, W64), (W64, W32)] {
                let same = bytes(&|asm| form(asm, before), after, rax);
                assert_eq!(same == 0, is_known && before == after, "{name} {before:?} {after:?}");
                assert_ne!(bytes(&|asm| form(asm, before), after, rcx), 0, "{name}: another register");
            }
            let jumped_to = |asm: &mut Assembler| {
                form(asm, W32);
                asm.bound_label();
            };
            assert_ne!(bytes(&jumped_to, W32, rax), 0, "{name}: a label");
            let followed = |asm: &mut Assembler| {
                form(asm, W32);
                asm.mov_rr(W32, rcx, rax);
            };
            assert_ne!(bytes(&followed, W32, rax), 0, "{name}: another instruction");
            let elsewhere = |asm: &mut Assembler| {
                form(asm, W32);
                asm.switch(Section::Cold);
            };
            assert_ne!(bytes(&elsewhere, W32, rax), 0, "{name}: another section");
        }
    }
    assert_ne!(bytes(&|_| {}, W32, rax), 0);
}

/// A form that these tests do not name is not tested.
#[test]
fn every_form_is_tested() {
    let (forms, tests) = (include_str!("forms.rs"), include_str!("tests.rs"));
    let names = forms.split("pub(crate) fn ").skip(1).filter_map(|rest| {
        let (name, signature) = rest.split_once('(')?;
        signature.starts_with("&mut self").then_some(name)
    });
    let missing: Vec<_> = names
        .filter(|name| !tests.contains(&format!("asm.{name}(")) && !tests.contains(&format!("Assembler::{name}")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
