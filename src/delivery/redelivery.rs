//! Redelivery: puts dead letters back into the queue, one at once or many as a job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::delivery::runner::Runner;
use crate::domain::delivery::DeliveryFilter;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{DEAD_LETTERS, JobId, RedeliveryJob, RedeliveryRefusal, TooManyJobs};
use crate::shutdown::Shutdown;
use crate::storage::{RedeliveryStore, Result};

/// How many deliveries one step of a job requeues. That takes a few milliseconds, for which no event waits long.
const STEP: u32 = 200;

/// How long after a failure of the store it is tried again.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The rotation of the unfinished jobs, of which there are few.
#[derive(Debug, Default)]
struct Rotation {
    /// The job that had the last step.
    last: Option<JobId>,
    /// Jobs that failed and are skipped.
    skipped: BTreeSet<JobId>,
}

/// Puts deliveries back into the queue. Clones share it.
#[derive(Clone)]
pub struct Redelivery {
    store: Arc<dyn RedeliveryStore>,
    runner: Runner,
    ambient: Ambient,
    max_age: Duration,
    new_job: Arc<Notify>,
}

impl Redelivery {
    /// Redelivered deliveries get `max_age` to be delivered, as new ones do.
    pub fn new(store: Arc<dyn RedeliveryStore>, runner: Runner, ambient: Ambient, max_age: Duration) -> Self {
        Self { store, runner, ambient, max_age, new_job: Arc::default() }
    }

    /// Puts one delivery back into the queue, due at once; one that is pending is only made due. `None` if
    /// there is no such delivery.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn one(
        &self,
        id: DeliveryId,
    ) -> Result<Option<std::result::Result<ClientId, RedeliveryRefusal>>> {
        let redelivered = self.store.redeliver(id, self.expires_at(), self.ambient.now()).await?;
        if let Some(Ok(client_id)) = &redelivered {
            tracing::info!(delivery = %id, client_id = client_id.as_str(), "redelivery requested");
            self.runner.queued([client_id]);
        }
        Ok(redelivered)
    }

    /// Begins a job that requeues all matching deliveries that were made before now; where the filter names no
    /// states, those that failed for good. When this returns the job is durable; where nothing matches it is
    /// complete already.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn all(
        &self,
        mut filter: DeliveryFilter,
    ) -> Result<std::result::Result<RedeliveryJob, TooManyJobs>> {
        let now = self.ambient.now();
        filter.states.get_or_insert_with(|| DEAD_LETTERS.into());
        let job = RedeliveryJob {
            id: JobId(self.ambient.entropy.uuid_v7(now)),
            filter,
            until: DeliveryId(self.ambient.entropy.uuid_v7(now)),
            cursor: None,
            first: None,
            counted_to: None,
            matched: 0,
            redelivered: 0,
            skipped: 0,
            created_at: now,
            completed_at: None,
        };
        let created = self.store.create_job(job).await?;
        if let Ok(job) = &created {
            tracing::info!(job = %job.id.0, matched = job.matched, "redelivery job created");
            if job.completed_at.is_none() {
                self.new_job.notify_one();
            }
        }
        Ok(created)
    }

    /// A job and its progress.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>> {
        self.store.job(id).await
    }

    /// Runs the jobs, a step of each in turn, until the service drains. They continue after a restart.
    pub async fn run(self, shutdown: Shutdown) {
        let mut rotation = Rotation::default();
        while !shutdown.is_draining() {
            match self.step(&mut rotation).await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    () = shutdown.draining() => {}
                    () = self.new_job.notified() => {}
                },
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "redelivery jobs failed, trying again");
                    tokio::select! {
                        () = shutdown.draining() => {}
                        () = tokio::time::sleep(RETRY_AFTER_FAILURE) => {}
                    }
                }
            }
        }
    }

    /// Runs one step of the next job; `false` if there is none.
    async fn step(&self, rotation: &mut Rotation) -> Result<bool> {
        let Some(id) = self.next_job(rotation).await? else { return Ok(false) };
        rotation.last = Some(id);
        let now = self.ambient.now();
        match self.store.advance_job(id, STEP, self.expires_at(), now).await {
            Ok(progress) => {
                self.runner.queued(&progress.clients);
                if progress.complete {
                    tracing::info!(job = %id.0, "redelivery job complete");
                }
            }
            Err(error) if error.is_transient() => return Err(error),
            // Its row or one of its deliveries cannot be read: the other jobs continue.
            Err(error) => {
                tracing::error!(
                    job = %id.0, error = %Causes(&error),
                    "a redelivery job failed and is skipped until logoutd is restarted"
                );
                rotation.skipped.insert(id);
            }
        }
        Ok(true)
    }

    /// The next unfinished job after the last one, starting over after the end.
    async fn next_job(&self, rotation: &Rotation) -> Result<Option<JobId>> {
        let mut after = rotation.last;
        let mut wrapped = after.is_none();
        loop {
            match self.store.unfinished_job(after).await? {
                Some(id) if !rotation.skipped.contains(&id) => return Ok(Some(id)),
                Some(id) => after = Some(id),
                None if wrapped => return Ok(None),
                None => (after, wrapped) = (None, true),
            }
        }
    }

    fn expires_at(&self) -> jiff::Timestamp {
        self.ambient.now().saturating_add(self.max_age).expect("a std Duration has no calendar units")
    }
}
