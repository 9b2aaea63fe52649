//! Files of the time zone database (RFC 9636).
//!
//! 1. A file has a block of 32-bit times, and from version 2 on a second one of 64-bit times, which alone counts then,
//!    and the rule for the time after the last of these.
//! 2. A block: a header with counts, the times at which the zone changed, for each the number of what it changed to,
//!    what there is (offset, daylight saving time, place of the abbreviation), abbreviations, leap seconds and marks
//!    that nobody needs here.

use super::LocalTime;
use super::rule::Rule;

const HEADER_BYTES: usize = 44;
const MAGIC: &[u8] = b"TZif";

/// A zone with its history.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Table {
    /// Seconds since 1970, in order, and what begins then.
    changes: Vec<(i64, u8)>,
    types: Vec<Type>,
    /// What comes after the last change.
    rule: Option<Rule>,
}

#[derive(PartialEq, Eq, Debug)]
struct Type {
    offset: i32,
    is_dst: bool,
    abbreviation: String,
}

/// What a header says.
struct Counts {
    version: u8,
    utc_marks: usize,
    standard_marks: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Counts {
    fn parse(bytes: &[u8]) -> Option<Counts> {
        let header = bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC))?;
        let count = |index: usize| be_u32(header, 20 + 4 * index).and_then(|count| usize::try_from(count).ok());
        Some(Counts {
            version: header[4],
            utc_marks: count(0)?,
            standard_marks: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            types: count(4)?,
            chars: count(5)?,
        })
    }

    /// Bytes of the block whose times have so many bytes; none if no file is so long.
    fn block_bytes(&self, time_bytes: usize) -> Option<usize> {
        let parts = [
            (self.times, time_bytes + 1),
            (self.types, 6),
            (self.chars, 1),
            (self.leaps, time_bytes + 4),
            (self.standard_marks + self.utc_marks, 1),
        ];
        parts.iter().try_fold(0_usize, |sum, (count, size)| sum.checked_add(count.checked_mul(*size)?))
    }
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

impl Table {
    /// The zone of a file; none if it is no such file.
    pub fn parse(bytes: &[u8]) -> Option<Table> {
        let first = Counts::parse(bytes)?;
        if first.version == 0 {
            return Table::of_block(&first, &bytes[HEADER_BYTES..], 4);
        }
        let rest = bytes.get(HEADER_BYTES.checked_add(first.block_bytes(4)?)?..)?;
        let second = Counts::parse(rest)?;
        let block = &rest[HEADER_BYTES..];
        let mut table = Table::of_block(&second, block, 8)?;
        let footer = block.get(second.block_bytes(8)?..)?.strip_prefix(b"\n")?;
        let end = footer.iter().position(|byte| *byte == b'\n')?;
        if end > 0 {
            table.rule = Some(Rule::parse(std::str::from_utf8(&footer[..end]).ok()?)?);
        }
        Some(table)
    }

    fn of_block(counts: &Counts, block: &[u8], time_bytes: usize) -> Option<Table> {
        let block = block.get(..counts.block_bytes(time_bytes)?)?;
        let (times, rest) = block.split_at(counts.times * time_bytes);
        let (numbers, rest) = rest.split_at(counts.times);
        let (types, rest) = rest.split_at(counts.types * 6);
        let chars = &rest[..counts.chars];
        let time = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("times of four or eight bytes"),
        };
        let changes: Vec<_> = times.chunks_exact(time_bytes).map(time).zip(numbers.iter().copied()).collect();
        let types: Vec<_> = types.chunks_exact(6).map(|bytes| Type::parse(bytes, chars)).collect::<Option<_>>()?;
        let are_right = !types.is_empty()
            && changes.is_sorted_by(|a, b| a.0 < b.0)
            && changes.iter().all(|(_, number)| usize::from(*number) < types.len());
        are_right.then_some(Table { changes, types, rule: None })
    }

    /// What the zone has at an instant.
    pub fn at(&self, utc: i64) -> LocalTime<'_> {
        let passed = self.changes.partition_point(|(time, _)| *time <= utc);
        if let Some(rule) = self.rule.as_ref().filter(|_| passed == self.changes.len()) {
            return rule.at(utc);
        }
        // Before the first change there is the first type.
        let number = passed.checked_sub(1).map_or(0, |last| self.changes[last].1);
        let Type { offset, is_dst, abbreviation } = &self.types[usize::from(number)];
        LocalTime { offset: *offset, is_dst: *is_dst, abbreviation }
    }
}

impl Type {
    fn parse(bytes: &[u8], chars: &[u8]) -> Option<Type> {
        let [a, b, c, d, is_dst, at] = *bytes else { return None };
        let name = chars.get(usize::from(at)..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        let abbreviation = std::str::from_utf8(&name[..end]).ok().filter(|name| name.is_ascii())?.to_owned();
        // No place on earth is further away from UTC than a day.
        let offset = Some(i32::from_be_bytes([a, b, c, d])).filter(|offset| offset.abs() < 93_600)?;
        Some(Type { offset, is_dst: is_dst != 0, abbreviation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this version with changes to the types 1 and 0 in turns.
    fn file(version: u8, times: &[i64], rule: &str) -> Vec<u8> {
        let block = |time_bytes: usize| {
            let mut bytes = [MAGIC, &[version], &[0; 15]].concat();
            for count in [0, 0, 0, times.len(), 2, 8] {
                bytes.extend(u32::try_from(count).unwrap().to_be_bytes());
            }
            times.iter().for_each(|time| bytes.extend(&time.to_be_bytes()[8 - time_bytes..]));
            bytes.extend((0..times.len()).map(|index| 1 - (index % 2) as u8));
            bytes.extend([&3208_i32.to_be_bytes()[..], &[0, 0], &7200_i32.to_be_bytes(), &[1, 4]].concat());
            bytes.extend(b"LMT\0DST\0");
            bytes
        };
        match version {
            0 => block(4),
            _ => [block(4), block(8), format!("\n{rule}\n").into_bytes()].concat(),
        }
    }

    #[test]
    fn changes_count_from_their_times_on_and_the_rule_after_the_last() {
        let times = [-1_000, 0, 5_000];
        let old = Table::parse(&file(0, &times, "")).unwrap();
        let new = Table::parse(&file(b'2', &times, "")).unwrap();
        let ruled = Table::parse(&file(b'3', &times, "CET-1")).unwrap();
        for (utc, offset) in [(i64::MIN, 3208), (-1_001, 3208), (-1_000, 7200), (-1, 7200), (0, 3208), (4_999, 3208)] {
            for table in [&old, &new, &ruled] {
                assert_eq!(table.at(utc).offset, offset, "{utc}");
                assert_eq!(table.at(utc).is_dst, offset == 7200);
            }
        }
        assert_eq!(old.at(5_000).abbreviation, "DST");
        assert_eq!(new.at(i64::from(i32::MAX)).abbreviation, "DST");
        assert_eq!((ruled.at(5_000).offset, ruled.at(5_000).abbreviation), (3_600, "CET"));
        let never = Table::parse(&file(b'2', &[], "")).unwrap();
        assert_eq!(never.at(0).abbreviation, "LMT");
    }

    /// Whatever a file holds, it is read or refused.
    #[test]
    fn broken_files_are_refused() {
        let whole = file(b'2', &[-1_000, 0], "CET-1");
        for length in 0..whole.len() {
            assert_eq!(Table::parse(&whole[..length]), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                // What happens to be a file is used.
                let offset = Table::parse(&broken).map_or(0, |table| table.at(-1).offset);
                assert!(offset.abs() < 93_600, "byte {at} is {value}");
            }
        }
        assert_eq!(Table::parse(&file(b'2', &[0, 0], "CET-1")), None, "times that are not in order");
        assert_eq!(Table::parse(&file(b'2', &[0], "no rule")), None);
    }
}
