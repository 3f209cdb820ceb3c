//! The runner: a task for each attempt in flight, from a leased delivery with a slot to its settlement.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::ambient::Ambient;
use crate::delivery::attempt::{Attempted, Attempter, Health};
use crate::delivery::probe::Prober;
use crate::delivery::scheduler::{ClientsVersion, Placement, Scheduler, Slot};
use crate::delivery::settler::Settlements;
use crate::domain::ids::ClientId;
use crate::domain::time::after;
use crate::storage::{DueTimes, Lease, LeasedDelivery, Settlement};

/// How long a lease lasts. Leases of attempts in flight are extended, so this is how long the deliveries of a
/// process that crashed wait for another one.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Runs attempts. Clones share it.
#[derive(Clone)]
pub struct Runner {
    scheduler: Arc<Scheduler>,
    attempter: Arc<Attempter>,
    settlements: Settlements,
    attempts: TaskTracker,
    ambient: Ambient,
}

impl Runner {
    pub(super) fn new(
        scheduler: Arc<Scheduler>,
        attempter: Attempter,
        settlements: Settlements,
        ambient: Ambient,
    ) -> Self {
        let attempter = Arc::new(attempter);
        Self { scheduler, attempter, settlements, attempts: TaskTracker::new(), ambient }
    }

    /// Takes slots and buffer space for a new delivery to each of these clients, as far as there is any. Those
    /// deliveries can be stored as leased, and need not be read back.
    pub fn reserve(&self, clients: &[&ClientId]) -> Reservation {
        let now = self.ambient.now();
        let (placements, version) = self.scheduler.reserve(clients, now);
        Reservation { runner: self.clone(), lease: self.new_lease(now), placements, version }
    }

    /// A handle for test deliveries.
    pub fn prober(&self) -> Prober {
        Prober::new(Arc::clone(&self.attempter), self.ambient.clone())
    }

    /// A client's settings were changed, or it was removed. To be called when that is stored.
    pub fn client_changed(&self, client_id: &ClientId) {
        self.scheduler.client_changed(client_id, self.ambient.now());
    }

    /// Deliveries for these clients were stored, due at once, and not leased.
    pub fn queued<'c>(&self, clients: impl IntoIterator<Item = &'c ClientId>) {
        let now = self.ambient.now();
        for client_id in clients {
            self.scheduler.note_due(client_id, DueTimes::either(now));
        }
        self.scheduler.wake();
    }

    pub(super) fn new_lease(&self, now: Timestamp) -> Lease {
        Lease { token: self.ambient.entropy.uuid_v4(), until: after(now, LEASE) }
    }

    /// Starts an attempt.
    pub(super) fn start(&self, leased: LeasedDelivery, slot: Slot) {
        let runner = self.clone();
        self.attempts.spawn(async move { runner.run(leased, slot).await });
    }

    async fn run(&self, leased: LeasedDelivery, slot: Slot) {
        let (id, token) = (leased.intent.id, leased.lease.token);
        let lease_holds = |now| self.scheduler.holds_lease(id, token, now);
        let Ok(attempted) = self.attempter.attempt((&leased).into(), lease_holds).await else {
            tracing::warn!(delivery = %id, "the lease was lost before the attempt began");
            self.scheduler.leases_ended([(id, token)]);
            return;
        };
        self.update_breaker(&leased.client.client_id, attempted.health);
        // The slot is held until the settlement is queued. The queue is bounded: while the store is slow, no new
        // attempts begin.
        self.settlements.settle(settlement(&leased, attempted)).await;
        drop(slot);
    }

    /// Before the slot is released, so that a client whose breaker opens gets no further one.
    fn update_breaker(&self, client_id: &ClientId, health: Health) {
        match health {
            Health::Answers => self.scheduler.answered(client_id),
            Health::Fails { answered } => {
                if self.scheduler.failed(
                    client_id,
                    answered,
                    self.ambient.now(),
                    self.ambient.entropy.fraction(),
                ) {
                    tracing::warn!(
                        client_id = client_id.as_str(),
                        "circuit breaker open: its deliveries wait, without spending attempts"
                    );
                }
            }
            Health::Unknown => {}
        }
    }

    /// Waits for all attempts in flight. No more may be started after this.
    pub(super) async fn finish(&self) {
        self.attempts.close();
        self.attempts.wait().await;
    }
}

/// What is to be stored of a finished attempt.
fn settlement(leased: &LeasedDelivery, attempted: Attempted) -> Settlement {
    let Attempted { attempt, verdict, unsubscribe, .. } = attempted;
    Settlement {
        id: leased.intent.id,
        lease_token: leased.lease.token,
        client_id: leased.client.client_id.clone(),
        attempt,
        verdict,
        unsubscribe,
    }
}

/// Slots and buffer space for new deliveries. What is not used is given back when it is dropped.
pub struct Reservation {
    runner: Runner,
    lease: Lease,
    placements: Vec<Option<Placement>>,
    version: ClientsVersion,
}

impl Reservation {
    /// The lease to store each delivery with; `None`: it is stored as due.
    pub fn leases(&self) -> Vec<Option<Lease>> {
        self.placements.iter().map(|placement| placement.as_ref().map(|_| self.lease)).collect()
    }

    /// The deliveries with leases are stored: starts their attempts, or has them buffered. They are in the order in
    /// which the clients were given.
    pub fn start(self, deliveries: Vec<LeasedDelivery>) {
        let deliveries = self.runner.scheduler.accept(deliveries, self.version);
        for (delivery, placement) in deliveries.into_iter().zip(self.placements.into_iter().flatten()) {
            match placement {
                Placement::Slot(slot) => self.runner.start(delivery, slot),
                Placement::Buffer(space) => space.fill(delivery),
            }
        }
        self.runner.scheduler.wake();
    }
}
