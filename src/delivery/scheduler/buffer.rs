//! The buffer: leased deliveries that wait in memory for a slot of their client.

use std::collections::{HashMap, VecDeque};

use crate::delivery::scheduler::allocator::{RETRIES_EVERY, SlotKind};
use crate::domain::ids::ClientId;
use crate::storage::LeasedDelivery;

/// The buffered deliveries, by client. How many there may be is the allocator's decision.
#[derive(Debug, Default)]
pub(super) struct Buffer(HashMap<ClientId, ClientBuffer>);

/// Those of one client, in the order in which they came.
#[derive(Debug, Default)]
struct ClientBuffer {
    first_attempts: VecDeque<LeasedDelivery>,
    retries: VecDeque<LeasedDelivery>,
    /// How often a shared slot was filled from here.
    turns: u32,
}

impl Buffer {
    pub(super) fn push(&mut self, delivery: LeasedDelivery) {
        let client = self.0.entry(delivery.intent.client_id.clone()).or_default();
        if delivery.is_first_attempt() {
            client.first_attempts.push_back(delivery);
        } else {
            client.retries.push_back(delivery);
        }
    }

    /// The next delivery of this client that may have a slot of this kind.
    pub(super) fn pop(&mut self, client_id: &ClientId, kind: SlotKind) -> Option<LeasedDelivery> {
        let client = self.0.get_mut(client_id)?;
        let delivery = client.pop(kind);
        if client.is_empty() {
            self.0.remove(client_id);
        }
        delivery
    }

    /// Removes and returns all deliveries of this client.
    pub(super) fn drain(&mut self, client_id: &ClientId) -> impl Iterator<Item = LeasedDelivery> {
        let ClientBuffer { first_attempts, retries, .. } = self.0.remove(client_id).unwrap_or_default();
        first_attempts.into_iter().chain(retries)
    }

    /// The clients with buffered deliveries.
    pub(super) fn clients(&self) -> Vec<ClientId> {
        self.0.keys().cloned().collect()
    }
}

impl ClientBuffer {
    fn pop(&mut self, kind: SlotKind) -> Option<LeasedDelivery> {
        if kind == SlotKind::Reserved {
            return self.first_attempts.pop_front();
        }
        self.turns = self.turns.wrapping_add(1);
        let (preferred, other) = if self.turns.is_multiple_of(RETRIES_EVERY) {
            (&mut self.retries, &mut self.first_attempts)
        } else {
            (&mut self.first_attempts, &mut self.retries)
        };
        preferred.pop_front().or_else(|| other.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.first_attempts.is_empty() && self.retries.is_empty()
    }
}
