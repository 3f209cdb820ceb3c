//! The dispatcher: leases what is due in fair turns, and has it attempted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::attempt::Attempter;
use crate::delivery::maintenance::Maintenance;
use crate::delivery::runner::Runner;
use crate::delivery::scheduler::Limits;
use crate::delivery::scheduler::{Scheduler, Work};
use crate::delivery::settler::Settler;
use crate::delivery::waiting::Waiting;
use crate::domain::breaker::BreakerRules;
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryQueue, StorageError, Turn};
use crate::telemetry::Metrics;

/// The longest the agenda is left unlooked at; what is in it comes from elsewhere, in time.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long after a failure of the store it is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How many deliveries may wait for a slot in memory.
const SEATS: u32 = 16_384;

/// What the dispatcher works with.
pub struct DispatcherConfig {
    /// The deliveries.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Makes the attempts.
    pub attempter: Attempter,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Lease tokens and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Who waits for outcomes.
    pub waiting: Waiting,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// When everything is to be dropped where it stands.
    pub shutdown: Shutdown,
    /// The most attempts at a time.
    pub max_concurrency: u32,
    /// The most of these for one client.
    pub max_concurrency_per_client: u32,
    /// When a client's deliveries wait instead of being attempted.
    pub breaker: BreakerRules,
}

/// Works the queue off.
pub struct Dispatcher {
    queue: Arc<dyn DeliveryQueue>,
    clock: Arc<dyn Clock>,
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
            seats: SEATS,
            breaker: config.breaker,
        });
        let (settlements, settler) = Settler::new(
            Arc::clone(&config.queue),
            Arc::clone(&config.clock),
            Arc::clone(&scheduler),
            config.waiting.clone(),
            Arc::clone(&config.metrics),
            config.shutdown,
        );
        let runner = Runner::new(
            Arc::clone(&scheduler),
            config.attempter,
            settlements,
            Arc::clone(&config.clock),
            config.entropy,
        );
        let maintenance = Maintenance::new(
            Arc::clone(&config.queue),
            Arc::clone(&config.clock),
            Arc::clone(&scheduler),
            config.waiting,
            config.metrics,
        );
        (Self { queue: config.queue, clock: config.clock, scheduler, runner, maintenance }, settler)
    }

    /// Takes up where an earlier run ended: what is due, and which breakers are open. To be called before
    /// anything is attempted.
    pub async fn restore(&self) -> Result<(), StorageError> {
        for queue in self.queue.queues().await? {
            if let Some(due_at) = queue.due_at {
                self.scheduler.note_due(&queue.client_id, due_at);
            }
            if let Some(breaker) = queue.breaker {
                self.scheduler.restore(&queue.client_id, breaker);
            }
        }
        Ok(())
    }

    /// A way to have deliveries attempted that are leased as they are stored.
    pub fn runner(&self) -> Runner {
        self.runner.clone()
    }

    /// What the process has under way, for metrics.
    pub fn gauges(&self) -> super::Gauges {
        super::Gauges::new(Arc::clone(&self.scheduler))
    }

    /// Works until draining is asked for, then sees the attempts under way through to their settlement.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = self.maintenance.run() => {}
            () = self.work(&shutdown) => {}
        }
    }

    async fn work(&self, shutdown: &Shutdown) {
        while !shutdown.is_draining() {
            let pause = match self.pass(shutdown).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "nothing can be leased");
                    AFTER_FAILURE
                }
            };
            // A wake-up between the pass and this wait is not lost: it leaves a permit, and nobody else
            // waits here.
            tokio::select! {
                () = shutdown.draining() => {}
                () = self.scheduler.woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.scheduler.close();
        if let Err(error) = self.put_back_unseated().await {
            // Their leases run out, and they are attempted after a restart.
            tracing::error!(error = %Causes(&error), "waiting deliveries could not be given back");
        }
        tokio::select! {
            () = self.runner.finish() => {}
            () = shutdown.stopped() => {}
        }
    }

    /// Deliveries that had to leave their seats wait in the store again.
    async fn put_back_unseated(&self) -> Result<(), StorageError> {
        let unseated = self.scheduler.take_unseated();
        if unseated.is_empty() {
            return Ok(());
        }
        let leases: Vec<_> = unseated.iter().map(|it| (it.intent.id, it.lease.token)).collect();
        // Whatever comes of it: if the store fails, the leases are left to run out.
        self.scheduler.let_go(leases.iter().copied());
        let now = self.clock.now();
        self.queue.release(&leases, now).await?;
        for delivery in &unseated {
            self.scheduler.note_due(&delivery.client.client_id, now);
        }
        Ok(())
    }

    /// Leases and starts what is due, and says how long there is nothing to do after that.
    async fn pass(&self, shutdown: &Shutdown) -> Result<Duration, StorageError> {
        self.put_back_unseated().await?;
        let now = self.clock.now();
        let Work { ready, leases: leasings } = self.scheduler.plan(now);
        let idle = ready.is_empty();
        for (delivery, slot) in ready {
            self.runner.start(delivery, slot);
        }
        if leasings.is_empty() {
            return Ok(if idle { self.pause(now) } else { Duration::ZERO });
        }
        let lease = self.runner.new_lease(now);
        let turns: Vec<Turn> = leasings.iter().map(|leasing| leasing.turn.clone()).collect();
        let leased = match self.queue.lease(&turns, lease, now).await {
            Ok(leased) => leased,
            Err(error) => {
                self.scheduler.put_off(leasings, now);
                return Err(error);
            }
        };
        let admitted = self.scheduler.admit(leasings, leased);
        if shutdown.is_draining() {
            let leases: Vec<_> = admitted.iter().map(|(it, _)| (it.intent.id, it.lease.token)).collect();
            self.scheduler.let_go(leases.iter().copied());
            self.queue.release(&leases, self.clock.now()).await?;
            return Ok(Duration::ZERO);
        }
        for (delivery, slot) in admitted {
            self.runner.start(delivery, slot);
        }
        // A client that had less due than its share left slots to the others: look again at once.
        Ok(Duration::ZERO)
    }

    /// How long there is nothing to do, unless something comes up.
    fn pause(&self, now: Timestamp) -> Duration {
        let Some(next) = self.scheduler.next_due(now) else { return LOOK_AGAIN };
        next.duration_since(now).try_into().unwrap_or(Duration::ZERO).min(LOOK_AGAIN)
    }
}
