//! What a debugger is told of a module: an object file in memory (ELF), whose symbols are the compiled functions.
//!
//! Its sections are the code, which lies elsewhere (`SHT_NOBITS`, at its address), symbols, and strings.

use super::Module;
use crate::rt::gdb::Registered;
use heapwood_module::printable;

/// Names of a module's functions, which a debugger knows until this is dropped. Made by [`Module::tell_debugger`].
#[derive(Debug)]
pub struct DebuggerSymbols {
    // First: the debugger forgets the code before it goes.
    _registered: Registered,
    _module: Module,
}

/// Bytes of the header, of a section's header and of a symbol.
const HEADER_BYTES: u64 = 64;
const SECTION_BYTES: u64 = 64;
const SYMBOL_BYTES: u64 = 24;

/// Types of sections.
const SYMBOLS: u32 = 2;
const STRINGS: u32 = 3;
const NO_BITS: u32 = 8;

/// The number of the section of code.
const TEXT: u16 = 1;

/// Names of the sections, the first of which is none, with zeros behind them.
const NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0.shstrtab\0";

impl Module {
    /// Tells GDB, if it debugs this process now or later, the names of the module's compiled functions, by its interface
    /// for code that a process compiles. Breakpoints at functions and backtraces on the guest's stack work then; where in
    /// the source a function is, it does not know. One library of a process may have this interface.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Module};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let module = Module::new(&Engine::default(), wat::parse_str("(module (func $work nop))").unwrap())?;
    /// let symbols = module.tell_debugger();
    /// # drop(symbols);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tell_debugger(&self) -> DebuggerSymbols {
        DebuggerSymbols { _registered: Registered::new(self.object_file()), _module: self.clone() }
    }

    fn object_file(&self) -> Vec<u8> {
        let (start, end) = (self.code().start() as u64, self.code().end() as u64);
        let (symbols, strings) = self.symbols(start);
        let parts = [&symbols[..], &strings, NAMES];
        let mut file = header(HEADER_BYTES + parts.iter().map(|part| part.len() as u64).sum::<u64>());
        parts.iter().for_each(|part| file.extend(*part));

        let symbols_at = HEADER_BYTES;
        let strings_at = symbols_at + symbols.len() as u64;
        let names_at = strings_at + strings.len() as u64;
        let (occupies_memory, is_executable) = (2, 4);
        let none = Section::default();
        let text = Section {
            name: 1,
            kind: NO_BITS,
            flags: occupies_memory | is_executable,
            address: start,
            offset: HEADER_BYTES,
            bytes: end - start,
            align: 16,
            ..none
        };
        let symbols = Section {
            name: 7,
            kind: SYMBOLS,
            offset: symbols_at,
            bytes: symbols.len() as u64,
            // The section of its strings, and the first symbol that is global.
            link: 3,
            info: 1,
            align: 1,
            entry_bytes: SYMBOL_BYTES,
            ..none
        };
        let of_strings = |name, offset, bytes| Section { name, kind: STRINGS, offset, bytes, align: 1, ..none };
        let strings = of_strings(15, strings_at, strings.len() as u64);
        let names = of_strings(23, names_at, NAMES.len() as u64);
        [none, text, symbols, strings, names].iter().for_each(|section| section.write(&mut file));
        file
    }

    /// Symbols, the first of which is none, and their names.
    fn symbols(&self, start: u64) -> (Vec<u8>, Vec<u8>) {
        const GLOBAL_FUNCTION: u8 = 0x12;
        let (mut symbols, mut strings) = (vec![0; SYMBOL_BYTES as usize], vec![0]);
        for (function, _) in (0..).zip(&self.info().functions) {
            let Some((address, code)) = self.function_code(function) else { continue };
            symbols.extend((strings.len() as u32).to_le_bytes());
            symbols.extend([GLOBAL_FUNCTION, 0]);
            symbols.extend(TEXT.to_le_bytes());
            symbols.extend((address as u64 - start).to_le_bytes());
            symbols.extend((code.len() as u64).to_le_bytes());
            let name = match self.func_name(function) {
                Some(name) => printable(name).to_string(),
                None => format!("wasm-function[{function}]"),
            };
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        (symbols, strings)
    }
}

/// The header of a file whose section headers lie at an offset.
fn header(sections_at: u64) -> Vec<u8> {
    // Which form of ELF: 64 bits, little-endian, version 1.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let (relocatable, x86_64, version) = (1u16, 62u16, 1u32);
    header.extend(relocatable.to_le_bytes());
    header.extend(x86_64.to_le_bytes());
    header.extend(version.to_le_bytes());
    // No entry and no program headers.
    header.extend([0; 16]);
    header.extend(sections_at.to_le_bytes());
    header.extend([0; 4]);
    let (names, count) = (4, 5);
    for number in [HEADER_BYTES as u16, 0, 0, SECTION_BYTES as u16, count, names] {
        header.extend(number.to_le_bytes());
    }
    header
}

/// The header of a section.
#[derive(Clone, Copy, Default)]
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    bytes: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_bytes: u64,
}

impl Section {
    fn write(&self, file: &mut Vec<u8>) {
        file.extend(self.name.to_le_bytes());
        file.extend(self.kind.to_le_bytes());
        for number in [self.flags, self.address, self.offset, self.bytes] {
            file.extend(number.to_le_bytes());
        }
        file.extend(self.link.to_le_bytes());
        file.extend(self.info.to_le_bytes());
        file.extend(self.align.to_le_bytes());
        file.extend(self.entry_bytes.to_le_bytes());
    }
}
