//! Loads and stores of vectors and of their lanes. No access is wider than the instruction says: the last bytes of a
//! memory can be read and written, and the first instruction is the one that faults.

use super::super::memory::bytes_of;
use super::super::parts::Compiler;
use super::lanes::{extraction, insertion};
use crate::abi::TrapKind;
use crate::asm::{Mem, Vex, Width};
use wasmparser::MemArg;

impl Compiler<'_> {
    /// The operand of an access and the register for its result; the instruction written next may fault.
    fn v_load_operands(&mut self, bytes: u32, memarg: &MemArg) -> (Mem, crate::abi::Xmm) {
        let mut address = self.pop();
        let dst = self.result_of(&[]);
        let mem = self.address(&mut address, memarg, bytes);
        self.trap_site(TrapKind::MemoryOutOfBounds);
        (mem, dst)
    }

    /// Loads that are one instruction reading so many bytes.
    pub(crate) fn v_load(&mut self, op: Vex, bytes: u32, memarg: &MemArg) {
        let (mem, dst) = self.v_load_operands(bytes, memarg);
        self.asm.rm(op, dst, mem);
        self.push_vector(dst);
    }

    pub(crate) fn v_load_splat(&mut self, lane: Width, memarg: &MemArg) {
        let (mem, dst) = self.v_load_operands(bytes_of(lane), memarg);
        self.splat_memory(lane, dst, mem);
        self.push_vector(dst);
    }

    pub(crate) fn v_load_lane(&mut self, width: Width, memarg: &MemArg, lane: u8) {
        let mut value = self.pop();
        let mut address = self.pop();
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        let mem = self.address(&mut address, memarg, bytes_of(width));
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.rvmi(insertion(width), dst, src, mem, lane);
        self.push_vector(dst);
    }

    pub(crate) fn v_store(&mut self, memarg: &MemArg) {
        let mut value = self.pop();
        let mut address = self.pop();
        let src = self.in_xmm(&mut value);
        let mem = self.address(&mut address, memarg, 16);
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.mr(Vex::VMOVUPS_STORE, mem, src);
        self.release_value(&value);
        self.release_value(&address);
    }

    pub(crate) fn v_store_lane(&mut self, width: Width, memarg: &MemArg, lane: u8) {
        let mut value = self.pop();
        let mut address = self.pop();
        let src = self.in_xmm(&mut value);
        let mem = self.address(&mut address, memarg, bytes_of(width));
        self.trap_site(TrapKind::MemoryOutOfBounds);
        match (width, lane) {
            (Width::W32, 0) => self.asm.mr(Vex::VMOVSS_STORE, mem, src),
            (Width::W64, 0) => self.asm.mr(Vex::VMOVLPS_STORE, mem, src),
            (Width::W64, _) => self.asm.mr(Vex::VMOVHPS_STORE, mem, src),
            _ => self.asm.mri(extraction(width), mem, src, lane),
        }
        self.release_value(&value);
        self.release_value(&address);
    }
}
