//! The three kinds of lists of the file.

use std::io::{self, Write};

/// Numbers in rows.
pub(super) struct Rows<'w, W> {
    output: &'w mut W,
    first: bool,
}

impl<'w, W: Write> Rows<'w, W> {
    /// An empty list.
    pub fn new(output: &'w mut W) -> Rows<'w, W> {
        Rows { output, first: true }
    }

    /// A row: a line of its own.
    pub fn put(&mut self, numbers: &[u64]) -> io::Result<()> {
        for (index, number) in numbers.iter().enumerate() {
            let separator = match (index, std::mem::take(&mut self.first)) {
                (0, true) => "",
                (0, false) => "\n,",
                _ => ",",
            };
            write!(self.output, "{separator}{number}")?;
        }
        Ok(())
    }
}

/// The list of strings.
pub(super) struct Strings<'w, W> {
    output: &'w mut W,
    first: bool,
}

impl<'w, W: Write> Strings<'w, W> {
    /// An empty list.
    pub fn new(output: &'w mut W) -> Strings<'w, W> {
        Strings { output, first: true }
    }

    /// The next string.
    pub fn put(&mut self, string: &str) -> io::Result<()> {
        self.output.write_all(if std::mem::take(&mut self.first) { b"" } else { b",\n" })?;
        write_string(self.output, string)
    }
}

fn write_string(output: &mut impl Write, string: &str) -> io::Result<()> {
    output.write_all(b"\"")?;
    for character in string.chars() {
        match character {
            '"' | '\\' => write!(output, "\\{character}")?,
            control if control < ' ' => write!(output, "\\u{:04x}", control as u32)?,
            other => write!(output, "{other}")?,
        }
    }
    output.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut output = Vec::new();
        let mut strings = Strings::new(&mut output);
        ["a\"\\b", "\n\u{1}", "ü"].iter().for_each(|string| strings.put(string).unwrap());
        assert_eq!(String::from_utf8(output).unwrap(), "\"a\\\"\\\\b\",\n\"\\u000a\\u0001\",\n\"ü\"");
    }
}
