//! How many attempts may be under way, and which of them are kept for whom.

use crate::domain::breaker::BreakerRules;

/// How many attempts may be under way.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct Limits {
    /// At all.
    pub(in crate::delivery) total: u32,
    /// For one client.
    pub(in crate::delivery) per_client: u32,
    /// How many deliveries may wait for a slot in memory.
    pub(in crate::delivery) seats: u32,
    /// When a client's deliveries wait.
    pub(in crate::delivery) breaker: BreakerRules,
}

impl Limits {
    /// The slots that retries, clients whose last attempt failed and clients that have many already never
    /// get: whoever hangs, a first attempt for a relying party that works finds room.
    pub(super) fn reserve(&self) -> u32 {
        self.total / 4
    }

    /// With how many slots of any kind a client has had its part, and gets none of these: it may be about
    /// to hang too.
    pub(super) fn reserve_per_client(&self) -> u32 {
        (self.per_client / 4).max(1)
    }

    pub(super) fn shared(&self) -> u32 {
        self.total - self.reserve()
    }

    pub(super) fn seats_per_client(&self) -> u32 {
        self.seats / 2
    }
}
