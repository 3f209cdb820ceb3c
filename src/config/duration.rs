//! Durations of the configuration, with their limits.

use std::time::Duration;

use super::source::{Parsed, Value};
use crate::domain::duration::{self, DurationError, Human};

/// A day; `Duration` has a constructor for nothing longer than an hour.
pub(super) const DAY: Duration = Duration::from_hours(24);

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

fn parse(value: &Value) -> Parsed<Duration> {
    if matches!(value, Value::Integer(_) | Value::Float) {
        return Err(DurationError::NoUnit.to_string());
    }
    duration::parse(&value.text()?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
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
}
