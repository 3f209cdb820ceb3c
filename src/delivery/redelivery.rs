//! Redelivery: dead letters put back into the queue, one at once or many as a job.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::runner::Runner;
use crate::causes::Causes;
use crate::clock::Clock;
use crate::domain::delivery::DeliveryFilter;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{DEAD_LETTERS, JobId, RedeliveryJob, RedeliveryRefusal};
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::storage::{RedeliveryStore, Result};

/// How many deliveries a step of a job looks at: few enough that no event waits for long.
const STEP: u32 = 500;

/// How long after a failure of the store a job goes on.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Puts deliveries back into the queue. Clones share it.
#[derive(Clone)]
pub struct Redelivery {
    store: Arc<dyn RedeliveryStore>,
    runner: Runner,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    max_age: Duration,
    new_job: Arc<Notify>,
}

impl Redelivery {
    /// Redelivered deliveries are attempted for `max_age`, as new ones are.
    pub fn new(
        store: Arc<dyn RedeliveryStore>,
        runner: Runner,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        max_age: Duration,
    ) -> Self {
        Self { store, runner, clock, entropy, max_age, new_job: Arc::default() }
    }

    /// Puts one delivery back into the queue, due at once; one that is pending is only made due. `None` if
    /// there is no such delivery.
    pub async fn one(
        &self,
        id: DeliveryId,
    ) -> Result<Option<std::result::Result<ClientId, RedeliveryRefusal>>> {
        let redelivered = self.store.redeliver(id, self.expires_at(), self.clock.now()).await?;
        if let Some(Ok(client_id)) = &redelivered {
            tracing::info!(delivery = %id, client_id = client_id.as_str(), "redelivery asked for");
            self.runner.queued([client_id]);
        }
        Ok(redelivered)
    }

    /// Begins a job that puts all deliveries back that match and were made before now; where the filter names
    /// no states, those that failed for good. When this returns the job is durable.
    pub async fn all(&self, mut filter: DeliveryFilter) -> Result<RedeliveryJob> {
        let now = self.clock.now();
        filter.states.get_or_insert_with(|| DEAD_LETTERS.into());
        let job = RedeliveryJob {
            id: JobId(self.entropy.uuid_v7(now)),
            filter,
            until: DeliveryId(self.entropy.uuid_v7(now)),
            cursor: None,
            matched: 0,
            redelivered: 0,
            skipped: 0,
            created_at: now,
            completed_at: None,
        };
        let job = self.store.create_job(job).await?;
        tracing::info!(job = %job.id.0, matched = job.matched, "redelivery by filter asked for");
        self.new_job.notify_one();
        Ok(job)
    }

    /// A job, as far as it is.
    pub async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>> {
        self.store.job(id).await
    }

    /// Works jobs off, the oldest first, until draining is asked for. What is left goes on after a restart.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_draining() {
            let idle = match self.step().await {
                Ok(worked) => !worked,
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "redelivery does not go on");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    false
                }
            };
            if idle {
                tokio::select! {
                    () = shutdown.draining() => {}
                    () = self.new_job.notified() => {}
                }
            }
        }
    }

    /// Goes on with the oldest job; `false` if there is none.
    async fn step(&self) -> Result<bool> {
        let Some(job) = self.store.unfinished_job().await? else { return Ok(false) };
        let now = self.clock.now();
        let progress = self.store.advance_job(job.id, STEP, self.expires_at(), now).await?;
        self.runner.queued(&progress.clients);
        if progress.complete {
            tracing::info!(job = %job.id.0, "redelivery by filter is complete");
        }
        Ok(true)
    }

    fn expires_at(&self) -> jiff::Timestamp {
        self.clock.now().saturating_add(self.max_age).expect("a std Duration has no calendar units")
    }
}
