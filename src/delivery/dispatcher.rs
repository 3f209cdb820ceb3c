//! The dispatcher: finds what is due, leases it in fair shares, and sees each attempt through.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::attempt::Attempter;
use super::settler::{Settlements, Settler};
use super::shares::fair_shares;
use super::waiting::Waiting;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryQueue, Lease, LeasedDelivery, StorageError};

/// The longest the queue is left unlooked at. Commits wake the dispatcher; this is the safety net for
/// what another process stored.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long after a failure of the store it is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How much longer than an attempt's deadline a lease lasts: room to sign, to settle, and for a store that
/// is slow for a moment. It is also how long after a crash a delivery waits for its next attempt.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// What the dispatcher works with.
pub struct DispatcherConfig {
    /// The deliveries.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Makes the attempts.
    pub attempter: Attempter,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Lease tokens.
    pub entropy: Arc<dyn Entropy>,
    /// Who waits for outcomes.
    pub waiting: Waiting,
    /// Notified when deliveries were stored.
    pub wake: Arc<Notify>,
    /// The most attempts at a time.
    pub max_concurrency: usize,
    /// The most of these for one client.
    pub max_concurrency_per_client: u32,
    /// An attempt's deadline.
    pub timeout: Duration,
}

/// Works the queue off.
pub struct Dispatcher {
    queue: Arc<dyn DeliveryQueue>,
    attempter: Arc<Attempter>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    wake: Arc<Notify>,
    settlements: Settlements,
    attempts: TaskTracker,
    max_concurrency: usize,
    max_concurrency_per_client: u32,
    lease_for: Duration,
}

impl Dispatcher {
    /// A dispatcher and the settler it needs; the caller runs both. The settler ends after the dispatcher.
    pub fn new(config: DispatcherConfig) -> (Self, Settler) {
        let (settlements, settler) = Settler::new(
            Arc::clone(&config.queue),
            Arc::clone(&config.clock),
            config.waiting,
            Arc::clone(&config.wake),
            config.max_concurrency,
        );
        let dispatcher = Self {
            queue: config.queue,
            attempter: Arc::new(config.attempter),
            clock: config.clock,
            entropy: config.entropy,
            wake: config.wake,
            settlements,
            attempts: TaskTracker::new(),
            max_concurrency: config.max_concurrency,
            max_concurrency_per_client: config.max_concurrency_per_client,
            lease_for: config.timeout + LEASE_MARGIN,
        };
        (dispatcher, settler)
    }

    /// Works until draining is asked for, then sees the attempts under way through to their settlement.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_draining() {
            let pause = match self.pass(&shutdown).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the queue cannot be read");
                    AFTER_FAILURE
                }
            };
            // A wake-up between the pass and this wait is not lost: `notify_one` leaves a permit, and
            // nobody else waits here.
            tokio::select! {
                () = shutdown.draining() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.attempts.close();
        tokio::select! {
            () = self.attempts.wait() => {}
            () = shutdown.stopped() => {}
        }
    }

    /// Leases and starts what is due, and says how long there is nothing to do after that.
    async fn pass(&self, shutdown: &Shutdown) -> Result<Duration, StorageError> {
        let now = self.clock.now();
        let reclaimed = self.queue.reclaim(now).await?;
        if reclaimed > 0 {
            tracing::warn!(reclaimed, "leases of a worker that went away ran out, trying again");
        }
        let due = self.queue.due(now).await?;
        let free = self.max_concurrency.saturating_sub(self.attempts.len());
        let shares = fair_shares(&due.clients, free, self.max_concurrency_per_client);
        let pause = match due.next {
            Some(next) => next.duration_since(now).unsigned_abs().min(LOOK_AGAIN),
            None => LOOK_AGAIN,
        };
        if shares.is_empty() {
            return Ok(pause);
        }

        let until = now.saturating_add(self.lease_for).expect("a std Duration has no calendar units");
        let lease = Lease { token: self.entropy.uuid_v4(), until };
        let leased = self.queue.lease(&shares, lease, now).await?;
        if shutdown.is_draining() {
            let ids: Vec<_> = leased.iter().map(|it| it.intent.id).collect();
            self.queue.release(&ids, lease.token, self.clock.now()).await?;
            return Ok(Duration::ZERO);
        }
        // A client that had less due than its share left slots to the others: look again at once.
        let pause = if leased.is_empty() { pause } else { Duration::ZERO };
        for delivery in leased {
            self.start(delivery);
        }
        Ok(pause)
    }

    fn start(&self, leased: LeasedDelivery) {
        let attempter = Arc::clone(&self.attempter);
        let settlements = self.settlements.clone();
        self.attempts.spawn(async move {
            if let Some(settlement) = attempter.attempt(&leased).await {
                settlements.settle(settlement).await;
            }
        });
    }
}
