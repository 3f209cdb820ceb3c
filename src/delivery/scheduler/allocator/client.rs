//! What the allocator knows of one client.

use jiff::Timestamp;

use crate::delivery::scheduler::limits::Limits;
use crate::domain::breaker::Breaker;

/// A client of which nothing is known is as [`Default`] says, and needs no entry.
#[derive(Debug, Default)]
pub(super) struct ClientState {
    /// When something of it may be due in the store: never later than it really is.
    pub(super) due_at: Option<Timestamp>,
    /// The slots of each kind that it has.
    pub(super) shared: u32,
    pub(super) reserved: u32,
    /// Its buffer space, in deliveries.
    pub(super) buffer_space: u32,
    /// How many deliveries are in it.
    pub(super) buffered: u32,
    pub(super) breaker: Breaker,
    /// Whether its RP has answered since this process started.
    pub(super) proven: bool,
    /// The number of its last turn, among the turns of all clients.
    pub(super) last_turn: u64,
    /// How many turns it has had.
    pub(super) own_turns: u32,
}

impl ClientState {
    pub(super) fn in_flight(&self) -> u32 {
        self.shared + self.reserved
    }

    /// How many more slots it may have.
    pub(super) fn free_slots(&self, now: Timestamp, limits: &Limits) -> u32 {
        // Attempts of an unproven client may all hang, and many such clients must not occupy all slots.
        let cap = if self.proven { limits.per_client } else { limits.per_client.min(1) };
        self.breaker.permits(now, cap).saturating_sub(self.in_flight())
    }

    /// How many more reserved slots it may have.
    pub(super) fn free_reserved_slots(&self, now: Timestamp, limits: &Limits) -> u32 {
        if !self.breaker.is_healthy() {
            return 0;
        }
        limits.reserved_per_client().saturating_sub(self.in_flight()).min(self.free_slots(now, limits))
    }

    /// Whether its deliveries may be buffered. Those of a client that fails would wait there for long.
    pub(super) fn may_buffer(&self) -> bool {
        self.proven && self.breaker.is_healthy()
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= now)
    }

    /// Whether it need not be remembered.
    pub(super) fn is_default(&self) -> bool {
        let idle = self.due_at.is_none() && self.in_flight() + self.buffer_space == 0;
        idle && !self.proven && self.breaker.is_healthy()
    }
}
