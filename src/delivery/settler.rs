//! Settling: what came of the attempts is written down, a group at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::waiting::Waiting;
use crate::domain::delivery::Verdict;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryQueue, Groups, Settled, Settlement, StorageError};
use crate::telemetry::Metrics;

/// The most settlements in a transaction.
const MAX_GROUP: usize = 1024;

/// How many settlements may wait for a transaction. When it is full, attempts wait for it, so that memory
/// stays bounded.
const MAX_WAITING: usize = 4096;

/// The least time from one transaction to the next.
const BETWEEN_GROUPS: Duration = Duration::from_millis(10);

/// How long after a failure the store is tried again: this at first, then twice that, and so on.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);
const TRY_AGAIN_AT_LEAST_EVERY: Duration = Duration::from_secs(4);

/// How often a failing store is tried once the service winds down. Then the leases are left to run out.
const TRIES_WHEN_DRAINING: u32 = 5;

/// A handle to the settler.
#[derive(Clone, Debug)]
pub(super) struct Settlements(mpsc::Sender<Settlement>);

impl Settlements {
    /// Returns when the settler has it, which is when there is room.
    pub(super) async fn settle(&self, settlement: Settlement) {
        // It ends only when it is stopped at once. Then the lease runs out, and the delivery is attempted
        // again after a restart.
        let _ = self.0.send(settlement).await;
    }
}

/// The one writer of settlements.
pub struct Settler {
    queue: Arc<dyn DeliveryQueue>,
    clock: Arc<dyn Clock>,
    scheduler: Arc<Scheduler>,
    waiting: Waiting,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    groups: Groups<Settlement>,
}

impl Settler {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        clock: Arc<dyn Clock>,
        scheduler: Arc<Scheduler>,
        waiting: Waiting,
        metrics: Arc<Metrics>,
        shutdown: Shutdown,
    ) -> (Settlements, Self) {
        let (sender, requests) = mpsc::channel(MAX_WAITING);
        let groups = Groups::new(requests, MAX_GROUP, BETWEEN_GROUPS);
        (Settlements(sender), Self { queue, clock, scheduler, waiting, metrics, shutdown, groups })
    }

    /// Settles until every handle is dropped.
    pub async fn run(mut self) {
        while let Some(group) = self.groups.next().await {
            self.settle(&group).await;
        }
    }

    /// Settles a group, however long the store fails: what is known of an answer is not thrown away.
    async fn settle(&self, group: &[Settlement]) {
        let mut pause = TRY_AGAIN_AFTER;
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
                // One of them is to blame: the others go without it.
                for settlement in group {
                    Box::pin(self.settle(std::slice::from_ref(settlement))).await;
                }
                return;
            }
            if (self.shutdown.is_draining() || !error.is_transient()) && tries >= TRIES_WHEN_DRAINING {
                self.let_go(group);
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(TRY_AGAIN_AT_LEAST_EVERY);
        }
    }

    async fn try_settle(&self, group: &[Settlement]) -> Result<(), StorageError> {
        let began = Instant::now();
        let breakers = self.scheduler.take_changed_breakers();
        let settled = match self.queue.settle(group, &breakers, self.clock.now()).await {
            Ok(settled) => settled,
            Err(error) => {
                self.scheduler.return_changed_breakers(breakers);
                return Err(error);
            }
        };
        self.metrics.committed("outcomes", group.len(), began.elapsed());
        self.let_go(group);
        for (settlement, settled) in group.iter().zip(settled) {
            self.follow(settlement, settled);
        }
        self.scheduler.wake();
        Ok(())
    }

    fn follow(&self, settlement: &Settlement, settled: Option<Settled>) {
        let Some(Settled { state, .. }) = settled else {
            tracing::warn!(delivery = %settlement.id, "lease was lost, outcome not recorded");
            self.metrics.lease_lost();
            return;
        };
        if state.is_final() {
            self.metrics.delivery_ended(settlement.client_id.as_str(), state.as_str());
            self.waiting.finished(settlement.id);
        } else if let Verdict::Retry(due_at) = settlement.verdict {
            self.scheduler.note_due(&settlement.client_id, due_at);
        }
    }

    fn let_go(&self, group: &[Settlement]) {
        self.scheduler.let_go(group.iter().map(|settlement| (settlement.id, settlement.lease_token)));
    }
}
