//! Where each entity lies in an instance context: the block of memory that r14 points to in compiled code.
//!
//! ```text
//! 0               u32 object header, u32 of host functions, u64 the runtime's instance
//! memory i        u64 base (address of byte 0), u64 address of its MemoryCell
//! global i        defined: the value (16 bytes for v128, else 8); imported: u64 address of the owner's value
//! table i         imported: u64 address of the owner's TableCell; defined: the TableCell itself
//! imported func i u64 code, u64 context
//! function object u32 reference each, for escaping functions only
//! tag i           u32 reference of the tag object
//! data segment i  u8: 1 once dropped
//! element seg. i  u8: 1 once dropped
//! ```
//!
//! Everything but the last four groups is 8-byte aligned. What compiled code reads most comes first, so that most
//! displacements are short.

use crate::{ModuleInfo, ValType};

/// Offsets of an instance's entities from its context.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContextLayout {
    /// Bytes of the whole context, a multiple of 8.
    pub size_bytes: u32,
    /// Offset of each global.
    globals: Vec<u32>,
    tables: u32,
    imported_tables: u32,
    functions: u32,
    objects: u32,
    /// Functions that have an object, sorted.
    escaping: Vec<u32>,
    tags: u32,
    data: u32,
    elements: u32,
}

impl ContextLayout {
    /// Offset of the u32 object header.
    pub const HEADER: u32 = 0;
    /// Offset of the u32 that says which function of the runtime's own a host function is; of instances nothing.
    pub const NATIVE: u32 = 4;
    /// Offset of the u64 that the runtime finds its instance by.
    pub const INSTANCE: u32 = 8;
    /// Offset of the u64 address of the context whose function called this one by a tail call: written before the jump,
    /// since the caller's frame is gone then. Read, and emptied, by host functions only.
    pub const TAIL_CALLER: u32 = 16;
    /// Bytes of the header area.
    pub const HEADER_BYTES: u32 = 24;
    /// Bytes of a memory: `{base, cell}`.
    pub const MEMORY_BYTES: u32 = 16;
    /// In a memory: u64 address of byte 0.
    pub const MEMORY_BASE: u32 = 0;
    /// In a memory: u64 address of its MemoryCell.
    pub const MEMORY_CELL: u32 = 8;
    /// In a MemoryCell: u64 address of byte 0.
    pub const MEMORY_CELL_BASE: u32 = 0;
    /// In a MemoryCell: u64 current length in bytes.
    pub const MEMORY_CELL_LENGTH: u32 = 8;
    /// Bytes of a TableCell: `{elements, length}`.
    pub const TABLE_CELL_BYTES: u32 = 16;
    /// In a TableCell: u64 address of the elements (a u32 reference each).
    pub const TABLE_ELEMENTS: u32 = 0;
    /// Offset in a TableCell of the u64 number of elements.
    pub const TABLE_LENGTH: u32 = 8;
    /// Offset in the cell of a reference global of the u32 reference.
    pub const GLOBAL_REF: u32 = 0;
    /// In a reference global: u32 state for the collector's remembered set.
    pub const GLOBAL_STATE: u32 = 4;
    /// Bytes of an imported function: `{code, context}`.
    pub const IMPORTED_FUNCTION_BYTES: u32 = 16;
    /// In an imported function: u64 address of the code.
    pub const IMPORTED_FUNCTION_CODE: u32 = 0;
    /// In an imported function: u64 address of the context to call it with.
    pub const IMPORTED_FUNCTION_CONTEXT: u32 = 8;

    /// The layout of a module's instances.
    pub fn new(module: &ModuleInfo) -> ContextLayout {
        let mut end = ContextLayout::HEADER_BYTES;
        let mut take = |count: usize, bytes: u32| {
            let start = end;
            end += count as u32 * bytes;
            start
        };
        take(module.memories.len(), ContextLayout::MEMORY_BYTES);
        let imported_globals = module.imported_globals as usize;
        let global_bytes = |(index, val)| if index >= imported_globals && val == ValType::V128 { 16 } else { 8 };
        let globals = module.globals.iter().map(|global| global.val).enumerate();
        let globals = globals.map(|global| take(1, global_bytes(global))).collect();
        let imported_tables = module.imported_tables;
        let tables = take(imported_tables as usize, 8);
        take(module.tables.len() - imported_tables as usize, ContextLayout::TABLE_CELL_BYTES);
        let functions = take(module.imported_functions as usize, ContextLayout::IMPORTED_FUNCTION_BYTES);
        let objects = take(module.escaping.len(), 4);
        let tags = take(module.tags.len(), 4);
        let data = take(module.data.len(), 1);
        let elements = take(module.elements.len(), 1);
        ContextLayout {
            size_bytes: end.next_multiple_of(8),
            globals,
            tables,
            imported_tables,
            functions,
            objects,
            escaping: module.escaping.clone(),
            tags,
            data,
            elements,
        }
    }

    /// Offset of memory `index`: `{base, cell}`.
    pub const fn memory_offset(&self, index: u32) -> u32 {
        ContextLayout::HEADER_BYTES + index * ContextLayout::MEMORY_BYTES
    }

    /// Offset of global `index`: its value if defined here, else the address of the owner's.
    pub fn global_offset(&self, index: u32) -> u32 {
        self.globals[index as usize]
    }

    /// Offset of table `index`: its TableCell if defined here, else the address of the owner's.
    pub const fn table_offset(&self, index: u32) -> u32 {
        match index.checked_sub(self.imported_tables) {
            None => self.tables + index * 8,
            Some(defined) => self.tables + self.imported_tables * 8 + defined * ContextLayout::TABLE_CELL_BYTES,
        }
    }

    /// Offset of imported function `index`: `{code, context}`.
    pub const fn imported_function_offset(&self, index: u32) -> u32 {
        self.functions + index * ContextLayout::IMPORTED_FUNCTION_BYTES
    }

    /// Offset of the reference of a function's object; none if the function never becomes a reference.
    pub fn function_object_offset(&self, function: u32) -> Option<u32> {
        let position = self.escaping.binary_search(&function).ok()?;
        Some(self.objects + position as u32 * 4)
    }

    /// The functions that may become references, each with the offset of the reference of its object.
    pub fn function_objects(&self) -> impl Iterator<Item = (u32, u32)> {
        self.escaping.iter().copied().zip((self.objects..).step_by(4))
    }

    /// Offset of the reference of tag `index`.
    pub const fn tag_offset(&self, index: u32) -> u32 {
        self.tags + index * 4
    }

    /// Offset of the byte that says whether data segment `index` was dropped.
    pub const fn data_dropped_offset(&self, index: u32) -> u32 {
        self.data + index
    }

    /// Offset of the byte that says whether element segment `index` was dropped.
    pub const fn element_dropped_offset(&self, index: u32) -> u32 {
        self.elements + index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, decode};

    fn layout(text: &str) -> ContextLayout {
        let bytes = wat::parse_str(text).unwrap();
        ContextLayout::new(&decode(bytes.into(), Features::all()).unwrap().info)
    }

    #[test]
    fn entities_follow_each_other_in_the_order_of_the_contract() {
        let layout = layout(
            r#"(module
                (import "m" "f" (func)) (import "m" "g" (func))
                (import "m" "v" (global v128))
                (import "m" "t" (table 1 funcref))
                (memory 1) (memory 1)
                (global i32 (i32.const 0)) (global v128 (v128.const i64x2 0 0)) (global anyref (ref.null any))
                (table 1 funcref) (table 1 funcref)
                (tag)
                (func $a) (func $b) (func $c)
                (export "b" (func $b)) (export "f" (func 0))
                (elem declare func $c)
                (data "x") (data "y"))"#,
        );
        assert_eq!([0, 1].map(|i| layout.memory_offset(i)), [24, 40]);
        assert_eq!([0, 1, 2, 3].map(|i| layout.global_offset(i)), [56, 64, 72, 88]);
        assert_eq!([0, 1, 2].map(|i| layout.table_offset(i)), [96, 104, 120]);
        assert_eq!([0, 1].map(|i| layout.imported_function_offset(i)), [136, 152]);
        let objects = [Some(168), None, None, Some(172), Some(176)];
        assert_eq!([0, 1, 2, 3, 4].map(|i| layout.function_object_offset(i)), objects);
        assert_eq!(layout.tag_offset(0), 180);
        assert_eq!([0, 1].map(|i| layout.data_dropped_offset(i)), [184, 185]);
        assert_eq!(layout.element_dropped_offset(0), 186);
        assert_eq!(layout.size_bytes, 192);
    }

    #[test]
    fn an_empty_module_has_the_header_only() {
        assert_eq!(layout("(module)").size_bytes, ContextLayout::HEADER_BYTES);
    }
}
