//! Times in a query.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use super::QError;
use crate::domain::time;

/// The time that a text names, which lasts as long as it does not say more exactly: a year, a month, a day, UTC; or
/// a millisecond.
pub(super) struct Instant {
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
}

/// `None` for `*`.
pub(super) fn instant(text: &str) -> Result<Option<Instant>, QError> {
    if text == "*" {
        return Ok(None);
    }
    let wrong = || QError::Time(text.to_owned());
    let midnight = |day: Date| time::parse(&format!("{day}T00:00:00Z"));
    let (day, lasts) = match text.len() {
        4 => (format!("{text}-01-01"), 1.year()),
        7 => (format!("{text}-01"), 1.month()),
        _ => (text.to_owned(), 1.day()),
    };
    // jiff reads the date of `2026-01-02T03:04` too.
    if day.len() == "2026-01-02".len()
        && let Ok(first) = day.parse::<Date>()
    {
        let begins = midnight(first).map_err(|_| wrong())?;
        // The last year, month and day that there are have no end.
        let next = first.checked_add(lasts).ok().and_then(|next| midnight(next).ok());
        return Ok(Some(Instant { begins, ends: next.unwrap_or(time::MAX) }));
    }
    let begins = time::parse(text).or_else(|_| time::parse(&format!("{text}Z"))).map_err(|_| wrong())?;
    Ok(Some(Instant { begins, ends: time::after(begins, Duration::from_millis(1)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_less_exact_lasts_longer() {
        for (text, begins, ends) in [
            ("2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-02-28", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("9999-12-31", "9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
            ("2026-01-01T10:00:00", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00.001Z"),
            ("2026-01-01T10:00:00.5+02:00", "2026-01-01T08:00:00.5Z", "2026-01-01T08:00:00.501Z"),
        ] {
            let instant = instant(text).unwrap().unwrap();
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            assert_eq!((instant.begins, instant.ends), (at(begins), at(ends)), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "2026-13", "202", "99999", "2026-01-01T25:00:00Z"] {
            assert!(instant(text).is_err(), "{text}");
        }
        assert!(instant("*").unwrap().is_none());
    }
}
