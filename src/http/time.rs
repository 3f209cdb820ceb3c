//! Times in answers.

use jiff::Timestamp;

/// To the millisecond, as Auth0 has it and as the store keeps it: so a change is answered with what will be read.
pub(super) fn shown(time: Timestamp) -> Timestamp {
    crate::domain::time::kept(time)
}
