//! Rate limits.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// The largest count of a [`Rate`]: a million.
pub const MAX_RATE_COUNT: u32 = 1_000_000;

/// A rate limit such as `50/s`, `10/m` or `1000/h`. The whole count may be used in one burst; it is replenished
/// evenly over the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }
}

impl Rate {
    /// The number of requests per period, which is also the burst size.
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// A second, a minute or an hour.
    pub const fn period(self) -> Duration {
        match self.unit {
            Unit::Second => Duration::from_secs(1),
            Unit::Minute => Duration::from_mins(1),
            Unit::Hour => Duration::from_hours(1),
        }
    }

    /// This count per minute.
    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self { count, unit: Unit::Minute }
    }

    /// This count per second.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, unit: Unit::Second }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.as_str())
    }
}

/// The text is not a [`Rate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a number from 1 to {MAX_RATE_COUNT} for each second, minute or hour, such as \"50/s\" or \"10/m\""
)]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (count, unit) = text.split_once('/').ok_or(InvalidRate)?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| InvalidRate)?;
        let unit = Unit::ALL.into_iter().find(|it| it.as_str() == unit.trim()).ok_or(InvalidRate)?;
        if count.get() > MAX_RATE_COUNT {
            return Err(InvalidRate);
        }
        Ok(Self { count, unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_round_trip_and_malformed_ones_are_rejected() {
        for (text, count, seconds) in [("50/s", 50, 1), ("10/m", 10, 60), ("1000000/h", 1_000_000, 3600)] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.period()), (count, Duration::from_secs(seconds)));
            assert_eq!(rate.to_string(), text);
        }
        for text in ["", "50", "0/s", "-1/s", "1000001/s", "1/d", "1/S", "s/1", "1/s/s", "1.5/s"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text}");
        }
    }
}
