//! Tables.

use super::call::{Arg, entry};
use super::parts::Compiler;
use super::values::At;
use crate::abi::{CONTEXT, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, Mem, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, ValType};

impl Compiler<'_> {
    /// The memory operand of a table's cell `{elements, length}`: in the context, or behind a pointer in the context,
    /// which is loaded into the scratch register.
    pub(crate) fn table_cell(&mut self, table: u32) -> Mem {
        self.need_context();
        let at = Mem::base(CONTEXT, self.env.context.table_offset(table).narrow());
        if table < self.info.imported_tables {
            self.asm.load(Width::W64, SCRATCH, at);
            Mem::base(SCRATCH, 0)
        } else {
            at
        }
    }

    /// Type of a table's indices and sizes.
    fn index_type(&self, table: u32) -> ValType {
        if self.info.tables[table as usize].table64 { ValType::I64 } else { ValType::I32 }
    }

    pub(crate) fn table_get(&mut self, table: u32) {
        let mut index = self.pop();
        let reg = self.in_gpr(&mut index);
        let dst = if let At::Temp(reg) = index.at { reg } else { self.take(false) };
        let cell = self.table_cell(table);
        let out = self.trap_label(TrapKind::TableOutOfBounds);
        self.asm.alu_rm(Width::W64, Alu::Cmp, reg, cell.plus(ContextLayout::TABLE_LENGTH.narrow()));
        self.asm.jcc(if active(Mutant::TableGetAtLength) { Cond::A } else { Cond::Ae }, out);
        self.asm.load(Width::W64, SCRATCH, cell.plus(ContextLayout::TABLE_ELEMENTS.narrow()));
        let ty = ValType::Ref(self.info.tables[table as usize].element);
        self.asm.load(Width::W32, dst.as_gpr(), Mem::indexed(SCRATCH, reg, 2, 0));
        self.push_reg(ty, dst);
    }

    pub(crate) fn table_set(&mut self, table: u32) {
        self.call_builtin(entry!(TableSet, 2), [Arg::Number(table)], None);
    }

    pub(crate) fn table_size(&mut self, table: u32) {
        let ty = self.index_type(table);
        let dst = self.result_reg(ty, None, &[]);
        let cell = self.table_cell(table);
        self.asm.load(Width::W64, dst.as_gpr(), cell.plus(ContextLayout::TABLE_LENGTH.narrow()));
        self.push_result(ty, dst);
    }

    pub(crate) fn table_grow(&mut self, table: u32) {
        let ty = self.index_type(table);
        self.call_builtin(entry!(TableGrow, 2), [Arg::Number(table)], Some(ty));
        self.truncate_result(ty);
    }

    pub(crate) fn table_fill(&mut self, table: u32) {
        self.call_builtin(entry!(TableFill, 3), [Arg::Number(table)], None);
    }

    pub(crate) fn table_copy(&mut self, dst: u32, src: u32) {
        self.call_builtin(entry!(TableCopy, 3), [Arg::Number(dst), Arg::Number(src)], None);
    }

    pub(crate) fn table_init(&mut self, segment: u32, table: u32) {
        self.call_builtin(entry!(TableInit, 3), [Arg::Number(table), Arg::Number(segment)], None);
    }

    pub(crate) fn elem_drop(&mut self, segment: u32) {
        self.call_builtin(entry!(ElemDrop, 0), [Arg::Number(segment)], None);
    }
}
