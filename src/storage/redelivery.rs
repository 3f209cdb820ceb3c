//! Redelivery in the store: of one delivery, and as a job that goes on after a restart.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{JobId, RedeliveryJob, RedeliveryRefusal};

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

    /// Stores a new job, with the number of deliveries that match it now. Returns it.
    async fn create_job(&self, job: RedeliveryJob) -> Result<RedeliveryJob>;

    /// A job.
    async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>>;

    /// The oldest job that is not complete.
    async fn unfinished_job(&self) -> Result<Option<RedeliveryJob>>;

    /// Goes on with a job: looks at the next `limit` deliveries, puts those that match back into the queue
    /// as [`redeliver`](Self::redeliver) does, and remembers how far it came, in one transaction.
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
