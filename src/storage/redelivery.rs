//! Redelivery: of one delivery, or of many as a job that continues after a restart.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{JobId, RedeliveryJob, RedeliveryRefusal, TooManyJobs};

/// Puts deliveries back into the queue.
#[async_trait]
pub trait RedeliveryStore: Send + Sync + 'static {
    /// Puts a finished delivery back into the queue, due at once, to be attempted until `expires_at`. A pending delivery
    /// only becomes due. Returns its client; `None` if there is no such delivery.
    async fn redeliver(
        &self,
        id: DeliveryId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<std::result::Result<ClientId, RedeliveryRefusal>>>;

    /// Stores a new job, with the number of matching deliveries among the first few thousand. A job without a match is
    /// complete at once. Returns it, unless
    /// [`MAX_UNFINISHED_JOBS`](crate::domain::redelivery::MAX_UNFINISHED_JOBS) are unfinished.
    async fn create_job(&self, job: RedeliveryJob)
    -> Result<std::result::Result<RedeliveryJob, TooManyJobs>>;

    /// A job.
    async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>>;

    /// The first unfinished job after `after`; without that, the first of all.
    async fn unfinished_job(&self, after: Option<JobId>) -> Result<Option<JobId>>;

    /// One step of a job: scans the next few thousand deliveries, puts up to `limit` matching ones back into the queue
    /// as [`redeliver`](Self::redeliver) does, and stores the job's progress in the same transaction.
    async fn advance_job(
        &self,
        id: JobId,
        limit: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<JobProgress>;
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobProgress {
    /// The clients whose deliveries were put back.
    pub clients: Vec<ClientId>,
    /// Whether the job is complete.
    pub complete: bool,
}
