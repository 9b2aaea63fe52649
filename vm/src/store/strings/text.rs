//! Strings as UTF-8, in which half of a pair is U+FFFD.

use heapwood_gc::StringUnits;

/// The UTF-8 of a string.
pub(crate) struct Utf8<'h>(pub StringUnits<'h>);

impl Utf8<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self.0 {
            StringUnits::Latin1(units) => units.iter().map(|unit| if *unit < 0x80 { 1 } else { 2 }).sum(),
            StringUnits::Utf16(_) => self.chars().map(char::len_utf8).sum(),
        }
    }

    /// The characters.
    pub fn chars(&self) -> impl Iterator<Item = char> {
        char::decode_utf16(self.0.iter()).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

/// The units of bytes that should be UTF-8; what is none becomes U+FFFD, as `TextDecoder` does it. A mark of the byte
/// order stays.
pub(crate) fn decode_utf8(bytes: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(bytes).encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_lengths_are_those_of_the_text() {
        let units = [0x41, 0xe9, 0xd83d, 0xde00, 0xde00, 0x20ac, 0xd83d];
        let utf8 = Utf8(StringUnits::Utf16(&units));
        let text: String = utf8.chars().collect();
        assert_eq!((text.as_str(), utf8.len()), ("Aé😀\u{fffd}€\u{fffd}", text.len()));
        let latin1 = Utf8(StringUnits::Latin1(&[0x41, 0xe9, 0x7f, 0x80]));
        assert_eq!((latin1.chars().collect::<String>(), latin1.len()), ("Aé\u{7f}\u{80}".to_owned(), 6));
        assert_eq!(decode_utf8(b"\xef\xbb\xbfa\xf0\x9f\x98\x80\xff"), [0xfeff, 0x61, 0xd83d, 0xde00, 0xfffd]);
    }
}
