//! Strings as sequences of UTF-16 units, which need not be pairs.

/// Most units of what is made here: as many as strings of engines have, or a few more.
pub const UNITS_MAX: usize = 1 << 29;

/// A surrogate that no other completes is kept as it is; what lies between such is text.
fn map_text(units: &[u16], map: impl Fn(&str) -> String) -> Vec<u16> {
    let (mut mapped, mut text) = (Vec::with_capacity(units.len()), String::new());
    let flush = |text: &mut String, mapped: &mut Vec<u16>| {
        mapped.extend(map(text).encode_utf16());
        text.clear();
    };
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(char) => text.push(char),
            Err(alone) => {
                flush(&mut text, &mut mapped);
                mapped.push(alone.unpaired_surrogate());
            }
        }
    }
    flush(&mut text, &mut mapped);
    mapped
}

/// `stringToLowerCase`: all of Unicode's mapping, with the sigma at the end of words, but no language's own rules.
pub fn to_lower_case(units: &[u16]) -> Vec<u16> {
    map_text(units, str::to_lowercase)
}

/// `stringToUpperCase`.
pub fn to_upper_case(units: &[u16]) -> Vec<u16> {
    map_text(units, str::to_uppercase)
}

/// Whether `needle` stands at a place of a string, whose units have one byte or two.
fn stands_at<U: Copy + Into<u16>>(units: &[U], at: usize, needle: &[u16]) -> bool {
    units[at..].iter().zip(needle).all(|(unit, wanted)| (*unit).into() == *wanted)
}

/// `stringIndexOfString`: the first place of `needle` from `start` on.
pub fn index_of<U: Copy + Into<u16>>(units: &[U], needle: &[u16], start: usize) -> Option<usize> {
    let Some(first) = needle.first() else { return (start <= units.len()).then_some(start) };
    let last = units.len().checked_sub(needle.len())?;
    let mut at = start;
    loop {
        at += units.get(at..=last)?.iter().position(|unit| (*unit).into() == *first)?;
        if stands_at(units, at, needle) {
            return Some(at);
        }
        at += 1;
    }
}

/// `stringLastIndexOfString`: the last place of `needle` that is not behind `start`, which may be negative.
pub fn last_index_of<U: Copy + Into<u16>>(units: &[U], needle: &[u16], start: i32) -> Option<usize> {
    let start = usize::try_from(start).ok()?;
    let last = units.len().checked_sub(needle.len())?;
    (0..=start.min(last)).rev().find(|at| stands_at(units, *at, needle))
}

/// `stringReplaceAllString`: where `needle`, which is not empty, stands, `text` stands. None if that is longer than
/// [`UNITS_MAX`].
pub fn replace_all<U: Copy + Into<u16>>(units: &[U], needle: &[u16], text: &[u16]) -> Option<Vec<u16>> {
    let (mut replaced, mut from) = (Vec::with_capacity(units.len()), 0);
    while let Some(at) = index_of(units, needle, from).filter(|_| !needle.is_empty()) {
        replaced.extend(units[from..at].iter().map(|unit| (*unit).into()));
        append(&mut replaced, text)?;
        from = at + needle.len();
    }
    replaced.extend(units[from..].iter().map(|unit| (*unit).into()));
    Some(replaced)
}

/// Appends a text unless that makes more than [`UNITS_MAX`] units.
pub(super) fn append(units: &mut Vec<u16>, text: &[u16]) -> Option<()> {
    if units.len() + text.len() > UNITS_MAX {
        return None;
    }
    units.extend_from_slice(text);
    Some(())
}

/// `jsonEncodeString`: a string of JSON, in quotes; only what must be escaped is.
///
/// ```
/// use heapwood_surfaces::dart::json_encode;
/// let json = json_encode(&[0x61, 0x22, 0x0a, 0x07, 0xd83c]);
/// assert_eq!(String::from_utf16(&json).unwrap(), r#""a\"\n\u0007\ud83c""#);
/// ```
pub fn json_encode(units: &[u16]) -> Vec<u16> {
    let quote = u16::from(b'"');
    let mut json = Vec::with_capacity(units.len() + 2);
    json.push(quote);
    for (at, unit) in units.iter().copied().enumerate() {
        let is_high = |unit: Option<&u16>| unit.is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let is_low = |unit: Option<&u16>| unit.is_some_and(|unit| (0xdc00..0xe000).contains(unit));
        let letter = match unit {
            0x08 => Some(b'b'),
            0x09 => Some(b't'),
            0x0a => Some(b'n'),
            0x0c => Some(b'f'),
            0x0d => Some(b'r'),
            0x22 => Some(b'"'),
            0x5c => Some(b'\\'),
            _ => None,
        };
        let is_alone = match unit {
            0xd800..0xdc00 => !is_low(units.get(at + 1)),
            0xdc00..0xe000 => !is_high(at.checked_sub(1).and_then(|before| units.get(before))),
            _ => false,
        };
        match letter {
            Some(letter) => json.extend([u16::from(b'\\'), letter.into()]),
            None if unit < 0x20 || is_alone => json.extend(format!("\\u{unit:04x}").encode_utf16()),
            None => json.push(unit),
        }
    }
    json.push(quote);
    json
}

/// `regexpEscape`: a backslash before each character that means something in a pattern.
pub fn escape_pattern(units: &[u16]) -> Vec<u16> {
    let mut escaped = Vec::with_capacity(units.len());
    for unit in units {
        if "[]{}()*+?.\\^$|".bytes().any(|byte| u16::from(byte) == *unit) {
            escaped.push(u16::from(b'\\'));
        }
        escaped.push(*unit);
    }
    escaped
}

/// `stringBufferWriteCharCode`: a code as one unit or two; none if there is no such code.
pub fn units_of_code(code: i32) -> Option<Vec<u16>> {
    match u16::try_from(code) {
        // Halves of pairs as well.
        Ok(unit) => Some(vec![unit]),
        Err(_) => {
            let char = char::from_u32(u32::try_from(code).ok()?)?;
            Some(char.encode_utf16(&mut [0; 2]).to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    /// All strings of two letters up to a length: as many as it takes to meet every way to overlap.
    fn words(max: u32) -> Vec<Vec<u16>> {
        let word = |len: u32, bits: u32| (0..len).map(|k| 0x61 + u16::from(bits >> k & 1 != 0)).collect::<Vec<_>>();
        (0..=max).flat_map(|len| (0..1 << len).map(move |bits| word(len, bits))).collect()
    }

    #[test]
    fn places_and_replacements_are_those_of_the_definition() {
        for text in words(6) {
            for needle in words(3) {
                let places: Vec<_> = (0..=text.len()).filter(|at| text[*at..].starts_with(&needle)).collect();
                for start in 0..=text.len() {
                    assert_eq!(index_of(&text, &needle, start), places.iter().copied().find(|at| *at >= start));
                    let last = places.iter().copied().rfind(|at| *at <= start);
                    assert_eq!(last_index_of(&text, &needle, i32::try_from(start).unwrap()), last);
                }
                if !needle.is_empty() {
                    let as_text = |units: &[u16]| String::from_utf16(units).unwrap();
                    let wanted = as_text(&text).replace(&as_text(&needle), "$&");
                    assert_eq!(replace_all(&text, &needle, &units("$&")).as_deref().map(as_text), Some(wanted));
                }
            }
        }
        assert_eq!(last_index_of(&units("ab"), &units("abc"), -1), None);
        assert_eq!((index_of(&units("ab"), &[], 3), index_of(b"abcab", &units("ab"), 1)), (None, Some(3)));
        assert_eq!(replace_all(&units("ab"), &[], &units("x")), Some(units("ab")), "an empty needle stands nowhere");
        let long = vec![0x61; 1 << 16];
        assert_eq!(replace_all(&long, &units("a"), &long), None, "2^32 units");
    }

    #[test]
    fn letters_change_their_case_around_lone_surrogates() {
        for (text, lower, upper) in [
            ("\u{130}I\u{df}\u{fb03}", "i\u{307}i\u{df}\u{fb03}", "\u{130}ISSFFI"),
            ("A\u{3a3}", "a\u{3c2}", "A\u{3a3}"),
        ] {
            assert_eq!((to_lower_case(&units(text)), to_upper_case(&units(text))), (units(lower), units(upper)));
        }
        let broken = [0x41, 0x3a3, 0xd800, 0x3a3, 0xdc00];
        assert_eq!(to_lower_case(&broken), [0x61, 0x3c2, 0xd800, 0x3c3, 0xdc00]);
        assert_eq!(to_upper_case(&[0xdfff, 0xdf, 0xd83d]), [0xdfff, 0x53, 0x53, 0xd83d]);
    }

    /// Every unit, alone and in pairs: what is written is read back by a parser of JSON, or is an escape.
    #[test]
    fn json_reads_back() {
        for unit in 0..=u16::MAX {
            for text in [vec![unit], vec![0xd83d, unit], vec![unit, 0xde00], vec![0xd83d, 0xde00, unit]] {
                let json = json_encode(&text);
                let array = format!("[{}]", String::from_utf16(&json).expect("no surrogate is alone"));
                assert_eq!(crate::parse_string_table(array.as_bytes()).unwrap(), [text]);
            }
        }
        assert_eq!(json_encode(&units("/\u{7f}\u{2028}é")), units("\"/\u{7f}\u{2028}é\""));
    }

    #[test]
    fn codes_are_one_unit_or_two() {
        assert_eq!(units_of_code(0xd800), Some(vec![0xd800]));
        assert_eq!(units_of_code(0x1f389), Some(vec![0xd83c, 0xdf89]));
        assert_eq!([-1, 0x11_0000].map(units_of_code), [None, None]);
        assert_eq!(escape_pattern(&units("a.b-c/[]")), units("a\\.b-c/\\[\\]"));
    }
}
