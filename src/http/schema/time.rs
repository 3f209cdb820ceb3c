//! Times in answers.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Serialize, Serializer};

/// A time as every answer shows it: RFC 3339, UTC, to the millisecond with three fraction digits, as Auth0 has it and
/// as the store keeps it. So a change is answered with what will be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown(Timestamp);

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// This time, for an answer.
pub(crate) fn shown(time: Timestamp) -> Shown {
    Shown(time)
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The printer leaves off what is below a millisecond.
        f.write_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_has_three_fraction_digits() {
        for (time, shown) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.500Z"),
            ("2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05.999Z"),
            ("1969-12-31T23:59:59.1239Z", "1969-12-31T23:59:59.123Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(super::shown(time.parse().unwrap()).to_string(), shown);
        }
    }
}
