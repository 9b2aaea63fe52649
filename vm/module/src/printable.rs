//! Text of a module for people to read: nothing in it can speak to a terminal.
//!
//! Names of functions, types, imports and exports are any text that a module's author likes. Whoever puts one into a
//! message, a table or a list that may reach a terminal puts it through [`printable`], or [`brief`] where it need not
//! be whole.

use std::fmt::{self, Display, Formatter, Write};

/// The text with what is no character to look at as an escape: control characters (C0, DEL and C1, so that no sequence
/// begins, no cursor moves and no line ends), separators of lines and paragraphs, marks that turn the direction of
/// text, and characters that show nothing. The rest is as it is.
pub fn printable(text: &str) -> impl Display {
    Printable(text)
}

/// A name as a message shows it: [`printable`], and of a long one only the beginning, so that the length of a message
/// is not up to the guest.
pub fn brief(text: &str) -> impl Display {
    cut(text, NAME_CHARS_MAX)
}

/// The first `most` characters of a text as [`printable`] shows them, with `…` for what is left out.
pub fn cut(text: &str, most: usize) -> impl Display {
    let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
    let rest = if end < text.len() { "…" } else { "" };
    std::fmt::from_fn(move |f| write!(f, "{}{rest}", printable(&text[..end])))
}

/// Characters of a name that a message shows.
const NAME_CHARS_MAX: usize = 200;

struct Printable<'t>(&'t str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\t' | '\n' | '\r' => write!(f, "{}", c.escape_default())?,
                c if is_unprintable(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether a character is replaced.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks of direction, embeddings, overrides and isolates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}'
            // Nothing to see: joiners, invisible operators, byte order mark, annotations, tags.
            | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut() {
        let long = "é\n".repeat(1000);
        assert_eq!(brief(&long).to_string(), "é\\n".repeat(100) + "…");
        assert_eq!(brief(&"x".repeat(200)).to_string(), "x".repeat(200));
        assert_eq!((cut("abc", 2).to_string(), cut("", 0).to_string()), ("ab…".to_owned(), String::new()));
    }

    #[test]
    fn escapes_what_speaks_to_terminals_and_nothing_else() {
        let plain = "kotlin.Array<T>.get `f'\\ ünïcödé 漢字 🦀 a\u{301}";
        assert_eq!(printable(plain).to_string(), plain);
        let hostile = "\x1b]0;t\x07\n\r\t\x7f\u{85}\u{9b}31m\u{202e}\u{2028}\u{200b}\u{feff}";
        let escaped = "\\u{1b}]0;t\\u{7}\\n\\r\\t\\u{7f}\\u{85}\\u{9b}31m\\u{202e}\\u{2028}\\u{200b}\\u{feff}";
        assert_eq!(printable(hostile).to_string(), escaped);
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        assert!(!printable(&all).to_string().chars().any(is_unprintable));
    }
}
