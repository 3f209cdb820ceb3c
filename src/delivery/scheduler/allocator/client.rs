//! What the allocator knows of one client.

use jiff::Timestamp;

use super::SlotKind;
use crate::delivery::scheduler::limits::Limits;
use crate::domain::breaker::Breaker;
use crate::storage::DueTimes;

/// A client of which nothing is known is as [`Default`] says, and needs no entry.
#[derive(Debug, Default)]
pub(super) struct ClientState {
    /// When something of it may be due in the store: never later than it really is.
    pub(super) due: DueTimes,
    /// The slots of each kind that it has.
    pub(super) shared: u32,
    pub(super) reserved: u32,
    /// Its buffer space, in deliveries.
    pub(super) buffer_space: u32,
    /// How many deliveries are in it, and how many of these are first attempts.
    pub(super) buffered: u32,
    pub(super) buffered_first_attempts: u32,
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

    /// How many more slots of this kind it may have.
    pub(super) fn free_slots(&self, kind: SlotKind, now: Timestamp, limits: &Limits) -> u32 {
        // Attempts of an unproven client may all hang, and many such clients must not occupy all slots.
        let cap = if self.proven { limits.per_client } else { limits.per_client.min(1) };
        let free = self.breaker.permits(now, cap).saturating_sub(self.in_flight());
        match kind {
            SlotKind::Shared => free,
            SlotKind::Reserved if self.breaker.is_healthy() => {
                free.min(limits.reserved_per_client().saturating_sub(self.in_flight()))
            }
            SlotKind::Reserved => 0,
        }
    }

    /// How many more slots of this kind it can use.
    pub(super) fn demand(&self, kind: SlotKind, now: Timestamp, limits: &Limits) -> u32 {
        let free = self.free_slots(kind, now, limits);
        // How many are due in the store is not known; how many are buffered is.
        if self.is_due(kind, now) { free } else { free.min(self.buffered(kind)) }
    }

    /// When it can use one more slot of this kind, at the earliest, unless it releases slots before that.
    pub(super) fn next_demand(&self, kind: SlotKind, now: Timestamp, limits: &Limits) -> Option<Timestamp> {
        let at = if self.buffered(kind) > 0 { now } else { self.due_at(kind)? };
        let at = at.max(self.breaker.open_until().unwrap_or(at));
        (self.free_slots(kind, at, limits) > 0).then_some(at)
    }

    /// How many deliveries are buffered that may have a slot of this kind.
    pub(super) fn buffered(&self, kind: SlotKind) -> u32 {
        match kind {
            SlotKind::Shared => self.buffered,
            SlotKind::Reserved => self.buffered_first_attempts,
        }
    }

    /// Whether its deliveries may be buffered. Those of a client that fails would wait there for long.
    pub(super) fn may_buffer(&self) -> bool {
        self.proven && self.breaker.is_healthy()
    }

    /// When something may be due in the store that may have a slot of this kind.
    pub(super) fn due_at(&self, kind: SlotKind) -> Option<Timestamp> {
        match kind {
            SlotKind::Shared => self.due.earliest(),
            SlotKind::Reserved => self.due.first_attempt,
        }
    }

    pub(super) fn is_due(&self, kind: SlotKind, now: Timestamp) -> bool {
        self.due_at(kind).is_some_and(|due_at| due_at <= now)
    }

    /// Whether it need not be remembered.
    pub(super) fn is_default(&self) -> bool {
        let idle = self.due == DueTimes::default() && self.in_flight() + self.buffer_space == 0;
        idle && !self.proven && self.breaker.is_healthy()
    }
}
