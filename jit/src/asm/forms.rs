//! The instructions that the compiler uses, one function per form.

use super::encode::{Map, Opcode, Rm, op, op0f, prefixed};
use super::{Assembler, Imm, Label, Mem, Width};
use crate::abi::{Gpr, Xmm};
use heapwood_gc_abi::Narrow;

/// The eight classic two-operand operations, by their opcode number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotates, by their opcode extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShiftOp {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// One-operand operations of opcode F7, by their extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unary {
    Neg = 3,
    Mul = 4,
    Imul = 5,
    Div = 6,
    Idiv = 7,
}

/// Read-modify-write operations `[mem], reg`, indivisible: `reg` takes what was in memory (compare-exchange: rax does).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Locked {
    Exchange,
    ExchangeAdd,
    CompareExchange,
}

/// Conditions, by their encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cond {
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cond {
    pub(crate) fn negate(self) -> Cond {
        use Cond::*;
        match self {
            B => Ae,
            Ae => B,
            E => Ne,
            Ne => E,
            Be => A,
            A => Be,
            P => Np,
            Np => P,
            L => Ge,
            Ge => L,
            Le => G,
            G => Le,
            S => unreachable!("S is never negated"),
        }
    }

    /// The condition with the operands of the compare swapped.
    pub(crate) fn swap(self) -> Cond {
        use Cond::*;
        match self {
            B => A,
            A => B,
            Ae => Be,
            Be => Ae,
            L => G,
            G => L,
            Le => Ge,
            Ge => Le,
            other => other,
        }
    }
}

/// Scalar and packed SSE operations `xmm, xmm/m`: mandatory prefix and opcode byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sse(pub(crate) u8, pub(crate) u8);

#[allow(missing_docs)]
impl Sse {
    pub(crate) const ADDSS: Sse = Sse(0xf3, 0x58);
    pub(crate) const ADDSD: Sse = Sse(0xf2, 0x58);
    pub(crate) const MULSS: Sse = Sse(0xf3, 0x59);
    pub(crate) const MULSD: Sse = Sse(0xf2, 0x59);
    pub(crate) const SUBSS: Sse = Sse(0xf3, 0x5c);
    pub(crate) const SUBSD: Sse = Sse(0xf2, 0x5c);
    pub(crate) const DIVSS: Sse = Sse(0xf3, 0x5e);
    pub(crate) const DIVSD: Sse = Sse(0xf2, 0x5e);
    pub(crate) const MINSS: Sse = Sse(0xf3, 0x5d);
    pub(crate) const MINSD: Sse = Sse(0xf2, 0x5d);
    pub(crate) const MAXSS: Sse = Sse(0xf3, 0x5f);
    pub(crate) const MAXSD: Sse = Sse(0xf2, 0x5f);
    pub(crate) const SQRTSS: Sse = Sse(0xf3, 0x51);
    pub(crate) const SQRTSD: Sse = Sse(0xf2, 0x51);
    pub(crate) const UCOMISS: Sse = Sse(0, 0x2e);
    pub(crate) const UCOMISD: Sse = Sse(0x66, 0x2e);
    pub(crate) const CVTSS2SD: Sse = Sse(0xf3, 0x5a);
    pub(crate) const CVTSD2SS: Sse = Sse(0xf2, 0x5a);
    pub(crate) const ANDPS: Sse = Sse(0, 0x54);
    pub(crate) const ORPS: Sse = Sse(0, 0x56);
    pub(crate) const XORPS: Sse = Sse(0, 0x57);
    pub(crate) const MOVSS_LOAD: Sse = Sse(0xf3, 0x10);
    pub(crate) const MOVSD_LOAD: Sse = Sse(0xf2, 0x10);
    pub(crate) const MOVUPS_LOAD: Sse = Sse(0, 0x10);
    pub(crate) const MOVSS_STORE: Sse = Sse(0xf3, 0x11);
    pub(crate) const MOVSD_STORE: Sse = Sse(0xf2, 0x11);
    pub(crate) const MOVUPS_STORE: Sse = Sse(0, 0x11);
}

impl Assembler {
    fn wide(width: Width) -> bool {
        width == Width::W64
    }

    /// `op dst, src`.
    pub(crate) fn alu_rr(&mut self, width: Width, alu: Alu, dst: Gpr, src: Gpr) {
        self.encode(op((alu as u8) << 3 | 3), Self::wide(width), dst.0, Rm::Reg(src.0), false);
        self.note_zero_flag(width, alu, dst);
    }

    /// `op dst, [mem]`.
    pub(crate) fn alu_rm(&mut self, width: Width, alu: Alu, dst: Gpr, mem: Mem) {
        self.encode(op((alu as u8) << 3 | 3), Self::wide(width), dst.0, Rm::Mem(mem), false);
        self.note_zero_flag(width, alu, dst);
    }

    /// `op dst, imm` (sign-extended).
    pub(crate) fn alu_ri(&mut self, width: Width, alu: Alu, dst: Gpr, imm: i32) {
        self.alu_imm(width, alu, Rm::Reg(dst.0), imm);
        self.note_zero_flag(width, alu, dst);
    }

    /// The instruction that was just written sets the zero flag by its result in `dst`, unless it has none.
    fn note_zero_flag(&mut self, width: Width, alu: Alu, dst: Gpr) {
        if alu != Alu::Cmp {
            self.zero_flag = Some((self.position(), dst, width));
        }
    }

    /// Sets the zero flag if the register is zero; says nothing of other flags. No instruction is needed right behind
    /// the one that computed it.
    pub(crate) fn test_zero(&mut self, width: Width, reg: Gpr) {
        if self.zero_flag != Some((self.position(), reg, width)) {
            self.test_rr(width, reg, reg);
        }
    }

    /// `op [mem], imm`.
    pub(crate) fn alu_mi(&mut self, width: Width, alu: Alu, mem: Mem, imm: i32) {
        if width == Width::W8 {
            self.encode(op(0x80), false, alu as u8, Rm::Mem(mem), false);
            self.byte(imm.narrow::<i8>().cast_unsigned());
        } else {
            self.alu_imm(width, alu, Rm::Mem(mem), imm);
        }
    }

    /// `op [mem], imm32` with a full 32-bit field (for relocations: the last 4 bytes).
    pub(crate) fn alu_mi32(&mut self, width: Width, alu: Alu, mem: Mem, imm: i32) {
        self.encode(op(0x81), Self::wide(width), alu as u8, Rm::Mem(mem), false);
        self.imm32(imm);
    }

    /// `op dst, imm32` with a full 32-bit field.
    pub(crate) fn alu_ri32(&mut self, width: Width, alu: Alu, dst: Gpr, imm: i32) {
        self.encode(op(0x81), Self::wide(width), alu as u8, Rm::Reg(dst.0), false);
        self.imm32(imm);
    }

    fn alu_imm(&mut self, width: Width, alu: Alu, rm: Rm, imm: i32) {
        if let Ok(imm) = i8::try_from(imm) {
            self.encode(op(0x83), Self::wide(width), alu as u8, rm, false);
            self.byte(imm.cast_unsigned());
        } else {
            self.encode(op(0x81), Self::wide(width), alu as u8, rm, false);
            self.imm32(imm);
        }
    }

    /// `test a, b`.
    pub(crate) fn test_rr(&mut self, width: Width, a: Gpr, b: Gpr) {
        self.encode(op(0x85), Self::wide(width), b.0, Rm::Reg(a.0), false);
    }

    /// `test reg8, imm8`.
    pub(crate) fn test_ri8(&mut self, reg: Gpr, imm: u8) {
        self.encode(op(0xf6), false, 0, Rm::Reg(reg.0), true);
        self.byte(imm);
    }

    /// `test byte [mem], imm8`.
    pub(crate) fn test_mi8(&mut self, mem: Mem, imm: u8) {
        self.encode(op(0xf6), false, 0, Rm::Mem(mem), false);
        self.byte(imm);
    }

    /// `mov dst, src`; 32 bits clear the upper half.
    pub(crate) fn mov_rr(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.encode(op(0x8b), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// Loads a constant into the whole register without touching the flags.
    pub(crate) fn mov_ri(&mut self, dst: Gpr, value: u64) {
        if let Ok(value) = u32::try_from(value) {
            if dst.0 >= 8 {
                self.byte(0x41);
            }
            self.byte(0xb8 | (dst.0 & 7));
            self.imm32(value.cast_signed());
        } else if let Ok(value) = i32::try_from(value.cast_signed()) {
            self.encode(op(0xc7), true, 0, Rm::Reg(dst.0), false);
            self.imm32(value);
        } else {
            self.byte(0x48 | dst.0 >> 3);
            self.byte(0xb8 | (dst.0 & 7));
            self.imm64(value.cast_signed());
        }
    }

    /// `mov dst, [mem]` of 32 (zero-extending) or 64 bits.
    pub(crate) fn load(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.encode(op(0x8b), Self::wide(width), dst.0, Rm::Mem(mem), false);
    }

    /// `movzx`/`mov dst, [mem]` of any width, zero-extended.
    pub(crate) fn load_zx(&mut self, width: Width, dst: Gpr, mem: Mem) {
        match width {
            Width::W8 => self.encode(op0f(0xb6), false, dst.0, Rm::Mem(mem), false),
            Width::W16 => self.encode(op0f(0xb7), false, dst.0, Rm::Mem(mem), false),
            _ => self.load(width, dst, mem),
        }
    }

    /// `movsx`/`movsxd dst, [mem]`: a `from`-wide value sign-extended to `to`.
    pub(crate) fn load_sx(&mut self, from: Width, to: Width, dst: Gpr, mem: Mem) {
        self.sign_extend(from, to, dst, Rm::Mem(mem));
    }

    /// Register form of [`Self::load_sx`].
    pub(crate) fn movsx(&mut self, from: Width, to: Width, dst: Gpr, src: Gpr) {
        self.sign_extend(from, to, dst, Rm::Reg(src.0));
    }

    fn sign_extend(&mut self, from: Width, to: Width, dst: Gpr, rm: Rm) {
        match from {
            Width::W8 => self.encode(op0f(0xbe), Self::wide(to), dst.0, rm, matches!(rm, Rm::Reg(_))),
            Width::W16 => self.encode(op0f(0xbf), Self::wide(to), dst.0, rm, false),
            Width::W32 => self.encode(op(0x63), Self::wide(to), dst.0, rm, false),
            Width::W64 => unreachable!("nothing is wider than 64 bits"),
        }
    }

    /// Zero-extends an 8- or 16-bit register.
    pub(crate) fn movzx(&mut self, from: Width, dst: Gpr, src: Gpr) {
        match from {
            Width::W8 => self.encode(op0f(0xb6), false, dst.0, Rm::Reg(src.0), true),
            _ => self.encode(op0f(0xb7), false, dst.0, Rm::Reg(src.0), false),
        }
    }

    /// `mov [mem], src`.
    pub(crate) fn store(&mut self, width: Width, mem: Mem, src: Gpr) {
        match width {
            Width::W8 => self.encode(op(0x88), false, src.0, Rm::Mem(mem), true),
            Width::W16 => {
                self.byte(0x66);
                self.encode(op(0x89), false, src.0, Rm::Mem(mem), false);
            }
            _ => self.encode(op(0x89), Self::wide(width), src.0, Rm::Mem(mem), false),
        }
    }

    /// `mov [mem], imm`, as many bytes as the constant has.
    pub(crate) fn store_imm(&mut self, mem: Mem, imm: Imm) {
        match imm {
            Imm::B8(imm) => {
                self.encode(op(0xc6), false, 0, Rm::Mem(mem), false);
                self.byte(imm);
            }
            Imm::B16(imm) => {
                self.byte(0x66);
                self.encode(op(0xc7), false, 0, Rm::Mem(mem), false);
                self.code.extend_from_slice(&imm.to_le_bytes());
            }
            Imm::B32(imm) => {
                self.encode(op(0xc7), false, 0, Rm::Mem(mem), false);
                self.imm32(imm.cast_signed());
            }
            Imm::B64(imm) => {
                self.encode(op(0xc7), true, 0, Rm::Mem(mem), false);
                self.imm32(imm);
            }
        }
    }

    /// `mov qword [mem], imm32` with a full field (the last 4 bytes), for relocations.
    pub(crate) fn store_imm32(&mut self, mem: Mem) {
        self.encode(op(0xc7), true, 0, Rm::Mem(mem), false);
        self.imm32(0);
    }

    /// `mov dword [mem], imm32` with a full field (the last 4 bytes), for relocations.
    pub(crate) fn store_imm32_narrow(&mut self, mem: Mem) {
        self.encode(op(0xc7), false, 0, Rm::Mem(mem), false);
        self.imm32(0);
    }

    /// `lea dst, [mem]`; 32 bits clear the upper half.
    pub(crate) fn lea(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.encode(op(0x8d), Self::wide(width), dst.0, Rm::Mem(mem), false);
    }

    /// `lea dst, [rip + label]`.
    pub(crate) fn lea_label(&mut self, dst: Gpr, label: Label) {
        self.encode(op(0x8d), true, dst.0, Rm::Label(label), false);
    }

    /// `xchg a, b`.
    pub(crate) fn xchg(&mut self, a: Gpr, b: Gpr) {
        self.encode(op(0x87), true, a.0, Rm::Reg(b.0), false);
    }

    /// `lock op [mem], reg` of any width.
    pub(crate) fn locked(&mut self, locked: Locked, width: Width, mem: Mem, reg: Gpr) {
        let narrow = width == Width::W8;
        let opcode = match locked {
            // An exchange with memory is locked without a prefix.
            Locked::Exchange => op(if narrow { 0x86 } else { 0x87 }),
            Locked::ExchangeAdd => op0f(if narrow { 0xc0 } else { 0xc1 }),
            Locked::CompareExchange => op0f(if narrow { 0xb0 } else { 0xb1 }),
        };
        if locked != Locked::Exchange {
            self.byte(0xf0);
        }
        if width == Width::W16 {
            self.byte(0x66);
        }
        self.encode(opcode, Self::wide(width), reg.0, Rm::Mem(mem), narrow);
    }

    /// A full barrier: `lock or dword [rsp], 0`.
    pub(crate) fn fence(&mut self) {
        self.byte(0xf0);
        self.alu_mi(Width::W32, Alu::Or, Mem::base(Gpr::RSP, 0), 0);
    }

    /// `imul dst, src`.
    pub(crate) fn imul_rr(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.encode(op0f(0xaf), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `imul dst, src, imm`.
    pub(crate) fn imul_rri(&mut self, width: Width, dst: Gpr, src: Gpr, imm: i32) {
        if let Ok(imm) = i8::try_from(imm) {
            self.encode(op(0x6b), Self::wide(width), dst.0, Rm::Reg(src.0), false);
            self.byte(imm.cast_unsigned());
        } else {
            self.encode(op(0x69), Self::wide(width), dst.0, Rm::Reg(src.0), false);
            self.imm32(imm);
        }
    }

    /// `shift dst, imm`.
    pub(crate) fn shift_ri(&mut self, width: Width, shift: ShiftOp, dst: Gpr, imm: u8) {
        if imm == 1 {
            self.encode(op(0xd1), Self::wide(width), shift as u8, Rm::Reg(dst.0), false);
        } else {
            self.encode(op(0xc1), Self::wide(width), shift as u8, Rm::Reg(dst.0), false);
            self.byte(imm);
        }
    }

    /// `shift dst, cl`.
    pub(crate) fn shift_cl(&mut self, width: Width, shift: ShiftOp, dst: Gpr) {
        self.encode(op(0xd3), Self::wide(width), shift as u8, Rm::Reg(dst.0), false);
    }

    /// `neg` of a register; `mul`, `imul`, `div`, `idiv` of rdx:rax (products: rax) by one.
    pub(crate) fn unary(&mut self, width: Width, unary: Unary, reg: Gpr) {
        self.encode(op(0xf7), Self::wide(width), unary as u8, Rm::Reg(reg.0), false);
    }

    /// `cdq` or `cqo`.
    pub(crate) fn cdq(&mut self, width: Width) {
        if width == Width::W64 {
            self.byte(0x48);
        }
        self.byte(0x99);
    }

    /// `lzcnt` (0xbd), `tzcnt` (0xbc) or `popcnt` (0xb8), or without prefix `bsr`/`bsf`.
    pub(crate) fn bit_count(&mut self, prefix: bool, byte: u8, width: Width, dst: Gpr, src: Gpr) {
        let opcode = Opcode { prefix: if prefix { 0xf3 } else { 0 }, map: Map::Two, byte };
        self.encode(opcode, Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `setcc dst8`.
    pub(crate) fn setcc(&mut self, cond: Cond, dst: Gpr) {
        self.encode(op0f(0x90 | cond as u8), false, 0, Rm::Reg(dst.0), true);
    }

    /// `cmovcc dst, src`.
    pub(crate) fn cmov(&mut self, width: Width, cond: Cond, dst: Gpr, src: Gpr) {
        self.encode(op0f(0x40 | cond as u8), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `jmp label`.
    pub(crate) fn jmp(&mut self, label: Label) {
        if let Some(distance) = self.short_distance(label) {
            self.byte(0xeb);
            return self.byte(distance);
        }
        self.byte(0xe9);
        self.label_field(label, 0);
    }

    /// `jcc label`.
    pub(crate) fn jcc(&mut self, cond: Cond, label: Label) {
        self.keeping_type_id(|asm| {
            if let Some(distance) = asm.short_distance(label) {
                asm.byte(0x70 | cond as u8);
                return asm.byte(distance);
            }
            asm.byte(0x0f);
            asm.byte(0x80 | cond as u8);
            asm.label_field(label, 0);
        });
    }

    /// `jo label`.
    pub(crate) fn jcc_overflow(&mut self, label: Label) {
        self.byte(0x0f);
        self.byte(0x80);
        self.label_field(label, 0);
    }

    /// `jmp reg`.
    pub(crate) fn jmp_reg(&mut self, reg: Gpr) {
        self.encode(op(0xff), false, 4, Rm::Reg(reg.0), false);
    }

    /// `call reg`.
    pub(crate) fn call_reg(&mut self, reg: Gpr) {
        self.encode(op(0xff), false, 2, Rm::Reg(reg.0), false);
    }

    /// `call [mem]`.
    pub(crate) fn call_mem(&mut self, mem: Mem) {
        self.encode(op(0xff), false, 2, Rm::Mem(mem), false);
    }

    /// `call [rip + field]`; the field (last 4 bytes) is a relocation.
    pub(crate) fn call_rip(&mut self) {
        self.byte(0xff);
        self.byte(0x15);
        self.imm32(0);
    }

    /// `push reg`.
    pub(crate) fn push(&mut self, reg: Gpr) {
        if reg.0 >= 8 {
            self.byte(0x41);
        }
        self.byte(0x50 | (reg.0 & 7));
    }

    /// `lea dst, [base + disp32]` with a field of 32 bits (the last 4 bytes), to be patched.
    pub(crate) fn lea32(&mut self, dst: Gpr, base: Gpr) {
        self.encode(op(0x8d), true, dst.0, Rm::Mem(Mem::base(base, i32::MIN)), false);
    }

    /// `pop reg`.
    pub(crate) fn pop(&mut self, reg: Gpr) {
        if reg.0 >= 8 {
            self.byte(0x41);
        }
        self.byte(0x58 | (reg.0 & 7));
    }

    /// `mov reg, [rip + field]`; the field (last 4 bytes) is a relocation.
    pub(crate) fn load_rip(&mut self, reg: Gpr) {
        self.byte(0x48 | (reg.0 >> 3) << 2);
        self.byte(0x8b);
        self.byte((reg.0 & 7) << 3 | 5);
        self.imm32(0);
    }

    /// `leave`.
    pub(crate) fn leave(&mut self) {
        self.byte(0xc9);
    }

    /// `ret` popping `bytes` of arguments.
    pub(crate) fn ret(&mut self, bytes: u32) {
        if bytes == 0 {
            self.byte(0xc3);
        } else {
            self.byte(0xc2);
            self.code.extend_from_slice(&bytes.narrow::<u16>().to_le_bytes());
        }
    }

    /// `ud2`.
    pub(crate) fn ud2(&mut self) {
        self.byte(0x0f);
        self.byte(0x0b);
    }

    // Vectors.

    /// `op dst, src` of an [`Sse`] operation.
    pub(crate) fn sse_rr(&mut self, sse: Sse, dst: Xmm, src: Xmm) {
        self.encode(prefixed(sse.0, sse.1), false, dst.0, Rm::Reg(src.0), false);
    }

    /// `op dst, [mem]`; for the store forms `op [mem], dst`.
    pub(crate) fn sse_rm(&mut self, sse: Sse, dst: Xmm, mem: Mem) {
        self.encode(prefixed(sse.0, sse.1), false, dst.0, Rm::Mem(mem), false);
    }

    /// `op dst, [rip + label]`.
    pub(crate) fn sse_label(&mut self, sse: Sse, dst: Xmm, label: Label) {
        self.encode(prefixed(sse.0, sse.1), false, dst.0, Rm::Label(label), false);
    }

    /// `movaps dst, src`.
    pub(crate) fn movaps(&mut self, dst: Xmm, src: Xmm) {
        self.encode(op0f(0x28), false, dst.0, Rm::Reg(src.0), false);
    }

    /// `movd`/`movq xmm, gpr`.
    pub(crate) fn movd_to_xmm(&mut self, width: Width, dst: Xmm, src: Gpr) {
        self.encode(prefixed(0x66, 0x6e), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `movd`/`movq gpr, xmm`.
    pub(crate) fn movd_from_xmm(&mut self, width: Width, dst: Gpr, src: Xmm) {
        self.encode(prefixed(0x66, 0x7e), Self::wide(width), src.0, Rm::Reg(dst.0), false);
    }

    /// `pshufd reg, reg, imm`.
    pub(crate) fn pshufd(&mut self, reg: Xmm, imm: u8) {
        self.encode(prefixed(0x66, 0x70), false, reg.0, Rm::Reg(reg.0), false);
        self.byte(imm);
    }

    /// `pshuflw reg, reg, imm`.
    pub(crate) fn pshuflw(&mut self, reg: Xmm, imm: u8) {
        self.encode(prefixed(0xf2, 0x70), false, reg.0, Rm::Reg(reg.0), false);
        self.byte(imm);
    }

    /// `punpckl reg, reg` of the given opcode byte (0x60: bytes).
    pub(crate) fn punpck(&mut self, byte: u8, reg: Xmm) {
        self.encode(prefixed(0x66, byte), false, reg.0, Rm::Reg(reg.0), false);
    }

    /// `cvtsi2ss`/`cvtsi2sd xmm, gpr` (`double`: sd) from `width`.
    pub(crate) fn cvt_from_int(&mut self, double: bool, width: Width, dst: Xmm, src: Gpr) {
        self.encode(prefixed(if double { 0xf2 } else { 0xf3 }, 0x2a), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `cvttss2si`/`cvttsd2si gpr, xmm`.
    pub(crate) fn cvtt_to_int(&mut self, double: bool, width: Width, dst: Gpr, src: Xmm) {
        self.encode(prefixed(if double { 0xf2 } else { 0xf3 }, 0x2c), Self::wide(width), dst.0, Rm::Reg(src.0), false);
    }

    /// `roundss`/`roundsd` with mode (0 nearest, 1 floor, 2 ceil, 3 trunc), inexact suppressed.
    pub(crate) fn round(&mut self, double: bool, mode: u8, dst: Xmm, src: Xmm) {
        let opcode = Opcode { prefix: 0x66, map: Map::Three3a, byte: if double { 0x0b } else { 0x0a } };
        self.encode(opcode, false, dst.0, Rm::Reg(src.0), false);
        self.byte(mode | 8);
    }
}
