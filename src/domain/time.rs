//! Timestamps: millisecond precision, within a range that can be stored, parsed and formatted.
//!
//! A time outside the range is clamped, not rejected: sources use dates such as the end of the year 9999 for "never".

use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de};

/// The earliest supported time: the beginning of the year 0000, RFC 3339's earliest.
pub const MIN: Timestamp = Timestamp::constant(-62_167_219_200, 0);

/// The latest supported time: 9999-12-30T22:00:00Z. `jiff`'s maximum is within this second, and its fractions cannot
/// be parsed back.
pub const MAX: Timestamp = Timestamp::constant(253_402_207_200, 0);

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The time truncated to milliseconds and clamped to [`MIN`] and [`MAX`].
pub fn normalized(time: Timestamp) -> Timestamp {
    of_millis(time.as_millisecond())
}

/// The time of this many milliseconds since the Unix epoch, clamped to [`MIN`] and [`MAX`].
pub fn of_millis(millis: i64) -> Timestamp {
    let millis = millis.clamp(MIN.as_millisecond(), MAX.as_millisecond());
    Timestamp::from_millisecond(millis).expect("all times from MIN to MAX are jiff's too")
}

/// `time` plus `by`, at most [`MAX`].
pub fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).map_or(MAX, |it| it.min(MAX))
}

/// The text is not an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-01-02T03:04:05Z")]
pub struct InvalidTime;

/// Parses an RFC 3339 time (§5.6), [normalized]. Accepts any number of fractional digits, any offset, lower case and a
/// space between date and time (§5.6, notes), and leap seconds (§5.7), which become the last millisecond before them.
///
/// # Errors
/// If the syntax is different, or the day or leap second does not exist.
pub fn parse(text: &str) -> Result<Timestamp, InvalidTime> {
    parsed(text).ok_or(InvalidTime)
}

/// Deserializes an optional RFC 3339 time, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// As [`parse`].
pub fn option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text)).transpose().map_err(de::Error::custom)
}

fn parsed(text: &str) -> Option<Timestamp> {
    let mut rest = Rest(text.as_bytes());
    let (year, month, day) = (
        rest.number(4)?,
        rest.one_of(b"-").and_then(|()| rest.number(2))?,
        rest.one_of(b"-").and_then(|()| rest.number(2))?,
    );
    rest.one_of(b"Tt ")?;
    let (hour, minute, second) = (
        rest.number(2)?,
        rest.one_of(b":").and_then(|()| rest.number(2))?,
        rest.one_of(b":").and_then(|()| rest.number(2))?,
    );
    let millis = rest.fraction()?;
    let offset_minutes = rest.offset()?;
    if !rest.0.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let day = Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let days = day.duration_since(EPOCH).as_hours() / 24;
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    if second < 60 {
        return Some(of_millis((minutes * 60 + second) * 1000 + millis));
    }
    // Leap seconds occur only at the end of a month in UTC.
    let ends = minutes + 1;
    let is_leap = ends % (24 * 60) == 0 && is_first_of_a_month(ends / (24 * 60));
    is_leap.then(|| of_millis(ends * 60_000 - 1))
}

fn is_first_of_a_month(days_since_1970: i64) -> bool {
    let day = EPOCH.checked_add(SignedDuration::from_hours(24 * days_since_1970));
    // `jiff`'s last day is 9999-12-31, and a first of a month follows it.
    day.map_or(true, |day| day.day() == 1)
}

/// The unparsed rest of the text.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn one_of(&mut self, bytes: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| self.0 = rest)
    }

    /// A number with exactly this many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    }

    /// The fraction of a second, truncated to milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".").is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let digit = |at: usize| fraction.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        (digits > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    /// An offset from UTC, in minutes.
    fn offset(&mut self) -> Option<i64> {
        if self.one_of(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.one_of(b"+").is_some() { 1 } else { self.one_of(b"-").map(|()| -1)? };
        let hours = self.number(2)?;
        self.one_of(b":")?;
        let minutes = self.number(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_rfc_3339_form_is_parsed() {
        for (text, expected) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
            ("2026-01-02 03:04:05+00:00", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+23:59", "2026-01-01T03:05:05Z"),
            ("2026-01-02T03:04:05-23:59", "2026-01-03T03:03:05Z"),
            ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.1Z"),
            ("2026-01-02T03:04:05.1239999999999999999999Z", "2026-01-02T03:04:05.123Z"),
            ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59.999Z"),
            ("1990-12-31T15:59:60.5-08:00", "1990-12-31T23:59:59.999Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "9999-12-30T22:00:00.5Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-12:00",
            "9999-12-31T23:59:59.999999999999-23:59",
        ] {
            assert_eq!(parse(text), Ok(MAX), "{text}");
        }
        assert_eq!(parse("0000-01-01T00:00:00+23:59"), Ok(MIN));
    }

    #[test]
    fn an_optional_time_is_deserialized() {
        let read = |json: &str| option(&mut serde_json::Deserializer::from_str(json));
        assert_eq!(read("null").unwrap(), None);
        assert_eq!(read("\"2026-01-02 03:04:05z\"").unwrap(), Some("2026-01-02T03:04:05Z".parse().unwrap()));
        assert!(read("\"now\"").unwrap_err().to_string().contains("RFC 3339"));
        assert!(read("7").is_err());
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "now",
            "2026-01-02",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05,5Z",
            "2026-01-02T03:04:05+0000",
            "2026-01-02T03:04:05+00",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05+00:60",
            "2026-01-02T24:00:00Z",
            "2026-01-02T23:60:00Z",
            "2026-01-02T23:59:61Z",
            "2026-01-02T23:59:60Z",
            "2026-01-31T12:59:60Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "-2026-01-02T03:04:05Z",
            "+002026-01-02T03:04:05Z",
            "12026-01-02T03:04:05Z",
            "2026-1-2T3:4:5Z",
            "2026-01-02T03:04:05Z ",
            "2026-01-02T03:04:05Z[UTC]",
            "2026-01-02T03:04:05+00:00[UTC]",
            "20260102T030405Z",
            "２026-01-02T03:04:05Z",
            "2026-01-02T03:04:0\u{665}Z",
        ] {
            assert_eq!(parse(text), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn normalized_times_round_trip_and_stay_in_range() {
        for time in [MIN, MAX, Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let time = normalized(time);
            assert_eq!(normalized(time), time);
            assert_eq!(of_millis(time.as_millisecond()), time);
            assert_eq!(parse(&format!("{time:.3}")), Ok(time));
            for by in [Duration::ZERO, Duration::from_hours(24), Duration::MAX] {
                let later = after(time, by);
                assert!((time..=MAX).contains(&later), "{time} + {by:?} = {later}");
                assert_eq!(normalized(later), later);
            }
        }
        assert_eq!((of_millis(i64::MIN), of_millis(i64::MAX)), (MIN, MAX));
    }

    proptest! {
        #[test]
        fn times_formatted_by_jiff_are_parsed(millis in MIN.as_millisecond()..=MAX.as_millisecond()) {
            let time = of_millis(millis);
            prop_assert_eq!(parse(&time.to_string()), Ok(time));
            prop_assert_eq!(parse(&format!("{time:.9}")), Ok(time));
        }

        #[test]
        fn no_text_causes_a_panic(text in "[0-9TtZz:+. -]{0,30}|\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
