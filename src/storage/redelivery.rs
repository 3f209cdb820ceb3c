//! Redelivery in the store: of one delivery, and as a job that goes on after a restart.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{JobId, RedeliveryJob, RedeliveryRefusal, TooManyJobs};

/// Deliveries put back into the queue.
#[async_trait]
pub trait RedeliveryStore: Send + Sync + 'static {
    /// Puts a delivery back into the queue, due at once, to be attempted until `expires_at`. A pending one is
    /// only made due. Returns its client; `None` if there is no such delivery.
    async fn redeliver(
        &self,
        id: DeliveryId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<std::result::Result<ClientId, RedeliveryRefusal>>>;

    /// Stores a new job, with the number of deliveries that match it now, as far as they can be counted without
    /// looking at more than a few thousand. One that nothing matches is complete at once. Returns it, unless
    /// [`MAX_UNFINISHED_JOBS`](crate::domain::redelivery::MAX_UNFINISHED_JOBS) are unfinished.
    async fn create_job(&self, job: RedeliveryJob)
    -> Result<std::result::Result<RedeliveryJob, TooManyJobs>>;

    /// A job.
    async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>>;

    /// The first job after `after`, or of all, that is not complete.
    async fn unfinished_job(&self, after: Option<JobId>) -> Result<Option<JobId>>;

    /// Goes on with a job: looks at the next few thousand deliveries, puts those that match, `limit` at the most, back
    /// into the queue as [`redeliver`](Self::redeliver) does, and remembers how far it came. Only what is put back is
    /// written, in one transaction.
    async fn advance_job(
        &self,
        id: JobId,
        limit: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<JobProgress>;
}

/// What a step of a job did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobProgress {
    /// The clients with new work.
    pub clients: Vec<ClientId>,
    /// Whether the job is complete.
    pub complete: bool,
}
