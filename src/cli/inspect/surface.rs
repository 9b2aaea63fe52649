//! Which host surface serves an import.

use heapwood::surfaces::{dart, js_string, moonbit, teavm};
use heapwood::{ModuleInfo, wasi};
use std::collections::HashSet;

/// The host surfaces of a module's imports.
pub struct Servers<'m> {
    is_teavm: bool,
    is_moonbit: bool,
    /// Module names from which strings are imported.
    constants: HashSet<&'m str>,
}

impl<'m> Servers<'m> {
    pub fn new(info: &'m ModuleInfo) -> Servers<'m> {
        Servers {
            is_teavm: info.imports.iter().any(|import| teavm::has_module(&import.module)),
            is_moonbit: moonbit::is_program(info),
            constants: js_string::constant_modules(info).into_iter().collect(),
        }
    }

    /// What provides the import, in words; `may_be_string` says so of its type.
    pub fn of(&self, module: &str, name: &str, may_be_string: bool) -> &'static str {
        match module {
            wasi::MODULE if wasi::lookup(name).is_some() => "WASI preview1",
            name if moonbit::has_module(name) => "MoonBit's surface",
            "spectest" | "exception" if self.is_moonbit => "MoonBit's surface",
            name if dart::has_module(name) => "Dart's surface",
            name if teavm::has_module(name) => "TeaVM's surface",
            "env" if name == "memory" && self.is_teavm => "TeaVM's surface",
            teavm::JSO_MODULE => "nobody: TeaVM's JavaScript layer",
            name if js_string::has_module(name) => "strings of JavaScript",
            name if may_be_string && self.constants.contains(name) => "strings of JavaScript",
            _ => "nobody: --preload",
        }
    }

    /// Who provides the imports of a module, each once, in words: `WASI preview1 (2)`.
    pub fn summary(&self, info: &ModuleInfo) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for import in &info.imports {
            let server = self.of(&import.module, &import.name, import.ty.may_be_string());
            match counts.iter_mut().find(|(name, _)| *name == server) {
                Some((_, count)) => *count += 1,
                None => counts.push((server, 1)),
            }
        }
        let texts: Vec<_> = counts.iter().map(|(server, count)| format!("{server} ({count})")).collect();
        if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
    }
}
