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

/// Bytes of an instruction, the first in the lowest bits. What lies above them is not looked at.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    bits: u128,
    count: u32,
}

impl Bytes {
    /// The lowest `count` bytes of `bits`.
    #[inline]
    pub(super) const fn new(bits: u64, count: u32) -> Bytes {
        Bytes { bits: bits as u128, count }
    }

    /// One byte before these.
    #[inline]
    const fn after(self, byte: u8) -> Bytes {
        Bytes { bits: self.bits << 8 | byte as u128, count: self.count + 1 }
    }

    /// These bytes, which have nothing above them, and others behind them.
    #[inline]
    pub(super) const fn then(self, behind: Bytes) -> Bytes {
        Bytes { bits: self.bits | behind.bits << (8 * self.count), count: self.count + behind.count }
    }
}

/// ModRM, SIB and displacement (not that of a label).
#[inline]
pub(super) fn mod_rm(reg: u8, rm: Rm) -> Bytes {
    let reg3 = u64::from(reg & 7) << 3;
    match rm {
        Rm::Reg(r) => Bytes::new(0xc0 | reg3 | u64::from(r & 7), 1),
        Rm::Label(_) => Bytes::new(reg3 | 5, 1),
        Rm::Mem(m) => {
            let base = u64::from(m.base.0 & 7);
            let (mode, displacement_bytes) = match i8::try_from(m.disp) {
                Ok(0) if base != 5 => (0x00, 0),
                Ok(_) => (0x40, 1),
                Err(_) => (0x80, 4),
            };
            let operand = match m.index {
                None if base != 4 => Bytes::new(mode | reg3 | base, 1),
                None => Bytes::new(mode | reg3 | 4 | 0x24 << 8, 2),
                Some((index, shift)) => {
                    debug_assert_ne!(index, Gpr::RSP, "rsp cannot be an index");
                    let sib = u64::from(shift) << 6 | u64::from(index.0 & 7) << 3 | base;
                    Bytes::new(mode | reg3 | 4 | sib << 8, 2)
                }
            };
            operand.then(Bytes::new(m.disp.cast_unsigned().into(), displacement_bytes))
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

    /// At most 16 bytes, written in one piece and cut to their number.
    #[inline]
    pub(super) fn bytes_of(&mut self, bytes: Bytes) {
        let end = self.code.len() + bytes.count as usize;
        self.code.extend_from_slice(&bytes.bits.to_le_bytes());
        self.code.truncate(end);
    }

    /// One instruction `opcode reg, rm`. `wide`: REX.W. `byte_reg`/`byte_rm`: the operand is an 8-bit register that
    /// needs a REX prefix from spl on.
    #[inline]
    pub(super) fn encode(&mut self, opcode: Opcode, wide: bool, reg: u8, rm: Rm, byte_regs: bool) {
        let (x, b) = match rm {
            Rm::Reg(r) => (0, r >> 3),
            Rm::Mem(m) => (m.index.map_or(0, |(i, _)| i.0 >> 3), m.base.0 >> 3),
            Rm::Label(_) => (0, 0),
        };
        let rex = 0x40 | (wide as u8) << 3 | (reg >> 3) << 2 | x << 1 | b;
        let needs_byte_rex = byte_regs && (reg >= 4 || matches!(rm, Rm::Reg(r) if r >= 4));
        let byte = u64::from(opcode.byte);
        let mut head = match opcode.map {
            Map::One => Bytes::new(byte, 1),
            Map::Two => Bytes::new(0x0f | byte << 8, 2),
            Map::Three3a => Bytes::new(0x3a0f | byte << 16, 3),
        };
        if rex != 0x40 || needs_byte_rex {
            head = head.after(rex);
        }
        if opcode.prefix != 0 {
            head = head.after(opcode.prefix);
        }
        self.bytes_of(head.then(mod_rm(reg, rm)));
        if let Rm::Label(label) = rm {
            self.label_field(label, 0);
        }
    }
}
