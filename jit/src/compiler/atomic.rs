//! Atomic instructions. All are sequentially consistent: on x86-64 a load is a plain one, a store an exchange.
//!
//! An access first checks its alignment (the effective address, so that a trap comes before any effect), then its
//! bounds as in `memory`. And, or and xor loop over a compare-exchange, since they return what was there before. The
//! runtime makes threads wait and wakes them.

use super::call::{Arg, Entry, entry};
use super::memory::{Load, bytes_of};
use super::parts::Compiler;
use super::values::{At, Reg, Value, width};
use crate::abi::{Gpr, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Locked, Mem, Unary, Width};
use heapwood_gc_abi::{Mutant, Narrow, active, low8, low32};
use heapwood_module::ValType;
use wasmparser::MemArg;

/// What an atomic instruction does with the value in memory and its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rmw {
    Add,
    Sub,
    And,
    Or,
    Xor,
    Exchange,
}

impl Compiler<'_> {
    pub(crate) fn atomic_load(&mut self, ty: ValType, load_width: Width, memarg: &MemArg) {
        let mut address = self.pop();
        self.check_alignment(&mut address, memarg, bytes_of(load_width));
        self.load_from(address, Load { ty, width: load_width, signed: false }, memarg);
    }

    pub(crate) fn atomic_store(&mut self, store_width: Width, memarg: &MemArg) {
        let mut value = self.pop();
        let mut address = self.pop();
        let reg = self.owned(&mut value).as_gpr();
        self.keep_locked(&[&address]);
        let mem = self.atomic_operand(&mut address, memarg, bytes_of(store_width));
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.locked(Locked::Exchange, store_width, mem, reg);
        self.release_value(&value);
        self.release_value(&address);
    }

    /// The old value is the result.
    pub(crate) fn atomic_rmw(&mut self, ty: ValType, rmw_width: Width, rmw: Rmw, memarg: &MemArg) {
        let (locked, negate) = match rmw {
            Rmw::Add => (Locked::ExchangeAdd, false),
            Rmw::Sub => (Locked::ExchangeAdd, true),
            Rmw::Exchange => (Locked::Exchange, false),
            Rmw::And => return self.atomic_rmw_loop(ty, rmw_width, Alu::And, memarg),
            Rmw::Or => return self.atomic_rmw_loop(ty, rmw_width, Alu::Or, memarg),
            Rmw::Xor => return self.atomic_rmw_loop(ty, rmw_width, Alu::Xor, memarg),
        };
        let mut value = self.pop();
        let mut address = self.pop();
        let reg = self.owned(&mut value);
        self.keep_locked(&[&address]);
        let mem = self.atomic_operand(&mut address, memarg, bytes_of(rmw_width));
        if negate {
            self.asm.unary(width(ty), Unary::Neg, reg.as_gpr());
        }
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.locked(locked, rmw_width, mem, reg.as_gpr());
        self.release_value(&address);
        self.push_old(ty, rmw_width, reg);
    }

    /// An operation for which no instruction returns the old value: a compare-exchange is retried until no other thread
    /// wrote in between.
    fn atomic_rmw_loop(&mut self, ty: ValType, rmw_width: Width, alu: Alu, memarg: &MemArg) {
        let mut value = self.pop();
        let mut address = self.pop();
        self.effective_address(&mut address, memarg, bytes_of(rmw_width));
        self.keep_locked(&[&value]);
        if value.imm32().is_none() {
            self.in_gpr(&mut value);
        }
        let old = self.claim_rax(&mut value);
        let new = self.take_gpr();
        let mem = Mem::base(SCRATCH, 0);
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.load_zx(rmw_width, old.as_gpr(), mem);
        let again = self.asm.new_label();
        self.asm.bind(again);
        self.asm.mov_rr(Width::W64, new, old.as_gpr());
        match value.imm32() {
            Some(imm) => self.asm.alu_ri(width(ty), alu, new, imm),
            None => self.asm.alu_rr(width(ty), alu, new, value.reg().expect("loaded").as_gpr()),
        }
        self.asm.locked(Locked::CompareExchange, rmw_width, mem, new);
        self.asm.jcc(Cond::Ne, again);
        self.release(Reg::gpr(new));
        self.release_value(&value);
        // The load has zero-extended it, and a failed exchange of a part of the register writes that part only.
        self.push_reg(ty, old);
    }

    /// Compares as many bits as are in memory.
    pub(crate) fn atomic_cmpxchg(&mut self, ty: ValType, access_width: Width, memarg: &MemArg) {
        if i32::try_from(memarg.offset.saturating_add(8)).is_err() {
            // An address whose alignment is checked may take two more registers.
            self.values.spill_top(self.asm, 2);
        }
        let mut replacement = self.pop();
        let expected = self.pop();
        let mut address = self.pop();
        self.effective_address(&mut address, memarg, bytes_of(access_width));
        self.keep_locked(&[&replacement, &expected]);
        let new = self.in_gpr(&mut replacement);
        debug_assert_ne!(new, SCRATCH);
        let old = self.claim_rax(&mut replacement);
        self.load_value(old, &expected);
        if expected.at != At::Temp(old) {
            self.release_value(&expected);
        }
        let new = replacement.reg().expect("loaded").as_gpr();
        self.trap_site(TrapKind::MemoryOutOfBounds);
        self.asm.locked(Locked::CompareExchange, access_width, Mem::base(SCRATCH, 0), new);
        self.release_value(&replacement);
        self.push_old(ty, access_width, old);
    }

    /// Pushes what was in memory, of which the instruction wrote the lower part of the register.
    fn push_old(&mut self, ty: ValType, access_width: Width, reg: Reg) {
        match access_width {
            Width::W8 | Width::W16 => self.asm.movzx(access_width, reg.as_gpr(), reg.as_gpr()),
            Width::W32 if ty == ValType::I64 => self.asm.mov_rr(Width::W32, reg.as_gpr(), reg.as_gpr()),
            _ => {}
        }
        self.push_reg(ty, reg);
    }

    /// Takes rax for this instruction; `other`, which stays in use, leaves it.
    fn claim_rax(&mut self, other: &mut Value) -> Reg {
        let rax = Reg::gpr(Gpr::RAX);
        self.values.claim_beside(self.asm, rax, other);
        rax
    }

    /// The operand of an access whose alignment is checked. May use the scratch register.
    fn atomic_operand(&mut self, address: &mut Value, memarg: &MemArg, bytes: u32) -> Mem {
        self.check_alignment(address, memarg, bytes);
        self.address(address, memarg, bytes)
    }

    /// Puts the effective address of an access into the scratch register; the operand is not read any more.
    fn effective_address(&mut self, address: &mut Value, memarg: &MemArg, bytes: u32) {
        let mem = self.atomic_operand(address, memarg, bytes);
        if mem != Mem::base(SCRATCH, 0) {
            self.asm.lea(Width::W64, SCRATCH, mem);
        }
        self.release_value(address);
    }

    /// Traps unless address plus offset is a multiple of the access's size.
    fn check_alignment(&mut self, address: &mut Value, memarg: &MemArg, bytes: u32) {
        if bytes == 1 || active(Mutant::MisalignedAtomic) {
            return;
        }
        let mask = bytes.narrow::<u8>() - 1;
        let offset = low8(memarg.offset) & mask;
        let out = self.trap_label(TrapKind::UnalignedAtomic);
        if let Some(constant) = address.constant() {
            if low8(constant).wrapping_add(offset) & mask != 0 {
                self.asm.jmp(out);
            }
            return;
        }
        let reg = self.in_gpr(address);
        if offset == 0 {
            self.asm.test_ri8(reg, mask);
        } else {
            self.asm.lea(Width::W32, SCRATCH, Mem::base(reg, offset.into()));
            self.asm.test_ri8(SCRATCH, mask);
        }
        self.asm.jcc(Cond::Ne, out);
    }

    pub(crate) fn atomic_fence(&mut self) {
        self.asm.fence();
    }

    pub(crate) fn atomic_notify(&mut self, memarg: &MemArg) {
        self.call_atomic(entry!(MemoryNotify, 2), memarg);
    }

    pub(crate) fn atomic_wait(&mut self, access_width: Width, memarg: &MemArg) {
        let wait = if access_width == Width::W64 { entry!(MemoryWait64, 3) } else { entry!(MemoryWait32, 3) };
        self.call_atomic(wait, memarg);
    }

    /// Calls the runtime, which adds the offset to the address. The offset goes in two halves, since a number in a call
    /// of the runtime has 32 bits.
    fn call_atomic(&mut self, entry: Entry<3>, memarg: &MemArg) {
        let (low, high) = (low32(memarg.offset), low32(memarg.offset >> 32));
        let leading = [Arg::Number(memarg.memory), Arg::Number(low), Arg::Number(high)];
        self.call_builtin(entry, leading, Some(ValType::I32));
        self.truncate_result(ValType::I32);
    }
}
