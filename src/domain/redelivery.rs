//! Redelivery: finished deliveries put back into the queue, by an operator.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::delivery::{DeliveryFilter, State};
use super::ids::{ClientId, DeliveryId};

/// Why a delivery cannot be put back into the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeliveryRefusal {
    /// An attempt is under way; its outcome is not known yet.
    #[error("an attempt of this delivery is under way; wait for its outcome")]
    InFlight,
    /// There is nobody to deliver to.
    #[error("client \"{0}\" is not registered, or has no logout URI to deliver to")]
    NotSubscribed(ClientId),
}

/// The states that are redelivered where a filter names none: what failed for good.
pub const DEAD_LETTERS: [State; 2] = [State::Rejected, State::Exhausted];

/// Every delivery that matches a filter is put back into the queue, a batch at a time. The job remembers
/// how far it came, so that it goes on after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryJob {
    /// The job.
    pub id: JobId,
    /// Which deliveries. Its states are always given, and final.
    pub filter: DeliveryFilter,
    /// No delivery after this one is looked at: those made since the job began are not meant.
    pub until: DeliveryId,
    /// Up to where it has looked; `None` before the first batch.
    pub cursor: Option<DeliveryId>,
    /// How many deliveries matched when it began.
    pub matched: u64,
    /// How many it has put back into the queue.
    pub redelivered: u64,
    /// How many it has passed over, since their clients are subscribed no more.
    pub skipped: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it had looked at all; `None` while it goes on.
    pub completed_at: Option<Timestamp>,
}

/// A job's id: a version 7 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl RedeliveryJob {
    /// How far it is, from 0 to 100. Deliveries that are settled or swept meanwhile make it an estimate,
    /// until it is complete.
    pub fn percentage_done(&self) -> u8 {
        if self.completed_at.is_some() {
            return 100;
        }
        let done = self.redelivered + self.skipped;
        let percentage = done.saturating_mul(100).checked_div(self.matched).unwrap_or(0);
        u8::try_from(percentage.min(99)).unwrap_or(99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_at_100_percent_only_when_it_is_complete() {
        let job = |matched, redelivered, completed_at| RedeliveryJob {
            id: JobId(Uuid::nil()),
            filter: DeliveryFilter::default(),
            until: DeliveryId(Uuid::nil()),
            cursor: None,
            matched,
            redelivered,
            skipped: 0,
            created_at: Timestamp::UNIX_EPOCH,
            completed_at,
        };
        for (matched, redelivered, completed_at, expected) in [
            (0, 0, None, 0),
            (200, 1, None, 0),
            (200, 100, None, 50),
            (200, 200, None, 99),
            (200, 300, None, 99),
            (0, 0, Some(Timestamp::UNIX_EPOCH), 100),
        ] {
            assert_eq!(job(matched, redelivered, completed_at).percentage_done(), expected);
        }
    }
}
