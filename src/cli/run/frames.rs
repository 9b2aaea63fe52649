//! Backtraces as people read them: names without the mangling of Rust and C++, and the lines of the source that a
//! module's DWARF knows, or else its source map. Nothing of DWARF is read before a backtrace is printed; what is wrong
//! with it costs the lines, and nothing else.

use super::dwarf::{Lines, lines};
use super::source_maps::SourceMaps;
use heapwood::source_map::SourceMap;
use heapwood::{FrameInfo, Module, WasmBacktrace, brief, cut};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::{self, Write};

/// Names that are longer stay mangled.
const MANGLED_BYTES_MAX: usize = 4096;
/// Names that get longer stay mangled: a few bytes can stand for a name of any length.
const NAME_BYTES_MAX: usize = 1000;
/// Functions that were inlined at one place and are shown.
const INLINED_MAX: usize = 16;
/// Characters of a file's name that are shown.
const FILE_CHARS_MAX: usize = 300;

/// What is known of a module's source.
struct Source<'m> {
    module: &'m Module,
    lines: Option<Lines<'m>>,
    /// Looked up when a frame has no line.
    map: OnceCell<Option<Cow<'m, SourceMap>>>,
}

/// The backtrace, one line for each frame, and one for each place in the source.
pub fn text(backtrace: &WasmBacktrace, maps: &SourceMaps<'_>) -> String {
    let frames = backtrace.frames();
    let mut text = "wasm backtrace:".to_owned();
    let mut sources: Vec<Source<'_>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        if backtrace.omitted() != 0 && index == frames.len() / 2 {
            let _ = write!(text, "\n      … {} frames …", backtrace.omitted());
        }
        let _ = write!(text, "\n    {}", head(frame));
        let module = frame.module();
        let known = sources.iter().position(|source| std::ptr::eq(source.module.info(), module.info()));
        let known = known.unwrap_or_else(|| {
            sources.push(Source { module, lines: lines(module), map: OnceCell::new() });
            sources.len() - 1
        });
        write_source(&mut text, &sources[known], maps, frame);
    }
    text
}

/// `offset module!function`.
fn head(frame: &FrameInfo) -> String {
    let offset = frame.module_offset();
    let module = frame.module().name().unwrap_or("<module>");
    match frame.func_name() {
        Some(name) => format!("{offset:#8x} {}!{}", brief(module), brief(&demangled(name))),
        None => format!("{offset:#8x} {}!<function {}>", brief(module), frame.func_index()),
    }
}

/// What a mangled name stands for; other names stay as they are.
fn demangled(name: &str) -> String {
    let mut bounded = Bounded(String::new());
    let is_whole = match name {
        _ if name.len() > MANGLED_BYTES_MAX => false,
        _ if name.starts_with("_R") || name.starts_with("_ZN") && name.ends_with('E') => {
            rustc_demangle::try_demangle(name).is_ok_and(|rust| write!(bounded, "{rust:#}").is_ok())
                || demangle_cpp(name, &mut bounded)
        }
        _ if name.starts_with("_Z") => demangle_cpp(name, &mut bounded),
        _ => false,
    };
    if is_whole { bounded.0 } else { name.to_owned() }
}

fn demangle_cpp(name: &str, bounded: &mut Bounded) -> bool {
    bounded.0.clear();
    let options = cpp_demangle::DemangleOptions::default();
    cpp_demangle::Symbol::new(name).is_ok_and(|symbol| symbol.structured_demangle(bounded, &options).is_ok())
}

/// A text that takes no more than [`NAME_BYTES_MAX`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.len() + piece.len() > NAME_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// Where a frame is, as DWARF counts: from the beginning of what the code section holds.
fn address(module: &Module, frame: &FrameInfo) -> u64 {
    let code = module.info().sections.iter().find(|section| section.id == 10);
    let start = code.map_or(0, |section| section.range.start);
    frame.module_offset().saturating_sub(start) as u64
}

/// The places of a frame in the source: by DWARF, and where that knows none by the source map.
fn write_source<'m>(text: &mut String, source: &Source<'m>, maps: &SourceMaps<'m>, frame: &FrameInfo) {
    let before = text.len();
    if let Some(lines) = &source.lines {
        write_places(text, lines, address(source.module, frame));
    }
    if text.len() != before {
        return;
    }
    let map = source.map.get_or_init(|| maps.of(source.module));
    let symbol = map.as_ref().and_then(|map| map.symbol(frame));
    if let Some((file, symbol)) = symbol.and_then(|symbol| Some((symbol.file()?, symbol))) {
        write_place(text, file, symbol.line(), symbol.column());
    }
}

/// The place of a frame in the source, after those of the functions that were inlined there.
fn write_places(text: &mut String, lines: &Lines<'_>, address: u64) {
    let Ok(mut places) = lines.find_frames(address).skip_all_loads() else { return };
    for _ in 0..INLINED_MAX {
        let Ok(Some(place)) = places.next() else { break };
        let Some(location) = place.location else { continue };
        if let Some(file) = location.file {
            write_place(text, file, location.line, location.column);
        }
    }
}

/// A place; without a line there is none.
fn write_place(text: &mut String, file: &str, line: Option<u32>, column: Option<u32>) {
    let Some(line) = line else { return };
    let _ = write!(text, "\n               at {}:{line}", cut(file, FILE_CHARS_MAX));
    if let Some(column) = column.filter(|column| *column != 0) {
        let _ = write!(text, ":{column}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp_are_demangled_and_others_are_not() {
        for (mangled, name) in [
            ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_ZN3app5Shape4areaEv", "app::Shape::area()"),
            ("_Z4mainiPPc", "main(int, char**)"),
            ("kotlin.collections.ArrayList.add", "kotlin.collections.ArrayList.add"),
            ("_ZN", "_ZN"),
            ("_Z", "_Z"),
            ("_R", "_R"),
            ("main", "main"),
            ("", ""),
        ] {
            assert_eq!(demangled(mangled), name);
        }
    }

    #[test]
    fn a_name_that_stands_for_a_much_longer_one_stays() {
        // Each substitution names the one before it twice.
        let mut name = "_Z1fSt4pairIiiE".to_owned();
        for k in 0..30 {
            let sub = std::char::from_digit(k, 36).expect("a digit").to_ascii_uppercase();
            let _ = write!(name, "S_{sub}");
        }
        let nested = format!("_Z1f{}iE", "PFvPFv".repeat(300));
        for name in
            [name, nested, format!("_ZN{}E", "9".repeat(3000)), "_R".repeat(2000), format!("_Z{}", "N".repeat(4000))]
        {
            assert!(demangled(&name).len() <= MANGLED_BYTES_MAX.max(name.len()));
        }
    }
}
