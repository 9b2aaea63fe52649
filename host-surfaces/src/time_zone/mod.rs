//! Time zones: what the clocks on the wall show where the program is said to run.
//!
//! 1. A zone comes from the system's time zone database, files in TZif, the format of RFC 9636 (`tzif`), or is written
//!    as POSIX writes one in the variable `TZ` (`rule`), which is also how a file says what comes after its last entry.
//! 2. Whoever asks gives an instant and gets the offset from UTC ([`TimeZone::at`]). What an instant is that a clock on
//!    the wall shows, follows from that (`teavm::date`).

mod rule;
mod tzif;

use crate::civil::date_from_days;
use rule::Rule;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tzif::Table;

/// Where systems keep the database.
const FOLDERS: [&str; 4] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// No zone's file is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The last second for which zones are asked: more than a date of JavaScript can be.
const SECONDS_MAX: i64 = 1 << 43;

/// A time zone. A clone is the same one.
///
/// ```
/// use heapwood_surfaces::TimeZone;
/// let zone = TimeZone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
/// assert_eq!(zone.offset_minutes(1_700_000_000_000), 60);
/// assert_eq!(zone.at(1_720_000_000).abbreviation, "CEST");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeZone(Arc<Kind>);

#[derive(PartialEq, Eq, Debug)]
enum Kind {
    Rule(Rule),
    Table(Table),
}

/// What a zone has at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalTime<'z> {
    /// Seconds to add to UTC: positive in the east.
    pub offset: i32,
    /// Whether daylight saving time is in use.
    pub is_dst: bool,
    /// What the zone is called then, `CEST` or `+03`.
    pub abbreviation: &'z str,
}

/// What a clock and a calendar on the wall show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// From 1 on.
    pub month: i64,
    /// From 1 on.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
}

impl TimeZone {
    /// Coordinated universal time.
    pub fn utc() -> TimeZone {
        TimeZone(Arc::new(Kind::Rule(Rule::utc())))
    }

    /// The zone of the process: that of its variable `TZ` if it is set and not empty, as [`TimeZone::named`] or the path
    /// of a file, else of `/etc/localtime`. Where that leads nowhere, UTC.
    pub fn system() -> TimeZone {
        let zone = match std::env::var_os("TZ").filter(|text| !text.is_empty()) {
            Some(text) => from_variable(&text),
            None => read(Path::new("/etc/localtime")),
        };
        zone.unwrap_or_else(TimeZone::utc)
    }

    /// The zone of this name in the system's database (`Europe/Berlin`), or of this form of POSIX
    /// (`CET-1CEST,M3.5.0,M10.5.0/3`), with or without a colon before it; none if there is no such zone.
    pub fn named(text: &str) -> Option<TimeZone> {
        let text = text.strip_prefix(':').unwrap_or(text);
        from_database(text).or_else(|| Some(TimeZone(Arc::new(Kind::Rule(Rule::parse(text)?)))))
    }

    /// What the zone has at an instant, in seconds since 1970. Some 278,000 years from then on, in both directions,
    /// nothing changes any more.
    pub fn at(&self, utc: i64) -> LocalTime<'_> {
        let utc = utc.clamp(-SECONDS_MAX, SECONDS_MAX);
        match &*self.0 {
            Kind::Rule(rule) => rule.at(utc),
            Kind::Table(table) => table.at(utc),
        }
    }

    /// What a clock on the wall shows at an instant, in seconds since 1970.
    ///
    /// ```
    /// use heapwood_surfaces::TimeZone;
    /// let shown = TimeZone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap().wall_clock(1_720_000_000);
    /// assert_eq!((shown.year, shown.month, shown.day), (2024, 7, 3));
    /// assert_eq!((shown.hour, shown.minute, shown.second), (11, 46, 40));
    /// ```
    pub fn wall_clock(&self, utc: i64) -> WallClock {
        let utc = utc.clamp(-SECONDS_MAX, SECONDS_MAX);
        let shown = utc + i64::from(self.at(utc).offset);
        let (days, second) = (shown.div_euclid(86_400), shown.rem_euclid(86_400));
        let (year, month, day) = date_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        WallClock { year, month: month + 1, day, hour, minute, second }
    }

    /// Minutes to add to UTC at an instant in milliseconds since 1970: positive in the east. Some offsets of the time
    /// before zones were agreed on have seconds, which are cut off.
    pub fn offset_minutes(&self, utc_ms: i64) -> i32 {
        self.at(utc_ms.div_euclid(1000)).offset / 60
    }
}

/// The zone of a file in the database. A name leads nowhere else.
fn from_database(name: &str) -> Option<TimeZone> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    name.split('/').all(is_plain).then(|| FOLDERS.iter().find_map(|folder| read(&Path::new(folder).join(name))))?
}

fn from_variable(text: &OsStr) -> Option<TimeZone> {
    let text = text.to_str()?;
    let path = PathBuf::from(text.strip_prefix(':').unwrap_or(text));
    if path.is_absolute() { read(&path) } else { TimeZone::named(text) }
}

fn read(path: &Path) -> Option<TimeZone> {
    let length = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    let bytes = (length <= FILE_BYTES_MAX).then(|| std::fs::read(path).ok())??;
    Some(TimeZone(Arc::new(Kind::Table(Table::parse(&bytes)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_into_the_database_and_nowhere_else() {
        for name in ["", "../etc/localtime", "/etc/localtime", "Europe/../UTC", "Europe//Berlin", "No/Such", "\0"] {
            assert_eq!(TimeZone::named(name), None, "{name}");
        }
        for name in ["UTC0", ":UTC0", "<+03>-3"] {
            assert!(TimeZone::named(name).is_some(), "{name}");
        }
        assert_eq!(TimeZone::utc().at(0), LocalTime { offset: 0, is_dst: false, abbreviation: "UTC" });
        assert_eq!(TimeZone::named("IST-5:30").unwrap().offset_minutes(-1), 330);
        assert_eq!(TimeZone::named("LMT-0:53:28").unwrap().offset_minutes(0), 53);
        assert_eq!(TimeZone::named("LMT+4:56:02").unwrap().offset_minutes(0), -296);
    }
}
