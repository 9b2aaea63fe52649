//! Dates as JavaScript has them (ECMA-262, 21.4): a number of milliseconds since 1970, of which functions say and
//! change a field, in local time.
//!
//! 1. An instant is valid within 100 million days of 1970; all others are NaN.
//! 2. Fields may be too large or negative: they are carried.
//! 3. What a local clock shows twice is the first of the two instants; what it leaves out is counted from the time
//!    before it did.

use crate::civil::{date_from_days, days_from_date, weekday};
use crate::time_zone::TimeZone;

const MS_MAX: i128 = 8_640_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A field of a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The year.
    Year,
    /// The month, from 0 on.
    Month,
    /// The day of the month, from 1 on.
    Day,
}

/// The valid instant of a number; none for NaN and what is too far away.
fn instant(ms: f64) -> Option<i64> {
    (ms.abs() <= MS_MAX as f64).then_some(ms as i64)
}

/// The number of an instant.
fn number(ms: i128) -> f64 {
    if ms.abs() <= MS_MAX { ms as f64 } else { f64::NAN }
}

/// Milliseconds that a clock in this zone shows at an instant, as if it were UTC.
fn local(zone: &TimeZone, utc: i64) -> i64 {
    utc + i64::from(zone.at(utc.div_euclid(1000)).offset) * 1000
}

/// The instant at which a clock in this zone shows this.
fn to_utc(zone: &TimeZone, local: i128) -> f64 {
    // Beyond this there is no valid instant in any zone.
    let Some(local) = i64::try_from(local).ok().filter(|local| i128::from(*local).abs() <= 2 * MS_MAX) else {
        return f64::NAN;
    };
    let offset = |utc: i64| i64::from(zone.at(utc.div_euclid(1000)).offset) * 1000;
    let (before, after) = (offset(local - DAY_MS), offset(local + DAY_MS));
    let first = local - before;
    let is_shown = |utc: i64| utc + offset(utc) == local;
    let utc = if is_shown(first) || !is_shown(local - after) { first } else { local - after };
    number(utc.into())
}

/// Days since 1970 of a date whose fields may be anything.
fn days(year: i64, month: i64, day: i64) -> i128 {
    days_from_date(year, month, day).into()
}

/// Milliseconds of a date and a time, as if it were UTC. Years from 0 to 99 are those of the 20th century.
fn ms_of([year, month, day, hour, minute, second]: [i32; 6]) -> i128 {
    let year = if (0..100).contains(&year) { year + 1900 } else { year };
    let time = (i128::from(hour) * 60 + i128::from(minute)) * 60 + i128::from(second);
    days(year.into(), month.into(), day.into()) * i128::from(DAY_MS) + time * 1000
}

/// `create`: the instant of a local time: year, month from 0 on, day, hour, minute, second.
pub fn from_local(zone: &TimeZone, fields: [i32; 6]) -> f64 {
    to_utc(zone, ms_of(fields))
}

/// `createFromUTC`: the same in UTC.
pub fn from_utc(fields: [i32; 6]) -> f64 {
    number(ms_of(fields))
}

fn date(local: i64) -> (i64, i64, i64) {
    date_from_days(local.div_euclid(DAY_MS))
}

/// `getYear`, `getMonth`, `getDate`: a field of the local date; 0 of what is no instant.
pub fn get(zone: &TimeZone, ms: f64, field: Field) -> i32 {
    let Some(utc) = instant(ms) else { return 0 };
    let (year, month, day) = date(local(zone, utc));
    let value = match field {
        Field::Year => year,
        Field::Month => month,
        Field::Day => day,
    };
    i32::try_from(value).unwrap_or(0)
}

/// `setYear`, `setMonth`, `setDate`: the instant with another value in that field of its local date. Of what is no
/// instant a year makes one, in January 1970 otherwise.
pub fn set(zone: &TimeZone, ms: f64, field: Field, value: i32) -> f64 {
    let local = match instant(ms) {
        Some(utc) => local(zone, utc),
        None if field == Field::Year => 0,
        None => return f64::NAN,
    };
    let (mut year, mut month, mut day) = date(local);
    let changed = match field {
        Field::Year => &mut year,
        Field::Month => &mut month,
        Field::Day => &mut day,
    };
    *changed = value.into();
    let time = i128::from(local.rem_euclid(DAY_MS));
    to_utc(zone, days(year, month, day) * i128::from(DAY_MS) + time)
}

/// `dateToString`: `Thu Jan 01 1970 01:00:00 GMT+0100 (CET)`.
pub fn text(zone: &TimeZone, ms: f64) -> String {
    let Some(utc) = instant(ms) else { return "Invalid Date".to_owned() };
    let local = local(zone, utc);
    let (year, month, day) = date(local);
    let at = zone.at(utc.div_euclid(1000));
    let weekday = DAYS[weekday(local.div_euclid(DAY_MS))];
    let month = usize::try_from(month).map_or("", |month| MONTHS[month]);
    let (year_sign, year) = if year < 0 { ("-", -year) } else { ("", year) };
    let seconds = local.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (sign, minutes) = if at.offset < 0 { ('-', -at.offset / 60) } else { ('+', at.offset / 60) };
    let (zone_hours, zone_minutes) = (minutes / 60, minutes % 60);
    let abbreviation = at.abbreviation;
    format!(
        "{weekday} {month} {day:02} {year_sign}{year:04} {hour:02}:{minute:02}:{second:02} \
         GMT{sign}{zone_hours:02}{zone_minutes:02} ({abbreviation})"
    )
}

/// `getNativeOffset`: minutes from local time to UTC at an instant, positive in the west; 0 of what is no instant.
pub fn minutes_to_utc(zone: &TimeZone, ms: f64) -> i32 {
    instant(ms).map_or(0, |utc| -zone.offset_minutes(utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn new_york() -> TimeZone {
        TimeZone::named("EST5EDT,M3.2.0,M11.1.0").unwrap()
    }

    /// What node 26 says with `TZ=Europe/Berlin` and `TZ=America/New_York`.
    #[test]
    fn local_times_are_instants() {
        for (zone, fields, ms) in [
            (berlin(), [2024, 0, 15, 12, 0, 0], 1_705_316_400_000.0),
            (berlin(), [2024, 6, 15, 12, 0, 0], 1_721_037_600_000.0),
            (new_york(), [2024, 0, 15, 12, 0, 0], 1_705_338_000_000.0),
            (new_york(), [2024, 6, 15, 12, 0, 0], 1_721_059_200_000.0),
            // An hour that is left out, and one that comes twice.
            (berlin(), [2024, 2, 31, 2, 30, 0], 1_711_848_600_000.0),
            (berlin(), [2024, 9, 27, 2, 30, 0], 1_729_989_000_000.0),
            (new_york(), [2024, 2, 10, 2, 30, 0], 1_710_055_800_000.0),
            (new_york(), [2024, 10, 3, 1, 30, 0], 1_730_611_800_000.0),
            // Fields that are too large, or negative.
            (berlin(), [2024, 14, 0, -1, 61, -1], 1_740_697_259_000.0),
            (TimeZone::utc(), [99, 11, 31, 23, 59, 59], 946_684_799_000.0),
            (TimeZone::utc(), [100, 0, 1, 0, 0, 0], -59_011_459_200_000.0),
            (TimeZone::utc(), [-1, 0, 1, 0, 0, 0], -62_198_755_200_000.0),
        ] {
            assert_eq!(from_local(&zone, fields), ms, "{fields:?}");
        }
        assert_eq!(from_utc([2024, 0, 15, 12, 0, 0]), 1_705_320_000_000.0);
        assert_eq!(from_utc([70, 0, 1, 0, 0, -1]), -1_000.0);
    }

    #[test]
    fn instants_end_a_hundred_million_days_from_1970() {
        assert_eq!(from_utc([275_760, 8, 13, 0, 0, 0]), 8.64e15);
        for fields in [
            [275_760, 8, 14, 0, 0, 0],
            [i32::MAX, i32::MAX, i32::MAX, i32::MAX, i32::MAX, i32::MAX],
            [i32::MIN, i32::MIN, i32::MIN, i32::MIN, i32::MIN, i32::MIN],
        ] {
            assert!(from_utc(fields).is_nan() && from_local(&berlin(), fields).is_nan(), "{fields:?}");
        }
        for ms in [f64::NAN, f64::INFINITY, -f64::INFINITY, 8.64e15 + 1.0] {
            assert_eq!([Field::Year, Field::Month, Field::Day].map(|field| get(&berlin(), ms, field)), [0; 3]);
            assert!(set(&berlin(), ms, Field::Month, 1).is_nan() && set(&berlin(), ms, Field::Day, 1).is_nan());
            assert_eq!(set(&TimeZone::utc(), ms, Field::Year, 1971), 365.0 * 86_400_000.0);
            assert_eq!((text(&berlin(), ms).as_str(), minutes_to_utc(&berlin(), ms)), ("Invalid Date", 0));
        }
    }

    #[test]
    fn fields_of_local_dates_are_read_and_replaced() {
        // 2023-12-31T23:30Z is in another year already.
        let ms = 1_704_065_400_000.0;
        for (zone, fields) in [(berlin(), [2024, 0, 1]), (new_york(), [2023, 11, 31])] {
            assert_eq!([Field::Year, Field::Month, Field::Day].map(|field| get(&zone, ms, field)), fields);
        }
        for (field, value, wanted) in [
            (Field::Year, 2025, 1_735_687_800_000.0),
            (Field::Year, 5, -62_009_367_808_000.0),
            (Field::Month, 6, 1_719_786_600_000.0),
            (Field::Month, -1, 1_701_387_000_000.0),
            (Field::Day, 0, 1_703_979_000_000.0),
            (Field::Day, 400, 1_738_539_000_000.0),
        ] {
            let zone = if value == 5 { TimeZone::named("LMT-0:53:28").unwrap() } else { berlin() };
            let local = if value == 5 { ms + (3600 - 3208) as f64 * 1000.0 } else { ms };
            assert_eq!(set(&zone, local, field, value), wanted, "{field:?} {value}");
        }
    }

    #[test]
    fn dates_are_written_as_javascript_does() {
        for (zone, ms, wanted) in [
            (berlin(), 0.0, "Thu Jan 01 1970 01:00:00 GMT+0100 (CET)"),
            (berlin(), 1_721_037_600_000.9, "Mon Jul 15 2024 12:00:00 GMT+0200 (CEST)"),
            (new_york(), -1.0, "Wed Dec 31 1969 18:59:59 GMT-0500 (EST)"),
            (TimeZone::named("IST-5:30").unwrap(), 0.0, "Thu Jan 01 1970 05:30:00 GMT+0530 (IST)"),
            (TimeZone::utc(), -62_198_755_200_000.0, "Fri Jan 01 -0001 00:00:00 GMT+0000 (UTC)"),
            (TimeZone::utc(), 8.64e15, "Sat Sep 13 275760 00:00:00 GMT+0000 (UTC)"),
        ] {
            assert_eq!(text(&zone, ms), wanted);
        }
        assert_eq!(minutes_to_utc(&berlin(), 0.0), -60);
        assert_eq!(minutes_to_utc(&new_york(), 1_721_059_200_000.0), 240);
        assert_eq!(minutes_to_utc(&TimeZone::named("LMT-0:53:28").unwrap(), 0.0), -53);
    }
}
