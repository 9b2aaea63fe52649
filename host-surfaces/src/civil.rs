//! Days as dates of the Gregorian calendar, which is taken to have been used always.

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;

/// Days from 1970-01-01 to a date. `month` counts from 0 and may be any number: the years that it is too large for are
/// carried. So are days: 1 is the first of the month.
pub(crate) fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the day that leap years add at their end.
    let (year, month) = (year + (month - 2).div_euclid(12), (month - 2).rem_euclid(12));
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    // Months from March on have 31, 30, 31, 30, 31 days, twice, and so on: 153 in five.
    let day_of_year = (153 * month + 2) / 5;
    era * ERA_DAYS + year * 365 + year / 4 - year / 100 + day_of_year + day - 1 - 719_468
}

/// The date of a day since 1970-01-01: year, month from 0 on, day from 1 on.
pub(crate) fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    (era * 400 + year + carried, month, day)
}

/// 0 for Sunday.
pub(crate) fn weekday(days: i64) -> usize {
    (days + 4).rem_euclid(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts days from -801-01-01 to 2801-01-01 one by one.
    #[test]
    fn every_day_has_its_date() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut days = days_from_date(-801, 0, 1);
        for year in -801..2801 {
            let february = if is_leap(year) { 29 } else { 28 };
            for (month, length) in (0..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for day in 1..=length {
                    assert_eq!(date_from_days(days), (year, month, day));
                    assert_eq!(days_from_date(year, month, day), days);
                    days += 1;
                }
            }
        }
        assert_eq!(days, days_from_date(2801, 0, 1));
        assert_eq!(days_from_date(1970, 0, 1), 0);
    }

    #[test]
    fn what_is_too_large_is_carried() {
        assert_eq!(days_from_date(2024, 12, 1), days_from_date(2025, 0, 1));
        assert_eq!(days_from_date(2024, -1, 1), days_from_date(2023, 11, 1));
        assert_eq!(days_from_date(2024, 25, 0), days_from_date(2026, 0, 31));
        assert_eq!(days_from_date(2024, 1, 30), days_from_date(2024, 2, 1));
    }

    #[test]
    fn weekdays_count_from_sunday() {
        assert_eq!([0, 3, -1, -5].map(weekday), [4, 0, 3, 6]);
    }
}
