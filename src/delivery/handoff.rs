//! How the intake and the registry reach the delivery engine: the traits that they define, for the runner.

use super::runner::{Reservation, Runner};
use crate::domain::ids::ClientId;
use crate::intake::{Handoff, Reserved};
use crate::registry::ClientChanges;
use crate::storage::{Lease, LeasedDelivery};

impl Handoff for Runner {
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved> {
        Box::new(Self::reserve(self, clients))
    }

    fn queued(&self, clients: &[&ClientId]) {
        Self::queued(self, clients.iter().copied());
    }
}

impl Reserved for Reservation {
    fn leases(&self) -> Vec<Option<Lease>> {
        Self::leases(self)
    }

    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>) {
        Self::start(*self, deliveries);
    }
}

impl ClientChanges for Runner {
    fn changed(&self, client_id: &ClientId) {
        self.client_changed(client_id);
    }
}
