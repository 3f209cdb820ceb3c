//! The operations of the intake and of workers: new deliveries, leases and settlements.

use std::collections::BTreeMap;
use std::time::Duration;

use logoutd::domain::delivery::{Attempt, Intent, State, Verdict};
use logoutd::domain::ids::DeliveryId;
use logoutd::storage::{Changes, Lease, Order, Settlement, Turn};
use uuid::Uuid;

use super::machine::{CLIENTS, LEASE, MAX_AGE, Machine, client_id};
use super::model::Delivery;
use super::steps::Outcome;
use crate::samples::intent;

impl Machine {
    pub(super) async fn accept(&mut self, deliveries: &[(usize, bool)]) {
        let token = self.new_id();
        let lease = Lease { token, until: self.now + LEASE };
        let mut intents = Vec::new();
        for (client, leased) in deliveries {
            // The planner makes none for a client that is not subscribed.
            if !self.model.clients[client % CLIENTS].is_subscribed() {
                continue;
            }
            self.tick();
            let intent = self.intent(client % CLIENTS);
            let lease = leased.then_some(lease);
            self.model.deliveries.insert(
                intent.id.0,
                Delivery {
                    client: client % CLIENTS,
                    state: if *leased { State::InFlight } else { State::Pending },
                    attempts: 0,
                    failures: 0,
                    redeliveries: 0,
                    outcome_unknown: false,
                    due_at: intent.created_at,
                    expires_at: intent.expires_at,
                    settled_at: None,
                    lease: lease.map(|lease| (lease.token, lease.until)),
                },
            );
            self.leases.extend(lease.map(|lease| (intent.id, lease.token)));
            intents.push((intent, lease));
        }
        if intents.is_empty() {
            return;
        }
        let mut transaction = self.store().begin().await.unwrap();
        let deliveries = intents.iter().map(|(intent, lease)| (intent, *lease)).collect();
        let changes = Changes { deliveries, ..Changes::default() };
        transaction.store(&changes, self.now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    fn intent(&mut self, client: usize) -> Intent {
        let number = self.new_id().as_u128();
        Intent { created_at: self.now, expires_at: self.now + MAX_AGE, ..intent(number, &client_id(client)) }
    }

    pub(super) async fn lease(&mut self, turns: &[(usize, u32, u32, bool)]) {
        let token = self.new_id();
        let lease = Lease { token, until: self.now + LEASE };
        let turn = |(client, any, first, retries): &(usize, u32, u32, bool)| Turn {
            client_id: client_id(client % CLIENTS),
            any: *any,
            first: *first,
            order: if *retries { Order::Retries } else { Order::FirstAttempts },
        };
        let requested: Vec<Turn> = turns.iter().map(turn).collect();
        let leased = self.store().lease(&requested, lease, self.now).await.unwrap();
        assert_eq!(leased.len(), turns.len());
        // The due times are those at the end of each turn.
        for (((client, ..), turn), leased) in turns.iter().zip(&requested).zip(leased) {
            let client = client % CLIENTS;
            let held = (token, lease.until);
            let mut expected = self.model.lease(client, turn.any, turn.first, turn.order, held, self.now);
            let mut got: Vec<Uuid> = leased.deliveries.iter().map(|it| it.intent.id.0).collect();
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "{turn:?}");
            if self.model.clients[client].is_subscribed() && self.model.clients[client].enabled {
                assert_eq!(leased.due, self.model.due_times(client));
            }
            for delivery in &leased.deliveries {
                let model = &self.model.deliveries[&delivery.intent.id.0];
                assert_eq!((delivery.attempts, delivery.failures), (model.attempts, model.failures));
                assert_eq!(delivery.outcome_unknown, model.outcome_unknown);
                self.leases.push((delivery.intent.id, token));
            }
        }
    }

    fn pick(&self, leases: &[usize]) -> Vec<(DeliveryId, Uuid)> {
        if self.leases.is_empty() {
            return Vec::new();
        }
        let mut picked: Vec<_> = leases.iter().map(|n| self.leases[n % self.leases.len()]).collect();
        picked.sort();
        picked.dedup_by_key(|(id, _)| *id);
        picked
    }

    pub(super) async fn settle(&mut self, outcomes: &[(usize, Outcome)]) {
        let picked = self.pick(&outcomes.iter().map(|(n, _)| *n).collect::<Vec<_>>());
        let mut settlements = Vec::new();
        for ((id, lease_token), (_, outcome)) in picked.into_iter().zip(outcomes) {
            self.tick();
            settlements.push(self.settlement(id, lease_token, *outcome));
        }
        let settled = self.store().settle(&settlements, &BTreeMap::new(), self.now).await.unwrap();
        let mut gone = Vec::new();
        for (settlement, settled) in settlements.iter().zip(settled) {
            let expected = self.settle_in_model(settlement);
            assert_eq!(settled.map(|it| (it.state, it.attempt)), expected, "{settlement:?}");
            if settlement.unsubscribe && expected.is_some() {
                gone.push(self.model.deliveries[&settlement.id.0].client);
            }
        }
        for client in gone {
            self.model.clients[client].gone = true;
        }
        self.model.discard_orphans(self.now);
    }

    fn settle_in_model(&mut self, settlement: &Settlement) -> Option<(State, u32)> {
        let (now, id) = (self.now, settlement.id.0);
        let subscribed = self.model.clients[self.model.deliveries[&id].client].is_subscribed();
        let delivery = self.model.held(id, settlement.lease_token)?;
        delivery.attempts += 1;
        delivery.outcome_unknown |= settlement.attempt.outcome_unknown;
        match settlement.verdict {
            Verdict::Retry(due_at) => {
                delivery.failures += 1;
                delivery.due_at = due_at;
                delivery.lease = None;
                delivery.state = State::Pending;
                if !subscribed {
                    delivery.settle(State::Discarded, now);
                }
            }
            last => {
                delivery.failures += u32::from(last == Verdict::Exhausted);
                delivery.settle(last.state(), now);
            }
        }
        Some((delivery.state, delivery.attempts))
    }

    pub(super) fn settlement(&self, id: DeliveryId, lease_token: Uuid, outcome: Outcome) -> Settlement {
        let (verdict, unknown) = match outcome {
            Outcome::Delivered => (Verdict::Delivered, false),
            Outcome::Rejected | Outcome::Gone => (Verdict::Rejected, false),
            Outcome::Exhausted => (Verdict::Exhausted, false),
            Outcome::Retry(after, unknown) => {
                (Verdict::Retry(self.now + Duration::from_millis(u64::from(after))), unknown)
            }
        };
        let attempt = Attempt {
            duration: Duration::from_millis(3),
            jti: Some(Uuid::nil()),
            kid: Some("kid".to_owned()),
            answer: Some("\"quoted\" \\ ünd\n\u{fffd}".to_owned()),
            outcome_unknown: unknown,
            ..Attempt::begun(self.now)
        };
        let client_id = client_id(self.model.deliveries[&id.0].client);
        let unsubscribe = matches!(outcome, Outcome::Gone);
        Settlement { id, lease_token, client_id, attempt, verdict, unsubscribe }
    }

    pub(super) async fn extend(&mut self, leases: &[usize]) {
        let (picked, until) = (self.pick(leases), self.now + LEASE);
        let mut held = self.store().extend(&picked, until).await.unwrap();
        held.sort();
        let mut expected = Vec::new();
        for (id, token) in picked {
            if let Some(delivery) = self.model.held(id.0, token) {
                delivery.lease = Some((token, until));
                expected.push(id);
            }
        }
        assert_eq!(held, expected);
    }

    pub(super) async fn release(&mut self, leases: &[usize]) {
        let picked = self.pick(leases);
        self.store().release(&picked, self.now).await.unwrap();
        for (id, token) in picked {
            if self.model.held(id.0, token).is_some() {
                self.model.put_back(id.0, self.now);
            }
        }
    }
}
