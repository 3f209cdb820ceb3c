//! The rights that the window gives out, each given back when it is dropped: to have an attempt under way, to
//! wait in memory, to lease at the store.

use std::sync::Arc;

use super::super::agenda::SlotKind;
use super::Window;
use crate::domain::ids::ClientId;
use crate::storage::{LeasedDelivery, Turn};

/// The right to have one attempt under way. It is given back when it is dropped.
#[derive(Debug)]
pub(in crate::delivery) struct Slot {
    pub(super) window: Arc<Window>,
    pub(super) client_id: ClientId,
    pub(super) kind: SlotKind,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.window.lock().agenda.give_back(&self.client_id, self.kind);
        self.window.wake();
    }
}

/// The right to wait for a slot in memory. It is given back when it is dropped before anything sits there.
#[derive(Debug)]
pub(in crate::delivery) struct Seat {
    pub(super) window: Arc<Window>,
    pub(super) client_id: ClientId,
    pub(super) taken: bool,
}

impl Seat {
    /// The delivery waits here.
    pub(in crate::delivery) fn sit(mut self, delivery: LeasedDelivery) {
        self.taken = true;
        let mut state = self.window.lock();
        state.agenda.sit(&self.client_id);
        state.seats.entry(self.client_id.clone()).or_default().sit(delivery);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.taken {
            self.window.lock().agenda.leave_seat(&self.client_id, false);
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
    /// Turns of clients at the store. They go back to [`Window::admit`] or [`Window::put_off`].
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
