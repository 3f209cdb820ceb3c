//! Sees attempts through: from a leased delivery with a slot to the settlement of its outcome.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::delivery::attempt::{Attempted, Attempter, Health};
use crate::delivery::probe::Prober;
use crate::delivery::scheduler::{Room, Scheduler, Slot};
use crate::delivery::settler::Settlements;
use crate::domain::ids::ClientId;
use crate::domain::time::after;
use crate::entropy::Entropy;
use crate::storage::{Lease, LeasedDelivery};

/// How long a lease lasts. Those of attempts under way are extended, so this is how long after a crash
/// another process waits before it takes a delivery over.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Sees attempts through. Clones share it.
#[derive(Clone)]
pub struct Runner {
    scheduler: Arc<Scheduler>,
    attempter: Arc<Attempter>,
    settlements: Settlements,
    attempts: TaskTracker,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Runner {
    pub(super) fn new(
        scheduler: Arc<Scheduler>,
        attempter: Attempter,
        settlements: Settlements,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let attempter = Arc::new(attempter);
        Self { scheduler, attempter, settlements, attempts: TaskTracker::new(), clock, entropy }
    }

    /// Makes room for new deliveries to these clients, as far as there is any, so that they can be stored as
    /// leased and need not be read back.
    pub fn reserve(&self, clients: &[&ClientId]) -> Reservation {
        let now = self.clock.now();
        let client_changes = self.scheduler.client_changes();
        let rooms = self.scheduler.take(clients, now);
        Reservation { runner: self.clone(), lease: self.new_lease(now), rooms, client_changes }
    }

    /// A way to make attempts outside the queue.
    pub fn prober(&self) -> Prober {
        Prober::new(Arc::clone(&self.attempter), Arc::clone(&self.clock), Arc::clone(&self.entropy))
    }

    /// A client is another than it was, or gone. To be called when that is stored.
    pub fn client_changed(&self, client_id: &ClientId) {
        self.scheduler.client_changed(client_id, self.clock.now());
    }

    /// Deliveries for these clients were stored, due at once, and not leased.
    pub fn queued<'c>(&self, clients: impl IntoIterator<Item = &'c ClientId>) {
        let now = self.clock.now();
        for client_id in clients {
            self.scheduler.note_due(client_id, now);
        }
        self.scheduler.wake();
    }

    pub(super) fn new_lease(&self, now: Timestamp) -> Lease {
        Lease { token: self.entropy.uuid_v4(), until: after(now, LEASE) }
    }

    /// Attempts a delivery.
    pub(super) fn start(&self, leased: LeasedDelivery, slot: Slot) {
        let runner = self.clone();
        self.attempts.spawn(async move { runner.run(leased, slot).await });
    }

    async fn run(&self, leased: LeasedDelivery, slot: Slot) {
        let (id, token) = (leased.intent.id, leased.lease.token);
        let is_held = |now| self.scheduler.holds(id, token, now);
        match self.attempter.attempt(&leased, is_held).await {
            Some(attempted) => {
                self.judge(&leased, &attempted);
                // The slot is free once the outcome is on its way to the store, which takes a bounded number
                // of them: where it is slow, attempts wait for it.
                self.settlements.settle(attempted.settlement).await;
            }
            None => self.scheduler.let_go([(id, token)]),
        }
        drop(slot);
    }

    /// Before the slot is given back, so that a client that fails gets no more of them.
    fn judge(&self, leased: &LeasedDelivery, attempted: &Attempted) {
        let client_id = &leased.client.client_id;
        match attempted.health {
            Health::Answers => self.scheduler.answered(client_id),
            Health::Fails { answered } => {
                if self.scheduler.failed(client_id, answered, self.clock.now(), self.entropy.fraction()) {
                    tracing::warn!(
                        client_id = client_id.as_str(),
                        "circuit breaker open: its deliveries wait, without spending attempts"
                    );
                }
            }
            Health::Unknown => {}
        }
    }

    /// Starts no more, and returns when all that are under way are finished.
    pub(super) async fn finish(&self) {
        self.attempts.close();
        self.attempts.wait().await;
    }
}

/// Room for new deliveries. What is not used is given back when it is dropped.
pub struct Reservation {
    runner: Runner,
    lease: Lease,
    rooms: Vec<Option<Room>>,
    client_changes: u64,
}

impl Reservation {
    /// The lease to store each delivery with; `None` where there was no room.
    pub fn leases(&self) -> Vec<Option<Lease>> {
        self.rooms.iter().map(|room| room.as_ref().map(|_| self.lease)).collect()
    }

    /// The deliveries that got a lease are stored, in their order: attempts them, at once or as soon as it
    /// is their turn.
    pub fn start(self, deliveries: Vec<LeasedDelivery>) {
        self.runner.scheduler.hold(&deliveries);
        let deliveries = self.runner.scheduler.turn_away_stale(deliveries, self.client_changes);
        for (delivery, room) in deliveries.into_iter().zip(self.rooms.into_iter().flatten()) {
            match room {
                Room::Slot(slot) => self.runner.start(delivery, slot),
                Room::Seat(seat) => seat.sit(delivery),
            }
        }
        self.runner.scheduler.wake();
    }
}
