//! Output of a guest, cut into lines, with the messages in it told apart. However it is written, what is held of it is
//! bounded.

use super::message::MARK;

/// Bytes of a line that are held. `kotlin.test` writes at most 7,000 characters of each text, before they are escaped.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// A piece of output.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece<'b> {
    /// What a test or other code printed; with the end of a line, or the line goes on.
    Printed(&'b [u8], bool),
    /// What follows [`MARK`] up to the end of the line.
    Marked(&'b [u8]),
    /// A message that is longer than [`LINE_BYTES_MAX`].
    TooLong,
}

/// What was written of the last line.
#[derive(Default)]
pub struct Lines {
    held: Vec<u8>,
    /// The rest of this line is of no interest.
    is_skipping: bool,
    /// A part of this line was given as printed, which is to be ended before a message follows.
    goes_on: bool,
}

impl Lines {
    /// Takes what was written, and gives its pieces.
    pub fn write(&mut self, mut bytes: &[u8], mut take: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - self.held.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let count = end.unwrap_or(room.min(bytes.len()));
            if !self.is_skipping {
                self.held.extend_from_slice(&bytes[..count]);
            }
            if end.is_some() {
                self.end_line(&mut take);
            } else if self.held.len() == LINE_BYTES_MAX {
                self.make_room(&mut take);
            }
            bytes = &bytes[count + usize::from(end.is_some())..];
        }
    }

    /// The end of all output.
    pub fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if !self.held.is_empty() {
            self.end_line(&mut take);
        }
    }

    fn end_line(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        if !std::mem::take(&mut self.is_skipping) {
            let line = self.held.strip_suffix(b"\r").unwrap_or(&self.held);
            match mark_in(line) {
                Some(at) => {
                    if at != 0 || self.goes_on {
                        take(Piece::Printed(&line[..at], true));
                    }
                    take(Piece::Marked(&line[at + MARK.len()..]));
                }
                None => take(Piece::Printed(line, true)),
            }
        }
        self.held.clear();
        self.goes_on = false;
    }

    /// Gives up what cannot be part of a message, or the message that is too long.
    fn make_room(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        let printed = match mark_in(&self.held) {
            Some(0) => {
                take(Piece::TooLong);
                self.is_skipping = true;
                self.held.len()
            }
            // A message may begin with the last bytes.
            at => at.unwrap_or(self.held.len() - (MARK.len() - 1)),
        };
        if !self.is_skipping {
            take(Piece::Printed(&self.held[..printed], false));
            self.goes_on = true;
        }
        self.held.drain(..printed);
    }
}

/// Where the last message of a line begins.
fn mark_in(line: &[u8]) -> Option<usize> {
    line.windows(MARK.len()).rposition(|window| window == MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces as text, with the printed ones joined that belong together.
    fn pieces(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found, mut printed) = (Lines::default(), Vec::new(), String::new());
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Printed(bytes, ends) => {
                printed += &String::from_utf8_lossy(bytes);
                if ends {
                    found.push(std::mem::take(&mut printed));
                }
            }
            Piece::Marked(bytes) => found.push(format!("<{}>", String::from_utf8_lossy(bytes))),
            Piece::TooLong => found.extend([std::mem::take(&mut printed), "too long".to_owned()]),
        };
        for part in parts {
            lines.write(part, &mut take);
            assert!(lines.held.len() < LINE_BYTES_MAX);
        }
        lines.finish(&mut take);
        found
    }

    #[test]
    fn lines_are_the_same_however_they_are_written() {
        let text = b"a\n\nb ##teamcity[x]\r\n##teamcity[y ##teamcity[z]\nlast";
        let expected = ["a", "", "b ", "<x]>", "##teamcity[y ", "<z]>", "last"];
        assert_eq!(pieces(&[text]), expected);
        for at in 0..text.len() {
            assert_eq!(pieces(&[&text[..at], &text[at..]]), expected, "cut at {at}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(pieces(&bytes), expected);
    }

    #[test]
    fn a_long_line_is_given_in_pieces_and_hides_no_message() {
        for around in LINE_BYTES_MAX - 30..LINE_BYTES_MAX + 30 {
            let text = format!("{}##teamcity[x]\nend\n", "-".repeat(around));
            let found = pieces(&[text.as_bytes()]);
            let short: Vec<&str> = found.iter().map(|piece| &piece[..piece.len().min(20)]).collect();
            assert_eq!(short[1..], ["<x]>", "end"], "{around}");
            assert_eq!(found[0].len(), around);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_told_once() {
        let text = format!("p##teamcity[{}\nnext\n", "x".repeat(3 * LINE_BYTES_MAX));
        assert_eq!(pieces(&[text.as_bytes()]), ["p", "too long", "next"]);
    }
}
