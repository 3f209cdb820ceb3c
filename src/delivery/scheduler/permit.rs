//! The rights that the window gives out, each given back when it is dropped: to have an attempt under way, to
//! wait in memory, to lease at the store.

use std::sync::Arc;

use crate::delivery::scheduler::Scheduler;
use crate::delivery::scheduler::allocator::SlotKind;
use crate::domain::ids::ClientId;
use crate::storage::{LeasedDelivery, Turn};

/// The right to have one attempt under way. It is given back when it is dropped.
#[derive(Debug)]
pub(in crate::delivery) struct Slot {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) client_id: ClientId,
    pub(super) kind: SlotKind,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.scheduler.lock().allocator.give_back(&self.client_id, self.kind);
        self.scheduler.wake();
    }
}

/// The right to wait for a slot in memory. It is given back when it is dropped before anything sits there.
#[derive(Debug)]
pub(in crate::delivery) struct Seat {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) client_id: ClientId,
    pub(super) taken: bool,
}

impl Seat {
    /// The delivery waits here.
    pub(in crate::delivery) fn sit(mut self, delivery: LeasedDelivery) {
        self.taken = true;
        let mut state = self.scheduler.lock();
        state.allocator.sit(&self.client_id);
        state.seats.entry(self.client_id.clone()).or_default().sit(delivery);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.taken {
            self.scheduler.lock().allocator.leave_seat(&self.client_id, false);
        }
    }
}

/// Room for a new delivery.
#[derive(Debug)]
pub(in crate::delivery) enum Room {
    Slot(Slot),
    Seat(Seat),
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Work {
    /// Deliveries that sat, with slots: they can be attempted.
    pub(in crate::delivery) ready: Vec<(LeasedDelivery, Slot)>,
    /// Turns of clients at the store. They go back to [`Scheduler::admit`] or [`Scheduler::put_off`].
    pub(in crate::delivery) leases: Vec<Leasing>,
}

/// A client's turn at the store, with room for what it leases.
#[derive(Debug)]
pub(in crate::delivery) struct Leasing {
    pub(in crate::delivery) turn: Turn,
    pub(super) shared: Vec<Slot>,
    pub(super) reserved: Vec<Slot>,
    pub(super) seats: Vec<Seat>,
    pub(super) client_changes: u64,
}

impl Leasing {
    /// Room for one of those that were leased.
    pub(super) fn room(&mut self, delivery: &LeasedDelivery) -> Option<Room> {
        let reserved = if delivery.is_first_attempt() { self.reserved.pop() } else { None };
        let slot = reserved.or_else(|| self.shared.pop()).map(Room::Slot);
        slot.or_else(|| self.seats.pop().map(Room::Seat))
    }
}
