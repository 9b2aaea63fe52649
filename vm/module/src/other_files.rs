//! What a file is that is no module: people give the archive, the native program or the script beside it.

/// How the image of a compiled module begins.
pub const IMAGE_MAGIC: [u8; 8] = *b"\x89HEAPWD\n";
/// How a saved checkpoint begins.
pub const CHECKPOINT_MAGIC: [u8; 8] = *b"\x89HWSTOR\n";

/// Beginnings of files, and what they are.
const KINDS: &[(&[u8], &str)] = &[
    (&IMAGE_MAGIC, "a precompiled module; `Module::deserialize` takes it, or `heapwood run --precompiled`"),
    (&CHECKPOINT_MAGIC, "a saved checkpoint; `Checkpoint::load` takes it"),
    (b"\x1f\x8b", "data that gzip has compressed; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "data that zstd has compressed; unpack it first"),
    (b"\xfd7zXZ", "data that xz has compressed; unpack it first"),
    (b"BZh", "data that bzip2 has compressed; unpack it first"),
    (b"PK\x03\x04", "a ZIP archive, as .jar and .klib files are"),
    (b"\x7fELF", "an ELF file, a native program or library"),
    (b"\xca\xfe\xba\xbe", "a Java class, or a program of macOS"),
    (b"\xcf\xfa\xed\xfe", "a program of macOS"),
    (b"MZ", "a program of Windows"),
    (b"BC\xc0\xde", "LLVM's bitcode; link it to a module first"),
    (b"!<arch>", "an archive of object files"),
    (b"#!", "a script"),
    (b"<!DOCTYPE", "a page of HTML"),
    (b"<html", "a page of HTML"),
    (b"\xff\xfe", "text in UTF-16; the text format is UTF-8"),
    (b"\xfe\xff", "text in UTF-16; the text format is UTF-8"),
    (b"\xef\xbb\xbf\0asm", "a module behind a byte-order mark, as programs leave that take it for text"),
];

/// What a tar archive has behind the name of its first file.
const TAR_MAGIC: &[u8] = b"ustar";
/// Where.
const TAR_MAGIC_OFFSET: usize = 257;

/// Bytes that are shown of a file which nothing is known of.
const SHOWN_BYTES: usize = 8;

/// What a file is, by its beginning, if that is not how a module begins.
pub fn what_it_is(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"\0asm") || (!bytes.is_empty() && b"\0asm".starts_with(bytes)) {
        return None;
    }
    let known = KINDS.iter().find(|(start, _)| bytes.starts_with(start));
    Some(match known {
        Some((_, what)) => (*what).to_owned(),
        None if bytes.get(TAR_MAGIC_OFFSET..).is_some_and(|rest| rest.starts_with(TAR_MAGIC)) => {
            "a tar archive; unpack it first".to_owned()
        }
        None if bytes.is_empty() => "an empty file".to_owned(),
        None if is_module_text(bytes) => {
            "a module in the text format; `Module::new` takes it with the feature `wat`, else it has to be binary"
                .into()
        }
        None if is_text(bytes) => "text, but none of a module, which begins with a parenthesis".to_owned(),
        None => {
            let shown: Vec<_> = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
            format!("a file that begins with {}", shown.join(" "))
        }
    })
}

/// Whether it begins as modules in the text format do.
fn is_module_text(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(start, Some(b'(' | b';')) && is_text(bytes)
}

fn is_text(bytes: &[u8]) -> bool {
    // A character may be cut off at the end of what is looked at.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.chars().all(|c| !c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_named_and_the_beginning_of_one_is_not() {
        for module in [&b"\0asm\x01\0\0\0"[..], b"\0asm", b"\0a", b"\0"] {
            assert_eq!(what_it_is(module), None, "{module:?}");
        }
        for (start, what) in KINDS {
            assert_eq!(what_it_is(&[start, &b"rest"[..]].concat()).as_deref(), Some(*what));
        }
        let tar = [&[b'a'; TAR_MAGIC_OFFSET][..], TAR_MAGIC].concat();
        assert_eq!(what_it_is(&tar).as_deref(), Some("a tar archive; unpack it first"));
        assert!(what_it_is(b" \n(module)").is_some_and(|what| what.contains("text format")));
        assert_eq!(what_it_is(b"").as_deref(), Some("an empty file"));
        assert!(what_it_is("für dich\n".as_bytes()).is_some_and(|what| what.starts_with("text")));
        assert!(what_it_is(&"für".as_bytes()[..2]).is_some_and(|what| what.starts_with("text")));
        assert_eq!(what_it_is(b"\x01\x02\xff").as_deref(), Some("a file that begins with 01 02 ff"));
    }
}
