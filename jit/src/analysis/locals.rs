//! The locals that a body declares.

use heapwood_module::{ModuleError, ValType, convert};
use smallvec::SmallVec;
use wasmparser::BinaryReader;

/// Declared locals as (count, type).
pub(crate) type LocalGroups = SmallVec<[(u32, ValType); 16]>;

/// Reads the declarations at the beginning of a body.
///
/// # Errors
/// They are malformed, or of types that there are not.
pub(crate) fn read_locals(reader: &mut BinaryReader<'_>) -> Result<LocalGroups, ModuleError> {
    let groups = reader.read_var_u32()?;
    let mut locals = LocalGroups::new();
    for _ in 0..groups {
        let count = reader.read_var_u32()?;
        let ty: wasmparser::ValType = reader.read()?;
        locals.push((count, convert::val_type(ty, reader.original_position())?));
    }
    Ok(locals)
}

/// The types of the locals, one by one.
pub(crate) fn types_of(groups: &LocalGroups) -> impl Iterator<Item = ValType> + Clone {
    groups.iter().flat_map(|(count, ty)| std::iter::repeat_n(*ty, *count as usize))
}
