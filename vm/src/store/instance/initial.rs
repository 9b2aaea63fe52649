//! Initial values of globals, tables and element segments, and the copies of active segments.

use super::segments::{pieces, segment_bytes};
use crate::errors::Result;
use crate::module::Module;
use crate::store::StoreOpaque;
use crate::store::const_eval::ConstValue;
use heapwood_module::{ConstExpr, ConstOps, ElementItems, SegmentMode};
use std::ops::Range;

impl StoreOpaque {
    pub(super) fn initialise_globals(&mut self, index: u32) -> Result<()> {
        let module = self.instance(index).module().clone();
        let info = module.info();
        for (number, init) in (info.imported_globals..).zip(&info.global_inits) {
            let value = self.evaluate(index, &module, &mut init.ops(info))?;
            let global = self.instance(index).global(number);
            self.global_set_raw(global, value.raw());
        }
        Ok(())
    }

    pub(super) fn initialise_tables(&mut self, index: u32) -> Result<()> {
        let module = self.instance(index).module().clone();
        let info = module.info();
        for (number, init) in (info.imported_tables..).zip(&info.table_inits) {
            if let Some(init) = init {
                let value = self.evaluate(index, &module, &mut init.ops(info))?.reference();
                let table = self.instance(index).table(number);
                for Range { start, end } in pieces(self.table(table).len()) {
                    self.check_interrupt()?;
                    let (guest, heap) = self.guest_and_heap();
                    let table = guest.entities_mut().table_mut(table);
                    let range = table.range(start, end - start).expect("a part of the table");
                    table.fill(heap, range, value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn initialise_segments(&mut self, index: u32) -> Result<()> {
        let module = self.instance(index).module().clone();
        for (number, segment) in module.info().elements.iter().enumerate() {
            let count = match &segment.items {
                ElementItems::Expressions(items) if segment.mode != SegmentMode::Declared => items.len(),
                _ => 0,
            };
            let (bytes, entities) = (segment_bytes(count), self.guest_mut().entities_mut());
            entities.check_limit("an element segment", bytes)?;
            entities.count_table_bytes(bytes);
            entities.instance_mut(index).add_segment(count);
            if let (ElementItems::Expressions(items), 1..) = (&segment.items, count) {
                self.initialise_segment(index, number, &module, items.ops(module.info()))?;
            }
        }
        Ok(())
    }

    /// Evaluates the elements of a segment, which the collector sees already.
    fn initialise_segment(
        &mut self,
        index: u32,
        segment: usize,
        module: &Module,
        mut items: ConstOps<'_>,
    ) -> Result<()> {
        for element in 0..self.instance(index).segment_len(segment) {
            let value = self.evaluate(index, module, &mut items)?.reference();
            if value == 0 {
                continue;
            }
            self.guest_mut().entities_mut().instance_mut(index).set_element(segment, element, value);
            self.heap_mut().root_written(value);
        }
        Ok(())
    }

    pub(super) fn run_active_segments(&mut self, index: u32) -> Result<()> {
        let module = self.instance(index).module().clone();
        for (number, segment) in (0u32..).zip(&module.info().elements) {
            if let SegmentMode::Active { index: table, offset } = &segment.mode {
                let offset = self.evaluate_offset(index, &module, offset)?;
                self.table_init(index, *table, number, offset, 0, segment.items.len() as u64)?;
            }
            if segment.mode != SegmentMode::Passive {
                self.drop_element_segment(index, number);
            }
        }
        for (number, segment) in (0u32..).zip(&module.info().data) {
            if let SegmentMode::Active { index: memory, offset } = &segment.mode {
                let offset = self.evaluate_offset(index, &module, offset)?;
                self.memory_init(index, *memory, number, offset, 0, segment.range.len() as u64)?;
                self.guest_mut().entities_mut().instance_mut(index).drop_data_segment(number);
            }
        }
        Ok(())
    }

    /// i32 offsets are unsigned.
    fn evaluate_offset(&mut self, index: u32, module: &Module, expr: &ConstExpr) -> Result<u64> {
        Ok(match self.evaluate(index, module, &mut expr.ops(module.info()))? {
            ConstValue::Number(value) => value[0],
            ConstValue::Reference(_) => panic!("an offset is a number"),
        })
    }
}
