//! Which host surface serves an import.

use heapwood::surfaces::{dart, js_string, moonbit, teavm};
use heapwood::{ModuleInfo, wasi};

/// The host surfaces of a module's imports.
pub struct Servers {
    is_teavm: bool,
    is_moonbit: bool,
    /// Module names from which something is imported that is no string.
    mixed: Vec<String>,
}

/// Immutable globals that may hold strings, as types are written here.
const CONSTANTS: [&str; 2] = ["(global (ref extern))", "(global (ref null extern))"];

impl Servers {
    pub fn new(info: &ModuleInfo) -> Servers {
        Servers {
            is_teavm: info.imports.iter().any(|import| teavm::has_module(&import.module)),
            is_moonbit: moonbit::is_program(info),
            mixed: info
                .imports
                .iter()
                .filter(|import| !is_constant(&info.extern_text(&import.ty).to_string()))
                .map(|import| import.module.clone())
                .collect(),
        }
    }

    /// What provides the import, in words; `ty` is its type as text.
    pub fn of(&self, module: &str, name: &str, ty: &str) -> &'static str {
        match module {
            wasi::MODULE if wasi::lookup(name).is_some() => "WASI preview1",
            name if moonbit::has_module(name) => "MoonBit's surface",
            "spectest" | "exception" if self.is_moonbit => "MoonBit's surface",
            name if dart::has_module(name) => "Dart's surface",
            name if teavm::has_module(name) => "TeaVM's surface",
            "env" if name == "memory" && self.is_teavm => "TeaVM's surface",
            teavm::JSO_MODULE => "nobody: TeaVM's JavaScript layer",
            name if js_string::has_module(name) => "strings of JavaScript",
            name if is_constant(ty) && self.has_constants(name) => "strings of JavaScript",
            _ => "nobody: --preload",
        }
    }

    /// Whether immutable globals of a module name are strings.
    fn has_constants(&self, module: &str) -> bool {
        js_string::NAMESPACES.contains(&module)
            || module == js_string::TABLE_MODULE
            || !self.mixed.iter().any(|mixed| mixed == module)
    }

    /// Who provides the imports of a module, each once, in words: `WASI preview1 (2)`.
    pub fn summary(&self, info: &ModuleInfo) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for import in &info.imports {
            let server = self.of(&import.module, &import.name, &info.extern_text(&import.ty).to_string());
            match counts.iter_mut().find(|(name, _)| *name == server) {
                Some((_, count)) => *count += 1,
                None => counts.push((server, 1)),
            }
        }
        let texts: Vec<_> = counts.iter().map(|(server, count)| format!("{server} ({count})")).collect();
        if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
    }
}

/// Whether something of this type may be a string that is imported.
fn is_constant(ty: &str) -> bool {
    CONSTANTS.contains(&ty)
}
