//! JSON as it is printed: on one line, of characters that can be looked at.
//!
//! Strings of a value may be names of a module's author. What `printable` makes an escape for people is an escape of
//! JSON here, so that whoever parses the text gets the name as it is, and a terminal shows nothing but text.

use heapwood::printable;
use serde_json::Value;
use std::fmt::Write;

/// The value on one line.
pub fn json_text(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_shown(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// Whether people see a character as it is.
fn is_shown(c: char) -> bool {
    matches!(c, ' '..='~') || printable(c.encode_utf8(&mut [0; 4])).to_string().chars().eq([c])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_sees_is_escaped_and_can_be_read_back() {
        let name = "\0\x1b[31m\r\n\u{7f}\u{85}\u{9b}\u{202e}\u{2028}\u{e0041}\u{feff} \"\\ für 木 😀";
        let value = json!({name: [name, 1.5, null]});
        let text = json_text(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
        assert!(text.chars().all(is_shown) && text.contains("für 木 😀") && text.contains("\\udb40\\udc41"), "{text}");
    }
}
