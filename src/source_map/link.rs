//! Where a module says that its map is: the custom section `sourceMappingURL`, whose contents are one string.

use super::SOURCE_MAP_BYTES_MAX;
use crate::{Error, Module, Result, cut};
use std::path::{Component, Path, PathBuf};

/// The name of the custom section.
const SECTION: &str = "sourceMappingURL";

/// Characters of a URL that errors show.
const URL_CHARS_MAX: usize = 200;

/// Where the map of a module is.
///
/// ```
/// use heapwood::source_map::{SourceMap, SourceMapLink};
/// use heapwood::{Engine, Module};
/// # #[cfg(feature = "wat")]
/// # fn main() -> heapwood::Result<()> {
/// let module = Module::new(&Engine::default(), r#"(module (@custom "sourceMappingURL" "\0cmaps/app.map"))"#)?;
/// let Some(SourceMapLink::File(path)) = SourceMapLink::of(&module)? else { panic!() };
/// assert_eq!(path.to_str(), Some("maps/app.map"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SourceMapLink {
    /// A file beside the module or in a folder there: a relative path that leads nowhere else. Nothing says that it is
    /// there.
    File(PathBuf),
    /// The map itself, of a `data:` URL: the bytes for [`SourceMap::new`](super::SourceMap::new).
    Data(Vec<u8>),
    /// Something else, which Heapwood does not look up: a URL with another scheme, or a path to another place.
    Other(String),
}

impl SourceMapLink {
    /// What a module says; none if it says nothing.
    ///
    /// # Errors
    /// The section holds no string, or a `data:` URL that is malformed or too long.
    pub fn of(module: &Module) -> Result<Option<SourceMapLink>> {
        let info = module.info();
        let Some(section) = info.custom_sections().find(|section| section.name == SECTION) else { return Ok(None) };
        let wrong = |wrong: &str| Error::msg(format!("custom section `{SECTION}`: {wrong}"));
        let url = string(&info.bytes[section.range.clone()]).ok_or_else(|| wrong("it holds no string"))?;
        link(url).map(Some).map_err(wrong)
    }
}

/// The string that is all of the section: its length in LEB128 stands before it.
fn string(bytes: &[u8]) -> Option<&str> {
    let mut len = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        len |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let text = &bytes[at + 1..];
            return (text.len() as u64 == len).then(|| std::str::from_utf8(text).ok()).flatten();
        }
    }
    None
}

fn link(url: &str) -> Result<SourceMapLink, &'static str> {
    if let Some(data) = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).map(|_| &url[5..]) {
        return data_of(data).map(SourceMapLink::Data);
    }
    let other = || SourceMapLink::Other(cut(url, URL_CHARS_MAX).to_string());
    let has_scheme = url.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
    if has_scheme || url.contains(['?', '#']) {
        return Ok(other());
    }
    let Some(path) = unescaped(url).and_then(|path| String::from_utf8(path).ok()).map(PathBuf::from) else {
        return Ok(other());
    };
    Ok(if is_below(&path) { SourceMapLink::File(path) } else { other() })
}

/// Whether a path leads to a file in a folder or below it, wherever that is.
fn is_below(path: &Path) -> bool {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    is_plain && path.file_name().is_some() && !path.as_os_str().as_encoded_bytes().contains(&0)
}

/// What a `data:` URL holds: `[TYPE][;PARAMETER]…[;base64],DATA`.
fn data_of(url: &str) -> Result<Vec<u8>, &'static str> {
    // Three of four characters of base 64 are data, and one of three of an escape.
    if url.len() / 3 > SOURCE_MAP_BYTES_MAX {
        return Err("the `data:` URL is too long");
    }
    let (head, data) = url.split_once(',').ok_or("the `data:` URL has no comma")?;
    let data = unescaped(data).ok_or("the `data:` URL has a malformed escape")?;
    let is_base64 =
        head.rsplit(';').next().is_some_and(|last| last.eq_ignore_ascii_case("base64")) && head.contains(';');
    match is_base64 {
        true => base64(&data).ok_or("the `data:` URL is not base 64"),
        false => Ok(data),
    }
}

/// A part of a URL without its escapes.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
        bytes.push(nibble(digits[0])? << 4 | nibble(digits[1])?);
        rest = behind;
    }
    Some(bytes)
}

/// Bytes in base 64, with `=` at the end or without.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (digits, padding) = text.split_at(end);
    if padding.len() > 2 || !padding.is_empty() && !text.len().is_multiple_of(4) || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits: u32 = 0;
        for place in 0..4 {
            let digit = group.get(place).map_or(Some(0), |byte| super::mappings::digit(*byte))?;
            bits = bits << 6 | u32::from(digit);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_leads_to() {
        let file = |path: &str| Ok(SourceMapLink::File(path.into()));
        let other = |url: &str| Ok(SourceMapLink::Other(url.to_owned()));
        let data = |bytes: &str| Ok(SourceMapLink::Data(bytes.into()));
        for (url, expected) in [
            ("app.wasm.map", file("app.wasm.map")),
            ("./maps/my%20app.map", file("./maps/my app.map")),
            ("../app.map", other("../app.map")),
            ("a/%2e%2e/%2e%2e/b", other("a/%2e%2e/%2e%2e/b")),
            ("/etc/passwd", other("/etc/passwd")),
            ("a%00b", other("a%00b")),
            ("%zz", other("%zz")),
            ("", other("")),
            (".", other(".")),
            ("http://localhost:1/app.map", other("http://localhost:1/app.map")),
            ("file:///app.map", other("file:///app.map")),
            ("//host/app.map", other("//host/app.map")),
            ("app.map?x", other("app.map?x")),
            ("data:application/json;base64,e30=", data("{}")),
            ("DATA:;charset=utf-8;BASE64,e30", data("{}")),
            ("data:application/json,%7b%7D", data("{}")),
            ("data:base64,e30", data("e30")),
            ("data:;base64,e", Err("the `data:` URL is not base 64")),
            ("data:;base64,e30==", Err("the `data:` URL is not base 64")),
            ("data:;base64,e3_", Err("the `data:` URL is not base 64")),
            ("data:,%7", Err("the `data:` URL has a malformed escape")),
            ("data:e30", Err("the `data:` URL has no comma")),
        ] {
            assert_eq!(link(url), expected, "{url}");
        }
    }

    #[test]
    fn bytes_of_all_lengths_in_base_64() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            assert_eq!(base64(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_section_holds_one_string() {
        assert_eq!(string(b"\x03abc"), Some("abc"));
        assert_eq!(string(b"\x83\x00abc"), Some("abc"));
        for wrong in [&b""[..], b"\x04abc", b"\x02abc", b"\x80\x80\x80\x80\x80\x00", b"\x01\xff", b"\x80"] {
            assert_eq!(string(wrong), None, "{wrong:?}");
        }
    }
}
