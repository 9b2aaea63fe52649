//! Tables.

use super::Compiler;
use super::call::Arg;
use super::values::At;
use crate::abi::{Builtin, CONTEXT, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Mem, Width};
use heapwood_module::{ContextLayout, ValType};

impl Compiler<'_> {
    /// A table's cell `{elements, length}`: in the context, or behind a pointer there (in the scratch register).
    pub(crate) fn table_cell(&mut self, table: u32) -> Mem {
        self.need_context();
        let at = Mem::base(CONTEXT, self.env.context.table_offset(table) as i32);
        if table < self.info.imported_tables {
            self.asm.load(Width::W64, SCRATCH, at);
            Mem::base(SCRATCH, 0)
        } else {
            at
        }
    }

    fn plain_table(&mut self, table: u32) -> bool {
        if self.info.tables[table as usize].table64 {
            self.unsupported("a table with 64-bit indices");
            return false;
        }
        true
    }

    pub(crate) fn table_get(&mut self, table: u32) {
        if !self.plain_table(table) {
            return;
        }
        let mut index = self.pop();
        let reg = self.in_gpr(&mut index);
        let cell = self.table_cell(table);
        let out = self.trap_label(TrapKind::TableOutOfBounds);
        self.asm.alu_rm(Width::W64, Alu::Cmp, reg, cell.plus(ContextLayout::TABLE_LENGTH as i32));
        self.asm.jcc(Cond::Ae, out);
        self.asm.load(Width::W64, SCRATCH, cell.plus(ContextLayout::TABLE_ELEMENTS as i32));
        let ty = ValType::Ref(self.info.tables[table as usize].element);
        let dst = if let At::Temp(reg) = index.at { reg } else { self.take(false) };
        self.asm.load(Width::W32, dst.as_gpr(), Mem::indexed(SCRATCH, reg, 2, 0));
        self.push_reg(ty, dst);
    }

    pub(crate) fn table_set(&mut self, table: u32) {
        if self.plain_table(table) {
            self.call_builtin(Builtin::TableSet, &[Arg::Number(table)], 2, None);
        }
    }

    pub(crate) fn table_size(&mut self, table: u32) {
        if !self.plain_table(table) {
            return;
        }
        let cell = self.table_cell(table);
        let dst = self.result_reg(ValType::I32, None, &[]);
        self.asm.load(Width::W32, dst.as_gpr(), cell.plus(ContextLayout::TABLE_LENGTH as i32));
        self.push_result(ValType::I32, dst);
    }

    pub(crate) fn table_grow(&mut self, table: u32) {
        if self.plain_table(table) {
            self.call_builtin(Builtin::TableGrow, &[Arg::Number(table)], 2, Some(ValType::I32));
            self.truncate_result();
        }
    }

    pub(crate) fn table_fill(&mut self, table: u32) {
        if self.plain_table(table) {
            self.call_builtin(Builtin::TableFill, &[Arg::Number(table)], 3, None);
        }
    }

    pub(crate) fn table_copy(&mut self, dst: u32, src: u32) {
        if self.plain_table(dst) && self.plain_table(src) {
            self.call_builtin(Builtin::TableCopy, &[Arg::Number(dst), Arg::Number(src)], 3, None);
        }
    }

    pub(crate) fn table_init(&mut self, segment: u32, table: u32) {
        if self.plain_table(table) {
            self.call_builtin(Builtin::TableInit, &[Arg::Number(table), Arg::Number(segment)], 3, None);
        }
    }

    pub(crate) fn elem_drop(&mut self, segment: u32) {
        self.call_builtin(Builtin::ElemDrop, &[Arg::Number(segment)], 0, None);
    }
}
