//! All that is under the scheduler's lock: the allocator, the buffer and the leases, kept in step. Pure.

use jiff::Timestamp;

use crate::delivery::scheduler::allocator::{Allocator, Grant, Place, SlotKind, Source};
use crate::delivery::scheduler::buffer::Buffer;
use crate::delivery::scheduler::leases::HeldLeases;
use crate::delivery::scheduler::limits::Limits;
use crate::delivery::scheduler::permit::Room;
use crate::domain::ids::ClientId;
use crate::storage::{DueTimes, LeasedDelivery, Turn};

#[derive(Debug)]
pub(super) struct State {
    pub(super) allocator: Allocator,
    pub(super) leases: HeldLeases,
    buffer: Buffer,
    /// To be returned to the store.
    returned: Vec<LeasedDelivery>,
    clients_version: ClientsVersion,
    closed: bool,
}

/// Counts the changes of clients: what was leased at an earlier version may have a client's old settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct ClientsVersion(u64);

/// What is to be done now. The slots and the buffer space of all of it are taken.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Deliveries from the buffer.
    pub(super) ready: Vec<(LeasedDelivery, SlotKind)>,
    /// What is to be leased, with the room that is taken for it.
    pub(super) turns: Vec<(Turn, Room)>,
    pub(super) version: ClientsVersion,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            allocator: Allocator::new(limits),
            leases: HeldLeases::default(),
            buffer: Buffer::default(),
            returned: Vec::new(),
            clients_version: ClientsVersion::default(),
            closed: false,
        }
    }

    /// See [`Scheduler::close`](super::Scheduler::close).
    pub(super) fn close(&mut self) {
        self.closed = true;
        for client_id in self.buffer.clients() {
            self.return_buffered(&client_id);
        }
    }

    /// A slot or buffer space for a new delivery.
    pub(super) fn place(&mut self, client_id: &ClientId, now: Timestamp) -> Option<Place> {
        if self.closed { None } else { self.allocator.place(client_id, now) }
    }

    pub(super) fn plan(&mut self, now: Timestamp) -> Plan {
        let mut plan = Plan { version: self.clients_version, ..Plan::default() };
        if self.closed {
            return plan;
        }
        for grant in self.allocator.plan_turns(now) {
            match grant.source {
                Source::Store(order) => {
                    let Grant { client_id, shared, reserved, buffer, .. } = grant;
                    let turn = Turn { client_id, any: shared + buffer, first: reserved, order };
                    plan.turns.push((turn, Room { shared, reserved, buffer }));
                }
                Source::Buffer => self.fill_slots(&grant, &mut plan.ready),
            }
        }
        plan
    }

    /// Gives the slots of a grant to buffered deliveries; those for which there is none are free again.
    fn fill_slots(&mut self, grant: &Grant, ready: &mut Vec<(LeasedDelivery, SlotKind)>) {
        for (kind, count) in [(SlotKind::Shared, grant.shared), (SlotKind::Reserved, grant.reserved)] {
            for _ in 0..count {
                match self.buffer.pop(&grant.client_id, kind) {
                    Some(delivery) => {
                        self.allocator.remove_buffered(&grant.client_id, delivery.is_first_attempt());
                        ready.push((delivery, kind));
                    }
                    None => self.allocator.release_slots(&grant.client_id, kind, 1),
                }
            }
        }
    }

    /// See [`Scheduler::accept`](super::Scheduler::accept).
    pub(super) fn accept(
        &mut self,
        deliveries: Vec<LeasedDelivery>,
        version: ClientsVersion,
    ) -> Vec<LeasedDelivery> {
        self.leases.hold(&deliveries);
        if self.clients_version == version {
            return deliveries;
        }
        self.return_to_store(deliveries);
        Vec::new()
    }

    /// Puts a delivery into the buffer space that was taken for it.
    pub(super) fn fill_buffer(&mut self, delivery: LeasedDelivery) {
        self.allocator.fill_buffer(&delivery.intent.client_id, delivery.is_first_attempt());
        self.buffer.push(delivery);
    }

    pub(super) fn clients_version(&self) -> ClientsVersion {
        self.clients_version
    }

    /// See [`Scheduler::client_changed`](super::Scheduler::client_changed).
    pub(super) fn client_changed(&mut self, client_id: &ClientId, now: Timestamp) {
        self.clients_version.0 += 1;
        self.return_buffered(client_id);
        // It may have been enabled.
        self.allocator.note_due(client_id, DueTimes::either(now));
    }

    /// See [`Scheduler::failed`](super::Scheduler::failed).
    pub(super) fn failed(
        &mut self,
        client_id: &ClientId,
        answered: bool,
        now: Timestamp,
        jitter: f64,
    ) -> bool {
        let opened = self.allocator.failed(client_id, answered, now, jitter);
        if opened {
            self.return_buffered(client_id);
        }
        opened
    }

    /// Has leased deliveries returned to the store, due as they were.
    pub(super) fn return_to_store(&mut self, deliveries: impl IntoIterator<Item = LeasedDelivery>) {
        self.returned.extend(deliveries);
    }

    pub(super) fn take_returned(&mut self) -> Vec<LeasedDelivery> {
        std::mem::take(&mut self.returned)
    }

    fn return_buffered(&mut self, client_id: &ClientId) {
        for delivery in self.buffer.drain(client_id) {
            self.allocator.remove_buffered(client_id, delivery.is_first_attempt());
            self.returned.push(delivery);
        }
    }
}
