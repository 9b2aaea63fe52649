//! Zones as POSIX writes them: `CET-1CEST,M3.5.0,M10.5.0/3`, with the extensions of RFC 9636 (3.3.1): hours up to 167,
//! also negative ones.

use super::LocalTime;
use crate::civil::{date_from_days, days_from_date, weekday};

const DAY: i64 = 86_400;

/// A zone that has been, and will be, as it is.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Rule {
    standard: Offset,
    daylight: Option<Daylight>,
}

#[derive(PartialEq, Eq, Debug)]
struct Offset {
    name: String,
    /// Seconds to add to UTC.
    seconds: i32,
}

#[derive(PartialEq, Eq, Debug)]
struct Daylight {
    offset: Offset,
    /// When it begins, by a clock that shows standard time.
    begin: Change,
    /// When it ends, by a clock that shows daylight saving time.
    end: Change,
}

/// A time of each year.
#[derive(PartialEq, Eq, Debug)]
struct Change {
    day: Day,
    /// Seconds from the beginning of that day.
    time: i32,
}

#[derive(PartialEq, Eq, Debug)]
enum Day {
    /// `Jn`: from 1 on, without February 29.
    WithoutLeap(i64),
    /// `n`: from 0 on.
    OfYear(i64),
    /// `Mm.w.d`: month from 1 on, week from 1 on (5 is the last one), weekday from Sunday on.
    OfWeek { month: i64, week: i64, weekday: i64 },
}

impl Rule {
    /// The rule of a zone that is UTC.
    pub fn utc() -> Rule {
        Rule { standard: Offset { name: "UTC".to_owned(), seconds: 0 }, daylight: None }
    }

    /// The rule of a text; none if it is not written so.
    pub fn parse(text: &str) -> Option<Rule> {
        let mut parser = Parser(text);
        let standard = Offset { name: parser.name()?, seconds: -parser.time(24)? };
        if parser.0.is_empty() {
            return Some(Rule { standard, daylight: None });
        }
        let name = parser.name()?;
        let seconds = match parser.0.is_empty() || parser.0.starts_with(',') {
            true => standard.seconds + 3_600,
            false => -parser.time(24)?,
        };
        // Without days, what most systems take, which is the law of the United States.
        let days = if parser.0.is_empty() { ",M3.2.0,M11.1.0" } else { parser.0 };
        let mut parser = Parser(days);
        let (begin, end) = (parser.change()?, parser.change()?);
        let daylight = Daylight { offset: Offset { name, seconds }, begin, end };
        parser.0.is_empty().then_some(Rule { standard, daylight: Some(daylight) })
    }

    /// What the zone has at an instant.
    pub fn at(&self, utc: i64) -> LocalTime<'_> {
        let standard = LocalTime { offset: self.standard.seconds, is_dst: false, abbreviation: &self.standard.name };
        let Some(Daylight { offset, begin, end }) = &self.daylight else { return standard };
        let daylight = LocalTime { offset: offset.seconds, is_dst: true, abbreviation: &offset.name };
        let (year, ..) = date_from_days(utc.div_euclid(DAY));
        // The last change up to now; of two at once the one that begins daylight saving time comes last, so that a zone
        // may have it always.
        let changes = (year - 1..=year + 1).flat_map(|year| {
            let end = (end.in_year(year) - i64::from(offset.seconds), false);
            [end, (begin.in_year(year) - i64::from(self.standard.seconds), true)]
        });
        match changes.filter(|(time, _)| *time <= utc).max() {
            Some((_, true)) => daylight,
            _ => standard,
        }
    }
}

impl Change {
    /// The seconds that a clock on the wall shows then, as if it were UTC.
    fn in_year(&self, year: i64) -> i64 {
        let first = days_from_date(year, 0, 1);
        let day = match self.day {
            Day::WithoutLeap(day) => {
                let is_after_leap = day >= 60 && days_from_date(year, 2, 1) - first == 60;
                first + day - 1 + i64::from(is_after_leap)
            }
            Day::OfYear(day) => first + day,
            Day::OfWeek { month, week, weekday: wanted } => {
                let (first, next) = (days_from_date(year, month - 1, 1), days_from_date(year, month, 1));
                let at = first + (wanted - weekday(first) as i64).rem_euclid(7) + (week - 1) * 7;
                // The last one is the fourth in some months.
                if at < next { at } else { at - 7 }
            }
        };
        day * DAY + i64::from(self.time)
    }
}

/// What is left of a text.
struct Parser<'t>(&'t str);

impl Parser<'_> {
    fn accept(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// At least three letters, or letters, digits and signs in angle brackets.
    fn name(&mut self) -> Option<String> {
        if self.accept('<') {
            let (name, rest) = self.0.split_once('>')?;
            self.0 = rest;
            let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'-';
            return (!name.is_empty() && name.bytes().all(is_right)).then(|| name.to_owned());
        }
        let length = self.0.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(length);
        self.0 = rest;
        (length >= 3).then(|| name.to_owned())
    }

    fn number(&mut self, most: i64) -> Option<i64> {
        let length = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        digits.parse().ok().filter(|number| *number <= most)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn time(&mut self, hours_max: i64) -> Option<i32> {
        let sign = if self.accept('-') { -1 } else { 1 };
        if sign == 1 {
            self.accept('+');
        }
        let mut seconds = self.number(hours_max)? * 3_600;
        for unit in [60, 1] {
            if !self.accept(':') {
                break;
            }
            seconds += self.number(59)? * unit;
        }
        i32::try_from(sign * seconds).ok()
    }

    /// `,date[/time]`.
    fn change(&mut self) -> Option<Change> {
        self.accept(',').then_some(())?;
        let day = match self.0.chars().next()? {
            'J' => {
                self.accept('J');
                Day::WithoutLeap(self.number(365).filter(|day| *day >= 1)?)
            }
            'M' => {
                self.accept('M');
                let month = self.number(12).filter(|month| *month >= 1)?;
                let week = self.accept('.').then(|| self.number(5).filter(|week| *week >= 1))??;
                Day::OfWeek { month, week, weekday: self.accept('.').then(|| self.number(6))?? }
            }
            _ => Day::OfYear(self.number(365)?),
        };
        let time = if self.accept('/') { self.time(167)? } else { 2 * 3_600 };
        Some(Change { day, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970 of a UTC time.
    fn utc(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
        days_from_date(year, month - 1, day) * DAY + hour * 3_600 + minute * 60
    }

    #[test]
    fn changes_come_when_they_are_said_to() {
        for (text, before, change, after) in [
            ("CET-1CEST,M3.5.0,M10.5.0/3", "CET", utc(2024, 3, 31, 1, 0), "CEST"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "CEST", utc(2024, 10, 27, 1, 0), "CET"),
            ("EST5EDT", "EST", utc(2024, 3, 10, 7, 0), "EDT"),
            ("EST5EDT,M3.2.0,M11.1.0", "EDT", utc(2024, 11, 3, 6, 0), "EST"),
            // South of the equator, where it ends in the year after.
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "AEST", utc(2024, 10, 5, 16, 0), "AEDT"),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "AEDT", utc(2025, 4, 5, 16, 0), "AEST"),
            // Half an hour, and names in brackets.
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "+1030", utc(2024, 10, 5, 15, 30), "+11"),
            // Days by number, before and after February 29.
            ("AAA0BBB,J60/0,J365/0", "AAA", utc(2024, 3, 1, 0, 0), "BBB"),
            ("AAA0BBB,J60/0,J365/0", "AAA", utc(2023, 3, 1, 0, 0), "BBB"),
            ("AAA0BBB,59/0,J365/0", "AAA", utc(2024, 2, 29, 0, 0), "BBB"),
            // Hours beyond the day, on both sides.
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "-02", utc(2024, 3, 31, 1, 0), "-01"),
            ("IST-2IDT,M3.4.4/26,M10.5.0", "IST", utc(2024, 3, 29, 0, 0), "IDT"),
        ] {
            let rule = Rule::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                [rule.at(change - 1), rule.at(change)].map(|local| local.abbreviation),
                [before, after],
                "{text}"
            );
        }
    }

    #[test]
    fn a_zone_may_save_daylight_always() {
        let rule = Rule::parse("XXX3EDT4,0/0,J365/23").unwrap();
        for day in 0..800 {
            assert!(rule.at(utc(2023, 1, 1, 3, 0) + day * DAY).is_dst, "{day}");
        }
        assert_eq!(rule.at(0).offset, -4 * 3_600);
    }

    #[test]
    fn what_is_written_otherwise_is_no_rule() {
        for text in [
            "",
            "A",
            "AB3",
            "ABC",
            "ABC25",
            "ABC3:60",
            "<>3",
            "<A",
            "<A!>3",
            "ABC3D",
            "ABC3DEF,",
            "ABC3DEF,M3.2.0",
            "ABC3DEF,M13.2.0,M11.1.0",
            "ABC3DEF,M3.6.0,M11.1.0",
            "ABC3DEF,M3.0.0,M11.1.0",
            "ABC3DEF,M3.2.7,M11.1.0",
            "ABC3DEF,J0,J1",
            "ABC3DEF,J366,J1",
            "ABC3DEF,366,1",
            "ABC3DEF,M3.2.0/168,M11.1.0",
            "ABC3DEF,M3.2.0,M11.1.0x",
            "ABC3 ",
            "ABC99999999999999999999",
            "\u{e9}\u{e9}\u{e9}3",
        ] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }
}
