//! Memories and tables: addresses that are in bounds, up to the last byte, and accesses of all kinds.

use super::func::FuncGen;
use crate::ops::{Access, MEM, MemOp};
use crate::types::Ty::*;
use crate::types::*;
use wasm_encoder::{Instruction as I, MemArg};

impl FuncGen<'_, '_> {
    fn some_memory(&mut self) -> u32 {
        self.rng.below(self.m.mems.len() as u32)
    }

    fn index_const(&mut self, wide: bool, value: u64) {
        self.emit(if wide { I::I64Const(value as i64) } else { I::I32Const(value as i32) });
    }

    /// A number below a power of two, as an index.
    fn masked(&mut self, wide: bool, mask: u32, depth: u32) {
        let ty = if wide { I64 } else { I32 };
        self.operand(ty, depth);
        if wide {
            self.all([I::I64Const(mask as i64), I::I64And]);
        } else {
            self.all([I::I32Const(mask as i32), I::I32And]);
        }
        self.transport(ty);
    }

    /// Pushes an address and returns the immediate: `bytes` from there are in bounds.
    fn address(&mut self, mem: u32, bytes: u32, atomic: bool, depth: u32) -> MemArg {
        let decl = &self.m.mems[mem as usize];
        let (wide, size) = (decl.wide, decl.bytes);
        let natural = bytes.trailing_zeros();
        let align = if atomic { natural } else { self.rng.range(0, natural) };
        let aligned = |offset: u32| if atomic { offset & !(bytes - 1) } else { offset };
        let offset = match self.rng.below(20) {
            0..=11 => {
                let mask = (1u32 << self.rng.range(3, 14)) - 1;
                let mask = if atomic { mask & !(bytes - 1) } else { mask };
                let room = size - mask - bytes;
                let offset = *self.rng.pick(&[0, 0, 8, 100, room / 3, room]);
                self.masked(wide, mask, depth);
                aligned(offset)
            }
            12..=14 => {
                // The last bytes, or close to them.
                let end = size - bytes - self.rng.below(3) * self.rng.below(9);
                let offset = aligned(*self.rng.pick(&[0, 1, end, end / 2]));
                self.index_const(wide, (aligned(end) - offset) as u64);
                offset
            }
            15..=17 => {
                let at = aligned(self.rng.below(size - bytes));
                self.index_const(wide, at as u64);
                aligned(self.rng.below(size - bytes - at + 1))
            }
            18 if self.risk() => {
                let beyond = size - bytes + self.rng.range(1, 20);
                self.index_const(wide, beyond as u64);
                0
            }
            19 if self.risk() => {
                self.operand(if wide { I64 } else { I32 }, depth);
                let offset = *self.rng.pick(&[0, 1, 0x7fff_ffff, u32::MAX]);
                return MemArg { offset: aligned(offset) as u64, align, memory_index: mem };
            }
            _ => {
                self.index_const(wide, 0);
                aligned(size - bytes)
            }
        };
        MemArg { offset: offset as u64, align, memory_index: mem }
    }

    /// An instruction with an address, with its operands; its result stays on the stack.
    pub fn access(&mut self, op: &'static MemOp, depth: u32) -> Option<Ty> {
        let mem = self.some_memory();
        let arg = self.address(mem, op.bytes, op.atomic, depth);
        let lane = self.rng.below(16 / op.bytes) as u8;
        let (values, result) = match op.access {
            Access::Load => (0, Some(op.ty)),
            Access::Store | Access::StoreLane => (1, None),
            Access::Modify | Access::LoadLane | Access::Notify => (1, Some(op.ty)),
            Access::Exchange => (2, Some(op.ty)),
        };
        (0..values).for_each(|_| self.operand(op.ty, depth));
        self.emit((op.make)(arg, lane));
        result
    }

    /// A statement: a store or its kin.
    pub fn store(&mut self) {
        let loads = self.rng.percent(30);
        let op = loop {
            let op = self.rng.pick(&MEM);
            if (op.ty != V128 || self.m.world.simd) && (op.access != Access::Load || op.atomic || loads) {
                break op;
            }
        };
        if let Some(result) = self.access(op, 3) {
            self.consume(result);
        }
    }

    /// A statement about all of a memory, or a range of it.
    pub fn bulk_memory(&mut self) {
        let mem = self.some_memory();
        let (wide, size) = (self.m.mems[mem as usize].wide, self.m.mems[mem as usize].bytes);
        let ty = if wide { I64 } else { I32 };
        let length = if self.rng.one_in(12) { *self.rng.pick(&[4096, 1000, 32000]) } else { self.rng.below(130) };
        let at = |gen_: &mut Self, wide: bool, size: u32, length: u32| match gen_.rng.below(3) {
            0 => gen_.masked(wide, 0xfff, 2),
            1 => gen_.index_const(wide, (size - length) as u64),
            _ => {
                let at = gen_.rng.below(size - length);
                gen_.index_const(wide, at as u64);
            }
        };
        self.extra(length / 8);
        match self.rng.below(7) {
            0 | 1 => {
                at(self, wide, size, length);
                self.operand(I32, 2);
                self.length(wide, length);
                self.emit(I::MemoryFill(mem));
            }
            2 | 3 => {
                let src_mem = self.some_memory();
                let (src_wide, src_size) = (self.m.mems[src_mem as usize].wide, self.m.mems[src_mem as usize].bytes);
                at(self, wide, size, length);
                at(self, src_wide, src_size, length);
                self.length(wide && src_wide, length);
                self.emit(I::MemoryCopy { src_mem, dst_mem: mem });
            }
            4 => {
                let data_index = self.passive_data();
                let have = self.m.datas[data_index as usize].0.len() as u32;
                let length = self.rng.below(have + 1);
                at(self, wide, size, 400);
                let from = self.rng.below(have - length + 1);
                self.operand_const(from);
                self.operand_const(length);
                self.emit(I::MemoryInit { mem, data_index });
            }
            5 => {
                self.emit(I::MemorySize(mem));
                self.consume(ty);
            }
            _ => {
                if self.rng.one_in(3) {
                    let pages = self.rng.below(3) as u64;
                    self.index_const(wide, pages);
                } else {
                    self.index_const(wide, 0);
                }
                self.transport(ty);
                self.emit(I::MemoryGrow(mem));
                self.consume(ty);
            }
        }
    }

    fn operand_const(&mut self, value: u32) {
        self.emit(I::I32Const(value as i32));
        self.transport(I32);
    }

    fn length(&mut self, wide: bool, length: u32) {
        let ty = if wide { I64 } else { I32 };
        if length > 15 && self.rng.percent(40) {
            let mask = (1u32 << (31 - (length + 1).leading_zeros())) - 1;
            return self.masked(wide, mask, 2);
        }
        self.index_const(wide, length as u64);
        self.transport(ty);
    }

    /// A data segment that nobody drops: one of the last three, of which the last is empty.
    pub fn passive_data(&mut self) -> u32 {
        self.m.datas.len() as u32 - 1 - self.rng.below(3)
    }

    /// Pushes an index of a table that is in bounds.
    fn slot(&mut self, table: u32, room: u32, depth: u32) {
        let decl = &self.m.tables[table as usize];
        let (wide, len) = (decl.wide, decl.len);
        let ty = if wide { I64 } else { I32 };
        match self.rng.below(4) {
            0 | 1 => self.masked(wide, if room > 4 { 3 } else { 7 }, depth),
            2 => {
                let at = self.rng.below(len - room + 1);
                self.index_const(wide, at as u64);
                self.transport(ty);
            }
            _ if self.risk() => self.operand(ty, depth),
            _ => {
                self.index_const(wide, (len - room) as u64);
                self.transport(ty);
            }
        }
    }

    /// Tables whose elements may stand where `ty` is wanted, but not those of the families' functions.
    pub fn table_of(&mut self, ty: Ty, set: bool) -> Option<u32> {
        let count = self.m.tables.len() as u32;
        let start = self.rng.below(count);
        (start..count).chain(0..start).find(|index| {
            let table = &self.m.tables[*index as usize];
            if set { !table.families && self.m.types.below(ty, table.ty) } else { self.m.types.below(table.ty, ty) }
        })
    }

    /// `table.get`.
    pub fn table_get(&mut self, table: u32, depth: u32) {
        self.slot(table, 1, depth);
        self.emit(I::TableGet(table));
    }

    /// A statement about a table.
    pub fn table_statement(&mut self) {
        let free: Vec<u32> =
            (0..self.m.tables.len() as u32).filter(|index| !self.m.tables[*index as usize].families).collect();
        if free.is_empty() || self.rng.one_in(6) {
            return self.family_statement();
        }
        let table = *self.rng.pick(&free);
        let (ty, wide) = (self.m.tables[table as usize].ty, self.m.tables[table as usize].wide);
        let index = if wide { I64 } else { I32 };
        let length = self.rng.below(5);
        match self.rng.below(11) {
            0..=3 => {
                self.slot(table, 1, 2);
                self.operand(ty, 3);
                self.emit(I::TableSet(table));
            }
            4 => {
                self.emit(I::TableSize(table));
                self.consume(index);
            }
            5 => {
                self.operand(ty, 2);
                let grow = self.rng.below(4) as u64;
                let grow = if self.rng.one_in(3) { grow } else { 0 };
                self.index_const(wide, grow);
                self.transport(index);
                self.emit(I::TableGrow(table));
                self.consume(index);
            }
            6 | 7 => {
                self.slot(table, 5, 2);
                self.operand(ty, 2);
                self.index_const(wide, length as u64);
                self.transport(index);
                self.emit(I::TableFill(table));
            }
            8 | 9 => {
                let types = &self.m.types;
                let fits = |from: &u32| types.below(self.m.tables[*from as usize].ty, ty);
                let from: Vec<u32> = (0..self.m.tables.len() as u32).filter(fits).collect();
                let src_table = *self.rng.pick(&from);
                self.slot(table, 5, 2);
                self.slot(src_table, 5, 2);
                self.index_const(wide && self.m.tables[src_table as usize].wide, length as u64);
                self.emit(I::TableCopy { src_table, dst_table: table });
            }
            _ => {
                let own = |(index, elem): (u32, &(Ty, Vec<_>, Option<_>))| {
                    (elem.2.is_none() && self.m.types.below(elem.0, ty)).then_some((index, elem.1.len() as u32))
                };
                let segments: Vec<_> = (0..).zip(&self.m.elems).filter_map(own).collect();
                if segments.is_empty() {
                    return;
                }
                let (elem_index, have) = *self.rng.pick(&segments);
                let length = length.min(have);
                self.slot(table, 5, 2);
                let from = self.rng.below(have - length + 1);
                self.operand_const(from);
                self.operand_const(length);
                self.emit(I::TableInit { elem_index, table });
            }
        }
    }

    /// A statement about the table of functions that leaves each in its family.
    fn family_statement(&mut self) {
        let Some(table) = (0..self.m.tables.len()).find(|index| self.m.tables[*index].families) else { return };
        let (wide, table) = (self.m.tables[table].wide, table as u32);
        let number = self.rng.below(self.m.world.families.len() as u32);
        let base = number * super::module::FAMILY_SLOTS;
        let leaf = self.m.leaf(self.m.world.families[number as usize]);
        match self.rng.below(4) {
            0 | 1 => {
                let at = base + self.rng.below(8);
                self.index_const(wide, at as u64);
                self.emit(I::RefFunc(leaf));
                self.transport(null(Heap::Func));
                self.emit(I::TableSet(table));
            }
            2 => {
                let (to, from) = (base + self.rng.below(5), base + self.rng.below(5));
                self.index_const(wide, to as u64);
                self.index_const(wide, from as u64);
                self.index_const(wide, 3);
                self.emit(I::TableCopy { src_table: table, dst_table: table });
            }
            _ => {
                let at = base + self.rng.below(5);
                self.index_const(wide, at as u64);
                self.emit(I::RefFunc(leaf));
                let length = self.rng.below(4) as u64;
                self.index_const(wide, length);
                self.emit(I::TableFill(table));
            }
        }
    }

    /// A statement that drops a segment: only those are dropped of which nothing is taken any more but nothing.
    pub fn drop_segment(&mut self) {
        if self.rng.percent(50) {
            let segment = self.passive_data();
            if self.m.world.risk != 0 {
                self.emit(I::DataDrop(segment));
            } else {
                self.emit(I::DataDrop(self.m.datas.len() as u32 - 1));
            }
        } else {
            // An active segment is dropped already.
            let active = (0..self.m.elems.len() as u32).find(|index| self.m.elems[*index as usize].2.is_some());
            let any = self.rng.below(self.m.elems.len() as u32);
            let segment = if self.m.world.risk != 0 { Some(any) } else { active };
            if let Some(segment) = segment {
                self.emit(I::ElemDrop(segment));
            }
        }
    }
}
