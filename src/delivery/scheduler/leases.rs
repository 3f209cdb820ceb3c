//! The leases of this process.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::DeliveryId;
use crate::storage::{Lease, LeasedDelivery};

/// The leases of deliveries that are not settled yet.
#[derive(Debug, Default)]
pub(super) struct HeldLeases(HashMap<DeliveryId, Lease>);

impl HeldLeases {
    pub(super) fn hold(&mut self, leased: &[LeasedDelivery]) {
        self.0.extend(leased.iter().map(|delivery| (delivery.intent.id, delivery.lease)));
    }

    pub(super) fn holds(&self, id: DeliveryId, token: Uuid, now: Timestamp) -> bool {
        self.0.get(&id).is_some_and(|lease| lease.token == token && lease.until > now)
    }

    pub(super) fn ending_before(&self, before: Timestamp) -> Vec<(DeliveryId, Uuid)> {
        let ending = self.0.iter().filter(|(_, lease)| lease.until < before);
        ending.map(|(id, lease)| (*id, lease.token)).collect()
    }

    pub(super) fn extended(&mut self, ids: &[DeliveryId], until: Timestamp) {
        for id in ids {
            if let Some(lease) = self.0.get_mut(id) {
                lease.until = until;
            }
        }
    }

    /// A delivery that was leased again meanwhile, under another token, stays.
    pub(super) fn ended(&mut self, leases: impl IntoIterator<Item = (DeliveryId, Uuid)>) {
        for (id, token) in leases {
            if self.0.get(&id).is_some_and(|lease| lease.token == token) {
                self.0.remove(&id);
            }
        }
    }
}
