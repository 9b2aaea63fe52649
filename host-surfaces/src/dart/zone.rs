//! The local time zone: offset and abbreviation at an instant, from the files that the system has (TZif, RFC 9636).
//!
//! A file lists the transitions that were, and behind them a rule for those that come, as the variable `TZ` writes them
//! (POSIX, `CET-1CEST,M3.5.0,M10.5.0/3`).

use std::ops::Range;
use std::path::{Component, Path};

/// Where systems keep their zones.
const FOLDER: &str = "/usr/share/zoneinfo";
/// Larger files are no zones.
const FILE_BYTES_MAX: u64 = 1 << 20;
const DAY: i64 = 24 * 60 * 60;

/// A zone.
///
/// ```
/// use heapwood_surfaces::dart::Zone;
/// let zone = Zone::named(None);
/// assert_eq!((zone.name_at(0), zone.offset_at(0)), ("UTC", 0));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    /// From when on which of `kinds` holds, ascending.
    transitions: Vec<(i64, usize)>,
    /// The first one holds before all transitions.
    kinds: Vec<Kind>,
    /// What holds behind all transitions.
    rule: Option<Rule>,
}

/// A way to tell time.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kind {
    /// Seconds east of UTC.
    offset: i32,
    name: String,
}

/// Two ways that take turns, or one.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    standard: Kind,
    summer: Option<(Kind, [Turn; 2])>,
}

/// A day of the year and a time of it, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Turn {
    day: Day,
    time: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Day {
    /// From 1 to 365; 29 February never counts.
    WithoutLeap(i64),
    /// From 0 to 365.
    OfYear(i64),
    /// Month, week (5: the last one) and weekday (0: Sunday).
    Weekday { month: i64, week: i64, weekday: i64 },
}

impl Zone {
    /// The zone that a value of `TZ` names; UTC without one, and for one that names none.
    pub fn named(name: Option<&str>) -> Zone {
        name.and_then(Zone::of_file).unwrap_or_else(Zone::utc)
    }

    fn utc() -> Zone {
        Zone { transitions: Vec::new(), kinds: vec![Kind { offset: 0, name: "UTC".to_owned() }], rule: None }
    }

    fn of_file(name: &str) -> Option<Zone> {
        let name = Path::new(name.strip_prefix(':').unwrap_or(name));
        // No way out of the folder.
        let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        if name.as_os_str().is_empty() || !is_inside {
            return None;
        }
        let path = Path::new(FOLDER).join(name);
        let metadata = std::fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return None;
        }
        Zone::parse(&std::fs::read(path).ok()?)
    }

    /// A file's content; none if it is something else.
    fn parse(bytes: &[u8]) -> Option<Zone> {
        let first = Header::read(bytes)?;
        if first.version < b'2' {
            return first.zone(bytes, 0, 4);
        }
        // The same again, in times of eight bytes.
        let start = Header::BYTES + first.data_bytes(4);
        Header::read(bytes.get(start..)?)?.zone(bytes, start, 8)
    }

    fn kind_at(&self, seconds: i64) -> &Kind {
        // Beyond all dates of the calendar that languages have, and no overflow.
        let seconds = seconds.clamp(-1 << 44, 1 << 44);
        let after = self.transitions.partition_point(|(from, _)| *from <= seconds);
        match (after.checked_sub(1), &self.rule) {
            (last, Some(rule))
                if after == self.transitions.len() && (last.is_some() || self.transitions.is_empty()) =>
            {
                rule.kind_at(seconds)
            }
            (Some(last), _) => &self.kinds[self.transitions[last].1],
            (None, _) => &self.kinds[0],
        }
    }

    /// Seconds east of UTC at an instant, which is in seconds since 1970.
    pub fn offset_at(&self, seconds: i64) -> i32 {
        self.kind_at(seconds).offset
    }

    /// The abbreviation at an instant.
    pub fn name_at(&self, seconds: i64) -> &str {
        &self.kind_at(seconds).name
    }
}

/// The numbers at the beginning of a block.
struct Header {
    version: u8,
    utc_flags: usize,
    standard_flags: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    chars: usize,
}

impl Header {
    const BYTES: usize = 44;

    fn read(bytes: &[u8]) -> Option<Header> {
        let header = bytes.get(..Header::BYTES).filter(|header| header.starts_with(b"TZif"))?;
        let number = |at: usize| Some(usize::try_from(i32_at(header, 20 + 4 * at)?).ok()?.min(FILE_BYTES_MAX as usize));
        Some(Header {
            version: header[4],
            utc_flags: number(0)?,
            standard_flags: number(1)?,
            leaps: number(2)?,
            times: number(3)?,
            kinds: number(4)?,
            chars: number(5)?,
        })
    }

    /// Bytes behind the header, if a time has so many.
    fn data_bytes(&self, time: usize) -> usize {
        let leaps = self.leaps * (time + 4);
        self.times * (time + 1) + self.kinds * 6 + self.chars + leaps + self.standard_flags + self.utc_flags
    }

    fn zone(&self, bytes: &[u8], start: usize, time: usize) -> Option<Zone> {
        let mut at = start + Header::BYTES;
        let mut part = |len: usize| -> Option<Range<usize>> {
            let range = at..at + len;
            at += len;
            (at <= bytes.len()).then_some(range)
        };
        let times = &bytes[part(self.times * time)?];
        let indices = &bytes[part(self.times)?];
        let kinds = &bytes[part(self.kinds * 6)?];
        let chars = &bytes[part(self.chars)?];
        let kinds: Vec<Kind> = kinds.chunks_exact(6).map(|kind| kind_of(kind, chars)).collect::<Option<_>>()?;
        let time_at = |at: usize| match time {
            4 => i32_at(times, at * 4).map(i64::from),
            _ => times.get(at * 8..at * 8 + 8)?.try_into().ok().map(i64::from_be_bytes),
        };
        let transition = |(at, kind): (usize, &u8)| {
            let kind = usize::from(*kind);
            Some((time_at(at)?, (kind < kinds.len()).then_some(kind)?))
        };
        let transitions: Vec<_> = indices.iter().enumerate().map(transition).collect::<Option<_>>()?;
        let is_ascending = transitions.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if kinds.is_empty() || !is_ascending {
            return None;
        }
        let footer = bytes.get(start + Header::BYTES + self.data_bytes(time)..).filter(|_| time == 8);
        let rule = footer.and_then(|footer| footer.strip_prefix(b"\n")).and_then(|footer| {
            let end = footer.iter().position(|byte| *byte == b'\n')?;
            Rule::parse(std::str::from_utf8(&footer[..end]).ok()?)
        });
        Some(Zone { transitions, kinds, rule })
    }
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes)
}

fn kind_of(bytes: &[u8], chars: &[u8]) -> Option<Kind> {
    let name = chars.get(usize::from(bytes[5])..)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(Kind { offset: i32_at(bytes, 0)?, name: String::from_utf8(name[..end].to_vec()).ok()? })
}

impl Rule {
    /// A rule as POSIX writes it; none if it is something else.
    fn parse(text: &str) -> Option<Rule> {
        let mut parser = Parser(text);
        let standard = Kind { name: parser.name()?, offset: parser.offset()? };
        if parser.0.is_empty() {
            return Some(Rule { standard, summer: None });
        }
        let name = parser.name()?;
        let offset = match parser.0.starts_with(',') {
            true => standard.offset + 3600,
            false => parser.offset()?,
        };
        let turns = [parser.turn()?, parser.turn()?];
        parser.0.is_empty().then_some(Rule { standard, summer: Some((Kind { offset, name }, turns)) })
    }

    fn kind_at(&self, seconds: i64) -> &Kind {
        let Some((summer, [begin, end])) = &self.summer else { return &self.standard };
        let year = year_of(seconds + i64::from(self.standard.offset));
        // Each turn is told by the clock that it ends.
        let begin = begin.in_year(year) - i64::from(self.standard.offset);
        let end = end.in_year(year) - i64::from(summer.offset);
        let is_summer = match begin < end {
            true => (begin..end).contains(&seconds),
            false => !(end..begin).contains(&seconds),
        };
        if is_summer { summer } else { &self.standard }
    }
}

struct Parser<'t>(&'t str);

impl Parser<'_> {
    fn accept(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Letters, or anything between angle brackets.
    fn name(&mut self) -> Option<String> {
        let (name, rest) = match self.0.strip_prefix('<') {
            Some(quoted) => quoted.split_once('>')?,
            None => {
                let end = self.0.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(self.0.len());
                self.0.split_at(end)
            }
        };
        self.0 = rest;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn number(&mut self) -> Option<i64> {
        let end = self.0.find(|char: char| !char.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end.min(4));
        self.0 = rest;
        digits.parse().ok()
    }

    /// `[+-]h[:m[:s]]`, in seconds.
    fn time(&mut self) -> Option<i64> {
        let is_negative = self.accept('-');
        if !is_negative {
            self.accept('+');
        }
        let mut seconds = self.number()? * 3600;
        for unit in [60, 1] {
            seconds += if self.accept(':') { self.number()? * unit } else { 0 };
        }
        Some(if is_negative { -seconds } else { seconds })
    }

    /// Seconds east of UTC, which are written as seconds west.
    fn offset(&mut self) -> Option<i32> {
        i32::try_from(-self.time()?).ok()
    }

    /// `,day[/time]`.
    fn turn(&mut self) -> Option<Turn> {
        if !self.accept(',') {
            return None;
        }
        let day = if self.accept('M') {
            let month = self.number().filter(|month| (1..=12).contains(month))?;
            let week = self.accept('.').then(|| self.number()).flatten().filter(|week| (1..=5).contains(week))?;
            let weekday = self.accept('.').then(|| self.number()).flatten().filter(|weekday| *weekday < 7)?;
            Day::Weekday { month, week, weekday }
        } else if self.accept('J') {
            Day::WithoutLeap(self.number().filter(|day| (1..=365).contains(day))?)
        } else {
            Day::OfYear(self.number().filter(|day| *day < 366)?)
        };
        let time = if self.accept('/') { self.time()? } else { 2 * 3600 };
        Some(Turn { day, time })
    }
}

impl Turn {
    /// The instant in a year, as if the clock showed UTC.
    fn in_year(self, year: i64) -> i64 {
        let first = days_before(year);
        let day = match self.day {
            Day::WithoutLeap(day) => first + day - 1 + i64::from(is_leap(year) && day >= 60),
            Day::OfYear(day) => first + day,
            Day::Weekday { month, week, weekday } => {
                let begin = first + days_before_month(year, month);
                // 1 January 1970 was a Thursday.
                let to_first = (weekday - (begin + 4)).rem_euclid(7);
                let day = begin + to_first + 7 * (week - 1);
                if day < first + days_before_month(year, month + 1) { day } else { day - 7 }
            }
        };
        day * DAY + self.time
    }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days from 1970 to the beginning of a year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477
}

/// Days of a year before a month, of which the 13th begins the next year.
fn days_before_month(year: i64, month: i64) -> i64 {
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    lengths.iter().take(usize::try_from(month - 1).unwrap_or(0)).sum()
}

fn year_of(seconds: i64) -> i64 {
    let days = seconds.div_euclid(DAY);
    // Never later than it is.
    let mut year = 1970 + days.div_euclid(if days < 0 { 365 } else { 366 });
    while days_before(year + 1) <= days {
        year += 1 + (days - days_before(year + 1)).div_euclid(366);
    }
    year
}

#[cfg(test)]
mod tests {
    use super::*;

    const CET: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn of_rule(text: &str) -> Zone {
        Zone { rule: Some(Rule::parse(text).unwrap_or_else(|| panic!("{text}"))), ..Zone::utc() }
    }

    #[test]
    fn years_and_months_are_those_of_the_calendar() {
        let mut days = 0;
        for year in 1970..2500 {
            assert_eq!(days_before(year), days);
            assert_eq!(year_of(days * DAY), year);
            assert_eq!(year_of(days * DAY - 1), year - 1);
            days += days_before_month(year, 13);
        }
        assert_eq!((days_before(1969), year_of(-1), days_before(0)), (-365, 1969, -719_528));
        assert_eq!([2000, 1900, 2024, 2023].map(is_leap), [true, false, true, false]);
    }

    #[test]
    fn rules_hold_for_all_years() {
        let zone = of_rule(CET);
        let at = |seconds| (zone.name_at(seconds).to_owned(), zone.offset_at(seconds));
        let [winter, summer] = [("CET".to_owned(), 3600), ("CEST".to_owned(), 7200)];
        // 31 March and 27 October 2024, at 1:00 UTC.
        for (turn, before, behind) in [(1_711_846_800, &winter, &summer), (1_729_990_800, &summer, &winter)] {
            assert_eq!((&at(turn - 1), &at(turn)), (before, behind));
        }
        // 1 January 2100.
        assert_eq!(at(4_102_444_800), winter);
        // Where summer is at the turn of the year: Sydney, 1 January and 1 July 2024.
        let south = of_rule("AEST-10AEDT,M10.1.0,M4.1.0/3");
        assert_eq!([1_704_067_200, 1_719_792_000].map(|at| south.offset_at(at)), [39_600, 36_000]);
        // Days of the year, names in brackets, offsets that are west, minutes.
        let days = of_rule("<-03>3:30<-02>,J60/0,300/24");
        assert_eq!([1_704_067_200, 1_719_792_000].map(|at| days.offset_at(at)), [-12_600, -9_000]);
        assert_eq!((of_rule("UTC0").name_at(5), days.name_at(1_719_792_000)), ("UTC", "-02"));
    }

    #[test]
    fn what_is_no_rule_is_none() {
        for text in [
            "",
            "CET",
            "-1",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.1.0,M4.1.0",
            "CET-1CEST,M3.6.0,M4.1.0",
            "<CET-1",
            "CET-1CEST,J0,J1",
            "CET-1CEST,M3.5.0,M10.5.0x",
        ] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }

    /// A file as the system has it: transitions, then a rule.
    fn file(transitions: &[(i64, u8)], footer: &str) -> Vec<u8> {
        let header = |version: u8, times: usize, kinds: u32, chars: u32| {
            let mut header = b"TZif".to_vec();
            header.push(version);
            header.extend([0; 15]);
            for number in [0, 0, 0, u32::try_from(times).unwrap(), kinds, chars] {
                header.extend(number.to_be_bytes());
            }
            header
        };
        let mut bytes = header(b'2', 0, 1, 1);
        bytes.extend([0; 7]);
        bytes.extend(header(b'2', transitions.len(), 2, 8));
        transitions.iter().for_each(|(at, _)| bytes.extend(at.to_be_bytes()));
        bytes.extend(transitions.iter().map(|(_, kind)| *kind));
        for (offset, is_summer, name) in [(3600_i32, 0, 0), (7200, 1, 4)] {
            bytes.extend(offset.to_be_bytes());
            bytes.extend([is_summer, name]);
        }
        bytes.extend(b"AAA\0BBB\0\n");
        bytes.extend(footer.as_bytes());
        bytes.push(b'\n');
        bytes
    }

    #[test]
    fn files_list_transitions_and_a_rule() {
        let zone = Zone::parse(&file(&[(100, 1), (200, 0)], CET)).unwrap();
        let names = [99, 100, 199, 200, 1_719_792_000].map(|at| zone.name_at(at));
        assert_eq!(names, ["AAA", "BBB", "BBB", "CET", "CEST"]);
        let zone = Zone::parse(&file(&[(100, 1)], "")).unwrap();
        assert_eq!([i64::MIN, 99, 100, i64::MAX].map(|at| zone.offset_at(at)), [3600, 3600, 7200, 7200]);
        let (whole, wrong) = (file(&[(100, 1), (200, 0)], CET), file(&[(100, 2)], ""));
        assert_eq!((Zone::parse(&wrong), Zone::parse(&file(&[(2, 0), (1, 0)], ""))), (None, None));
        // Cut anywhere, it is a zone without its rule, or none.
        for len in 0..whole.len() {
            let cut = Zone::parse(&whole[..len]);
            assert!(cut.is_none_or(|zone| zone.rule.is_none()), "{len}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in [
            "",
            "/etc/passwd",
            "../../../etc/passwd",
            "Europe",
            "Nowhere/Else",
            "Europe/../../../../etc/passwd",
            "zone.tab",
            ".",
        ] {
            assert_eq!(Zone::named(Some(name)), Zone::utc(), "{name}");
        }
    }
}
