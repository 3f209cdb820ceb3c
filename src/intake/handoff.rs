//! How new deliveries reach the scheduler as they are stored: those with a free slot are leased in the same transaction
//! and need no other query.
//!
//! The composition root connects these traits with the scheduler.

use crate::domain::ids::ClientId;
use crate::storage::{Lease, LeasedDelivery};

/// Takes new deliveries.
pub trait Handoff: Send + Sync + 'static {
    /// Reserves a slot for a first attempt at a delivery to each of these clients, before the deliveries are stored.
    fn reserve(&self, clients: &[&ClientId]) -> Box<dyn Reserved>;

    /// Deliveries to these clients were stored without a lease.
    fn queued(&self, clients: &[&ClientId]);
}

/// Reserved slots. Dropping them frees them.
pub trait Reserved: Send {
    /// The lease to store each delivery with; `None` for one without a slot.
    fn leases(&self) -> Vec<Option<Lease>>;

    /// Starts attempts: the deliveries that have a lease are stored, in this order.
    fn start(self: Box<Self>, deliveries: Vec<LeasedDelivery>);
}
