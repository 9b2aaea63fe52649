//! Which modules the Kotlin compiler made, and `--wasi-compat`.

use clap::ValueEnum;
use heapwood::{Module, ModuleInfo};

/// Bytes of each data segment that are looked at.
const LOOKED_AT: usize = 1 << 20;

/// Data segments that are looked at.
const SEGMENTS: usize = 16;

/// Whose habits WASI's functions bear with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum WasiCompat {
    /// Kotlin's libraries: paths that end with a zero byte, absolute paths, no `.` and `..` in lists
    Kotlin,
    /// Nobody's: what WASI says
    None,
}

impl WasiCompat {
    /// What was chosen, or what fits the modules.
    pub fn of<'m>(chosen: Option<WasiCompat>, modules: impl IntoIterator<Item = &'m Module>) -> WasiCompat {
        chosen.unwrap_or_else(|| match modules.into_iter().any(|module| is_kotlin(module.info())) {
            true => WasiCompat::Kotlin,
            false => WasiCompat::None,
        })
    }
}

/// Whether the Kotlin compiler made a module for WASI. It writes no `producers` section; but every program has names of
/// classes of the standard library as text in a passive data segment, after Binaryen's optimizer and without names,
/// too.
pub fn is_kotlin(info: &ModuleInfo) -> bool {
    let is_text_of_kotlin = |segment: u32| {
        if !info.is_passive(segment) {
            return false;
        }
        let bytes = info.data_bytes(segment);
        bytes[..bytes.len().min(LOOKED_AT)].windows(7).any(|window| window == b"kotlin.")
    };
    let imports_wasi = info.imports.iter().any(|import| import.module == heapwood::wasi::MODULE);
    info.start.is_some() && imports_wasi && (0..info.data.len() as u32).take(SEGMENTS).any(is_text_of_kotlin)
}
