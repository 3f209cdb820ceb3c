//! Slots and buffer space as values: what is not used is given back when it is dropped.

use std::mem;
use std::sync::Arc;

use crate::delivery::scheduler::Scheduler;
use crate::delivery::scheduler::allocator::SlotKind;
use crate::delivery::scheduler::state::ClientsVersion;
use crate::domain::ids::ClientId;
use crate::storage::{LeasedDelivery, Turn};

/// The permit for one attempt in flight.
#[derive(Debug)]
pub(in crate::delivery) struct Slot {
    scheduler: Arc<Scheduler>,
    client_id: ClientId,
    kind: SlotKind,
}

/// The permit for one delivery to wait in the buffer.
#[derive(Debug)]
pub(in crate::delivery) struct BufferSpace {
    scheduler: Arc<Scheduler>,
    client_id: ClientId,
    filled: bool,
}

/// Where a leased delivery goes.
#[derive(Debug)]
pub(in crate::delivery) enum Placement {
    /// It is attempted at once.
    Slot(Slot),
    /// It waits for a slot.
    Buffer(BufferSpace),
}

/// What is to be done now.
#[derive(Debug)]
pub(in crate::delivery) struct Work {
    /// Deliveries to attempt.
    pub(in crate::delivery) ready: Vec<(LeasedDelivery, Slot)>,
    /// What to lease. The requests go to [`Scheduler::admit`] or [`Scheduler::lease_failed`].
    pub(in crate::delivery) requests: Vec<LeaseRequest>,
}

/// A client's turn to have deliveries leased, with the room that is taken for them.
#[derive(Debug)]
pub(in crate::delivery) struct LeaseRequest {
    scheduler: Arc<Scheduler>,
    turn: Turn,
    room: Room,
    version: ClientsVersion,
}

/// How many slots of each kind, and how much buffer space, in deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) shared: u32,
    pub(super) reserved: u32,
    pub(super) buffer: u32,
}

impl Slot {
    pub(super) fn new(scheduler: &Arc<Scheduler>, client_id: &ClientId, kind: SlotKind) -> Self {
        Self { scheduler: Arc::clone(scheduler), client_id: client_id.clone(), kind }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.scheduler.with_state(|state| state.allocator.release_slots(&self.client_id, self.kind, 1));
        self.scheduler.wake();
    }
}

impl BufferSpace {
    pub(super) fn new(scheduler: &Arc<Scheduler>, client_id: &ClientId) -> Self {
        Self { scheduler: Arc::clone(scheduler), client_id: client_id.clone(), filled: false }
    }

    /// Puts the delivery into the buffer.
    pub(in crate::delivery) fn fill(mut self, delivery: LeasedDelivery) {
        self.filled = true;
        self.scheduler.with_state(|state| state.fill_buffer(delivery));
    }
}

impl Drop for BufferSpace {
    fn drop(&mut self) {
        if !self.filled {
            self.scheduler.with_state(|state| state.allocator.release_buffer(&self.client_id, 1));
        }
    }
}

impl LeaseRequest {
    pub(super) fn new(
        scheduler: &Arc<Scheduler>,
        (turn, room): (Turn, Room),
        version: ClientsVersion,
    ) -> Self {
        Self { scheduler: Arc::clone(scheduler), turn, room, version }
    }

    /// What to ask of the store.
    pub(in crate::delivery) fn turn(&self) -> &Turn {
        &self.turn
    }

    pub(super) fn client_id(&self) -> &ClientId {
        &self.turn.client_id
    }

    /// The version of the clients when it was made.
    pub(super) fn version(&self) -> ClientsVersion {
        self.version
    }

    /// Takes a place for a leased delivery: a slot if there is one that it may have, else buffer space.
    pub(super) fn take(&mut self, delivery: &LeasedDelivery) -> Option<Placement> {
        let slot = |kind| Some(Placement::Slot(Slot::new(&self.scheduler, &self.turn.client_id, kind)));
        if delivery.is_first_attempt() && take_one(&mut self.room.reserved) {
            return slot(SlotKind::Reserved);
        }
        if take_one(&mut self.room.shared) {
            return slot(SlotKind::Shared);
        }
        take_one(&mut self.room.buffer)
            .then(|| Placement::Buffer(BufferSpace::new(&self.scheduler, &self.turn.client_id)))
    }
}

impl Drop for LeaseRequest {
    fn drop(&mut self) {
        let Room { shared, reserved, buffer } = mem::take(&mut self.room);
        self.scheduler.with_state(|state| {
            let client_id = &self.turn.client_id;
            state.allocator.release_slots(client_id, SlotKind::Shared, shared);
            state.allocator.release_slots(client_id, SlotKind::Reserved, reserved);
            state.allocator.release_buffer(client_id, buffer);
        });
        if shared + reserved > 0 {
            self.scheduler.wake();
        }
    }
}

fn take_one(count: &mut u32) -> bool {
    let any = *count > 0;
    *count -= u32::from(any);
    any
}
