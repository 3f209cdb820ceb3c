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

/// How many jobs may be unfinished at a time: each is somebody's request, and they take turns.
pub const MAX_UNFINISHED_JOBS: u32 = 100;

/// Too many jobs are unfinished for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {MAX_UNFINISHED_JOBS} unfinished redelivery jobs, and at most as many are taken; wait until one is finished"
)]
pub struct TooManyJobs;

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
    /// The first delivery to look at; `None` where there was none.
    pub first: Option<DeliveryId>,
    /// Up to where matches were counted when it began, since there were too many to look at; it counts the others
    /// as it goes. `None` if all were counted.
    pub counted_to: Option<DeliveryId>,
    /// How many deliveries match: those counted when it began, and those it has found since beyond `counted_to`.
    pub matched: u64,
    /// How many it has put back into the queue.
    pub redelivered: u64,
    /// How many it has passed over, since their clients are subscribed no more, or somebody else has changed them.
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
        let (done, all) = match self.counted_to {
            None => (self.redelivered + self.skipped, self.matched),
            Some(_) => self.span_looked_at(),
        };
        let percentage = done.saturating_mul(100).checked_div(all).unwrap_or(0);
        u8::try_from(percentage.min(99)).unwrap_or(99)
    }

    /// Whether [`matched`](Self::matched) counts all that match.
    pub fn is_counted(&self) -> bool {
        self.counted_to.is_none() || self.completed_at.is_some()
    }

    /// How much of the time it has looked at, of which the deliveries are that it is to look at, in seconds: their
    /// ids are in the order of time.
    fn span_looked_at(&self) -> (u64, u64) {
        let second = |id: DeliveryId| id.0.get_timestamp().map_or(0, |time| time.to_unix().0);
        let first = self.first.map_or(0, second);
        let span = |id: DeliveryId| second(id).saturating_sub(first);
        (self.cursor.map_or(0, span), span(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_at_100_percent_only_when_it_is_complete() {
        let job = |matched, redelivered, skipped, completed_at| RedeliveryJob {
            id: JobId(Uuid::nil()),
            filter: DeliveryFilter::default(),
            until: DeliveryId(Uuid::nil()),
            cursor: None,
            first: None,
            counted_to: None,
            matched,
            redelivered,
            skipped,
            created_at: Timestamp::UNIX_EPOCH,
            completed_at,
        };
        for (matched, redelivered, skipped, completed_at, expected) in [
            (0, 0, 0, None, 0),
            (200, 1, 0, None, 0),
            (200, 100, 0, None, 50),
            (200, 60, 40, None, 50),
            (200, 200, 0, None, 99),
            (200, 300, 0, None, 99),
            (0, 0, 0, Some(Timestamp::UNIX_EPOCH), 100),
        ] {
            let job = job(matched, redelivered, skipped, completed_at);
            assert_eq!(job.percentage_done(), expected);
            assert!(job.is_counted());
        }
    }

    #[test]
    fn a_job_that_was_not_counted_is_as_far_as_the_time_it_has_come_to() {
        let at =
            |second: u64| DeliveryId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, second, 0)));
        let job = |cursor| RedeliveryJob {
            id: JobId(Uuid::nil()),
            filter: DeliveryFilter::default(),
            until: at(1400),
            cursor,
            first: Some(at(1000)),
            counted_to: Some(at(1010)),
            matched: 3,
            redelivered: 3,
            skipped: 0,
            created_at: Timestamp::UNIX_EPOCH,
            completed_at: None,
        };
        for (cursor, expected) in [(None, 0), (Some(1100), 25), (Some(1300), 75), (Some(1400), 99)] {
            let job = job(cursor.map(at));
            assert_eq!((job.percentage_done(), job.is_counted()), (expected, false), "{cursor:?}");
        }
        let complete = RedeliveryJob { completed_at: Some(Timestamp::UNIX_EPOCH), ..job(Some(at(1400))) };
        assert_eq!((complete.percentage_done(), complete.is_counted()), (100, true));
    }
}
