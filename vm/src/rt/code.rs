//! Compiled functions in executable memory, and what is known of each address.
//!
//! 1. All functions of a module are placed behind each other (16-byte aligned), then the code-pointer slots through
//!    which they call each other, in one mapping: `[code pages][slot pages]`.
//! 2. Relocations are filled in, the slots point to the entries.
//! 3. The code pages become executable and are never writable again.
//!
//! Safe points and trap sites are kept for the whole image, ascending, so that one binary search finds each.

use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::errors::{Error, Result};
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{CompiledFunction, FunctionRecord, RelocationTarget, SafePoint, TrapSite};

const FUNCTION_ALIGN: usize = 16;

/// The code of a module. Shared by all stores of its engine.
#[derive(Debug)]
pub(crate) struct CodeImage {
    mapping: Mapping,
    code_bytes: usize,
    functions: Vec<PlacedFunction>,
    /// By ascending pc, which counts from the start of the image.
    safe_points: Vec<SafePoint>,
    /// By ascending pc, which counts from the start of the image.
    traps: Vec<TrapSite>,
}

/// A function in the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedFunction {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
    /// Layout of its frame.
    pub record: FunctionRecord,
}

/// What type-dependent relocations are filled in with.
pub(crate) trait TypeRelocations {
    /// The engine's id of a type of the module.
    fn type_id(&self, index: u32) -> u32;
    /// Header of exceptions whose tag has this function type.
    fn exception_header(&self, index: u32) -> u32;
}

impl CodeImage {
    /// Places compiled functions (by defined index) in memory, and frees each as soon as that is done. Relocations name
    /// functions by their index in the module, which has `imported` ones before these.
    ///
    /// # Errors
    /// More than 2 GiB of code, or the system refuses.
    pub fn new(mut compiled: Vec<CompiledFunction>, imported: u32, types: &dyn TypeRelocations) -> Result<CodeImage> {
        let (functions, used) = lay_out(&compiled);
        // One byte more: a return address may lie behind the last function.
        let code_bytes = (used + 1).next_multiple_of(PAGE_BYTES);
        let bytes = code_bytes + (compiled.len() * 8).next_multiple_of(PAGE_BYTES);
        if bytes > i32::MAX as usize {
            return Err(Error::limit(format!("a module may have 2 GiB of code; this one has {bytes} bytes")));
        }
        let functions: Vec<_> = compiled.iter().zip(functions).map(PlacedFunction::new).collect();
        let mut mapping = Mapping::new(bytes, Access::ReadWrite)?;
        let start = mapping.address();
        // SAFETY: R1: just mapped readable and writable, and nobody else knows of it.
        let memory = unsafe { mapping.slice_mut(0, bytes) };
        for (index, (function, placed)) in compiled.iter_mut().zip(&functions).enumerate() {
            let at = placed.start as usize;
            memory[at..at + function.code.len()].copy_from_slice(&function.code);
            for relocation in &function.relocations {
                let field = at + relocation.offset as usize;
                let value = match relocation.target {
                    RelocationTarget::FunctionSlot(function) => {
                        slot_distance(code_bytes + (function - imported) as usize * 8, field + 4)
                    }
                    RelocationTarget::TypeId(index) => types.type_id(index),
                    RelocationTarget::TypeHeader(index) => types.type_id(index) << 8,
                    RelocationTarget::ExceptionHeader(index) => types.exception_header(index),
                };
                memory[field..field + 4].copy_from_slice(&value.to_le_bytes());
            }
            let slot = code_bytes + index * 8;
            memory[slot..slot + 8].copy_from_slice(&((start + at) as u64).to_le_bytes());
            (function.code, function.relocations) = (Vec::new(), Vec::new());
        }
        mapping.protect(0, code_bytes, Access::Execute)?;
        let (safe_points, traps) = merge_tables(compiled, &functions);
        Ok(CodeImage { mapping, code_bytes, functions, safe_points, traps })
    }

    /// First address.
    pub fn start(&self) -> usize {
        self.mapping.address()
    }

    /// Address behind the code.
    pub fn end(&self) -> usize {
        self.mapping.address() + self.code_bytes
    }

    /// Entry address of a function, by defined index.
    pub fn entry(&self, defined: u32) -> usize {
        self.start() + self.functions[defined as usize].start as usize
    }

    /// A function, by defined index.
    pub fn function(&self, defined: u32) -> &PlacedFunction {
        &self.functions[defined as usize]
    }

    /// The bytes of a function, by defined index.
    pub fn function_bytes(&self, defined: u32) -> &[u8] {
        let PlacedFunction { start, end, .. } = self.functions[defined as usize];
        // SAFETY: R1: code pages stay readable.
        unsafe { self.mapping.slice(start as usize, (end - start) as usize) }
    }

    /// Defined index of the function that `offset` lies in.
    #[inline]
    pub fn function_at(&self, offset: u32) -> Option<u32> {
        let after = self.functions.partition_point(|function| function.start <= offset);
        let index = after.checked_sub(1)?;
        (offset < self.functions[index].end).then(|| index.narrow())
    }

    /// The safe point of a return address.
    #[inline]
    pub fn safe_point(&self, offset: u32) -> Option<&SafePoint> {
        let index = self.safe_points.partition_point(|point| point.pc < offset);
        self.safe_points.get(index).filter(|point| point.pc == offset)
    }

    /// The trap of an instruction.
    #[inline]
    pub fn trap_site(&self, offset: u32) -> Option<&TrapSite> {
        let index = self.traps.partition_point(|site| site.pc < offset);
        self.traps.get(index).filter(|site| site.pc == offset)
    }
}

impl PlacedFunction {
    fn new((function, start): (&CompiledFunction, usize)) -> PlacedFunction {
        let end = start + function.code.len();
        PlacedFunction { start: start.narrow(), end: end.narrow(), record: function.record }
    }
}

/// Where each function begins, and the end of the last one: not yet known to be within the limit.
fn lay_out(compiled: &[CompiledFunction]) -> (Vec<usize>, usize) {
    let mut end = 0usize;
    let place = |function: &CompiledFunction| {
        let start = end.next_multiple_of(FUNCTION_ALIGN);
        end = start + function.code.len();
        start
    };
    (compiled.iter().map(place).collect(), end)
}

/// What a 32-bit field that ends at `end` holds to lead to `slot`.
fn slot_distance(slot: usize, end: usize) -> u32 {
    (slot - end).narrow()
}

fn merge_tables(compiled: Vec<CompiledFunction>, functions: &[PlacedFunction]) -> (Vec<SafePoint>, Vec<TrapSite>) {
    let mut safe_points = Vec::with_capacity(compiled.iter().map(|function| function.safe_points.len()).sum());
    let mut traps = Vec::with_capacity(compiled.iter().map(|function| function.traps.len()).sum());
    for (function, placed) in compiled.into_iter().zip(functions) {
        safe_points.extend(function.safe_points.iter().map(|point| SafePoint {
            pc: placed.start + point.pc,
            handler: match point.handler {
                SafePoint::NO_HANDLER => SafePoint::NO_HANDLER,
                handler => placed.start + handler,
            },
            ..*point
        }));
        traps.extend(function.traps.iter().map(|site| TrapSite { pc: placed.start + site.pc, ..*site }));
    }
    assert!(safe_points.is_sorted_by_key(|point| point.pc), "safe points are not ascending");
    assert!(traps.is_sorted_by_key(|site| site.pc), "trap sites are not ascending");
    (safe_points, traps)
}
