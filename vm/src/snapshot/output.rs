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

/// The strings, in order.
pub(super) fn write_strings<'s>(output: &mut impl Write, strings: impl Iterator<Item = &'s str>) -> io::Result<()> {
    for (index, string) in strings.enumerate() {
        output.write_all(if index == 0 { b"" } else { b",\n" })?;
        write_string(output, string)?;
    }
    Ok(())
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
        write_strings(&mut output, ["a\"\\b", "\n\u{1}", "ü"].into_iter()).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "\"a\\\"\\\\b\",\n\"\\u000a\\u0001\",\n\"ü\"");
    }
}
