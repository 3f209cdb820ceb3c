//! Redelivery: dead letters put back into the queue, one at once or many as a job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::runner::Runner;
use crate::domain::delivery::DeliveryFilter;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::redelivery::{DEAD_LETTERS, JobId, RedeliveryJob, RedeliveryRefusal, TooManyJobs};
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::storage::{RedeliveryStore, Result};

/// How many deliveries a step of a job puts back: a few milliseconds' worth of writing, so that no event waits for
/// long.
const STEP: u32 = 200;

/// How long after a failure of the store a job goes on.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    last: Option<JobId>,
    /// Those that cannot go on; few, as unfinished jobs are.
    set_aside: BTreeSet<JobId>,
}

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
    /// no states, those that failed for good. When this returns the job is durable; where nothing matches it is
    /// complete already.
    pub async fn all(
        &self,
        mut filter: DeliveryFilter,
    ) -> Result<std::result::Result<RedeliveryJob, TooManyJobs>> {
        let now = self.clock.now();
        filter.states.get_or_insert_with(|| DEAD_LETTERS.into());
        let job = RedeliveryJob {
            id: JobId(self.entropy.uuid_v7(now)),
            filter,
            until: DeliveryId(self.entropy.uuid_v7(now)),
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
            tracing::info!(job = %job.id.0, matched = job.matched, "redelivery by filter asked for");
            if job.completed_at.is_none() {
                self.new_job.notify_one();
            }
        }
        Ok(created)
    }

    /// A job, as far as it is.
    pub async fn job(&self, id: JobId) -> Result<Option<RedeliveryJob>> {
        self.store.job(id).await
    }

    /// Works jobs off, a step of each in turn, until draining is asked for. What is left goes on after a restart.
    pub async fn run(self, shutdown: Shutdown) {
        let mut turns = Turns::default();
        while !shutdown.is_draining() {
            match self.step(&mut turns).await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    () = shutdown.draining() => {}
                    () = self.new_job.notified() => {}
                },
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "redelivery does not go on");
                    tokio::select! {
                        () = shutdown.draining() => {}
                        () = tokio::time::sleep(AFTER_FAILURE) => {}
                    }
                }
            }
        }
    }

    /// Goes on with the job whose turn it is; `false` if there is none.
    async fn step(&self, turns: &mut Turns) -> Result<bool> {
        let Some(id) = self.whose_turn(turns).await? else { return Ok(false) };
        turns.last = Some(id);
        let now = self.clock.now();
        match self.store.advance_job(id, STEP, self.expires_at(), now).await {
            Ok(progress) => {
                self.runner.queued(&progress.clients);
                if progress.complete {
                    tracing::info!(job = %id.0, "redelivery by filter is complete");
                }
            }
            Err(error) if error.is_transient() => return Err(error),
            // Something in its row, or in what it is about, is damaged: the others go on.
            Err(error) => {
                tracing::error!(
                    job = %id.0, error = %Causes(&error),
                    "a redelivery job cannot go on and is set aside until logoutd is restarted"
                );
                turns.set_aside.insert(id);
            }
        }
        Ok(true)
    }

    /// The next unfinished job after the one whose turn was last, going round.
    async fn whose_turn(&self, turns: &Turns) -> Result<Option<JobId>> {
        let mut after = turns.last;
        let mut round = after.is_none();
        loop {
            match self.store.unfinished_job(after).await? {
                Some(id) if !turns.set_aside.contains(&id) => return Ok(Some(id)),
                Some(id) => after = Some(id),
                None if round => return Ok(None),
                None => (after, round) = (None, true),
            }
        }
    }

    fn expires_at(&self) -> jiff::Timestamp {
        self.clock.now().saturating_add(self.max_age).expect("a std Duration has no calendar units")
    }
}
