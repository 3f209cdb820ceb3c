//! Turns: how free slots are shared among the clients that have something to do.

use jiff::Timestamp;

use super::fair_shares::fair_shares;
use super::{Allocator, ClientState, SlotKind};
use crate::domain::ids::ClientId;
use crate::storage::{DueTimes, Order};

/// One in this many turns of a client begins with its retries, in the store and in the buffer.
pub(in crate::delivery::scheduler) const RETRIES_EVERY: u32 = 4;

/// How many deliveries are leased for the buffer in one turn, at most: this for each slot that a client may have.
const BUFFERED_PER_SLOT: u32 = 64;

/// A client's turn: the slots and the buffer space that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::delivery::scheduler) struct Grant {
    pub(in crate::delivery::scheduler) client_id: ClientId,
    /// Slots for any attempt.
    pub(in crate::delivery::scheduler) shared: u32,
    /// Slots for first attempts.
    pub(in crate::delivery::scheduler) reserved: u32,
    /// Space for more of what is due in the store.
    pub(in crate::delivery::scheduler) buffer: u32,
    /// Where the deliveries for these slots are.
    pub(in crate::delivery::scheduler) source: Source,
}

/// Where the deliveries are that slots are granted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery::scheduler) enum Source {
    /// In the buffer.
    Buffer,
    /// Due in the store.
    Store(Order),
}

/// A client that has something to do and may have slots.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    client_id: &'a ClientId,
    client: &'a ClientState,
    /// How many shared slots it can use, at least one.
    demand: u32,
}

impl Allocator {
    /// Gives the free slots to the clients with something to do, in the order of their last turns. Where a grant is
    /// for the store, the client's due times are forgotten, and are to be noted again when the store was asked.
    pub(in crate::delivery::scheduler) fn plan_turns(&mut self, now: Timestamp) -> Vec<Grant> {
        let candidates = self.candidates(now);
        let demands: Vec<u32> = candidates.iter().map(|it| it.demand).collect();
        let shared = fair_shares(&demands, self.shared_free());
        let reserved = self.reserved_shares(&candidates, &shared, now);
        let granted: Vec<(ClientId, u32, u32)> = candidates
            .iter()
            .zip(shared.into_iter().zip(reserved))
            .filter(|(_, (shared, reserved))| shared + reserved > 0)
            .map(|(candidate, (shared, reserved))| (candidate.client_id.clone(), shared, reserved))
            .collect();
        let grant = |(client_id, shared, reserved)| self.grant(client_id, shared, reserved, now);
        granted.into_iter().map(grant).collect()
    }

    fn candidates<'a>(&'a self, now: Timestamp) -> Vec<Candidate<'a>> {
        let candidate = |(client_id, client): (&'a ClientId, &'a ClientState)| Candidate {
            client_id,
            client,
            demand: client.demand(SlotKind::Shared, now, &self.limits),
        };
        let mut candidates: Vec<_> =
            self.clients.iter().map(candidate).filter(|candidate| candidate.demand > 0).collect();
        candidates.sort_by_key(|it| (it.client.last_turn, it.client.due.earliest(), it.client_id));
        candidates
    }

    /// The shares of the reserved slots, for clients with first attempts to make and few of the other slots.
    fn reserved_shares(&self, candidates: &[Candidate<'_>], shared: &[u32], now: Timestamp) -> Vec<u32> {
        // Clients without a shared slot come first; the others get what is left.
        let demands = |served: bool| -> Vec<u32> {
            let demand = |(candidate, shared): (&Candidate<'_>, &u32)| {
                if (*shared > 0) != served {
                    return 0;
                }
                candidate.client.demand(SlotKind::Reserved, now, &self.limits).saturating_sub(*shared)
            };
            candidates.iter().zip(shared).map(demand).collect()
        };
        let unserved = fair_shares(&demands(false), self.reserved_free());
        let left = self.reserved_free() - unserved.iter().sum::<u32>();
        let served = fair_shares(&demands(true), left);
        unserved.into_iter().zip(served).map(|(unserved, served)| unserved + served).collect()
    }

    fn grant(&mut self, client_id: ClientId, shared: u32, reserved: u32, now: Timestamp) -> Grant {
        self.take_slots(&client_id, SlotKind::Shared, shared);
        self.take_slots(&client_id, SlotKind::Reserved, reserved);
        self.turns += 1;
        let (turns, limits, buffer_free) = (self.turns, self.limits, self.buffer_free());
        let client = self.client(&client_id);
        client.last_turn = turns;
        client.own_turns = client.own_turns.wrapping_add(1);
        // A probe is made with a retry where there is one. New deliveries keep their first attempt for an RP that works.
        let retries_first =
            client.own_turns.is_multiple_of(RETRIES_EVERY) || client.breaker.open_until().is_some();
        let kind = if shared > 0 { SlotKind::Shared } else { SlotKind::Reserved };
        let source = if retries_first && shared > 0 && client.is_due(kind, now) {
            Source::Store(Order::Retries)
        } else if client.buffered(kind) > 0 {
            Source::Buffer
        } else {
            Source::Store(Order::FirstAttempts)
        };
        let mut buffer = 0;
        if source != Source::Buffer {
            client.due = DueTimes::default();
            if client.may_buffer() {
                let own_free = limits.buffer_per_client().saturating_sub(client.buffer_space);
                let most = limits.per_client.saturating_mul(BUFFERED_PER_SLOT);
                buffer = own_free.min(buffer_free).min(most);
                self.take_buffer(&client_id, buffer);
            }
        }
        Grant { client_id, shared, reserved, buffer, source }
    }
}
