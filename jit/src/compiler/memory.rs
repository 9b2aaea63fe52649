//! Linear memories: loads, stores, size, grow, bulk operations.
//!
//! Three ways to keep an access inside its memory:
//! 1. memory32 with 64 KiB pages and a guarded reservation: `[base + address + offset]` in a reservation of 8 GiB and
//!    more: the unsigned 32-bit address plus the unsigned 32-bit offset cannot leave it, and what is beyond the end
//!    faults.
//! 2. memory64 with 64 KiB pages and a guarded reservation: an address (plus a large offset) of
//!    [`MEMORY64_REACH_LOG2`] bits or more traps by a shift; what is below may fault in the reservation.
//! 3. Everything else compares with the length in the memory's cell.
//!
//! The base of memory 0 is in r13. The bases of other memories that are accessed in loops are in callee-saved
//! registers, while there are any left; all others are loaded for each access.

use super::call::{Arg, entry};
use super::parts::Compiler;
use super::values::{Reg, Stored, Value, width};
use crate::abi::{CONTEXT, Gpr, MEMORY_BASE, MEMORY64_REACH_LOG2, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Mem, ShiftOp, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, ValType};
use wasmparser::MemArg;

/// A kind of load: the width in memory, how the value is extended, and the type of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Load {
    pub(crate) ty: ValType,
    pub(crate) width: Width,
    pub(crate) signed: bool,
}

impl Compiler<'_> {
    /// The operand of an access of `bytes` bytes; consumes the address. May use the scratch register.
    pub(crate) fn address(&mut self, address: &mut Value, memarg: &MemArg, bytes: u32) -> Mem {
        let memory = self.info.memories[memarg.memory as usize];
        let options = &self.env.options;
        let is_unguarded = if memory.memory64 { !options.memory64_guard } else { options.memory32_checks };
        if memory.page_size_log2 != 16 || is_unguarded {
            return self.checked_address(address, memarg, bytes);
        }
        if memory.memory64 {
            return self.guarded_address64(address, memarg);
        }
        let constant = address.constant().and_then(|constant| i32::try_from(constant + memarg.offset).ok());
        if let Some(disp) = constant {
            let base = self.memory_base(memarg.memory);
            return Mem::base(base, disp);
        }
        let reg = self.in_gpr(address);
        self.offset_address(reg, memarg)
    }

    /// The register that holds a memory's base: its own, or the scratch register, into which the base is loaded.
    fn memory_base(&mut self, memory: u32) -> Gpr {
        if let Some(resident) = self.resident_base(memory) {
            return resident;
        }
        self.need_context();
        let at = self.env.context.memory_offset(memory) + ContextLayout::MEMORY_BASE;
        self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, at.narrow()));
        SCRATCH
    }

    fn resident_base(&self, memory: u32) -> Option<Gpr> {
        if memory == 0 { Some(MEMORY_BASE) } else { self.frame.base_of(memory) }
    }

    /// `[base + reg + offset]` for an offset of any size.
    fn offset_address(&mut self, reg: Gpr, memarg: &MemArg) -> Mem {
        if let Ok(disp) = i32::try_from(memarg.offset) {
            let base = self.memory_base(memarg.memory);
            return Mem::indexed(base, reg, 0, disp);
        }
        self.asm.mov_ri(SCRATCH, memarg.offset);
        let width = if active(Mutant::LargeOffsetIn32Bits) { Width::W32 } else { Width::W64 };
        self.asm.alu_rr(width, Alu::Add, SCRATCH, reg);
        if let Some(resident) = self.resident_base(memarg.memory) {
            return Mem::indexed(resident, SCRATCH, 0, 0);
        }
        self.need_context();
        let at = self.env.context.memory_offset(memarg.memory) + ContextLayout::MEMORY_BASE;
        self.asm.alu_rm(Width::W64, Alu::Add, SCRATCH, Mem::base(CONTEXT, at.narrow()));
        Mem::base(SCRATCH, 0)
    }

    /// The second way: small offsets reach into the guard behind the reservation; large ones are added first.
    fn guarded_address64(&mut self, address: &mut Value, memarg: &MemArg) -> Mem {
        let out = self.trap_label(TrapKind::MemoryOutOfBounds);
        let small = i32::try_from(memarg.offset).is_ok();
        let reg = if small {
            self.in_gpr(address)
        } else {
            let reg = self.owned(address).as_gpr();
            self.asm.mov_ri(SCRATCH, memarg.offset);
            self.asm.alu_rr(Width::W64, Alu::Add, reg, SCRATCH);
            self.asm.jcc(Cond::B, out);
            reg
        };
        self.asm.mov_rr(Width::W64, SCRATCH, reg);
        self.asm.shift_ri(Width::W64, ShiftOp::Shr, SCRATCH, MEMORY64_REACH_LOG2.narrow());
        if !active(Mutant::Memory64ReachUnchecked) {
            self.asm.jcc(Cond::Ne, out);
        }
        let offset = if small { memarg.offset } else { 0 };
        self.offset_address(reg, &MemArg { offset, ..*memarg })
    }

    /// The third way: address <= length - (offset + bytes), without overflow.
    fn checked_address(&mut self, address: &mut Value, memarg: &MemArg, bytes: u32) -> Mem {
        let out = self.trap_label(TrapKind::MemoryOutOfBounds);
        let reg = self.in_gpr(address);
        self.need_context();
        let cell = self.env.context.memory_offset(memarg.memory) + ContextLayout::MEMORY_CELL;
        let length = Mem::base(SCRATCH, ContextLayout::MEMORY_CELL_LENGTH.narrow());
        let needed = memarg.offset.saturating_add(bytes as u64) - active(Mutant::AccessOneBeyondMemory) as u64;
        match i32::try_from(needed) {
            Ok(needed) => {
                self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, cell.narrow()));
                self.asm.load(Width::W64, SCRATCH, length);
                self.asm.alu_ri(Width::W64, Alu::Sub, SCRATCH, needed);
            }
            Err(_) => {
                // The end of such an access lies beyond 2^64, so it always traps.
                let reg = self.take_gpr();
                self.asm.mov_ri(reg, needed);
                self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, cell.narrow()));
                self.asm.load(Width::W64, SCRATCH, length);
                self.asm.alu_rr(Width::W64, Alu::Sub, SCRATCH, reg);
                self.release(Reg::gpr(reg));
            }
        }
        self.asm.jcc(Cond::B, out);
        self.asm.alu_rr(Width::W64, Alu::Cmp, reg, SCRATCH);
        self.asm.jcc(Cond::A, out);
        self.offset_address(reg, memarg)
    }

    pub(crate) fn load(&mut self, load: Load, memarg: &MemArg) {
        let address = self.pop();
        self.load_from(address, load, memarg);
    }

    /// Loads from a popped address and pushes the result.
    pub(crate) fn load_from(&mut self, mut address: Value, load: Load, memarg: &MemArg) {
        let mem = self.address(&mut address, memarg, bytes_of(load.width));
        let as_result = Value { ty: load.ty, ..address };
        let dst = self.result_reg(load.ty, Some(&as_result), &[]);
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.load_wide(load, dst, mem);
        if dst.is_xmm() {
            self.release_value(&address);
        }
        self.push_result(load.ty, dst);
    }

    /// One load instruction of any width.
    pub(crate) fn load_wide(&mut self, load: Load, dst: Reg, mem: Mem) {
        if dst.is_xmm() {
            self.asm.load_reg(load.ty, dst, mem);
        } else if load.signed || matches!(load.width, Width::W8 | Width::W16) && active(Mutant::LoadSigned) {
            self.asm.load_sx(load.width, width(load.ty), dst.as_gpr(), mem);
        } else {
            self.asm.load_zx(load.width, dst.as_gpr(), mem);
        }
    }

    pub(crate) fn store(&mut self, ty: ValType, store_width: Width, memarg: &MemArg) {
        let mut value = self.pop();
        let mut address = self.pop();
        let to = Stored::low_bytes(ty, store_width);
        self.prepare_stored(to, &mut value);
        let mem = self.address(&mut address, memarg, bytes_of(store_width));
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.store_value(to, mem, &value);
        self.release_value(&value);
        self.release_value(&address);
    }

    /// Type of a memory's addresses and sizes.
    fn address_type(&self, memory: u32) -> ValType {
        if self.info.memories[memory as usize].memory64 { ValType::I64 } else { ValType::I32 }
    }

    pub(crate) fn memory_size(&mut self, memory: u32) {
        self.need_context();
        let at = self.env.context.memory_offset(memory) + ContextLayout::MEMORY_CELL;
        let ty = self.address_type(memory);
        let dst = self.result_reg(ty, None, &[]);
        self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, at.narrow()));
        let length = Mem::base(SCRATCH, ContextLayout::MEMORY_CELL_LENGTH.narrow());
        self.asm.load(Width::W64, dst.as_gpr(), length);
        let shift = self.info.memories[memory as usize].page_size_log2.narrow();
        if shift != 0 {
            self.asm.shift_ri(Width::W64, ShiftOp::Shr, dst.as_gpr(), shift);
        }
        self.push_result(ty, dst);
    }

    pub(crate) fn memory_grow(&mut self, memory: u32) {
        let ty = self.address_type(memory);
        self.call_builtin(entry!(MemoryGrow, 1), [Arg::Number(memory)], Some(ty));
        self.truncate_result(ty);
    }

    /// Clears the upper half of the runtime's 64-bit answer if its type is i32.
    pub(crate) fn truncate_result(&mut self, ty: ValType) {
        #[cfg(feature = "test-hooks")]
        if self.env.options.skip_zero_extension {
            return;
        }
        if ty == ValType::I32 {
            self.asm.mov_rr(Width::W32, Gpr::RAX, Gpr::RAX);
        }
    }

    pub(crate) fn memory_fill(&mut self, memory: u32) {
        self.call_builtin(entry!(MemoryFill, 3), [Arg::Number(memory)], None);
    }

    pub(crate) fn memory_copy(&mut self, dst: u32, src: u32) {
        self.call_builtin(entry!(MemoryCopy, 3), [Arg::Number(dst), Arg::Number(src)], None);
    }

    pub(crate) fn memory_init(&mut self, segment: u32, memory: u32) {
        self.call_builtin(entry!(MemoryInit, 3), [Arg::Number(memory), Arg::Number(segment)], None);
    }

    pub(crate) fn data_drop(&mut self, segment: u32) {
        self.call_builtin(entry!(DataDrop, 0), [Arg::Number(segment)], None);
    }
}

/// Bytes that an access of this width touches, or that a lane has.
pub(crate) fn bytes_of(width: Width) -> u32 {
    match width {
        Width::W8 => 1,
        Width::W16 => 2,
        Width::W32 => 4,
        Width::W64 => 8,
    }
}
