//! What this process has under way: slots, leases and the allocator, shared by all who make attempts.
//!
//! It is bounded by the concurrency that is configured, however much waits in the store.

mod allocator;
mod buffer;
mod client;
mod fair_shares;
mod limits;
mod permit;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use self::allocator::{Allocator, Grant, Place, SlotKind, Source};
use self::buffer::Bench;
pub(super) use self::limits::Limits;
pub(super) use self::permit::{Leasing, Room, Seat, Slot, Work};
use crate::domain::breaker::{Breaker, OpenBreaker};
use crate::domain::ids::{ClientId, DeliveryId};
use crate::storage::{Lease, LeasedDelivery, LeasedTurn, Turn};

/// What this process has under way.
#[derive(Debug)]
pub(super) struct Scheduler {
    state: Mutex<State>,
    /// Told when there may be something to lease.
    wake: Notify,
}

#[derive(Debug)]
struct State {
    allocator: Allocator,
    /// What is leased and not settled yet.
    leases: HashMap<DeliveryId, Lease>,
    /// What sits and waits for a slot, by client.
    seats: HashMap<ClientId, Bench>,
    /// What had to leave its seat, and is to be put back into the store's queue.
    unseated: Vec<LeasedDelivery>,
    /// Counts the changes of clients. What was leased before one may have the client as it was.
    client_changes: u64,
    /// No more slots are given out.
    closed: bool,
}

impl State {
    fn next_ready(&mut self, client_id: &ClientId, kind: SlotKind) -> Option<LeasedDelivery> {
        let bench = self.seats.get_mut(client_id)?;
        let delivery = bench.next(kind)?;
        if bench.is_empty() {
            self.seats.remove(client_id);
        }
        self.allocator.leave_seat(client_id, true);
        Some(delivery)
    }

    /// Whoever sits for this client has to leave.
    fn unseat(&mut self, client_id: &ClientId) {
        let Bench { first_attempts, retries, .. } = self.seats.remove(client_id).unwrap_or_default();
        for delivery in first_attempts.into_iter().chain(retries) {
            self.allocator.leave_seat(client_id, true);
            self.unseated.push(delivery);
        }
    }
}

impl Scheduler {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let allocator = Allocator::new(limits);
        let state = State {
            allocator,
            leases: HashMap::new(),
            seats: HashMap::new(),
            unseated: Vec::new(),
            client_changes: 0,
            closed: false,
        };
        Arc::new(Self { state: Mutex::new(state), wake: Notify::new() })
    }

    /// No more slots are given out: what is under way is the last, and what sits has to leave.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let seated: Vec<ClientId> = state.seats.keys().cloned().collect();
        for client_id in seated {
            state.unseat(&client_id);
        }
    }

    /// Returns when there may be something to lease. One who waits after it was told misses nothing.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Makes room for a new delivery to each of these clients, as far as there is any.
    pub(super) fn take(self: &Arc<Self>, clients: &[&ClientId], now: Timestamp) -> Vec<Option<Room>> {
        let mut state = self.lock();
        let closed = state.closed;
        let take = |client_id: &&ClientId| {
            let place = if closed { None } else { state.allocator.take(client_id, now) }?;
            Some(match place {
                Place::Slot(kind) => Room::Slot(self.slot(client_id, kind)),
                Place::Seat => Room::Seat(self.seat(client_id)),
            })
        };
        clients.iter().map(take).collect()
    }

    /// What is to be done now.
    pub(super) fn plan(self: &Arc<Self>, now: Timestamp) -> Work {
        let mut work = Work::default();
        let mut spare = Vec::new();
        {
            let mut state = self.lock();
            if state.closed {
                return work;
            }
            let client_changes = state.client_changes;
            for grant in state.allocator.plan_turns(now) {
                let shared = self.slots(&grant.client_id, SlotKind::Shared, grant.any);
                let reserved = self.slots(&grant.client_id, SlotKind::Reserved, grant.first);
                match grant.source {
                    Source::Store(order) => {
                        let seats = (0..grant.seats).map(|_| self.seat(&grant.client_id)).collect();
                        let Grant { client_id, any, first, seats: more, .. } = grant;
                        let turn = Turn { client_id, any: any + more, first, order };
                        work.leases.push(Leasing { turn, shared, reserved, seats, client_changes });
                    }
                    Source::Seats => {
                        for slot in shared.into_iter().chain(reserved) {
                            match state.next_ready(&grant.client_id, slot.kind) {
                                Some(delivery) => work.ready.push((delivery, slot)),
                                None => spare.push(slot),
                            }
                        }
                    }
                }
            }
        }
        // They lock the state themselves.
        drop(spare);
        work
    }

    /// What had to leave its seat since this was last called.
    pub(super) fn take_unseated(&self) -> Vec<LeasedDelivery> {
        std::mem::take(&mut self.lock().unseated)
    }

    /// Takes in what was leased, with a slot for each or on a seat; room that was not needed is given back.
    /// Returns those with slots.
    pub(super) fn admit(
        &self,
        leasings: Vec<Leasing>,
        leased: Vec<LeasedTurn>,
    ) -> Vec<(LeasedDelivery, Slot)> {
        let mut admitted = Vec::new();
        for (mut leasing, LeasedTurn { deliveries, due_at, .. }) in leasings.into_iter().zip(leased) {
            self.hold(&deliveries);
            let deliveries = self.turn_away_stale(deliveries, leasing.client_changes);
            for delivery in deliveries {
                match leasing.room(&delivery) {
                    Some(Room::Slot(slot)) => admitted.push((delivery, slot)),
                    Some(Room::Seat(seat)) => seat.sit(delivery),
                    // A retry where only a reserved slot is left.
                    None => self.lock().unseated.push(delivery),
                }
            }
            if let Some(due_at) = due_at {
                self.note_due(&leasing.turn.client_id, due_at);
            }
        }
        admitted
    }

    /// Nothing could be leased: the turns are to be planned again.
    pub(super) fn put_off(&self, leasings: Vec<Leasing>, now: Timestamp) {
        for leasing in leasings {
            self.note_due(&leasing.turn.client_id, now);
        }
    }

    /// How often a client has changed; for [`Self::turn_away_stale`].
    pub(super) fn client_changes(&self) -> u64 {
        self.lock().client_changes
    }

    /// Deliveries that were leased when clients had changed `client_changes` times. If one has changed since,
    /// they go back into the store's queue, to be leased again with their clients as they are now; else they
    /// are returned.
    pub(super) fn turn_away_stale(
        &self,
        deliveries: Vec<LeasedDelivery>,
        client_changes: u64,
    ) -> Vec<LeasedDelivery> {
        let mut state = self.lock();
        if state.client_changes == client_changes {
            return deliveries;
        }
        state.unseated.extend(deliveries);
        Vec::new()
    }

    /// A client is another than it was, or gone: what is in memory for it and not yet under way goes back into
    /// the store's queue.
    pub(super) fn client_changed(&self, client_id: &ClientId, now: Timestamp) {
        let mut state = self.lock();
        state.client_changes += 1;
        state.unseat(client_id);
        // It may have been enabled.
        state.allocator.note_due(client_id, now);
        drop(state);
        self.wake();
    }

    fn slots(self: &Arc<Self>, client_id: &ClientId, kind: SlotKind, count: u32) -> Vec<Slot> {
        (0..count).map(|_| self.slot(client_id, kind)).collect()
    }

    fn seat(self: &Arc<Self>, client_id: &ClientId) -> Seat {
        Seat { scheduler: Arc::clone(self), client_id: client_id.clone(), taken: false }
    }

    fn slot(self: &Arc<Self>, client_id: &ClientId, kind: SlotKind) -> Slot {
        Slot { scheduler: Arc::clone(self), client_id: client_id.clone(), kind }
    }

    /// Something of this client is due then.
    pub(super) fn note_due(&self, client_id: &ClientId, due_at: Timestamp) {
        self.lock().allocator.note_due(client_id, due_at);
    }

    pub(super) fn restore(&self, client_id: &ClientId, breaker: OpenBreaker) {
        self.lock().allocator.restore(client_id, breaker);
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().allocator.next_due(now)
    }

    pub(super) fn answered(&self, client_id: &ClientId) {
        self.lock().allocator.answered(client_id);
    }

    /// An attempt failed recoverably. Returns whether the client's breaker opened by that; then what sits
    /// for it has to leave.
    pub(super) fn failed(&self, client_id: &ClientId, answered: bool, now: Timestamp, jitter: f64) -> bool {
        let mut state = self.lock();
        let opened = state.allocator.failed(client_id, answered, now, jitter);
        if opened {
            state.unseat(client_id);
        }
        opened
    }

    pub(super) fn take_changed_breakers(&self) -> BTreeMap<ClientId, Option<OpenBreaker>> {
        self.lock().allocator.take_changed_breakers()
    }

    pub(super) fn return_changed_breakers(&self, changed: BTreeMap<ClientId, Option<OpenBreaker>>) {
        self.lock().allocator.return_changed_breakers(changed);
    }

    pub(super) fn bring_forward(&self, by: Duration, now: Timestamp) {
        self.lock().allocator.bring_forward(by, now);
    }

    /// The clients whose breakers are not closed, or have counted failures.
    pub(super) fn breakers(&self) -> Vec<(ClientId, Breaker)> {
        self.lock().allocator.breakers().map(|(id, breaker)| (id.clone(), breaker)).collect()
    }

    /// How many attempts are under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.lock().allocator.in_flight()
    }

    /// Remembers leases that were written elsewhere.
    pub(super) fn hold(&self, leased: &[LeasedDelivery]) {
        let mut state = self.lock();
        for delivery in leased {
            state.leases.insert(delivery.intent.id, delivery.lease);
        }
    }

    /// Whether a lease is still this process's.
    pub(super) fn holds(&self, id: DeliveryId, token: Uuid, now: Timestamp) -> bool {
        self.lock().leases.get(&id).is_some_and(|lease| lease.token == token && lease.until > now)
    }

    /// The leases that run out before `before`.
    pub(super) fn ending_leases(&self, before: Timestamp) -> Vec<(DeliveryId, Uuid)> {
        let ending =
            |(id, lease): (&DeliveryId, &Lease)| (lease.until < before).then_some((*id, lease.token));
        self.lock().leases.iter().filter_map(ending).collect()
    }

    /// These leases now run until `until`.
    pub(super) fn extended(&self, ids: &[DeliveryId], until: Timestamp) {
        let mut state = self.lock();
        for id in ids {
            if let Some(lease) = state.leases.get_mut(id) {
                lease.until = until;
            }
        }
    }

    /// These leases are over: settled, given back or lost. A lease of another token, which this process has
    /// taken since, stays.
    pub(super) fn let_go(&self, leases: impl IntoIterator<Item = (DeliveryId, Uuid)>) {
        let mut state = self.lock();
        for (id, token) in leases {
            if state.leases.get(&id).is_some_and(|lease| lease.token == token) {
                state.leases.remove(&id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
