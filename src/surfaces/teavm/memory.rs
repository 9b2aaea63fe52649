//! The linear memory, which nobody exports: strings that are constant, direct buffers, what WASI works on.

use super::{REQUIREMENTS_SECTION, trap};
use crate::{Error, ExternRef, ExternType, Linker, MemoryType, Module, Resolved, Result, Rooted, cut};

const MODULE: &str = "teavmMemory";

/// Most pages of a memory for which the module sets no limit: sizes in bytes are compared as signed numbers.
const PAGES_MAX: u64 = 32_768;

/// Defines `env` and `teavmMemory`, but for the beginning of the heap.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.resolve_with("env", |import| match (import.name, &import.ty) {
        ("memory", ExternType::Memory(wanted)) if !wanted.shared && !wanted.memory64 => {
            Ok(Some(Resolved::memory(fitting(wanted))))
        }
        // The error of linking says what there would have been.
        ("memory", _) => Ok(Some(Resolved::memory(fitting(&MemoryType::new(1, None))))),
        _ => Ok(None),
    });
    linker.resolve_with(MODULE, |import| Ok((import.name == "maxSize").then(|| Resolved::constant_i32(i32::MAX))));
    linker.func_wrap(MODULE, "notifyHeapResized", || {})?;
    linker.func_wrap(MODULE, "linearMemory", || -> Result<Option<Rooted<ExternRef>>> {
        Err(trap("teavmMemory::linearMemory", "direct buffers are views of JavaScript, which is not there"))
    })?;
    Ok(())
}

/// The memory that is made for an import: of one page at least.
fn fitting(wanted: &MemoryType) -> MemoryType {
    let min = wanted.min.max(1);
    let max = wanted.max.unwrap_or(PAGES_MAX.max(min));
    // An import with a maximum of no page gets none.
    MemoryType { min: min.min(max), max: Some(max), ..*wanted }
}

/// Serves `teavmMemory.heapOffset` of a module: where its heap may begin, behind its data.
///
/// # Errors
/// The module's custom section `teavm.memoryRequirements` does not say it in numbers.
pub fn add_heap_offset<T: 'static>(linker: &mut Linker<T>, module: &Module) -> Result<()> {
    let info = module.info();
    let section = info.custom_sections().find(|section| section.name == REQUIREMENTS_SECTION);
    let section = section.map(|section| &info.bytes[section.range.clone()]);
    let offset = heapwood_surfaces::teavm::heap_offset(section)
        .map_err(|error| Error::msg(format!("custom section `{REQUIREMENTS_SECTION}`: {}", cut(&error, 200))))?;
    linker
        .resolve_with(MODULE, move |import| Ok((import.name == "heapOffset").then(|| Resolved::constant_i32(offset))));
    Ok(())
}
