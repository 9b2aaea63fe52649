//! VEX encodings of the 128-bit vector instructions: a table of opcodes by operand form, and one function per form.
//!
//! The forms have Intel's names: R is the `reg` field of ModRM, V the extra register of the prefix, M the r/m operand,
//! I an immediate byte. No operand is destroyed, and memory operands need no alignment.

use super::encode::{Bytes, Rm, mod_rm};
use super::{Assembler, Label, Mem};
use crate::abi::{Gpr, Xmm};

/// The last operand of a vector instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VexSource {
    Xmm(Xmm),
    Gpr(Gpr),
    Mem(Mem),
    /// A constant of the literal pool.
    Label(Label),
}

impl From<Xmm> for VexSource {
    fn from(xmm: Xmm) -> VexSource {
        VexSource::Xmm(xmm)
    }
}

impl From<Gpr> for VexSource {
    fn from(gpr: Gpr) -> VexSource {
        VexSource::Gpr(gpr)
    }
}

impl From<Mem> for VexSource {
    fn from(mem: Mem) -> VexSource {
        VexSource::Mem(mem)
    }
}

impl From<Label> for VexSource {
    fn from(label: Label) -> VexSource {
        VexSource::Label(label)
    }
}

impl VexSource {
    fn rm(self) -> Rm {
        match self {
            VexSource::Xmm(xmm) => Rm::Reg(xmm.0),
            VexSource::Gpr(gpr) => Rm::Reg(gpr.0),
            VexSource::Mem(mem) => Rm::Mem(mem),
            VexSource::Label(label) => Rm::Label(label),
        }
    }
}

/// Operand forms, with what is special about them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// `op xmm, xmm, xmm/m`
    Rvm,
    /// `op xmm, xmm, xmm/m, imm`
    Rvmi,
    /// `op xmm, xmm, gpr/m, imm`
    RvmiGpr,
    /// `op xmm, xmm, xmm/m, xmm`
    Rvmr,
    /// `op xmm, xmm/m`
    Rm,
    /// `op xmm, xmm/m, imm`
    Rmi,
    /// `op xmm, gpr/m`
    RmGpr,
    /// `op xmm, m`
    Load,
    /// `op xmm, xmm, m`
    RvLoad,
    /// `op m, xmm`
    Store,
    /// `op gpr/m, xmm`
    Mr,
    /// `op gpr/m, xmm, imm`
    Mri,
    /// `op gpr, xmm`
    Mask,
    /// `op xmm, xmm, imm` with an opcode extension
    Vmi(u8),
}

/// A vector instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vex {
    /// Mandatory prefix: 0 none, 1 66, 2 F3, 3 F2.
    prefix: u8,
    /// Opcode map: 1 0F, 2 0F38, 3 0F3A.
    map: u8,
    wide: bool,
    byte: u8,
    form: Form,
}

const NP: u8 = 0;
const P66: u8 = 1;
const PF3: u8 = 2;
const PF2: u8 = 3;
const M0F: u8 = 1;
const M38: u8 = 2;
const M3A: u8 = 3;
const W0: bool = false;
const W1: bool = true;

/// Instructions by prefix, map, W bit and form.
macro_rules! vex_table {
    ($($prefix:ident $map:ident $wide:ident $form:expr => { $($name:ident = $byte:literal)* })*) => {
        #[allow(missing_docs, reason = "the instructions' own names")]
        impl Vex {
            $($(
                pub(crate) const $name: Vex =
                    Vex { prefix: $prefix, map: $map, wide: $wide, byte: $byte, form: $form };
            )*)*
        }

        #[cfg(test)]
        const ALL: &[(&str, Vex)] = &[$($((stringify!($name), Vex::$name)),*),*];
    };
}

use Form::{Load, Mask, Mr, Mri, RmGpr, Rmi, RvLoad, Rvm, Rvmi, RvmiGpr, Rvmr, Store, Vmi};

vex_table! {
    P66 M0F W0 Rvm => {
        VPADDB = 0xfc VPADDW = 0xfd VPADDD = 0xfe VPADDQ = 0xd4
        VPSUBB = 0xf8 VPSUBW = 0xf9 VPSUBD = 0xfa VPSUBQ = 0xfb
        VPADDSB = 0xec VPADDSW = 0xed VPADDUSB = 0xdc VPADDUSW = 0xdd
        VPSUBSB = 0xe8 VPSUBSW = 0xe9 VPSUBUSB = 0xd8 VPSUBUSW = 0xd9
        VPAVGB = 0xe0 VPAVGW = 0xe3
        VPMULLW = 0xd5 VPMULHW = 0xe5 VPMULHUW = 0xe4 VPMULUDQ = 0xf4 VPMADDWD = 0xf5
        VPAND = 0xdb VPANDN = 0xdf VPOR = 0xeb VPXOR = 0xef
        VPCMPEQB = 0x74 VPCMPEQW = 0x75 VPCMPEQD = 0x76
        VPCMPGTB = 0x64 VPCMPGTW = 0x65 VPCMPGTD = 0x66
        VPMINUB = 0xda VPMAXUB = 0xde VPMINSW = 0xea VPMAXSW = 0xee
        VPACKSSWB = 0x63 VPACKUSWB = 0x67 VPACKSSDW = 0x6b
        VPUNPCKLBW = 0x60 VPUNPCKLWD = 0x61 VPUNPCKLDQ = 0x62 VPUNPCKLQDQ = 0x6c
        VPUNPCKHBW = 0x68 VPUNPCKHWD = 0x69 VPUNPCKHDQ = 0x6a VPUNPCKHQDQ = 0x6d
        VPSLLW = 0xf1 VPSLLD = 0xf2 VPSLLQ = 0xf3 VPSRLW = 0xd1 VPSRLD = 0xd2 VPSRLQ = 0xd3
        VPSRAW = 0xe1 VPSRAD = 0xe2
        VADDPD = 0x58 VSUBPD = 0x5c VMULPD = 0x59 VDIVPD = 0x5e VMINPD = 0x5d VMAXPD = 0x5f
        VANDPD = 0x54 VORPD = 0x56 VXORPD = 0x57 VUNPCKLPD = 0x14 VUNPCKHPD = 0x15
    }
    NP M0F W0 Rvm => {
        VADDPS = 0x58 VSUBPS = 0x5c VMULPS = 0x59 VDIVPS = 0x5e VMINPS = 0x5d VMAXPS = 0x5f
        VANDPS = 0x54 VORPS = 0x56 VXORPS = 0x57
    }
    PF2 M0F W0 Rvm => { VMOVSD = 0x10 }
    P66 M38 W0 Rvm => {
        VPSHUFB = 0x00 VPMADDUBSW = 0x04 VPMULHRSW = 0x0b
        VPMULDQ = 0x28 VPMULLD = 0x40 VPCMPEQQ = 0x29 VPCMPGTQ = 0x37 VPACKUSDW = 0x2b
        VPMINSB = 0x38 VPMAXSB = 0x3c VPMINUW = 0x3a VPMAXUW = 0x3e
        VPMINSD = 0x39 VPMAXSD = 0x3d VPMINUD = 0x3b VPMAXUD = 0x3f
    }
    P66 M3A W0 Rvmi => { VPALIGNR = 0x0f VPBLENDW = 0x0e VINSERTPS = 0x21 }
    NP M0F W0 Rvmi => { VCMPPS = 0xc2 VSHUFPS = 0xc6 }
    P66 M0F W0 Rvmi => { VCMPPD = 0xc2 }
    P66 M3A W0 RvmiGpr => { VPINSRB = 0x20 VPINSRD = 0x22 }
    P66 M3A W1 RvmiGpr => { VPINSRQ = 0x22 }
    P66 M0F W0 RvmiGpr => { VPINSRW = 0xc4 }
    P66 M3A W0 Rvmr => { VBLENDVPS = 0x4a VBLENDVPD = 0x4b VPBLENDVB = 0x4c }
    P66 M38 W0 Form::Rm => {
        VPABSB = 0x1c VPABSW = 0x1d VPABSD = 0x1e VPTEST = 0x17
        VPMOVSXBW = 0x20 VPMOVSXWD = 0x23 VPMOVSXDQ = 0x25
        VPMOVZXBW = 0x30 VPMOVZXWD = 0x33 VPMOVZXDQ = 0x35
        VPBROADCASTB = 0x78 VPBROADCASTW = 0x79
    }
    NP M0F W0 Form::Rm => { VCVTDQ2PS = 0x5b VCVTPS2PD = 0x5a VSQRTPS = 0x51 VMOVAPS = 0x28 VMOVUPS = 0x10 }
    P66 M0F W0 Form::Rm => { VCVTPD2PS = 0x5a VCVTTPD2DQ = 0xe6 VSQRTPD = 0x51 }
    PF3 M0F W0 Form::Rm => { VCVTTPS2DQ = 0x5b VCVTDQ2PD = 0xe6 }
    PF2 M0F W0 Form::Rm => { VMOVDDUP = 0x12 }
    P66 M3A W0 Rmi => { VROUNDPS = 0x08 VROUNDPD = 0x09 }
    P66 M0F W0 Rmi => { VPSHUFD = 0x70 }
    PF2 M0F W0 Rmi => { VPSHUFLW = 0x70 }
    PF3 M0F W0 Rmi => { VPSHUFHW = 0x70 }
    P66 M0F W0 RmGpr => { VMOVD_FROM_GPR = 0x6e }
    P66 M0F W1 RmGpr => { VMOVQ_FROM_GPR = 0x6e }
    P66 M38 W0 Load => { VBROADCASTSS = 0x18 }
    PF3 M0F W0 Load => { VMOVSS_LOAD = 0x10 }
    PF2 M0F W0 Load => { VMOVSD_LOAD = 0x10 }
    NP M0F W0 RvLoad => { VMOVLPS_LOAD = 0x12 VMOVHPS_LOAD = 0x16 }
    NP M0F W0 Store => { VMOVUPS_STORE = 0x11 VMOVLPS_STORE = 0x13 VMOVHPS_STORE = 0x17 }
    PF3 M0F W0 Store => { VMOVSS_STORE = 0x11 }
    P66 M0F W0 Mr => { VMOVD_TO_GPR = 0x7e }
    P66 M0F W1 Mr => { VMOVQ_TO_GPR = 0x7e }
    P66 M3A W0 Mri => { VPEXTRB = 0x14 VPEXTRW = 0x15 VPEXTRD = 0x16 }
    P66 M3A W1 Mri => { VPEXTRQ = 0x16 }
    P66 M0F W0 Mask => { VPMOVMSKB = 0xd7 VMOVMSKPD = 0x50 }
    NP M0F W0 Mask => { VMOVMSKPS = 0x50 }
    P66 M0F W0 Vmi(2) => { VPSRLW_IMM = 0x71 VPSRLD_IMM = 0x72 VPSRLQ_IMM = 0x73 }
    P66 M0F W0 Vmi(4) => { VPSRAW_IMM = 0x71 VPSRAD_IMM = 0x72 }
    P66 M0F W0 Vmi(6) => { VPSLLW_IMM = 0x71 VPSLLD_IMM = 0x72 VPSLLQ_IMM = 0x73 }
}

impl Assembler {
    /// `op dst, a, b`.
    pub(crate) fn rvm(&mut self, op: Vex, dst: Xmm, a: Xmm, b: impl Into<VexSource>) {
        debug_assert!(matches!(op.form, Form::Rvm | Form::RvLoad));
        self.vex(op, dst.0, a.0, b.into(), None);
    }

    /// `op dst, a, b, imm`.
    pub(crate) fn rvmi(&mut self, op: Vex, dst: Xmm, a: Xmm, b: impl Into<VexSource>, imm: u8) {
        debug_assert!(matches!(op.form, Form::Rvmi | Form::RvmiGpr));
        self.vex(op, dst.0, a.0, b.into(), Some(imm));
    }

    /// `op dst, a, b, mask`.
    pub(crate) fn rvmr(&mut self, op: Vex, dst: Xmm, a: Xmm, b: impl Into<VexSource>, mask: Xmm) {
        debug_assert_eq!(op.form, Form::Rvmr);
        self.vex(op, dst.0, a.0, b.into(), Some(mask.0 << 4));
    }

    /// `op dst, src`.
    pub(crate) fn rm(&mut self, op: Vex, dst: Xmm, src: impl Into<VexSource>) {
        debug_assert!(matches!(op.form, Form::Rm | Form::RmGpr | Form::Load));
        self.vex(op, dst.0, 0, src.into(), None);
    }

    /// `op dst, src, imm`.
    pub(crate) fn rmi(&mut self, op: Vex, dst: Xmm, src: impl Into<VexSource>, imm: u8) {
        debug_assert_eq!(op.form, Form::Rmi);
        self.vex(op, dst.0, 0, src.into(), Some(imm));
    }

    /// `op dst, src` from a vector register to a general one or to memory.
    pub(crate) fn mr(&mut self, op: Vex, dst: impl Into<VexSource>, src: Xmm) {
        debug_assert!(matches!(op.form, Form::Mr | Form::Store));
        self.vex(op, src.0, 0, dst.into(), None);
    }

    /// `op dst, src, imm` from a vector register to a general one or to memory.
    pub(crate) fn mri(&mut self, op: Vex, dst: impl Into<VexSource>, src: Xmm, imm: u8) {
        debug_assert_eq!(op.form, Form::Mri);
        self.vex(op, src.0, 0, dst.into(), Some(imm));
    }

    /// `op dst, src`: sign bits of the lanes.
    pub(crate) fn mask(&mut self, op: Vex, dst: Gpr, src: Xmm) {
        debug_assert_eq!(op.form, Form::Mask);
        self.vex(op, dst.0, 0, VexSource::Xmm(src), None);
    }

    /// `op dst, src, imm`: shifts by a constant.
    pub(crate) fn vmi(&mut self, op: Vex, dst: Xmm, src: Xmm, imm: u8) {
        let Form::Vmi(extension) = op.form else { unreachable!("not a shift by a constant") };
        self.vex(op, extension, dst.0, VexSource::Xmm(src), Some(imm));
    }

    /// Prefix of two bytes where it can say everything, else of three; opcode, operands, immediate.
    fn vex(&mut self, op: Vex, reg: u8, extra: u8, rm: VexSource, imm: Option<u8>) {
        let rm = rm.rm();
        let (x, b) = match rm {
            Rm::Reg(r) => (0, r >> 3),
            Rm::Mem(m) => (m.index.map_or(0, |(i, _)| i.0 >> 3), m.base.0 >> 3),
            Rm::Label(_) => (0, 0),
        };
        let not_r = (!reg >> 3 & 1) << 7;
        let last = (!extra & 15) << 3 | op.prefix;
        let byte = u64::from(op.byte);
        let head = if x == 0 && b == 0 && op.map == M0F && !op.wide {
            Bytes::new(0xc5 | u64::from(not_r | last) << 8 | byte << 16, 3)
        } else {
            let maps = not_r | (1 - x) << 6 | (1 - b) << 5 | op.map;
            let last = (op.wide as u8) << 7 | last;
            Bytes::new(0xc4 | u64::from(maps) << 8 | u64::from(last) << 16 | byte << 24, 4)
        };
        self.bytes_of(head.then(mod_rm(reg, rm)));
        if let Rm::Label(label) = rm {
            // The distance counts from the instruction's end, behind the immediate.
            self.label_field(label, imm.is_some().into());
        }
        self.code.extend(imm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};

    /// The instruction's text as the disassembler sees it; all bytes must belong to it.
    fn text(code: &[u8]) -> String {
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.len(), code.len(), "{code:x?}");
        let mut formatter = NasmFormatter::new();
        formatter.options_mut().set_rip_relative_addresses(true);
        formatter.options_mut().set_memory_size_options(iced_x86::MemorySizeOptions::Never);
        formatter.options_mut().set_uppercase_hex(false);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        text
    }

    fn assemble(emit: impl FnOnce(&mut Assembler)) -> String {
        let mut asm = Assembler::default();
        emit(&mut asm);
        let code = asm.code.clone();
        text(&code)
    }

    /// `VMOVD_FROM_GPR` is `vmovd`; an immediate shift is named like the other one.
    fn mnemonic(name: &str) -> String {
        name.split('_').next().expect("a name").to_lowercase()
    }

    fn gpr_name(gpr: Gpr, wide: bool) -> String {
        let names64 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
        match (gpr.0, wide) {
            (n @ 0..8, true) => names64[n as usize].to_string(),
            (n @ 0..8, false) => names64[n as usize].replacen('r', "e", 1),
            (n, true) => format!("r{n}"),
            (n, false) => format!("r{n}d"),
        }
    }

    fn memories() -> Vec<(Mem, &'static str)> {
        vec![
            (Mem::base(Gpr::RBP, -24), "[rbp-18h]"),
            (Mem::base(Gpr::R12, 0), "[r12]"),
            (Mem::indexed(Gpr::R13, Gpr::RAX, 0, 0x12345), "[r13+rax+12345h]"),
            (Mem::indexed(Gpr::RAX, Gpr::R9, 2, 0), "[rax+r9*4]"),
        ]
    }

    /// Every row in every operand combination of low and high registers and memory.
    #[test]
    fn rows_decode_to_their_names() {
        let xmms = [Xmm(1), Xmm(9), Xmm(15)];
        let gprs = [Gpr::RDX, Gpr::R11];
        for &(name, op) in ALL {
            let m = mnemonic(name);
            for r in xmms {
                for v in xmms {
                    for x in xmms {
                        registers(op, &m, r, v, x);
                    }
                    for g in gprs {
                        generals(op, &m, r, v, g);
                    }
                    for (mem, shown) in memories() {
                        memory(op, &m, r, v, mem, shown);
                    }
                }
            }
        }
    }

    fn registers(op: Vex, m: &str, r: Xmm, v: Xmm, x: Xmm) {
        let (rs, vs, xs) = (r.0, v.0, x.0);
        let (found, expected) = match op.form {
            Rvm => (assemble(|a| a.rvm(op, r, v, x)), format!("{m} xmm{rs},xmm{vs},xmm{xs}")),
            Rvmi if matches!(op, Vex::VCMPPS | Vex::VCMPPD) => {
                let found = assemble(|a| a.rvmi(op, r, v, x, 1));
                (found, format!("{} xmm{rs},xmm{vs},xmm{xs}", m.replace("cmp", "cmplt")))
            }
            Rvmi => (assemble(|a| a.rvmi(op, r, v, x, 5)), format!("{m} xmm{rs},xmm{vs},xmm{xs},5")),
            Rvmr => (assemble(|a| a.rvmr(op, r, v, x, Xmm(14))), format!("{m} xmm{rs},xmm{vs},xmm{xs},xmm14")),
            Form::Rm => (assemble(|a| a.rm(op, r, x)), format!("{m} xmm{rs},xmm{xs}")),
            Rmi => (assemble(|a| a.rmi(op, r, x, 5)), format!("{m} xmm{rs},xmm{xs},5")),
            Vmi(_) => (assemble(|a| a.vmi(op, r, x, 5)), format!("{m} xmm{rs},xmm{xs},5")),
            _ => return,
        };
        assert_eq!(found, expected);
    }

    fn generals(op: Vex, m: &str, r: Xmm, v: Xmm, g: Gpr) {
        let (rs, vs, gs) = (r.0, v.0, gpr_name(g, op.wide));
        let (found, expected) = match op.form {
            RvmiGpr => (assemble(|a| a.rvmi(op, r, v, g, 1)), format!("{m} xmm{rs},xmm{vs},{gs},1")),
            RmGpr => (assemble(|a| a.rm(op, r, g)), format!("{m} xmm{rs},{gs}")),
            Mr => (assemble(|a| a.mr(op, g, r)), format!("{m} {gs},xmm{rs}")),
            Mri => (assemble(|a| a.mri(op, g, r, 1)), format!("{m} {gs},xmm{rs},1")),
            Mask => (assemble(|a| a.mask(op, g, r)), format!("{m} {gs},xmm{rs}")),
            _ => return,
        };
        assert_eq!(found, expected);
    }

    fn memory(op: Vex, m: &str, r: Xmm, v: Xmm, mem: Mem, shown: &str) {
        let (rs, vs) = (r.0, v.0);
        let (found, expected) = match op.form {
            // The register form of this one differs from its loads.
            Rvm if op == Vex::VMOVSD => return,
            Rvm | RvLoad => (assemble(|a| a.rvm(op, r, v, mem)), format!("{m} xmm{rs},xmm{vs},{shown}")),
            Rvmi if matches!(op, Vex::VCMPPS | Vex::VCMPPD) => return,
            Rvmi | RvmiGpr => (assemble(|a| a.rvmi(op, r, v, mem, 1)), format!("{m} xmm{rs},xmm{vs},{shown},1")),
            Rvmr => (assemble(|a| a.rvmr(op, r, v, mem, Xmm(3))), format!("{m} xmm{rs},xmm{vs},{shown},xmm3")),
            Form::Rm | RmGpr | Load => (assemble(|a| a.rm(op, r, mem)), format!("{m} xmm{rs},{shown}")),
            Rmi => (assemble(|a| a.rmi(op, r, mem, 1)), format!("{m} xmm{rs},{shown},1")),
            Store | Mr => (assemble(|a| a.mr(op, mem, r)), format!("{m} {shown},xmm{rs}")),
            Mri => (assemble(|a| a.mri(op, mem, r, 1)), format!("{m} {shown},xmm{rs},1")),
            Mask | Vmi(_) => return,
        };
        assert_eq!(found, expected);
    }

    /// Constants are found behind the code, also by instructions with an immediate.
    #[test]
    fn distances_to_constants_count_from_the_end() {
        for with_immediate in [false, true] {
            let mut asm = Assembler::default();
            let label = asm.constant([7; 16], 16);
            if with_immediate {
                asm.rmi(Vex::VPSHUFD, Xmm(1), label, 0x1b);
            } else {
                asm.rvm(Vex::VPADDB, Xmm(1), Xmm(2), label);
            }
            let (code, starts) = asm.finish();
            let cold_start = starts.of(crate::asm::Section::Cold);
            let instruction = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).decode();
            assert_eq!(instruction.ip_rel_memory_address(), cold_start as u64);
            assert_eq!(code[cold_start as usize..], [7; 16]);
        }
    }
}
