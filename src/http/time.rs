//! Times in answers.

use jiff::Timestamp;

/// To the millisecond, as Auth0 has it and as the store keeps it: so a change is answered with what will be read.
pub(super) fn shown(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("it is no later than the time itself")
}
