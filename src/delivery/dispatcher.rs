//! The dispatcher: leases what the scheduler has planned, and starts its attempts.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::delivery::Gauges;
use crate::delivery::attempt::Attempter;
use crate::delivery::listener;
use crate::delivery::maintenance::Maintenance;
use crate::delivery::runner::Runner;
use crate::delivery::scheduler::{Limits, Scheduler, Work};
use crate::delivery::settler::Settler;
use crate::delivery::waiting::Waiting;
use crate::domain::breaker::BreakerRules;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryQueue, DueTimes, StorageError, Turn};

/// The longest time between two plans, when nothing wakes the dispatcher.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How long after a failure of the store it is tried again.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How many leased deliveries may be buffered.
const BUFFER: u32 = 16_384;

/// What the dispatcher works with.
pub struct DispatcherConfig {
    /// The queue of deliveries.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Makes the attempts.
    pub attempter: Attempter,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
    /// Requests that wait for final states.
    pub waiting: Waiting,
    /// Once the service drains, the settler does not wait for a store that fails.
    pub shutdown: Shutdown,
    /// The most attempts in flight.
    pub max_concurrency: u32,
    /// The most of these for one client.
    pub max_concurrency_per_client: u32,
    /// When clients' circuit breakers open.
    pub breaker: BreakerRules,
}

/// Works on the queue, with the scheduler's plans.
pub struct Dispatcher {
    queue: Arc<dyn DeliveryQueue>,
    ambient: Ambient,
    scheduler: Arc<Scheduler>,
    runner: Runner,
    maintenance: Maintenance,
}

impl Dispatcher {
    /// A dispatcher and the settler it needs; the caller runs both. The settler ends after the dispatcher and
    /// every [`Runner`] are gone.
    pub fn new(config: DispatcherConfig) -> (Self, Settler) {
        let scheduler = Scheduler::new(Limits {
            total: config.max_concurrency,
            per_client: config.max_concurrency_per_client,
            buffer: BUFFER,
            breaker: config.breaker,
        });
        let (settlements, settler) = Settler::new(
            Arc::clone(&config.queue),
            config.ambient.clone(),
            Arc::clone(&scheduler),
            config.waiting.clone(),
            config.shutdown,
        );
        let runner =
            Runner::new(Arc::clone(&scheduler), config.attempter, settlements, config.ambient.clone());
        let maintenance = Maintenance::new(
            Arc::clone(&config.queue),
            config.ambient.clone(),
            Arc::clone(&scheduler),
            config.waiting,
        );
        (Self { queue: config.queue, ambient: config.ambient, scheduler, runner, maintenance }, settler)
    }

    /// Reads what the scheduler needs from the store: what is due, and which breakers are open. To be called before
    /// anything is attempted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn restore(&self) -> Result<(), StorageError> {
        for queue in self.queue.queues().await? {
            self.scheduler.note_due(&queue.client_id, queue.due);
            if let Some(breaker) = queue.breaker {
                self.scheduler.restore_breaker(&queue.client_id, breaker);
            }
        }
        Ok(())
    }

    /// A handle to start deliveries with, for the code that stores them.
    pub fn runner(&self) -> Runner {
        self.runner.clone()
    }

    /// The gauges of the queue, for metrics.
    pub fn gauges(&self) -> Gauges {
        Gauges::new(Arc::clone(&self.scheduler))
    }

    /// Runs until the service drains, and then until the attempts in flight are settled.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = self.maintenance.run() => {}
            () = listener::run(&*self.queue, &self.scheduler, &*self.ambient.clock) => {}
            () = self.work(&shutdown) => {}
        }
    }

    async fn work(&self, shutdown: &Shutdown) {
        while !shutdown.is_draining() {
            let pause = match self.pass(shutdown).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "nothing can be leased");
                    RETRY_AFTER_FAILURE
                }
            };
            // A wake-up between the pass and this wait is not lost: `Notify` keeps one for its next waiter.
            tokio::select! {
                () = shutdown.draining() => {}
                () = self.scheduler.woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.scheduler.close();
        if let Err(error) = self.return_deliveries().await {
            // Their leases run out, and they are attempted after a restart.
            tracing::error!(error = %Causes(&error), "buffered deliveries could not be returned to the queue");
        }
        tokio::select! {
            () = self.runner.finish() => {}
            () = shutdown.stopped() => {}
        }
    }

    /// Releases the leases of deliveries that the scheduler returns to the store.
    async fn return_deliveries(&self) -> Result<(), StorageError> {
        let returned = self.scheduler.take_returned();
        if returned.is_empty() {
            return Ok(());
        }
        let leases: Vec<_> = returned.iter().map(|it| (it.intent.id, it.lease.token)).collect();
        // Also if the store fails: the leases run out then.
        self.scheduler.leases_ended(leases.iter().copied());
        let now = self.ambient.now();
        self.queue.release(&leases, now).await?;
        for delivery in &returned {
            self.scheduler.note_due(&delivery.client.client_id, DueTimes::either(now));
        }
        Ok(())
    }

    /// Carries out a plan. Returns how long there is nothing to do after that.
    async fn pass(&self, shutdown: &Shutdown) -> Result<Duration, StorageError> {
        self.return_deliveries().await?;
        let now = self.ambient.now();
        let Work { ready, requests } = self.scheduler.plan(now);
        let idle = ready.is_empty();
        for (delivery, slot) in ready {
            self.runner.start(delivery, slot);
        }
        if requests.is_empty() {
            return Ok(if idle { self.pause(now) } else { Duration::ZERO });
        }
        let lease = self.runner.new_lease(now);
        let turns: Vec<Turn> = requests.iter().map(|request| request.turn().clone()).collect();
        let leased = match self.queue.lease(&turns, lease, now).await {
            Ok(leased) => leased,
            Err(error) => {
                self.scheduler.lease_failed(&requests, now);
                return Err(error);
            }
        };
        let admitted = self.scheduler.admit(requests, leased);
        if shutdown.is_draining() {
            let leases: Vec<_> = admitted.iter().map(|(it, _)| (it.intent.id, it.lease.token)).collect();
            self.scheduler.leases_ended(leases.iter().copied());
            self.queue.release(&leases, self.ambient.now()).await?;
            return Ok(Duration::ZERO);
        }
        for (delivery, slot) in admitted {
            self.runner.start(delivery, slot);
        }
        // A client that had less due than its share leaves slots for others: plan again at once.
        Ok(Duration::ZERO)
    }

    /// How long there is nothing to do, unless something wakes the dispatcher.
    fn pause(&self, now: Timestamp) -> Duration {
        let Some(next) = self.scheduler.next_due(now) else { return POLL_INTERVAL };
        next.duration_since(now).try_into().unwrap_or(Duration::ZERO).min(POLL_INTERVAL)
    }
}
