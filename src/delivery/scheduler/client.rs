//! A client's line: what it has under way, what waits for it, and how its relying party does.

use jiff::Timestamp;

use crate::delivery::scheduler::limits::Limits;
use crate::domain::breaker::Breaker;

/// What is known of one client.
#[derive(Debug, Default)]
pub(super) struct ClientState {
    /// When something of it is due, at the earliest.
    pub(super) due_at: Option<Timestamp>,
    /// Its slots.
    pub(super) shared: u32,
    pub(super) reserved: u32,
    /// Its seats, those included that are not taken yet.
    pub(super) seated: u32,
    /// How many of its deliveries sit there, and wait for slots.
    pub(super) ready: u32,
    pub(super) breaker: Breaker,
    /// Whether its RP has ever answered this process.
    pub(super) answered: bool,
    /// When it had its last turn, counted in turns of all.
    pub(super) last_turn: u64,
    pub(super) own_turns: u32,
}

impl ClientState {
    /// How many more attempts it may have under way.
    pub(super) fn room(&self, now: Timestamp, limits: &Limits) -> u32 {
        // One at a time for a stranger: it may hang, and many strangers together must not take all slots.
        let cap = if self.answered { limits.per_client } else { limits.per_client.min(1) };
        self.breaker.room(now, cap).saturating_sub(self.in_flight())
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.shared + self.reserved
    }

    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        self.ready > 0 || self.is_due(now)
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= now)
    }

    pub(super) fn reserved_room(&self, now: Timestamp, limits: &Limits) -> u32 {
        if !self.breaker.is_trusted() {
            return 0;
        }
        limits.reserve_per_client().saturating_sub(self.in_flight()).min(self.room(now, limits))
    }

    /// Whether what sits gets its turn soon: only behind an RP that works. Else it would only have to be
    /// taken back.
    pub(super) fn moves_on(&self) -> bool {
        self.answered && self.breaker.is_trusted()
    }

    pub(super) fn is_blank(&self) -> bool {
        let idle = self.due_at.is_none() && self.in_flight() + self.seated == 0;
        idle && !self.answered && self.breaker.is_trusted()
    }
}
