//! Encoding of prefixes, REX, ModRM, SIB and displacements.

use super::{Assembler, Label};
use crate::abi::Gpr;
use heapwood_gc_abi::{low8, low16, low32};

/// Operand width of an integer instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Width {
    W8,
    W16,
    W32,
    W64,
}

/// A constant that one instruction stores. It knows how many bytes it takes in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Imm {
    B8(u8),
    B16(u16),
    B32(u32),
    /// Eight bytes: these four, sign-extended.
    B64(i32),
}

impl Imm {
    /// The lowest bytes of `bits`, as many as `width` says; none if no single instruction stores them.
    pub(crate) fn new(width: Width, bits: u64) -> Option<Imm> {
        Some(match width {
            Width::W8 => Imm::B8(low8(bits)),
            Width::W16 => Imm::B16(low16(bits)),
            Width::W32 => Imm::B32(low32(bits)),
            Width::W64 => Imm::B64(i32::try_from(bits.cast_signed()).ok()?),
        })
    }
}

/// A memory operand `[base + index << shift + disp]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mem {
    pub(crate) base: Gpr,
    pub(crate) index: Option<(Gpr, u8)>,
    pub(crate) disp: i32,
}

impl Mem {
    pub(crate) const fn base(base: Gpr, disp: i32) -> Mem {
        Mem { base, index: None, disp }
    }

    pub(crate) const fn indexed(base: Gpr, index: Gpr, shift: u8, disp: i32) -> Mem {
        Mem { base, index: Some((index, shift)), disp }
    }

    /// The operand whose address is `bytes` higher.
    pub(crate) const fn plus(self, bytes: i32) -> Mem {
        Mem { disp: self.disp + bytes, ..self }
    }
}

/// The r/m operand.
#[derive(Clone, Copy)]
pub(super) enum Rm {
    Reg(u8),
    Mem(Mem),
    /// rip-relative.
    Label(Label),
}

/// An opcode: mandatory prefix (0: none), map and byte.
#[derive(Clone, Copy)]
pub(super) struct Opcode {
    pub(super) prefix: u8,
    pub(super) map: Map,
    pub(super) byte: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    One,
    /// 0F
    Two,
    /// 0F 3A
    Three3a,
}

pub(super) const fn op(byte: u8) -> Opcode {
    Opcode { prefix: 0, map: Map::One, byte }
}

pub(super) const fn op0f(byte: u8) -> Opcode {
    Opcode { prefix: 0, map: Map::Two, byte }
}

pub(super) const fn prefixed(prefix: u8, byte: u8) -> Opcode {
    Opcode { prefix, map: Map::Two, byte }
}

/// ModRM, SIB and displacement (not that of a label).
#[inline]
pub(super) fn mod_rm(buf: &mut [u8; 16], n: &mut usize, reg: u8, rm: Rm) {
    let mut put = |b: u8| {
        buf[*n] = b;
        *n += 1;
    };
    let reg3 = (reg & 7) << 3;
    match rm {
        Rm::Reg(r) => put(0xc0 | reg3 | (r & 7)),
        Rm::Label(_) => put(reg3 | 5),
        Rm::Mem(m) => {
            let base = m.base.0 & 7;
            let short = i8::try_from(m.disp).ok();
            let mode = match short {
                Some(0) if base != 5 => 0x00,
                Some(_) => 0x40,
                None => 0x80,
            };
            match m.index {
                None if base != 4 => put(mode | reg3 | base),
                None => {
                    put(mode | reg3 | 4);
                    put(0x24);
                }
                Some((index, shift)) => {
                    debug_assert_ne!(index, Gpr::RSP, "rsp cannot be an index");
                    put(mode | reg3 | 4);
                    put(shift << 6 | (index.0 & 7) << 3 | base);
                }
            }
            match short {
                _ if mode == 0x00 => {}
                Some(disp) => put(disp.cast_unsigned()),
                None => m.disp.to_le_bytes().into_iter().for_each(put),
            }
        }
    }
}

impl Assembler {
    pub(super) fn byte(&mut self, byte: u8) {
        self.code.push(byte);
    }

    pub(super) fn imm32(&mut self, value: i32) {
        self.code.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn imm64(&mut self, value: i64) {
        self.code.extend_from_slice(&value.to_le_bytes());
    }

    /// One instruction `opcode reg, rm`. `wide`: REX.W. `byte_reg`/`byte_rm`: the operand is an 8-bit register that
    /// needs a REX prefix from spl on.
    #[inline]
    pub(super) fn encode(&mut self, opcode: Opcode, wide: bool, reg: u8, rm: Rm, byte_regs: bool) {
        let mut buf = [0u8; 16];
        let mut n = 0;
        let mut put = |b: u8| {
            buf[n] = b;
            n += 1;
        };
        if opcode.prefix != 0 {
            put(opcode.prefix);
        }
        let (x, b) = match rm {
            Rm::Reg(r) => (0, r >> 3),
            Rm::Mem(m) => (m.index.map_or(0, |(i, _)| i.0 >> 3), m.base.0 >> 3),
            Rm::Label(_) => (0, 0),
        };
        let rex = 0x40 | (wide as u8) << 3 | (reg >> 3) << 2 | x << 1 | b;
        let needs_byte_rex = byte_regs && (reg >= 4 || matches!(rm, Rm::Reg(r) if r >= 4));
        if rex != 0x40 || needs_byte_rex {
            put(rex);
        }
        match opcode.map {
            Map::One => {}
            Map::Two => put(0x0f),
            Map::Three3a => {
                put(0x0f);
                put(0x3a);
            }
        }
        put(opcode.byte);
        mod_rm(&mut buf, &mut n, reg, rm);
        self.code.extend_from_slice(&buf[..n]);
        if let Rm::Label(label) = rm {
            self.label_field(label, 0);
        }
    }
}
