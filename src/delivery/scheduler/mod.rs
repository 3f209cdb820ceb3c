//! The scheduler: which deliveries are attempted next, and how many at a time.
//!
//! The store has the queue, and is the only memory of what is to be done. Here is what this process needs to work
//! on it: the limits, hints of when something is due for which client, and the deliveries that it has leased. Its
//! size is bounded however long the queue is, and losing it loses nothing: leases run out, and the hints are read
//! from the store again.
//!
//! # The model
//!
//! **Slots.** A slot is the permit for one attempt in flight. There are `delivery.max_concurrency` of them, of
//! which one client gets `delivery.max_concurrency_per_client` at most: an RP that answers slowly occupies a few
//! of them, not all. A slot is released when the attempt's result is with the settler.
//!
//! **Reserved slots.** A quarter of the slots is only for first attempts of healthy clients with few attempts in
//! flight. When every other slot is occupied by attempts that hang, another client's logout still goes out. A client
//! gets reserved slots only when a first attempt of it is due or buffered. Its retries wait for shared slots: a turn
//! that could lease none of them would be planned again at once, and again, until a shared slot is released.
//!
//! **Unproven clients.** A client whose RP has not answered since this process started gets one slot. Its attempts
//! may all hang, and many such clients together would occupy every slot.
//!
//! **Fair turns.** Free slots are shared among the clients that have something to do: each gets as many as the
//! others, or as it can use. Where there are fewer slots than clients, those whose last turn is the longest ago
//! come first. Within a client first attempts come before retries, but for every fourth turn, which begins with
//! retries, so that a steady stream of logouts does not hold them up for ever.
//!
//! **Buffer.** Leasing a hundred deliveries costs the store little more than leasing one. So a turn leases more of
//! them than the client has slots for, and the rest is buffered in memory, leased, for the next free slots. The
//! buffer is bounded, one client gets half of it at most, and only healthy, proven clients get any: deliveries of
//! others would wait there for long. They are returned to the store when their client's breaker opens, when the
//! client is changed (each attempt uses the client's current settings), and when the service drains.
//!
//! **New deliveries.** Before intake stores an event it asks for a slot or buffer space for each new delivery. Where
//! there is any, the delivery is stored as leased, and need not be read back; the others are due in the store.
//!
//! **Circuit breakers.** After a number of recoverable failures in a row a client's breaker opens: its deliveries
//! wait, without spending attempts. After a pause it is half-open, and one attempt is made as a probe, with a retry
//! where there is one. An answer closes it; see [`domain::breaker`](crate::domain::breaker).
//!
//! **Leases.** A lease has an end and a random token. While an attempt is in flight its lease is extended; every
//! change in the store matches the token, so that a process which was paused past its lease changes nothing.
//!
//! # Files
//!
//! | file | is for |
//! |---|---|
//! | `allocator/` | slots, turns and breakers: the decisions, as a pure data structure |
//! | `buffer` | leased deliveries that wait for a slot |
//! | `leases` | the leases of this process |
//! | `state` | the three together: all that is under the lock |
//! | `permit` | slots and buffer space as values that are given back when they are dropped |
//! | `limits` | how much of everything there is |

mod allocator;
mod buffer;
mod leases;
mod limits;
mod permit;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use self::allocator::Place;
pub(super) use self::limits::Limits;
pub(super) use self::permit::{BufferSpace, LeaseRequest, Placement, Slot, Work};
pub(super) use self::state::ClientsVersion;
use self::state::{Plan, State};
use crate::domain::breaker::{Breaker, OpenBreaker};
use crate::domain::ids::{ClientId, DeliveryId};
use crate::storage::{DueTimes, LeasedDelivery, LeasedTurn};

/// The scheduler of this process.
///
/// No method waits, and none calls anything else while it holds the lock.
#[derive(Debug)]
pub(super) struct Scheduler {
    state: Mutex<State>,
    /// Notified when there may be something to lease or to attempt.
    wake: Notify,
}

impl Scheduler {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(limits)), wake: Notify::new() })
    }

    /// The one place that takes the lock. Permits take it when they are dropped, so none may be dropped in `work`.
    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives out no more slots, and has all buffered deliveries returned to the store.
    pub(super) fn close(&self) {
        self.with_state(State::close);
    }

    /// Returns when there may be something to do. A call of [`wake`](Self::wake) before this one is not lost.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes a slot or buffer space for a new delivery to each of these clients, as far as there is any. The
    /// deliveries that are stored then are to be [accepted](Self::accept).
    pub(super) fn reserve(
        self: &Arc<Self>,
        clients: &[&ClientId],
        now: Timestamp,
    ) -> (Vec<Option<Placement>>, ClientsVersion) {
        let (places, version) = self.with_state(|state| {
            let places: Vec<_> = clients.iter().map(|client_id| state.place(client_id, now)).collect();
            (places, state.clients_version())
        });
        let placement = |(place, client_id): (Option<Place>, &&ClientId)| {
            Some(match place? {
                Place::Slot(kind) => Placement::Slot(Slot::new(self, client_id, kind)),
                Place::Buffer => Placement::Buffer(BufferSpace::new(self, client_id)),
            })
        };
        (places.into_iter().zip(clients).map(placement).collect(), version)
    }

    /// Takes on deliveries that were leased when the clients were at `version`, and returns them. If a client has
    /// changed since, they have its old settings: they are all returned to the store, and none here.
    pub(super) fn accept(
        &self,
        deliveries: Vec<LeasedDelivery>,
        version: ClientsVersion,
    ) -> Vec<LeasedDelivery> {
        self.with_state(|state| state.accept(deliveries, version))
    }

    /// What is to be done now.
    pub(super) fn plan(self: &Arc<Self>, now: Timestamp) -> Work {
        let Plan { ready, turns, version } = self.with_state(|state| state.plan(now));
        let with_slot = |(delivery, kind): (LeasedDelivery, _)| {
            let slot = Slot::new(self, &delivery.intent.client_id, kind);
            (delivery, slot)
        };
        Work {
            ready: ready.into_iter().map(with_slot).collect(),
            requests: turns.into_iter().map(|turn| LeaseRequest::new(self, turn, version)).collect(),
        }
    }

    /// Takes on what was leased. Returns the deliveries that have slots; the others are buffered. What a request
    /// had beyond that is given back.
    pub(super) fn admit(
        self: &Arc<Self>,
        requests: Vec<LeaseRequest>,
        leased: Vec<LeasedTurn>,
    ) -> Vec<(LeasedDelivery, Slot)> {
        let mut admitted = Vec::new();
        for (mut request, LeasedTurn { deliveries, due, .. }) in requests.into_iter().zip(leased) {
            for delivery in self.accept(deliveries, request.version()) {
                match request.take(&delivery) {
                    Some(Placement::Slot(slot)) => admitted.push((delivery, slot)),
                    Some(Placement::Buffer(space)) => space.fill(delivery),
                    // A retry where only reserved slots are left.
                    None => self.with_state(|state| state.return_to_store([delivery])),
                }
            }
            self.note_due(request.client_id(), due);
        }
        admitted
    }

    /// The store failed: the turns are to be planned again.
    pub(super) fn lease_failed(&self, requests: &[LeaseRequest], now: Timestamp) {
        for request in requests {
            self.note_due(request.client_id(), DueTimes::either(now));
        }
    }

    /// The deliveries that are to be returned to the store, since this was last called.
    pub(super) fn take_returned(&self) -> Vec<LeasedDelivery> {
        self.with_state(State::take_returned)
    }

    /// A client's settings were changed, or it was removed. Its buffered deliveries have the old settings, and are
    /// returned to the store.
    pub(super) fn client_changed(&self, client_id: &ClientId, now: Timestamp) {
        self.with_state(|state| state.client_changed(client_id, now));
        self.wake();
    }

    /// Deliveries of this client are due at these times, or may be.
    pub(super) fn note_due(&self, client_id: &ClientId, due: DueTimes) {
        self.with_state(|state| state.allocator.note_due(client_id, due));
    }

    /// When it is worth calling [`plan`](Self::plan) again, unless a slot is released before that.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.with_state(|state| state.allocator.next_due(now))
    }

    /// The clock was set back by this much.
    pub(super) fn bring_forward(&self, by: Duration, now: Timestamp) {
        self.with_state(|state| state.allocator.bring_forward(by, now));
    }

    /// How many attempts are in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.with_state(|state| state.allocator.in_flight())
    }
}

/// Circuit breakers.
impl Scheduler {
    /// The RP of a client answered.
    pub(super) fn answered(&self, client_id: &ClientId) {
        self.with_state(|state| state.allocator.answered(client_id));
    }

    /// An attempt failed recoverably, with an HTTP answer or without. Returns whether that opened the client's
    /// breaker; its buffered deliveries are then returned to the store.
    pub(super) fn failed(&self, client_id: &ClientId, answered: bool, now: Timestamp, jitter: f64) -> bool {
        self.with_state(|state| state.failed(client_id, answered, now, jitter))
    }

    /// A breaker was open when an earlier process ended.
    pub(super) fn restore_breaker(&self, client_id: &ClientId, breaker: OpenBreaker) {
        self.with_state(|state| state.allocator.restore_breaker(client_id, breaker));
    }

    /// The breakers that opened or closed since this was last called, to be stored.
    pub(super) fn take_changed_breakers(&self) -> BTreeMap<ClientId, Option<OpenBreaker>> {
        self.with_state(|state| state.allocator.take_changed_breakers())
    }

    /// They could not be stored.
    pub(super) fn return_changed_breakers(&self, changed: BTreeMap<ClientId, Option<OpenBreaker>>) {
        self.with_state(|state| state.allocator.return_changed_breakers(changed));
    }

    /// The clients whose breakers are not closed, or have counted failures.
    pub(super) fn breakers(&self) -> Vec<(ClientId, Breaker)> {
        self.with_state(|state| {
            state.allocator.breakers().map(|(id, breaker)| (id.clone(), breaker)).collect()
        })
    }
}

/// Leases.
impl Scheduler {
    /// Whether this process still has this lease.
    pub(super) fn holds_lease(&self, id: DeliveryId, token: Uuid, now: Timestamp) -> bool {
        self.with_state(|state| state.leases.holds(id, token, now))
    }

    /// The leases that end before `before`.
    pub(super) fn leases_ending_before(&self, before: Timestamp) -> Vec<(DeliveryId, Uuid)> {
        self.with_state(|state| state.leases.ending_before(before))
    }

    /// These leases were extended.
    pub(super) fn leases_extended(&self, ids: &[DeliveryId], until: Timestamp) {
        self.with_state(|state| state.leases.extended(ids, until));
    }

    /// These leases are over: their deliveries were settled or returned, or the leases were lost.
    pub(super) fn leases_ended(&self, leases: impl IntoIterator<Item = (DeliveryId, Uuid)>) {
        self.with_state(|state| state.leases.ended(leases));
    }
}
