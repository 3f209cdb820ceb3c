//! Whose turn it is: what is due for which client, and how many attempts each may have under way. Pure.
//!
//! An attempt takes a slot. Deliveries for which there is none may take a seat: they are leased all the same,
//! and wait in memory. The rest waits in the store, which is the memory of what is to be done; what
//! stands here about that are hints, which may be too early and never too late. A client of which nothing is
//! known has no line here.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::delivery::scheduler::client::ClientState;
use crate::delivery::scheduler::fair_shares::fair_shares;
use crate::delivery::scheduler::limits::Limits;
use crate::domain::breaker::{Breaker, OpenBreaker};
use crate::domain::ids::ClientId;
use crate::storage::Order;

/// One in so many turns of a client begins with its retries, in the store and among those that sit.
pub(super) const RETRIES_EVERY: u32 = 4;

/// How many more deliveries than a client can have under way are leased at once, at the most.
const SEATS_PER_SLOT: u32 = 64;

/// What a slot may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// Any attempt.
    Shared,
    /// First attempts of clients whose last attempt went well, and which have few under way.
    Reserved,
}

/// Where a new delivery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is attempted at once.
    Slot(SlotKind),
    /// It waits in memory for a slot.
    Seat,
}

/// Slots that are granted to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) client_id: ClientId,
    /// Of the kind for any attempt.
    pub(super) any: u32,
    /// Of the kind for first attempts.
    pub(super) first: u32,
    /// What they are for.
    pub(super) source: Source,
    /// Seats for more of what is due in the store: leasing many at once costs little more than leasing few.
    pub(super) seats: u32,
}

/// Where the deliveries are that slots are granted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Seated: in memory.
    Seats,
    /// Due in the store.
    Store(Order),
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Allocator {
    limits: Limits,
    lines: HashMap<ClientId, ClientState>,
    shared: u32,
    reserved: u32,
    seated: u32,
    turns: u64,
    /// Breakers that opened or closed since they were last asked for.
    changed: BTreeMap<ClientId, Option<OpenBreaker>>,
}

impl Allocator {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: HashMap::new(),
            shared: 0,
            reserved: 0,
            seated: 0,
            turns: 0,
            changed: BTreeMap::new(),
        }
    }

    /// Something of this client is due at this time, or may be.
    pub(super) fn note_due(&mut self, client_id: &ClientId, due_at: Timestamp) {
        let line = self.line(client_id);
        line.due_at = Some(line.due_at.map_or(due_at, |known| known.min(due_at)));
    }

    /// A breaker that an earlier process left open.
    pub(super) fn restore(&mut self, client_id: &ClientId, breaker: OpenBreaker) {
        self.line(client_id).breaker = Breaker::Open(breaker);
    }

    /// Makes room for a new delivery, if there is any: a slot, or a seat behind those that sit already.
    pub(super) fn take(&mut self, client_id: &ClientId, now: Timestamp) -> Option<Place> {
        let limits = self.limits;
        let (shared_free, reserved_free) = (self.shared_free(), self.reserved_free());
        let seats_free = limits.seats.saturating_sub(self.seated);
        let line = self.line(client_id);
        let first_in_line = line.seated == 0 && line.room(now, &limits) > 0;
        let place = if first_in_line && shared_free > 0 {
            Some(Place::Slot(SlotKind::Shared))
        } else if first_in_line && reserved_free > 0 && line.reserved_room(now, &limits) > 0 {
            Some(Place::Slot(SlotKind::Reserved))
        } else {
            let free = seats_free > 0 && line.seated < limits.seats_per_client();
            (line.moves_on() && free).then_some(Place::Seat)
        };
        match place {
            Some(Place::Slot(kind)) => self.occupy(client_id, kind, 1),
            Some(Place::Seat) => {
                self.line(client_id).seated += 1;
                self.seated += 1;
            }
            None => self.forget_if_blank(client_id),
        }
        place
    }

    /// A delivery sits down on the seat that was taken for it.
    pub(super) fn sit(&mut self, client_id: &ClientId) {
        self.line(client_id).ready += 1;
    }

    /// A seat is free again: of a delivery that sat there, or that never came.
    pub(super) fn leave_seat(&mut self, client_id: &ClientId, sat: bool) {
        let line = self.line(client_id);
        line.seated -= 1;
        line.ready -= u32::from(sat);
        self.seated -= 1;
        self.forget_if_blank(client_id);
    }

    /// Gives the slots that are free to the clients with something to do, the one whose last turn is the
    /// longest ago first. Slots and seats are taken by this; whoever does not use one has to give it back. What
    /// was known to be due in the store is forgotten where that is asked, and has to be noted again.
    pub(super) fn plan_turns(&mut self, now: Timestamp) -> Vec<Grant> {
        let limits = self.limits;
        let mut waiting: Vec<(&ClientId, &ClientState)> =
            self.lines.iter().filter(|(_, line)| line.has_work(now) && line.room(now, &limits) > 0).collect();
        waiting.sort_by_key(|(client_id, line)| (line.last_turn, line.due_at, *client_id));

        let wish = |line: &ClientState| {
            let room = line.room(now, &limits);
            // How much is due in the store is not known; how many sit is.
            if line.is_due(now) { room } else { room.min(line.ready) }
        };
        let wishes: Vec<u32> = waiting.iter().map(|(_, line)| wish(line)).collect();
        let any = fair_shares(&wishes, self.shared_free());
        let first = self.reserved_shares(&waiting, &wishes, &any, now);

        let granted: Vec<(ClientId, u32, u32)> = waiting
            .iter()
            .zip(any.into_iter().zip(first))
            .filter(|(_, (any, first))| any + first > 0)
            .map(|((client_id, _), (any, first))| ((*client_id).clone(), any, first))
            .collect();
        granted.into_iter().map(|(client_id, any, first)| self.grant(client_id, any, first, now)).collect()
    }

    /// The reserved slots, for those that have few of the others.
    fn reserved_shares(
        &self,
        due: &[(&ClientId, &ClientState)],
        rooms: &[u32],
        any: &[u32],
        now: Timestamp,
    ) -> Vec<u32> {
        // Those that got nothing first: for the others the reserve is only what is left.
        let wishes = |served: bool| -> Vec<u32> {
            let wish = |index: usize| {
                if (any[index] > 0) != served {
                    return 0;
                }
                let part = due[index].1.reserved_room(now, &self.limits).saturating_sub(any[index]);
                part.min(rooms[index] - any[index])
            };
            (0..due.len()).map(wish).collect()
        };
        let unserved = fair_shares(&wishes(false), self.reserved_free());
        let left = self.reserved_free() - unserved.iter().sum::<u32>();
        let served = fair_shares(&wishes(true), left);
        unserved.into_iter().zip(served).map(|(unserved, served)| unserved + served).collect()
    }

    fn grant(&mut self, client_id: ClientId, any: u32, first: u32, now: Timestamp) -> Grant {
        self.occupy(&client_id, SlotKind::Shared, any);
        self.occupy(&client_id, SlotKind::Reserved, first);
        self.turns += 1;
        let turns = self.turns;
        let limits = self.limits;
        let seats_free = limits.seats.saturating_sub(self.seated);
        let line = self.line(&client_id);
        line.last_turn = turns;
        line.own_turns = line.own_turns.wrapping_add(1);
        // A probe is made with a delivery that has failed before, where there is one: new ones keep their
        // first attempt for when it is of use.
        let retries = line.own_turns.is_multiple_of(RETRIES_EVERY) || line.breaker.open_until().is_some();
        let source = match (retries && any > 0 && line.is_due(now), line.ready > 0) {
            (true, _) => Source::Store(Order::Retries),
            (false, true) => Source::Seats,
            (false, false) => Source::Store(Order::FirstAttempts),
        };
        let mut seats = 0;
        if source != Source::Seats {
            line.due_at = None;
            if line.moves_on() {
                let own = limits.seats_per_client().saturating_sub(line.seated);
                seats = own.min(seats_free).min(limits.per_client.saturating_mul(SEATS_PER_SLOT));
                line.seated += seats;
                self.seated += seats;
            }
        }
        Grant { client_id, any, first, source, seats }
    }

    /// A slot is free again.
    pub(super) fn give_back(&mut self, client_id: &ClientId, kind: SlotKind) {
        let line = self.line(client_id);
        match kind {
            SlotKind::Shared => {
                line.shared -= 1;
                self.shared -= 1;
            }
            SlotKind::Reserved => {
                line.reserved -= 1;
                self.reserved -= 1;
            }
        }
        self.forget_if_blank(client_id);
    }

    /// A client's RP answered.
    pub(super) fn answered(&mut self, client_id: &ClientId) {
        self.line(client_id).answered = true;
        self.set_breaker(client_id, Breaker::answered);
    }

    /// An attempt failed recoverably, with an answer or without. Returns whether the client's breaker opened
    /// by that.
    pub(super) fn failed(
        &mut self,
        client_id: &ClientId,
        answered: bool,
        now: Timestamp,
        jitter: f64,
    ) -> bool {
        let rules = self.limits.breaker;
        let line = self.line(client_id);
        line.answered |= answered;
        let before = line.breaker.open_until();
        self.set_breaker(client_id, |breaker| breaker.failed(&rules, now, jitter));
        let after = self.line(client_id).breaker.open_until();
        after.is_some() && before != after
    }

    fn set_breaker(&mut self, client_id: &ClientId, change: impl FnOnce(Breaker) -> Breaker) {
        let line = self.line(client_id);
        let before = line.breaker;
        line.breaker = change(before);
        let after = line.breaker;
        if before.open_until() != after.open_until() {
            let open = match after {
                Breaker::Closed { .. } => None,
                Breaker::Open(open) => Some(open),
            };
            self.changed.insert(client_id.clone(), open);
        }
    }

    /// The breakers that opened or closed since this was last called, to be stored.
    pub(super) fn take_changed_breakers(&mut self) -> BTreeMap<ClientId, Option<OpenBreaker>> {
        std::mem::take(&mut self.changed)
    }

    /// They could not be stored.
    pub(super) fn return_changed_breakers(&mut self, changed: BTreeMap<ClientId, Option<OpenBreaker>>) {
        for (client_id, breaker) in changed {
            self.changed.entry(client_id).or_insert(breaker);
        }
    }

    /// The clock was set back: what was due at some time is due that much earlier by it.
    pub(super) fn bring_forward(&mut self, by: std::time::Duration, now: Timestamp) {
        let earlier = |time: Timestamp| {
            let time = time.saturating_sub(by).expect("a std Duration has no calendar units");
            time.max(now)
        };
        for line in self.lines.values_mut() {
            line.due_at = line.due_at.map(|due_at| due_at.min(earlier(due_at)));
            if let Breaker::Open(open) = line.breaker {
                line.breaker =
                    Breaker::Open(OpenBreaker { until: open.until.min(earlier(open.until)), ..open });
            }
        }
    }

    /// When it is worth planning turns again, unless a slot is given back before that.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |line: &ClientState| {
            let at = if line.ready > 0 { now } else { line.due_at? };
            let at = at.max(line.breaker.open_until().unwrap_or(at));
            // Where there is no slot that it could have, it waits for one to come back.
            let any = self.shared_free() > 0 && line.room(at, &self.limits) > 0;
            let reserved = self.reserved_free() > 0 && line.reserved_room(at, &self.limits) > 0;
            (any || reserved).then_some(at)
        };
        self.lines.values().filter_map(due).min()
    }

    /// How many attempts are under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.shared + self.reserved
    }

    /// The breakers that are not closed, or have counted failures.
    pub(super) fn breakers(&self) -> impl Iterator<Item = (&ClientId, Breaker)> {
        self.lines.iter().filter(|(_, line)| !line.breaker.is_trusted()).map(|(id, line)| (id, line.breaker))
    }

    fn shared_free(&self) -> u32 {
        self.limits.shared().saturating_sub(self.shared)
    }

    fn reserved_free(&self) -> u32 {
        self.limits.reserve().saturating_sub(self.reserved)
    }

    fn occupy(&mut self, client_id: &ClientId, kind: SlotKind, slots: u32) {
        let line = self.line(client_id);
        match kind {
            SlotKind::Shared => {
                line.shared += slots;
                self.shared += slots;
            }
            SlotKind::Reserved => {
                line.reserved += slots;
                self.reserved += slots;
            }
        }
    }

    fn line(&mut self, client_id: &ClientId) -> &mut ClientState {
        if !self.lines.contains_key(client_id) {
            self.lines.insert(client_id.clone(), ClientState::default());
        }
        self.lines.get_mut(client_id).expect("it was just made")
    }

    fn forget_if_blank(&mut self, client_id: &ClientId) {
        if self.lines.get(client_id).is_some_and(ClientState::is_blank) {
            self.lines.remove(client_id);
        }
    }
}

#[cfg(test)]
mod tests;
