//! Linear memories: loads, stores, size, grow, bulk operations.
//!
//! A memory32 access is `[r13 + address + offset]` in a reservation of 8 GiB and more: the unsigned 32-bit address
//! plus the unsigned 32-bit offset cannot leave it, and what is beyond the end faults.

use super::Compiler;
use super::call::Arg;
use super::state::Reg;
use super::values::{Value, width};
use crate::abi::{Builtin, CONTEXT, Gpr, MEMORY_BASE, SCRATCH, TrapKind};
use crate::asm::{Mem, ShiftOp, Width};
use heapwood_module::{ContextLayout, ValType};
use wasmparser::MemArg;

/// A load: width in memory, how it extends, and the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Load {
    pub(crate) ty: ValType,
    pub(crate) width: Width,
    pub(crate) signed: bool,
}

impl Compiler<'_> {
    /// The operand of an access; consumes the address. `None`: this memory is not supported yet.
    fn address(&mut self, address: &mut Value, memarg: &MemArg) -> Option<Mem> {
        let memory = self.info.memories[memarg.memory as usize];
        if memarg.memory != 0 || memory.memory64 || memory.shared || memory.page_size_log2 != 16 {
            self.unsupported("an access of this kind of memory (64-bit, shared, custom page size or index above 0)");
            return None;
        }
        if let Some(constant) = address.constant() {
            let at = constant + memarg.offset;
            if let Ok(disp) = i32::try_from(at) {
                return Some(Mem::base(MEMORY_BASE, disp));
            }
            self.asm.mov_ri(SCRATCH, at);
            return Some(Mem::indexed(MEMORY_BASE, SCRATCH, 0, 0));
        }
        let reg = self.in_gpr(address);
        match i32::try_from(memarg.offset) {
            Ok(disp) => Some(Mem::indexed(MEMORY_BASE, reg, 0, disp)),
            Err(_) => {
                self.asm.mov_ri(SCRATCH, memarg.offset);
                self.asm.lea(Width::W64, SCRATCH, Mem::indexed(SCRATCH, reg, 0, 0));
                Some(Mem::indexed(MEMORY_BASE, SCRATCH, 0, 0))
            }
        }
    }

    pub(crate) fn load(&mut self, load: Load, memarg: &MemArg) {
        let mut address = self.pop();
        let Some(mem) = self.address(&mut address, memarg) else { return };
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
            self.load_reg(load.ty, dst, mem);
        } else if load.signed {
            self.asm.load_sx(load.width, width(load.ty), dst.as_gpr(), mem);
        } else {
            self.asm.load_zx(load.width, dst.as_gpr(), mem);
        }
    }

    pub(crate) fn store(&mut self, ty: ValType, store_width: Width, memarg: &MemArg) {
        let mut value = self.pop();
        let mut address = self.pop();
        let is_float = matches!(ty, ValType::F32 | ValType::F64);
        let small = value.imm32().is_some() && (ty != ValType::F64);
        if !small {
            self.in_reg(&mut value);
        }
        let Some(mem) = self.address(&mut address, memarg) else { return };
        self.trap_site(TrapKind::MemoryOutOfBounds);
        match value.reg() {
            Some(reg) if is_float => self.store_reg(ty, mem, reg),
            Some(reg) => self.asm.store(store_width, mem, reg.as_gpr()),
            None => self.asm.store_imm(store_width, mem, value.imm32().expect("small")),
        }
        self.release_value(&value);
        self.release_value(&address);
    }

    fn plain_memory(&mut self, memory: u32) -> bool {
        let ty = self.info.memories[memory as usize];
        if ty.memory64 || ty.shared || ty.page_size_log2 != 16 {
            self.unsupported("this kind of memory (64-bit, shared or custom page size)");
            return false;
        }
        true
    }

    pub(crate) fn memory_size(&mut self, memory: u32) {
        if !self.plain_memory(memory) {
            return;
        }
        self.need_context();
        let at = self.env.context.memory_offset(memory) + ContextLayout::MEMORY_CELL;
        self.asm.load(Width::W64, SCRATCH, Mem::base(CONTEXT, at as i32));
        let dst = self.result_reg(ValType::I32, None, &[]);
        let length = Mem::base(SCRATCH, ContextLayout::MEMORY_CELL_LENGTH as i32);
        self.asm.load(Width::W64, dst.as_gpr(), length);
        self.asm.shift_ri(Width::W64, ShiftOp::Shr, dst.as_gpr(), 16);
        self.push_result(ValType::I32, dst);
    }

    pub(crate) fn memory_grow(&mut self, memory: u32) {
        if !self.plain_memory(memory) {
            return;
        }
        self.call_builtin(Builtin::MemoryGrow, &[Arg::Number(memory)], 1, Some(ValType::I32));
        self.truncate_result();
    }

    /// The runtime answers 64 bits; an i32 has its upper half clear.
    pub(crate) fn truncate_result(&mut self) {
        self.asm.mov_rr(Width::W32, Gpr::RAX, Gpr::RAX);
    }

    pub(crate) fn memory_fill(&mut self, memory: u32) {
        if self.plain_memory(memory) {
            self.call_builtin(Builtin::MemoryFill, &[Arg::Number(memory)], 3, None);
        }
    }

    pub(crate) fn memory_copy(&mut self, dst: u32, src: u32) {
        if self.plain_memory(dst) && self.plain_memory(src) {
            self.call_builtin(Builtin::MemoryCopy, &[Arg::Number(dst), Arg::Number(src)], 3, None);
        }
    }

    pub(crate) fn memory_init(&mut self, segment: u32, memory: u32) {
        if self.plain_memory(memory) {
            self.call_builtin(Builtin::MemoryInit, &[Arg::Number(memory), Arg::Number(segment)], 3, None);
        }
    }

    pub(crate) fn data_drop(&mut self, segment: u32) {
        self.call_builtin(Builtin::DataDrop, &[Arg::Number(segment)], 0, None);
    }
}
