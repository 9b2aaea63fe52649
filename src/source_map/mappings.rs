//! The text of mappings: groups for lines, ended by `;`, of segments, parted by `,`, of numbers in digits of base 64.
//! All of it is checked; what is kept are the segments of the first line, since a module has no other.

/// In place of an index: there is none.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of a digit that belong to the number; the next one says that more digits follow.
const DIGIT_BITS: u32 = 5;

/// Where the bytes from an offset on, up to that of the next segment, come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub offset: u32,
    /// An index, or [`NONE`]; then the rest means nothing.
    pub source: u32,
    /// The first one is 0.
    pub line: u32,
    /// The first one is 0.
    pub column: u32,
    /// An index, or [`NONE`].
    pub name: u32,
}

impl Segment {
    pub(super) fn offset(&self) -> usize {
        self.offset as usize
    }
}

/// What the numbers of a segment are added to. Only the first one begins anew with each line.
#[derive(Default)]
struct Sums {
    offset: u32,
    source: u32,
    line: u32,
    column: u32,
    name: u32,
}

/// Reads mappings of a map with so many sources and names, and adds to `segments` those of the first line, in the
/// text's order.
///
/// # Errors
/// The byte of the text at which a segment begins that is malformed, and what is wrong with it.
pub(super) fn read(text: &str, sources: usize, names: usize, segments: &mut Vec<Segment>) -> Result<(), String> {
    let mut sums = Sums::default();
    let mut at = 0;
    for (number, line) in text.split(';').enumerate() {
        sums.offset = 0;
        for piece in line.split(',') {
            if !piece.is_empty() {
                let wrong = |wrong: String| format!("`mappings`, byte {at}: {wrong}");
                let segment = sums.segment(piece.as_bytes(), sources, names).map_err(wrong)?;
                if number == 0 {
                    segments.push(segment);
                }
            }
            at += piece.len() + 1;
        }
    }
    Ok(())
}

impl Sums {
    fn segment(&mut self, text: &[u8], sources: usize, names: usize) -> Result<Segment, String> {
        let (numbers, count) = numbers(text)?;
        let [offset, source, line, column, name] = numbers;
        if ![1, 4, 5].contains(&count) {
            return Err(format!("a segment has 1, 4 or 5 numbers, and this one has {count}"));
        }
        add(&mut self.offset, offset, "offset")?;
        let mut segment = Segment { offset: self.offset, source: NONE, line: 0, column: 0, name: NONE };
        if count >= 4 {
            add(&mut self.source, source, "source")?;
            add(&mut self.line, line, "line")?;
            add(&mut self.column, column, "column")?;
            known(self.source, sources, "source")?;
            segment = Segment { source: self.source, line: self.line, column: self.column, ..segment };
        }
        if count == 5 {
            add(&mut self.name, name, "name")?;
            known(self.name, names, "name")?;
            segment.name = self.name;
        }
        Ok(segment)
    }
}

/// Adds to a sum, which stays a number of 31 bits.
fn add(sum: &mut u32, number: i32, what: &str) -> Result<(), String> {
    let out_of_range = || format!("the {what} {} is out of range", i64::from(*sum) + i64::from(number));
    *sum = sum.checked_add_signed(number).filter(|sum| i32::try_from(*sum).is_ok()).ok_or_else(out_of_range)?;
    Ok(())
}

fn known(index: u32, count: usize, what: &str) -> Result<(), String> {
    match (index as usize) < count {
        true => Ok(()),
        false => Err(format!("{what} {index} of {count}")),
    }
}

/// The numbers of a segment, and how many there are; one more than five counts as six.
fn numbers(mut text: &[u8]) -> Result<([i32; 5], usize), String> {
    let mut numbers = [0; 5];
    let mut count = 0;
    while !text.is_empty() {
        let number = number(&mut text)?;
        let Some(slot) = numbers.get_mut(count) else { return Ok((numbers, count + 1)) };
        *slot = number;
        count += 1;
    }
    Ok((numbers, count))
}

/// Takes a number: its lowest bit is the sign, and digits come from the lowest on.
fn number(text: &mut &[u8]) -> Result<i32, String> {
    let mut bits: u64 = 0;
    let mut shift = 0;
    loop {
        let (&byte, rest) = text.split_first().ok_or("the segment ends within a number")?;
        let digit = digit(byte).ok_or_else(|| format!("`{}` is no digit of base 64", byte.escape_ascii()))?;
        *text = rest;
        bits |= u64::from(digit & 0x1f) << shift;
        if digit & 0x20 == 0 {
            break;
        }
        shift += DIGIT_BITS;
        // Seven digits hold 32 bits and more.
        if shift > 6 * DIGIT_BITS {
            return Err("a number has more than 32 bits".to_owned());
        }
    }
    let magnitude = i32::try_from(bits >> 1).map_err(|_| "a number has more than 32 bits")?;
    Ok(if bits & 1 == 0 { magnitude } else { -magnitude })
}

pub(super) fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_sizes_and_their_ends() {
        for (text, number) in [
            ("A", Ok(0)),
            ("B", Ok(0)),
            ("C", Ok(1)),
            ("D", Ok(-1)),
            ("e", Ok(15)),
            ("gB", Ok(16)),
            ("hB", Ok(-16)),
            ("+/////D", Ok(i32::MAX)),
            ("//////D", Ok(-i32::MAX)),
            ("ggggggA", Ok(0)),
            ("ggggggE", Err("a number has more than 32 bits")),
            ("gggggggA", Err("a number has more than 32 bits")),
            ("g", Err("the segment ends within a number")),
            ("=", Err("`=` is no digit of base 64")),
        ] {
            assert_eq!(super::number(&mut text.as_bytes()), number.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, wrong) in [
            ("A,AA", "byte 2: a segment has 1, 4 or 5 numbers, and this one has 2"),
            ("AAAAAA", "byte 0: a segment has 1, 4 or 5 numbers, and this one has 6"),
            (";;D", "byte 2: the offset -1 is out of range"),
            ("+/////D,C", "byte 8: the offset 2147483648 is out of range"),
            ("ACAA", "byte 0: source 1 of 1"),
            ("ADAA", "byte 0: the source -1 is out of range"),
            ("AAAAC", "byte 0: name 1 of 1"),
            ("AADA", "byte 0: the line -1 is out of range"),
            ("A,é", "byte 2: `\\xc3` is no digit of base 64"),
        ] {
            let error = read(text, 1, 1, &mut Vec::new()).expect_err(text);
            assert_eq!(error, format!("`mappings`, {wrong}"), "{text}");
        }
    }
}
