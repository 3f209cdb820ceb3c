//! Sees attempts through: from a leased delivery with a slot to the settlement of its outcome.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::attempt::{Attempted, Attempter, Health};
use super::probe::Prober;
use super::settler::Settlements;
use super::window::{Room, Slot, Window};
use crate::ambient::Ambient;
use crate::domain::ids::ClientId;
use crate::domain::time::after;
use crate::storage::{Lease, LeasedDelivery};

/// How long a lease lasts. Those of attempts under way are extended, so this is how long after a crash
/// another process waits before it takes a delivery over.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Sees attempts through. Clones share it.
#[derive(Clone)]
pub struct Runner {
    window: Arc<Window>,
    attempter: Arc<Attempter>,
    settlements: Settlements,
    attempts: TaskTracker,
    ambient: Ambient,
}

impl Runner {
    pub(super) fn new(
        window: Arc<Window>,
        attempter: Attempter,
        settlements: Settlements,
        ambient: Ambient,
    ) -> Self {
        let attempter = Arc::new(attempter);
        Self { window, attempter, settlements, attempts: TaskTracker::new(), ambient }
    }

    /// Makes room for new deliveries to these clients, as far as there is any, so that they can be stored as
    /// leased and need not be read back.
    pub fn reserve(&self, clients: &[&ClientId]) -> Reservation {
        let now = self.ambient.now();
        let client_changes = self.window.client_changes();
        let rooms = self.window.take(clients, now);
        Reservation { runner: self.clone(), lease: self.new_lease(now), rooms, client_changes }
    }

    /// A way to make attempts outside the queue.
    pub fn prober(&self) -> Prober {
        Prober::new(Arc::clone(&self.attempter), self.ambient.clone())
    }

    /// A client is another than it was, or gone. To be called when that is stored.
    pub fn client_changed(&self, client_id: &ClientId) {
        self.window.client_changed(client_id, self.ambient.now());
    }

    /// Deliveries for these clients were stored, due at once, and not leased.
    pub fn queued<'c>(&self, clients: impl IntoIterator<Item = &'c ClientId>) {
        let now = self.ambient.now();
        for client_id in clients {
            self.window.note_due(client_id, now);
        }
        self.window.wake();
    }

    pub(super) fn new_lease(&self, now: Timestamp) -> Lease {
        Lease { token: self.ambient.entropy.uuid_v4(), until: after(now, LEASE) }
    }

    /// Attempts a delivery.
    pub(super) fn start(&self, leased: LeasedDelivery, slot: Slot) {
        let runner = self.clone();
        self.attempts.spawn(async move { runner.run(leased, slot).await });
    }

    async fn run(&self, leased: LeasedDelivery, slot: Slot) {
        let (id, token) = (leased.intent.id, leased.lease.token);
        let is_held = |now| self.window.holds(id, token, now);
        match self.attempter.attempt(&leased, is_held).await {
            Some(attempted) => {
                self.judge(&leased, &attempted);
                // The slot is free once the outcome is on its way to the store, which takes a bounded number
                // of them: where it is slow, attempts wait for it.
                self.settlements.settle(attempted.settlement).await;
            }
            None => self.window.let_go([(id, token)]),
        }
        drop(slot);
    }

    /// Before the slot is given back, so that a client that fails gets no more of them.
    fn judge(&self, leased: &LeasedDelivery, attempted: &Attempted) {
        let client_id = &leased.client.client_id;
        match attempted.health {
            Health::Answers => self.window.answered(client_id),
            Health::Fails { answered } => {
                if self.window.failed(
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
        self.runner.window.hold(&deliveries);
        let deliveries = self.runner.window.turn_away_stale(deliveries, self.client_changes);
        for (delivery, room) in deliveries.into_iter().zip(self.rooms.into_iter().flatten()) {
            match room {
                Room::Slot(slot) => self.runner.start(delivery, slot),
                Room::Seat(seat) => seat.sit(delivery),
            }
        }
        self.runner.window.wake();
    }
}
