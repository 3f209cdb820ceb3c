//! The settler: stores the results of attempts, many in one transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::waiting::Waiting;
use crate::domain::delivery::Verdict;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryQueue, DueTimes, Groups, Settled, Settlement, StorageError};

/// The most settlements in one transaction.
const MAX_GROUP: usize = 1024;

/// How many settlements may be queued. When the queue is full, attempts keep their slots until there is space, so
/// that memory stays bounded.
const MAX_QUEUED: usize = 4096;

/// The least time between the beginnings of two transactions.
const GROUP_INTERVAL: Duration = Duration::from_millis(10);

/// How long after a failure the store is tried again: at first, and at most. The time doubles with each failure.
const MIN_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(4);

/// How often a store that fails is tried while the service drains. Then the leases run out.
const MAX_TRIES_WHEN_DRAINING: u32 = 5;

/// A handle to the settler.
#[derive(Clone, Debug)]
pub(super) struct Settlements(mpsc::Sender<Settlement>);

impl Settlements {
    /// Queues a settlement; waits while the queue is full.
    pub(super) async fn settle(&self, settlement: Settlement) {
        // The settler is only gone when the service stops without draining. Then the lease runs out, and the
        // delivery is attempted again after a restart.
        let _ = self.0.send(settlement).await;
    }
}

/// Stores settlements.
pub struct Settler {
    queue: Arc<dyn DeliveryQueue>,
    ambient: Ambient,
    scheduler: Arc<Scheduler>,
    waiting: Waiting,
    shutdown: Shutdown,
    groups: Groups<Settlement>,
}

impl Settler {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        ambient: Ambient,
        scheduler: Arc<Scheduler>,
        waiting: Waiting,
        shutdown: Shutdown,
    ) -> (Settlements, Self) {
        let (sender, requests) = mpsc::channel(MAX_QUEUED);
        let groups = Groups::new(requests, MAX_GROUP, GROUP_INTERVAL);
        (Settlements(sender), Self { queue, ambient, scheduler, waiting, shutdown, groups })
    }

    /// Settles until every handle is dropped.
    pub async fn run(mut self) {
        while let Some(group) = self.groups.next().await {
            self.settle(&group).await;
        }
    }

    /// Settles a group, and tries again for as long as the store fails: a result that is lost means another token
    /// to an RP that may have accepted one.
    async fn settle(&self, group: &[Settlement]) {
        let mut backoff = MIN_BACKOFF;
        let mut tries = 0;
        loop {
            let Err(error) = self.try_settle(group).await else { return };
            tries += 1;
            tracing::error!(
                error = %Causes(&error),
                outcomes = group.len(),
                tries,
                "outcomes could not be recorded, trying again"
            );
            if !error.is_transient() && group.len() > 1 {
                // One of them causes it: the others are settled without it.
                for settlement in group {
                    Box::pin(self.settle(std::slice::from_ref(settlement))).await;
                }
                return;
            }
            if (self.shutdown.is_draining() || !error.is_transient()) && tries >= MAX_TRIES_WHEN_DRAINING {
                self.end_leases(group);
                return;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    async fn try_settle(&self, group: &[Settlement]) -> Result<(), StorageError> {
        let began = Instant::now();
        let breakers = self.scheduler.take_changed_breakers();
        let settled = match self.queue.settle(group, &breakers, self.ambient.now()).await {
            Ok(settled) => settled,
            Err(error) => {
                self.scheduler.return_changed_breakers(breakers);
                return Err(error);
            }
        };
        self.ambient.metrics.storage.committed("outcomes", group.len(), began.elapsed());
        self.end_leases(group);
        for (settlement, settled) in group.iter().zip(settled) {
            self.settled(settlement, settled);
        }
        self.scheduler.wake();
        Ok(())
    }

    fn settled(&self, settlement: &Settlement, settled: Option<Settled>) {
        let Some(Settled { state, .. }) = settled else {
            tracing::warn!(delivery = %settlement.id, "lease was lost, outcome not recorded");
            self.ambient.metrics.delivery.lease_lost();
            return;
        };
        if state.is_final() {
            self.ambient.metrics.delivery.ended(settlement.client_id.as_str(), state.as_str());
            self.waiting.finished(settlement.id);
        } else if let Verdict::Retry(due_at) = settlement.verdict {
            let due = DueTimes { retry: Some(due_at), ..DueTimes::default() };
            self.scheduler.note_due(&settlement.client_id, due);
        }
    }

    fn end_leases(&self, group: &[Settlement]) {
        self.scheduler.leases_ended(group.iter().map(|settlement| (settlement.id, settlement.lease_token)));
    }
}
