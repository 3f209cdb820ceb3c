//! Durations as the configuration writes them: a string with a unit, in `humantime`'s syntax ("500ms",
//! "1s", "2m", "1h 30m", "30d").

use std::fmt;
use std::time::Duration;

use super::source::{Parsed, Value};

/// A day; `Duration` has a constructor for nothing longer than an hour.
pub(super) const DAY: Duration = Duration::from_hours(24);

const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Shows a duration exactly and as one would write it: `90d`, `1h 30m`. `humantime`'s own months and years
/// are fractions of days, which no one would recognise.
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

/// A duration from `min` to `max`, both included.
pub(super) fn within(min: Duration, max: Duration) -> impl Fn(&Value) -> Parsed<Duration> {
    move |value| {
        let duration = parse(value)?;
        if (min..=max).contains(&duration) {
            return Ok(duration);
        }
        Err(format!("must be from {} to {}, and is {}", Human(min), Human(max), Human(duration)))
    }
}

/// A duration of at most `max`; `0` needs no unit.
pub(super) fn at_most(max: Duration) -> impl Fn(&Value) -> Parsed<Duration> {
    move |value| {
        let zero = match value {
            Value::Integer(number) => *number == Some(0),
            Value::String(text) | Value::Raw(text) => text.trim() == "0",
            _ => false,
        };
        if zero {
            return Ok(Duration::ZERO);
        }
        let duration = parse(value)?;
        if duration <= max {
            return Ok(duration);
        }
        Err(format!("must be at most {}, and is {}", Human(max), Human(duration)))
    }
}

/// A duration as it is written in the configuration, for arguments of commands.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(&Value::String(text.to_owned()))
}

fn parse(value: &Value) -> Parsed<Duration> {
    let no_unit = || Err("durations are strings with a unit, such as \"5s\"".to_owned());
    if matches!(value, Value::Integer(_) | Value::Float) {
        return no_unit();
    }
    let text = value.text()?;
    // `humantime` takes a bare 0.
    if !text.contains(|c: char| c.is_ascii_alphabetic()) {
        return no_unit();
    }
    humantime::parse_duration(&text)
        .map_err(|error| format!("durations are strings with a unit, such as \"5s\" ({error})"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_duration_needs_a_unit() {
        for value in [
            Value::Integer(Some(5)),
            Value::Float,
            string("5"),
            string("0"),
            string(""),
            string("-5"),
            Value::Raw("5".to_owned()),
        ] {
            assert_eq!(
                within(Duration::ZERO, DAY)(&value).unwrap_err(),
                "durations are strings with a unit, such as \"5s\"",
                "{value:?}"
            );
        }
        assert_eq!(
            within(Duration::ZERO, DAY)(&Value::Boolean(true)).unwrap_err(),
            "must be a string, not true or false"
        );
        let error = within(Duration::ZERO, DAY)(&string("5 parsecs")).unwrap_err();
        assert!(error.starts_with("durations are strings with a unit, such as \"5s\" ("), "{error}");
    }

    #[test]
    fn zero_needs_no_unit_where_it_means_something() {
        for value in [Value::Integer(Some(0)), string("0"), string("0s"), Value::Raw("0".to_owned())] {
            assert_eq!(at_most(DAY)(&value), Ok(Duration::ZERO), "{value:?}");
        }
        assert!(at_most(DAY)(&Value::Integer(Some(1))).is_err());
        assert_eq!(at_most(DAY)(&string("25h")).unwrap_err(), "must be at most 1d, and is 1d 1h");
    }

    #[test]
    fn the_limits_are_inclusive() {
        let parse = within(Duration::from_millis(100), Duration::from_mins(1));
        assert_eq!(parse(&string("100ms")), Ok(Duration::from_millis(100)));
        assert_eq!(parse(&string("1m")), Ok(Duration::from_mins(1)));
        assert_eq!(parse(&string("99ms")).unwrap_err(), "must be from 100ms to 1m, and is 99ms");
        assert_eq!(parse(&string("61s")).unwrap_err(), "must be from 100ms to 1m, and is 1m 1s");
    }

    proptest! {
        #[test]
        fn what_humantime_prints_is_read_back(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000u32) {
            let duration = Duration::new(seconds, nanos);
            let text = humantime::format_duration(duration).to_string();
            prop_assert_eq!(parse(&string(&text)), Ok(duration), "{}", text);
        }

        #[test]
        fn what_we_print_is_read_back(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000u32) {
            let duration = Duration::new(seconds, nanos);
            let text = Human(duration).to_string();
            prop_assert_eq!(parse(&string(&text)), Ok(duration), "{}", text);
        }
    }
}
