//! A model of the queue: in memory, one delivery at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::domain::delivery::State;
use logoutd::storage::{DueTimes, Order};
use uuid::Uuid;

/// A delivery, as far as the queue is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub client: usize,
    pub state: State,
    pub attempts: u32,
    pub failures: u32,
    pub redeliveries: u32,
    pub outcome_unknown: bool,
    pub due_at: Timestamp,
    pub expires_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    pub lease: Option<(Uuid, Timestamp)>,
}

impl Delivery {
    fn is_first_attempt(&self) -> bool {
        self.failures + self.redeliveries == 0
    }

    pub fn settle(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.settled_at = Some(now);
        self.lease = None;
    }
}

/// A client, and what an operator set.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Client {
    pub registered: bool,
    pub subscribed: bool,
    pub enabled: bool,
    /// Its RP answered 410 since.
    pub gone: bool,
}

impl Client {
    pub fn is_subscribed(self) -> bool {
        self.registered && self.subscribed && !self.gone
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    pub deliveries: BTreeMap<Uuid, Delivery>,
    pub clients: Vec<Client>,
}

impl Model {
    /// The deliveries leased in one turn of a client, in order.
    pub fn lease(
        &mut self,
        client: usize,
        any: u32,
        first: u32,
        order: Order,
        lease: (Uuid, Timestamp),
        now: Timestamp,
    ) -> Vec<Uuid> {
        if !self.clients[client].is_subscribed() || !self.clients[client].enabled {
            return Vec::new();
        }
        let mut taken = Vec::new();
        let kinds = match order {
            Order::FirstAttempts => [true, false],
            Order::Retries => [false, true],
        };
        for first_attempts in kinds {
            let most = if first_attempts { any + first } else { any };
            let mut due: Vec<(Timestamp, Uuid)> = self
                .deliveries
                .iter()
                .filter(|(_, it)| it.client == client && it.state == State::Pending && it.due_at <= now)
                .filter(|(_, it)| it.is_first_attempt() == first_attempts)
                .map(|(id, it)| (it.due_at, *id))
                .collect();
            due.sort();
            let room = (most as usize).saturating_sub(taken.len());
            taken.extend(due.into_iter().take(room).map(|(_, id)| id));
        }
        for id in &taken {
            let delivery = self.deliveries.get_mut(id).unwrap();
            delivery.state = State::InFlight;
            delivery.lease = Some(lease);
        }
        taken
    }

    /// When the pending deliveries of a client are due.
    pub fn due_times(&self, client: usize) -> DueTimes {
        let pending =
            || self.deliveries.values().filter(|it| it.client == client && it.state == State::Pending);
        let earliest = |first_attempts: bool| {
            pending().filter(|it| it.is_first_attempt() == first_attempts).map(|it| it.due_at).min()
        };
        DueTimes { first_attempt: earliest(true), retry: earliest(false) }
    }

    /// The delivery, if this lease of it still holds.
    pub fn held(&mut self, id: Uuid, token: Uuid) -> Option<&mut Delivery> {
        self.deliveries.get_mut(&id).filter(|it| it.lease.is_some_and(|(held, _)| held == token))
    }

    /// Puts a leased delivery back, or discards it if its client is no longer subscribed.
    pub fn put_back(&mut self, id: Uuid, now: Timestamp) {
        let subscribed = self.clients[self.deliveries[&id].client].is_subscribed();
        let delivery = self.deliveries.get_mut(&id).unwrap();
        if subscribed {
            delivery.state = State::Pending;
            delivery.lease = None;
        } else {
            delivery.settle(State::Discarded, now);
        }
    }

    /// Takes back the leases that ended before a time.
    pub fn reclaim(&mut self, ended_before: Timestamp, now: Timestamp) {
        let ended: Vec<Uuid> = self
            .deliveries
            .iter()
            .filter(|(_, it)| it.lease.is_some_and(|(_, until)| until <= ended_before))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let delivery = self.deliveries.get_mut(&id).unwrap();
            delivery.due_at = now;
            delivery.outcome_unknown = true;
            self.put_back(id, now);
        }
    }

    pub fn expire(&mut self, now: Timestamp) {
        for delivery in self.deliveries.values_mut() {
            if delivery.state == State::Pending && delivery.expires_at <= now {
                let client = self.clients[delivery.client];
                let alive = client.is_subscribed() && client.enabled;
                delivery.settle(if alive { State::Exhausted } else { State::Discarded }, now);
            }
        }
    }

    /// Discards the pending deliveries of clients that are not subscribed.
    pub fn discard_orphans(&mut self, now: Timestamp) {
        for delivery in self.deliveries.values_mut() {
            if delivery.state == State::Pending && !self.clients[delivery.client].is_subscribed() {
                delivery.settle(State::Discarded, now);
            }
        }
    }

    pub fn requeue(&mut self, id: Uuid, expires_at: Timestamp, now: Timestamp) {
        let delivery = self.deliveries.get_mut(&id).unwrap();
        delivery.state = State::Pending;
        delivery.settled_at = None;
        delivery.failures = 0;
        delivery.redeliveries += 1;
        delivery.due_at = now;
        delivery.expires_at = expires_at;
    }

    pub fn bring_forward(&mut self, by: Duration, now: Timestamp) {
        for delivery in self.deliveries.values_mut() {
            if delivery.state == State::Pending && delivery.due_at > now {
                delivery.due_at = (delivery.due_at - by).max(now);
            }
        }
    }
}
