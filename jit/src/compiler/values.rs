//! Popping, pushing, allocating, spilling and loading values.

use super::state::{Loc, Operand, Owner, Place, Reg, bits, in_xmm};
use super::{Compiler, OPEN_OPERANDS_MAX};
use crate::abi::{CALLER_SAVED, Gpr, Xmm};
use crate::asm::{Cond, Label, Mem, Sse, Width};
use crate::first_look::Hint;
use heapwood_gc_abi::{Narrow, low32};
use heapwood_module::ValType;

/// A popped operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) ty: ValType,
    pub(crate) at: At,
}

/// Where a popped operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    /// A constant's bits.
    Const(u64),
    /// A register that the instruction owns.
    Temp(Reg),
    /// A local's register: locked, not to be written.
    Local(Reg, u32),
    /// A local's home slot.
    Home(u32),
    /// An operand's slot (offset from rbp).
    Slot(i32),
    /// The flags.
    Flags(Cond),
}

impl Value {
    pub(crate) fn constant(&self) -> Option<u64> {
        match self.at {
            At::Const(bits) => Some(bits),
            _ => None,
        }
    }

    /// An integer constant that fits the sign-extended 32-bit immediate of an arithmetic instruction of the value's width.
    /// What a store may hold itself is another matter: [`super::stored::Stored::imm`].
    pub(crate) fn imm32(&self) -> Option<i32> {
        match (self.at, self.ty) {
            (At::Const(bits), ValType::I64) => i32::try_from(bits.cast_signed()).ok(),
            (At::Const(bits), ValType::I32) => Some(low32(bits).cast_signed()),
            _ => None,
        }
    }

    pub(crate) fn reg(&self) -> Option<Reg> {
        match self.at {
            At::Temp(reg) | At::Local(reg, _) => Some(reg),
            _ => None,
        }
    }
}

/// Width of an integer or a reference in a general register.
pub(crate) fn width(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::Ref(_) => Width::W32,
        ValType::I64 => Width::W64,
        ValType::F32 | ValType::F64 | ValType::V128 => unreachable!("a {ty:?} is never in a general register"),
    }
}

/// Registers that values are allocated to.
pub(super) const GPR_MASK: u32 = {
    let (mut mask, mut i) = (0, 0);
    while i < CALLER_SAVED.len() {
        mask |= 1 << CALLER_SAVED[i].0;
        i += 1;
    }
    mask
};
const XMM_MASK: u32 = 0x7fff << 16;

/// Registers that loops pin: those that no instruction needs for itself.
pub(crate) const PIN_GPRS: [Gpr; 4] = [Gpr::RSI, Gpr::RDI, Gpr::R8, Gpr::R9];
pub(crate) const PIN_XMMS: std::ops::Range<u8> = 5..15;

/// The same as a mask: an instruction has to do with the others.
const PINNABLE_MASK: u32 = {
    let (mut mask, mut i) = (0, 0);
    while i < PIN_GPRS.len() {
        mask |= 1 << PIN_GPRS[i].0;
        i += 1;
    }
    let mut xmm = PIN_XMMS.start;
    while xmm < PIN_XMMS.end {
        mask |= 1 << (16 + xmm);
        xmm += 1;
    }
    mask
};

impl Compiler<'_> {
    // ---- the operand stack

    pub(crate) fn refs_below(&self) -> u32 {
        self.stack.last().map_or(0, |top| top.refs_below + top.ty.is_ref() as u32)
    }

    pub(crate) fn push_operand(&mut self, ty: ValType, place: Place) {
        let refs_below = self.refs_below();
        self.push_listed(Operand { ty, place, refs_below });
    }

    /// Pushes an operand that knows how many references are below it.
    pub(crate) fn push_listed(&mut self, operand: Operand) {
        if operand.ty.is_ref() {
            self.ref_heights.truncate(operand.refs_below as usize);
            self.ref_heights.push(self.stack.len().narrow());
        }
        self.stack.push(operand);
    }

    /// The older half of the open operands goes to slots.
    pub(crate) fn close_operands(&mut self) {
        let to = self.stack.len() - OPEN_OPERANDS_MAX / 2;
        self.spill_range(self.closed, to);
        self.closed = to;
    }

    pub(crate) fn push_const(&mut self, ty: ValType, bits: u64) {
        let narrow = ty.field_kind().bytes() == 4;
        debug_assert!(!narrow || bits <= u32::MAX as u64, "{bits:#x} is no constant of type {ty:?}");
        self.push_operand(ty, Place::Const(bits));
    }

    /// Pushes a register that the instruction owns.
    pub(crate) fn push_reg(&mut self, ty: ValType, reg: Reg) {
        self.regs.set(reg, Owner::Stack(self.stack.len().narrow()), ty.is_ref());
        self.push_operand(ty, Place::Reg(reg));
    }

    /// Pushes the result of an instruction that asked for `dst` by [`Self::result_reg`].
    pub(crate) fn push_result(&mut self, ty: ValType, dst: Reg) {
        match self.regs.owner(dst) {
            Owner::Local(local) => self.push_operand(ty, Place::Direct(local)),
            _ => self.push_reg(ty, dst),
        }
    }

    /// The top operand, if it is a constant.
    pub(crate) fn top_constant(&self) -> Option<u64> {
        match self.stack.last()?.place {
            Place::Const(bits) => Some(bits),
            Place::Alias(local) => match self.locals[local as usize].loc {
                Loc::Const(bits) => Some(bits),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn pop(&mut self) -> Value {
        let Operand { ty, place, .. } = self.stack.pop().expect("validated body");
        self.closed = self.closed.min(self.stack.len());
        let at = match place {
            Place::Const(bits) => At::Const(bits),
            Place::Flags(cond) => At::Flags(cond),
            Place::Slot => {
                let height = self.stack.len();
                let refs = self.refs_below();
                At::Slot(self.temp_slot(height, ty, refs))
            }
            Place::Reg(reg) => {
                self.regs.take_over(reg);
                At::Temp(reg)
            }
            Place::Direct(local) => match self.locals[local as usize].loc {
                Loc::Reg { reg, .. } => At::Local(reg, local),
                _ => unreachable!("a direct result lies in its local's register"),
            },
            Place::Alias(local) => {
                self.locals[local as usize].aliases -= 1;
                match self.locals[local as usize].loc {
                    Loc::Reg { reg, .. } => {
                        self.regs.locked |= reg.bit();
                        At::Local(reg, local)
                    }
                    Loc::Const(bits) => At::Const(bits),
                    Loc::Slot => At::Home(local),
                }
            }
        };
        Value { ty, at }
    }

    /// The slot of the operand at `height` (offset from rbp).
    pub(crate) fn temp_slot(&mut self, height: usize, ty: ValType, refs_below: u32) -> i32 {
        if ty.is_ref() {
            self.frame.ref_slot(self.frame.ref_locals + refs_below)
        } else {
            self.frame.plain_temp(height - refs_below as usize, ty == ValType::V128)
        }
    }

    pub(crate) fn operand_slot(&mut self, height: usize) -> i32 {
        let Operand { ty, refs_below, .. } = self.stack[height];
        self.temp_slot(height, ty, refs_below)
    }

    /// The slot of the operand at `height`.
    pub(crate) fn operand_mem(&mut self, height: usize) -> Mem {
        let at = self.operand_slot(height);
        self.in_frame(at)
    }

    // ---- registers

    /// The registers of a kind that an instruction may get.
    #[inline]
    fn allocatable(&self, xmm: bool) -> u32 {
        let all = if xmm { XMM_MASK } else { GPR_MASK };
        if self.env.options.few_registers { all & !PINNABLE_MASK } else { all }
    }

    /// The free register of a kind that comes first in the order of preference.
    #[inline]
    fn first_free(&self, xmm: bool) -> Option<Reg> {
        let free = self.regs.free_mask() & self.allocatable(xmm);
        if xmm {
            return (free != 0).then(|| Reg(free.trailing_zeros().narrow()));
        }
        if free == 0 {
            return None;
        }
        CALLER_SAVED.iter().map(|g| Reg::gpr(*g)).find(|r| free & r.bit() != 0)
    }

    /// A register that the instruction owns; evicts if none is free.
    pub(crate) fn take(&mut self, xmm: bool) -> Reg {
        let reg = self.first_free(xmm).unwrap_or_else(|| self.evict_some(xmm));
        self.regs.set(reg, Owner::Taken, false);
        reg
    }

    pub(crate) fn take_gpr(&mut self) -> Gpr {
        self.take(false).as_gpr()
    }

    pub(crate) fn take_xmm(&mut self) -> Xmm {
        self.take(true).as_xmm()
    }

    /// A free register, if there is one without evicting.
    pub(crate) fn take_free(&mut self, xmm: bool) -> Option<Reg> {
        let reg = self.first_free(xmm)?;
        self.regs.set(reg, Owner::Taken, false);
        Some(reg)
    }

    /// Takes this very register, moving whoever is in it elsewhere.
    pub(crate) fn take_fixed(&mut self, gpr: Gpr) -> Gpr {
        let reg = Reg::gpr(gpr);
        match self.regs.owner(reg) {
            Owner::Free => {}
            Owner::Taken => unreachable!("{gpr:?} is already taken by this instruction"),
            _ => self.evict(reg),
        }
        debug_assert_eq!(self.regs.locked & reg.bit(), 0, "{gpr:?} is an operand of this instruction");
        self.regs.set(reg, Owner::Taken, false);
        gpr
    }

    pub(crate) fn release(&mut self, reg: Reg) {
        if self.regs.owner(reg) == Owner::Taken {
            self.regs.free(reg);
        }
    }

    pub(crate) fn release_value(&mut self, value: &Value) {
        if let At::Temp(reg) = value.at {
            self.release(reg);
        }
    }

    /// Of the locals' registers that the instruction must not lose, those of `values` are left: it has read the others.
    pub(crate) fn keep_locked(&mut self, values: &[&Value]) {
        let locked = |value: &&Value| match value.at {
            At::Local(reg, _) => reg.bit(),
            _ => 0,
        };
        self.regs.locked = values.iter().map(locked).fold(0, |all, bit| all | bit);
    }

    /// Registers of a kind that no pinned local has.
    pub(crate) fn unpinned(&self, xmm: bool) -> u32 {
        let is_pinned =
            |reg: &Reg| matches!(self.regs.owner(*reg), Owner::Local(local) if self.locals[local as usize].pinned);
        bits(self.allocatable(xmm)).filter(|reg| !is_pinned(reg)).count().narrow()
    }

    fn evict_some(&mut self, xmm: bool) -> Reg {
        let mut best: Option<(u64, Reg)> = None;
        let candidates = self.allocatable(xmm) & !self.regs.locked;
        for reg in bits(candidates) {
            let cost = match self.regs.owner(reg) {
                Owner::Free => 0,
                Owner::Taken => continue,
                Owner::Local(local) if self.locals[local as usize].pinned => continue,
                Owner::Local(local) => {
                    let dirty = matches!(self.locals[local as usize].loc, Loc::Reg { dirty: true, .. });
                    let weight = self.look.weight[local as usize].min(1 << 20) as u64;
                    1 + weight * 2 + if dirty && self.is_live(local) { 3 } else { 0 }
                }
                Owner::Stack(height) => (1 << 30) + height as u64,
            };
            if best.is_none_or(|b| cost < b.0) {
                best = Some((cost, reg));
            }
        }
        let (_, reg) = best.expect("an instruction takes fewer registers than there are");
        self.evict(reg);
        reg
    }

    /// Makes a register free, its owner going to memory (mov only: flags survive).
    pub(crate) fn evict(&mut self, reg: Reg) {
        match self.regs.owner(reg) {
            Owner::Free => {}
            Owner::Local(local) => {
                debug_assert!(!self.locals[local as usize].pinned, "pinned locals stay");
                self.local_to_slot(local);
            }
            Owner::Stack(height) => self.spill(height as usize),
            Owner::Taken => unreachable!("an instruction's own register cannot be evicted"),
        }
    }

    /// Whether the local may be read at or after the current operator.
    pub(crate) fn is_live(&self, local: u32) -> bool {
        self.look.last_use[local as usize] > self.op || self.locals[local as usize].aliases > 0
    }

    /// The local leaves its register or constant; its home slot is current, unless nobody will read it.
    pub(crate) fn local_to_slot(&mut self, local: u32) {
        self.store_local(local);
        match self.locals[local as usize].loc {
            Loc::Reg { reg, .. } => self.regs.free(reg),
            Loc::Const(_) => self.const_locals.retain(|l| *l != local),
            Loc::Slot => {}
        }
        self.locals[local as usize].loc = Loc::Slot;
    }

    /// Brings the home slot up to date; the local stays where it is.
    pub(crate) fn store_local(&mut self, local: u32) {
        let info = self.locals[local as usize];
        let live = self.is_live(local);
        match info.loc {
            Loc::Reg { reg, dirty: true } => {
                if live {
                    self.store_reg(info.ty, self.in_frame(info.home), reg);
                }
                self.locals[local as usize].loc = Loc::Reg { reg, dirty: !live };
            }
            Loc::Const(bits) if live && !info.is_stored => {
                self.store_const(info.ty, self.in_frame(info.home), bits);
                self.locals[local as usize].is_stored = true;
            }
            _ => {}
        }
    }

    /// Moves the operand at `height` to its slot, with all reference operands below it if it is one (invariant 3).
    pub(crate) fn spill(&mut self, height: usize) {
        let Operand { ty, refs_below, .. } = self.stack[height];
        if ty.is_ref() {
            self.spill_refs(refs_below);
        }
        self.spill_one(height);
    }

    /// Moves the lowest `count` reference operands to their slots.
    pub(crate) fn spill_refs(&mut self, count: u32) {
        for index in (0..count as usize).rev() {
            let height = self.ref_heights[index] as usize;
            if self.stack[height].place == Place::Slot {
                break;
            }
            self.spill_one(height);
        }
    }

    /// How many of the lowest `count` reference operands lie below or at the highest that is in its slot.
    pub(crate) fn refs_in_slots(&self, count: u32) -> u32 {
        let in_slot = |index: &u32| self.stack[self.ref_heights[*index as usize - 1] as usize].place == Place::Slot;
        (1..=count).rev().find(in_slot).unwrap_or(0)
    }

    fn spill_one(&mut self, height: usize) {
        let Operand { ty, place, .. } = self.stack[height];
        // A plain constant stays one: nobody reads its slot, not even a collector.
        if matches!(place, Place::Const(_)) && !ty.is_ref() {
            return;
        }
        let slot = self.operand_mem(height);
        match place {
            Place::Slot => {}
            Place::Const(bits) => self.store_const(ty, slot, bits),
            Place::Reg(reg) => {
                self.store_reg(ty, slot, reg);
                self.regs.free(reg);
            }
            Place::Alias(local) => {
                self.locals[local as usize].aliases -= 1;
                let info = self.locals[local as usize];
                match info.loc {
                    Loc::Reg { reg, .. } => self.store_reg(ty, slot, reg),
                    Loc::Const(bits) => self.store_const(ty, slot, bits),
                    Loc::Slot => self.copy_memory(ty, slot, self.in_frame(info.home)),
                }
            }
            Place::Direct(_) | Place::Flags(_) => unreachable!("only the next operator sees such a place"),
        }
        self.stack[height].place = Place::Slot;
    }

    // ---- moving bits

    pub(crate) fn load_reg(&mut self, ty: ValType, reg: Reg, mem: Mem) {
        match ty {
            ValType::I32 | ValType::Ref(_) => self.asm.load(Width::W32, reg.as_gpr(), mem),
            ValType::I64 => self.asm.load(Width::W64, reg.as_gpr(), mem),
            ValType::F32 => self.asm.sse_rm(Sse::MOVSS_LOAD, reg.as_xmm(), mem),
            ValType::F64 => self.asm.sse_rm(Sse::MOVSD_LOAD, reg.as_xmm(), mem),
            ValType::V128 => self.asm.sse_rm(Sse::MOVUPS_LOAD, reg.as_xmm(), mem),
        }
    }

    pub(crate) fn move_reg(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        match ty {
            ValType::I32 | ValType::Ref(_) => self.asm.mov_rr(Width::W32, dst.as_gpr(), src.as_gpr()),
            ValType::I64 => self.asm.mov_rr(Width::W64, dst.as_gpr(), src.as_gpr()),
            _ => self.asm.movaps(dst.as_xmm(), src.as_xmm()),
        }
    }

    /// Loads a constant without touching the flags (floats: by the constant pool).
    pub(crate) fn load_const(&mut self, ty: ValType, reg: Reg, bits: u64) {
        match ty {
            ValType::I32 | ValType::Ref(_) => self.asm.mov_ri(reg.as_gpr(), low32(bits).into()),
            ValType::I64 => self.asm.mov_ri(reg.as_gpr(), bits),
            _ if bits == 0 => self.asm.sse_rr(Sse::XORPS, reg.as_xmm(), reg.as_xmm()),
            ValType::V128 => self.asm.sse_label(Sse::MOVUPS_LOAD, reg.as_xmm(), Label::from_bits(bits)),
            _ => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                let (sse, len) = if ty == ValType::F32 { (Sse::MOVSS_LOAD, 4) } else { (Sse::MOVSD_LOAD, 8) };
                let label = self.asm.constant(bytes, len);
                self.asm.sse_label(sse, reg.as_xmm(), label);
            }
        }
    }

    /// Writes a popped value into a register.
    pub(crate) fn load_value(&mut self, reg: Reg, value: &Value) {
        match value.at {
            At::Const(bits) => self.load_const(value.ty, reg, bits),
            At::Temp(src) | At::Local(src, _) => self.move_reg(value.ty, reg, src),
            At::Home(_) | At::Slot(_) => {
                let mem = self.value_mem(value);
                self.load_reg(value.ty, reg, mem);
            }
            At::Flags(cond) => {
                self.asm.setcc(cond, reg.as_gpr());
                self.asm.movzx(Width::W8, reg.as_gpr(), reg.as_gpr());
            }
        }
    }

    /// The memory operand of a value that lies in a slot.
    pub(crate) fn value_mem(&self, value: &Value) -> Mem {
        match value.at {
            At::Home(local) => self.in_frame(self.locals[local as usize].home),
            At::Slot(offset) => self.in_frame(offset),
            _ => unreachable!("the value is not in memory"),
        }
    }

    /// The value in some register, which must not be written unless owned.
    pub(crate) fn in_reg(&mut self, value: &mut Value) -> Reg {
        if let Some(reg) = value.reg() {
            return reg;
        }
        let xmm = in_xmm(value.ty);
        let reg = self.take(xmm);
        self.load_value(reg, value);
        self.regs.set(reg, Owner::Taken, value.ty.is_ref());
        match value.at {
            // The local keeps the register: the next read finds it there.
            At::Home(local) if self.locals[local as usize].loc == Loc::Slot && self.is_live(local) => {
                self.regs.set(reg, Owner::Local(local), value.ty.is_ref());
                self.regs.locked |= reg.bit();
                self.locals[local as usize].loc = Loc::Reg { reg, dirty: false };
                value.at = At::Local(reg, local);
            }
            _ => value.at = At::Temp(reg),
        }
        reg
    }

    pub(crate) fn in_gpr(&mut self, value: &mut Value) -> Gpr {
        self.in_reg(value).as_gpr()
    }

    pub(crate) fn in_xmm(&mut self, value: &mut Value) -> Xmm {
        self.in_reg(value).as_xmm()
    }

    /// The value in a register that the instruction owns and may overwrite.
    pub(crate) fn owned(&mut self, value: &mut Value) -> Reg {
        if let At::Temp(reg) = value.at {
            return reg;
        }
        let reg = self.take(in_xmm(value.ty));
        self.load_value(reg, value);
        self.regs.set(reg, Owner::Taken, value.ty.is_ref());
        value.at = At::Temp(reg);
        reg
    }

    /// A register for the result: the pinned register of the local that is set next if `avoid` does not need it
    /// (it may be written only when all inputs but `first` are consumed), else `first`'s own, else a new one.
    pub(crate) fn result_reg(&mut self, ty: ValType, first: Option<&Value>, avoid: &[Option<Reg>]) -> Reg {
        if let Some(Hint::Local(local)) = self.hint() {
            let info = self.locals[local as usize];
            if let Loc::Reg { reg, .. } = info.loc {
                let fits = info.pinned && info.aliases == 0 && info.ty == ty;
                if fits && !avoid.contains(&Some(reg)) {
                    return reg;
                }
            }
        }
        if let Some(Value { at: At::Temp(reg), .. }) = first
            && reg.is_xmm() == in_xmm(ty)
        {
            return *reg;
        }
        self.take(in_xmm(ty))
    }
}
