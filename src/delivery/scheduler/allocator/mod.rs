//! The allocator: which client gets slots and buffer space. Pure.
//!
//! It counts deliveries and does not have them. What it knows of the store are hints: the time at which something
//! may be due for a client can be too early and is never too late. Whatever it gives out is to be given back.

mod breakers;
mod client;
mod fair_shares;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use self::client::ClientState;
pub(super) use self::turns::{Grant, RETRIES_EVERY, Source};
use crate::delivery::scheduler::limits::Limits;
use crate::domain::breaker::{Breaker, OpenBreaker};
use crate::domain::ids::ClientId;
use crate::storage::DueTimes;

/// What a slot may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// Any attempt.
    Shared,
    /// First attempts of healthy clients that have few attempts in flight.
    Reserved,
}

/// Where a new delivery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is attempted at once.
    Slot(SlotKind),
    /// It waits in memory for a slot.
    Buffer,
}

#[derive(Debug)]
pub(super) struct Allocator {
    limits: Limits,
    clients: HashMap<ClientId, ClientState>,
    /// The slots of each kind that are taken.
    shared: u32,
    reserved: u32,
    /// The buffer space that is taken, in deliveries.
    buffer_space: u32,
    /// How many turns there were.
    turns: u64,
    /// The breakers that opened or closed, and were not stored since.
    changed_breakers: BTreeMap<ClientId, Option<OpenBreaker>>,
}

impl Allocator {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            clients: HashMap::new(),
            shared: 0,
            reserved: 0,
            buffer_space: 0,
            turns: 0,
            changed_breakers: BTreeMap::new(),
        }
    }

    /// Deliveries of this client are due at these times, or may be.
    pub(super) fn note_due(&mut self, client_id: &ClientId, due: DueTimes) {
        let earlier = |known: Option<Timestamp>, noted| known.into_iter().chain(noted).min();
        let client = self.client(client_id);
        client.due = DueTimes {
            first_attempt: earlier(client.due.first_attempt, due.first_attempt),
            retry: earlier(client.due.retry, due.retry),
        };
        self.forget_if_default(client_id);
    }

    /// The clock was set back by this much: what is due later than `now` is due that much earlier.
    pub(super) fn bring_forward(&mut self, by: Duration, now: Timestamp) {
        let earlier = |time: Timestamp| {
            let moved = time.saturating_sub(by).expect("a std Duration has no calendar units");
            time.min(moved.max(now))
        };
        for client in self.clients.values_mut() {
            let DueTimes { first_attempt, retry } = client.due;
            client.due = DueTimes { first_attempt: first_attempt.map(earlier), retry: retry.map(earlier) };
            if let Breaker::Open(open) = client.breaker {
                client.breaker = Breaker::Open(OpenBreaker { until: earlier(open.until), ..open });
            }
        }
    }

    /// When planning turns would give out slots, at the earliest, unless one is released before that.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let free = [(SlotKind::Shared, self.shared_free()), (SlotKind::Reserved, self.reserved_free())];
        let kinds = free.into_iter().filter(|(_, free)| *free > 0).map(|(kind, _)| kind);
        let next = |kind| self.clients.values().filter_map(move |it| it.next_demand(kind, now, &self.limits));
        kinds.flat_map(next).min()
    }

    /// Takes a slot for a new delivery, or buffer space where older ones are buffered or there is no slot.
    pub(super) fn place(&mut self, client_id: &ClientId, now: Timestamp) -> Option<Place> {
        let limits = self.limits;
        let (shared_free, reserved_free) = (self.shared_free(), self.reserved_free());
        let buffer_free = self.buffer_free();
        let client = self.client(client_id);
        let may_overtake_none = client.buffer_space == 0;
        let may_have = |kind| may_overtake_none && client.free_slots(kind, now, &limits) > 0;
        let place = if shared_free > 0 && may_have(SlotKind::Shared) {
            Some(Place::Slot(SlotKind::Shared))
        } else if reserved_free > 0 && may_have(SlotKind::Reserved) {
            Some(Place::Slot(SlotKind::Reserved))
        } else {
            let free = buffer_free > 0 && client.buffer_space < limits.buffer_per_client();
            (client.may_buffer() && free).then_some(Place::Buffer)
        };
        match place {
            Some(Place::Slot(kind)) => self.take_slots(client_id, kind, 1),
            Some(Place::Buffer) => self.take_buffer(client_id, 1),
            None => self.forget_if_default(client_id),
        }
        place
    }

    /// A delivery goes into buffer space that was taken for it.
    pub(super) fn fill_buffer(&mut self, client_id: &ClientId, first_attempt: bool) {
        let client = self.client(client_id);
        client.buffered += 1;
        client.buffered_first_attempts += u32::from(first_attempt);
    }

    /// A delivery was taken out of the buffer, and its space is free again.
    pub(super) fn remove_buffered(&mut self, client_id: &ClientId, first_attempt: bool) {
        let client = self.client(client_id);
        client.buffered -= 1;
        client.buffered_first_attempts -= u32::from(first_attempt);
        self.release_buffer(client_id, 1);
    }

    /// Buffer space without deliveries in it is free again.
    pub(super) fn release_buffer(&mut self, client_id: &ClientId, count: u32) {
        if count == 0 {
            return;
        }
        let client = self.client(client_id);
        client.buffer_space -= count;
        self.buffer_space -= count;
        self.forget_if_default(client_id);
    }

    /// Slots are free again.
    pub(super) fn release_slots(&mut self, client_id: &ClientId, kind: SlotKind, count: u32) {
        if count == 0 {
            return;
        }
        let client = self.client(client_id);
        match kind {
            SlotKind::Shared => {
                client.shared -= count;
                self.shared -= count;
            }
            SlotKind::Reserved => {
                client.reserved -= count;
                self.reserved -= count;
            }
        }
        self.forget_if_default(client_id);
    }

    /// How many attempts are in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.shared + self.reserved
    }

    fn shared_free(&self) -> u32 {
        self.limits.shared().saturating_sub(self.shared)
    }

    fn reserved_free(&self) -> u32 {
        self.limits.reserved().saturating_sub(self.reserved)
    }

    fn buffer_free(&self) -> u32 {
        self.limits.buffer.saturating_sub(self.buffer_space)
    }

    fn take_slots(&mut self, client_id: &ClientId, kind: SlotKind, count: u32) {
        let client = self.client(client_id);
        match kind {
            SlotKind::Shared => {
                client.shared += count;
                self.shared += count;
            }
            SlotKind::Reserved => {
                client.reserved += count;
                self.reserved += count;
            }
        }
    }

    fn take_buffer(&mut self, client_id: &ClientId, count: u32) {
        self.client(client_id).buffer_space += count;
        self.buffer_space += count;
    }

    fn client(&mut self, client_id: &ClientId) -> &mut ClientState {
        if !self.clients.contains_key(client_id) {
            self.clients.insert(client_id.clone(), ClientState::default());
        }
        self.clients.get_mut(client_id).expect("it was just inserted")
    }

    fn forget_if_default(&mut self, client_id: &ClientId) {
        if self.clients.get(client_id).is_some_and(ClientState::is_default) {
            self.clients.remove(client_id);
        }
    }
}
