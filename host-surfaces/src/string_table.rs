//! Strings in a custom section: a JSON array of strings.

/// The strings of a JSON array, as UTF-16 units: an escape may be half of a pair, which no text in Rust can be.
///
/// # Errors
/// Where it is something else, and what was expected there.
///
/// ```
/// use heapwood_surfaces::parse_string_table;
/// assert_eq!(parse_string_table(br#"["a", "\ud83d"]"#).unwrap(), [vec![0x61], vec![0xd83d]]);
/// assert!(parse_string_table(b"[1]").unwrap_err().contains("byte 1"));
/// ```
pub fn parse_string_table(json: &[u8]) -> Result<Vec<Vec<u16>>, String> {
    let text = std::str::from_utf8(json).map_err(|error| format!("byte {}: not UTF-8", error.valid_up_to()))?;
    let mut parser = Parser { text, at: 0 };
    let mut strings = Vec::new();
    parser.expect('[')?;
    if !parser.accept(']') {
        loop {
            strings.push(parser.string()?);
            if parser.accept(']') {
                break;
            }
            parser.expect(',')?;
        }
    }
    parser.skip_space();
    match parser.rest().is_empty() {
        true => Ok(strings),
        false => Err(parser.expected("the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn expected(&self, what: &str) -> String {
        format!("byte {}: expected {what}", self.at)
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes a character, behind space, if it comes next.
    fn accept(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.accept(wanted) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{wanted}`"))),
        }
    }

    fn string(&mut self) -> Result<Vec<u16>, String> {
        self.expect('"')?;
        let mut units = Vec::new();
        loop {
            let start = self.at;
            match self.next() {
                Some('"') => return Ok(units),
                Some('\\') => units.push(self.escape()?),
                Some(char) if char >= ' ' => units.extend_from_slice(char.encode_utf16(&mut [0; 2])),
                _ => {
                    self.at = start;
                    return Err(self.expected("the rest of a string"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        let start = self.at;
        let unit = match self.next() {
            Some('u') => self.rest().get(..4).and_then(|digits| {
                let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                are_digits.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
            }),
            Some('b') => Some(8),
            Some('t') => Some(9),
            Some('n') => Some(10),
            Some('f') => Some(12),
            Some('r') => Some(13),
            Some(char @ ('"' | '\\' | '/')) => u16::try_from(u32::from(char)).ok(),
            _ => None,
        };
        match unit {
            Some(unit) => {
                self.at += if self.text[start..].starts_with('u') { 4 } else { 0 };
                Ok(unit)
            }
            None => {
                self.at = start;
                Err(self.expected("an escape"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn arrays_of_strings_are_read() {
        assert_eq!(parse_string_table(b" [ ] ").unwrap(), Vec::<Vec<u16>>::new());
        let json = "[\"\", \"é😀\",\n\"\\u0041\\n\\t\\r\\b\\f\\\"\\\\\\/\", \"\\uD83d\\ude00\", \"\\udc00\"]";
        let strings = parse_string_table(json.as_bytes()).unwrap();
        let wanted = ["", "é😀", "A\n\t\r\u{8}\u{c}\"\\/", "😀"].map(units);
        assert_eq!(strings[..4], wanted);
        assert_eq!(strings[4], [0xdc00]);
    }

    #[test]
    fn what_is_something_else_is_an_error_with_its_place() {
        let wrong: [(&[u8], &str); 12] = [
            (b"", "byte 0: expected `[`"),
            (b"{}", "byte 0: expected `[`"),
            (b"[", "byte 1: expected `\"`"),
            (b"[1]", "byte 1: expected `\"`"),
            (b"[\"a\"", "byte 4: expected `,`"),
            (b"[\"a\",]", "byte 5: expected `\"`"),
            (b"[\"a\"] x", "byte 6: expected the end"),
            (b"[\"a", "byte 3: expected the rest of a string"),
            (b"[\"\n\"]", "byte 2: expected the rest of a string"),
            (b"[\"\\x\"]", "byte 3: expected an escape"),
            (b"[\"\\u12g4\"]", "byte 3: expected an escape"),
            (b"[\"\xff\"]", "byte 2: not UTF-8"),
        ];
        for (json, message) in wrong {
            assert_eq!(parse_string_table(json).unwrap_err(), message, "{:?}", String::from_utf8_lossy(json));
        }
    }
}
