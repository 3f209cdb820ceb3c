//! How many attempts may be in flight, and how many deliveries buffered.

use crate::domain::breaker::BreakerRules;

/// The limits of one process.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct Limits {
    /// How many slots there are.
    pub(in crate::delivery) total: u32,
    /// How many of them one client may have.
    pub(in crate::delivery) per_client: u32,
    /// How many deliveries may be buffered.
    pub(in crate::delivery) buffer: u32,
    /// When circuit breakers open.
    pub(in crate::delivery) breaker: BreakerRules,
}

impl Limits {
    /// The slots that any attempt may have.
    pub(super) fn shared(&self) -> u32 {
        self.total - self.reserved()
    }

    /// The slots that only first attempts of healthy clients with few attempts in flight may have: they stay
    /// available when all shared slots are occupied by attempts that hang.
    pub(super) fn reserved(&self) -> u32 {
        self.total / 4
    }

    /// A client with this many slots of any kind gets no reserved one: its attempts may be about to hang as well.
    pub(super) fn reserved_per_client(&self) -> u32 {
        (self.per_client / 4).max(1)
    }

    /// How many deliveries of one client may be buffered.
    pub(super) fn buffer_per_client(&self) -> u32 {
        self.buffer / 2
    }
}
