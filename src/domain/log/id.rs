//! Ids of log entries: decimal digits, of fixed length and sorted by time, like Auth0's.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

const MILLIS_DIGITS: usize = 13;
const UUID_DIGITS: usize = 39;
const MAX_MILLIS: i64 = 9_999_999_999_999;

/// A log entry's id: its time in milliseconds, and a UUID that makes it unique. For the outcome of a delivery the UUID
/// is the delivery's.
///
/// As text: 13 digits of milliseconds since the Unix epoch, then 39 digits of the UUID as a number. Texts sort in the
/// same order as ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    millis: i64,
    uuid: Uuid,
}

impl LogId {
    /// Sorts before every entry's id.
    pub const FIRST: Self = Self { millis: 0, uuid: Uuid::nil() };

    /// The id of an entry of this time. Times before 1970 or after 2286 are clamped.
    pub fn new(at: Timestamp, uuid: Uuid) -> Self {
        Self { millis: at.as_millisecond().clamp(0, MAX_MILLIS), uuid }
    }

    /// The entry's time, in milliseconds.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millisecond(self.millis).expect("thirteen digits of milliseconds end in 2286")
    }

    /// The UUID that distinguishes it from other entries of the same millisecond.
    pub fn uuid(self) -> Uuid {
        self.uuid
    }
}

/// The text is not a log entry's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the log_id of an entry: {} digits", MILLIS_DIGITS + UUID_DIGITS)]
pub struct LogIdError;

impl FromStr for LogId {
    type Err = LogIdError;

    fn from_str(text: &str) -> Result<Self, LogIdError> {
        if text.len() != MILLIS_DIGITS + UUID_DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(LogIdError);
        }
        let (millis, number) = text.split_at(MILLIS_DIGITS);
        let millis = millis.parse().map_err(|_| LogIdError)?;
        // Not every number of 39 digits fits into 128 bits.
        let number = number.parse().map_err(|_| LogIdError)?;
        Ok(Self { millis, uuid: Uuid::from_u128(number) })
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0MILLIS_DIGITS$}{:0UUID_DIGITS$}", self.millis, self.uuid.as_u128())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = LogId> {
        let millis = prop_oneof![0..=MAX_MILLIS, 0..3_i64, Just(MAX_MILLIS)];
        let uuid = prop_oneof![any::<u128>(), 0..3_u128, Just(u128::MAX)];
        (millis, uuid).prop_map(|(millis, uuid)| LogId { millis, uuid: Uuid::from_u128(uuid) })
    }

    proptest! {
        #[test]
        fn texts_are_read_back_and_sort_as_ids_do(a in id(), b in id()) {
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.to_string().len(), 52);
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
            prop_assert!(LogId::FIRST <= a);
            // SQLite compares a UUID's bytes.
            prop_assert_eq!(a.uuid.as_bytes().cmp(b.uuid.as_bytes()), a.uuid.cmp(&b.uuid));
        }
    }

    #[test]
    fn malformed_ids_are_rejected() {
        let nines = "9".repeat(52);
        let (short, long) = ("1".repeat(51), "1".repeat(53));
        let signed = format!("+{}", "1".repeat(51));
        for text in ["", "abc", &short, &long, &nines, &signed] {
            assert_eq!(text.parse::<LogId>(), Err(LogIdError), "{text}");
        }
        assert_eq!("0".repeat(52).parse(), Ok(LogId::FIRST));
    }

    #[test]
    fn a_time_is_kept_to_the_millisecond() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let id = LogId::new(at, Uuid::from_u128(7));
        assert_eq!((id.at(), id.uuid()), (at, Uuid::from_u128(7)));
        assert_eq!(id.to_string(), format!("1767323045678{:039}", 7));
        assert_eq!(LogId::new(Timestamp::MIN, Uuid::nil()), LogId::FIRST);
        assert!(LogId::new(Timestamp::MAX, Uuid::max()).at() < Timestamp::MAX);
    }
}
