//! Redelivery: an operator puts finished deliveries back into the queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::delivery::{DeliveryFilter, State};
use super::ids::{ClientId, DeliveryId};

/// Why a delivery cannot be put back into the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeliveryRefusal {
    /// An attempt is in flight; its outcome is not known yet.
    #[error("an attempt of this delivery is under way; wait for its outcome")]
    InFlight,
    /// The client was deleted, or has no logout URI.
    #[error("client \"{0}\" is not registered, or has no logout URI to deliver to")]
    NotSubscribed(ClientId),
}

/// The maximum number of unfinished jobs. They run one batch at a time, in turn.
pub const MAX_UNFINISHED_JOBS: u32 = 100;

/// The maximum number of unfinished jobs is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {MAX_UNFINISHED_JOBS} unfinished redelivery jobs, and at most as many are taken; wait until one is finished"
)]
pub struct TooManyJobs;

/// The states that are redelivered if a filter names none: deliveries that failed for good.
pub const DEAD_LETTERS: [State; 2] = [State::Rejected, State::Exhausted];

/// A job that puts every delivery matching a filter back into the queue, a batch at a time. Its progress is stored, so
/// that it continues after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryJob {
    /// The job's id.
    pub id: JobId,
    /// The deliveries to redeliver. `states` is always set, and only has final states.
    pub filter: DeliveryFilter,
    /// The last delivery to scan: deliveries created after the job are not included.
    pub until: DeliveryId,
    /// The last delivery scanned; `None` before the first batch.
    pub cursor: Option<DeliveryId>,
    /// The first delivery to scan; `None` if there was none.
    pub first: Option<DeliveryId>,
    /// The last delivery included in the initial count, if there were too many to count at once; matches beyond it are
    /// counted while the job runs. `None` if all were counted.
    pub counted_to: Option<DeliveryId>,
    /// The number of matches: those of the initial count, and those found beyond `counted_to` so far.
    pub matched: u64,
    /// The number of deliveries put back into the queue.
    pub redelivered: u64,
    /// The number of matches skipped, because the client is no longer subscribed or the delivery has changed since.
    pub skipped: u64,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it was completed; `None` while it runs.
    pub completed_at: Option<Timestamp>,
}

/// A job's id: a version 7 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl RedeliveryJob {
    /// The progress, from 0 to 100; 100 only once the job is complete. An estimate, since deliveries are settled and
    /// deleted while the job runs.
    pub fn percentage_done(&self) -> u8 {
        if self.completed_at.is_some() {
            return 100;
        }
        let (done, all) = match self.counted_to {
            None => (self.redelivered + self.skipped, self.matched),
            Some(_) => self.scanned_span(),
        };
        let percentage = done.saturating_mul(100).checked_div(all).unwrap_or(0);
        u8::try_from(percentage.min(99)).unwrap_or(99)
    }

    /// Whether [`matched`](Self::matched) is complete.
    pub fn is_counted(&self) -> bool {
        self.counted_to.is_none() || self.completed_at.is_some()
    }

    /// The scanned and the total time span of the deliveries to scan, in seconds, taken from their ids (version 7
    /// UUIDs).
    fn scanned_span(&self) -> (u64, u64) {
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
    fn progress_is_100_percent_only_when_the_job_is_complete() {
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
    fn progress_without_a_full_count_is_the_scanned_part_of_the_time_span() {
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
