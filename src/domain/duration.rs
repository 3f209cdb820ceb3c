//! Durations as text with a unit, in `humantime`'s syntax ("500ms", "1s", "2m", "1h 30m", "30d").

use std::fmt;
use std::time::Duration;

/// Units from the longest, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Formats a duration exactly: `90d`, `1h 30m`. (`humantime` would use months and years, which are not whole days.)
#[derive(Clone, Copy, Debug)]
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        let mut rest = self.0.as_nanos();
        let mut separator = "";
        for (unit, nanos) in UNITS {
            if rest >= nanos {
                write!(f, "{separator}{}{unit}", rest / nanos)?;
                rest %= nanos;
                separator = " ";
            }
        }
        Ok(())
    }
}

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DurationError {
    /// It has no unit.
    #[error("durations are strings with a unit, such as \"5s\"")]
    NoUnit,
    /// `humantime` cannot parse it.
    #[error("durations are strings with a unit, such as \"5s\" ({0})")]
    Syntax(#[from] humantime::DurationError),
}

/// Parses a duration. A bare `0`, which `humantime` accepts, needs a unit too.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if !text.contains(|c: char| c.is_ascii_alphabetic()) {
        return Err(DurationError::NoUnit);
    }
    Ok(humantime::parse_duration(text)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_needs_a_unit() {
        for text in ["5", "0", "", "-5"] {
            assert_eq!(parse(text), Err(DurationError::NoUnit), "{text}");
        }
        let error = parse("5 parsecs").unwrap_err().to_string();
        assert!(error.starts_with("durations are strings with a unit, such as \"5s\" ("), "{error}");
    }

    proptest! {
        #[test]
        fn durations_written_by_humantime_are_parsed(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000u32) {
            let duration = Duration::new(seconds, nanos);
            let text = humantime::format_duration(duration).to_string();
            prop_assert_eq!(parse(&text), Ok(duration), "{}", text);
        }

        #[test]
        fn formatted_durations_round_trip(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000u32) {
            let duration = Duration::new(seconds, nanos);
            let text = Human(duration).to_string();
            prop_assert_eq!(parse(&text), Ok(duration), "{}", text);
        }
    }
}
