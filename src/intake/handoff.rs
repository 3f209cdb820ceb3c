//! Where new deliveries go as they are stored: straight to whoever attempts them, where there is room.
//!
//! What this is in the running service, the composition root says; the door only needs these two traits.

use crate::domain::ids::ClientId;
use crate::storage::{Lease, LeasedDelivery};

/// Takes new deliveries on.
pub trait Handoff: Send + Sync + 'static {
    /// Asks for room for a first attempt at a delivery to each of these clients, before they are stored.
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved>;

    /// Deliveries to these clients were stored for which there was no room.
    fn queued(&self, clients: &[&ClientId]);
}

/// Room that was made. It is given up when this is dropped.
pub trait Reserved: Send {
    /// The lease to store each delivery with; `None` where there is no room.
    fn leases(&self) -> Vec<Option<Lease>>;

    /// The deliveries that have a lease are stored, in this order: they may be attempted.
    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>);
}
