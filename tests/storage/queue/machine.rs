//! Takes each step in the store and in the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::domain::client;
use logoutd::domain::delivery::{Attempt, DeliveryFilter, Intent, Phases, State, Verdict};
use logoutd::domain::ids::{ClientId, DeliveryId};
use logoutd::domain::initiator::{Initiator, Initiators};
use logoutd::domain::metadata::SessionMetadata;
use logoutd::domain::redelivery::{DEAD_LETTERS, JobId, RedeliveryJob, RedeliveryRefusal};
use logoutd::storage::{Changes, Lease, Order, Settlement, Storage, Turn};
use uuid::Uuid;

use super::model::{Client, Delivery, Model};
use super::steps::{Outcome, Step};
use crate::backends::TestStore;

const CLIENTS: usize = 3;
const MAX_AGE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(5);

pub struct Machine {
    backend: Box<dyn TestStore>,
    /// `None` only while the store is opened again.
    store: Option<Arc<dyn Storage>>,
    model: Model,
    now: Timestamp,
    ids: u128,
    /// Every lease there ever was, including those that were lost.
    leases: Vec<(DeliveryId, Uuid)>,
}

fn client_id(client: usize) -> ClientId {
    format!("client-{client}").parse().unwrap()
}

impl Machine {
    pub async fn start(backend: Box<dyn TestStore>) -> Self {
        let store = Some(backend.open().await);
        let client = Client { registered: true, subscribed: true, enabled: true, gone: false };
        let model = Model { deliveries: BTreeMap::new(), clients: vec![client; CLIENTS] };
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let machine = Self { backend, store, model, now, ids: 0, leases: Vec::new() };
        machine.configure().await;
        machine
    }

    fn store(&self) -> &dyn Storage {
        self.store.as_deref().unwrap()
    }

    /// Ids grow, as version 7 UUIDs do.
    fn new_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// Every step is at a time of its own, so that due times have one order.
    fn tick(&mut self) {
        self.now += Duration::from_millis(1);
    }

    pub async fn take(&mut self, step: &Step) {
        self.tick();
        match step {
            Step::Accept(deliveries) => self.accept(deliveries).await,
            Step::Lease(turns) => self.lease(turns).await,
            Step::Settle(outcomes) => self.settle(outcomes).await,
            Step::Extend(leases) => self.extend(leases).await,
            Step::Release(leases) => self.release(leases).await,
            Step::Pass(millis) => self.now += Duration::from_millis(u64::from(*millis)),
            Step::Reclaim => {
                self.store().reclaim(self.now).await.unwrap();
                self.model.reclaim(self.now, self.now);
            }
            Step::Expire => {
                let expired = self.store().expire(self.now, 1_000).await.unwrap();
                self.model.expire(self.now);
                for (id, _, state) in expired {
                    assert_eq!(self.model.deliveries[&id.0].state, state);
                }
            }
            Step::Crash => self.crash().await,
            Step::Configure(client, registered, subscribed, enabled) => {
                let (registered, subscribed, enabled) = (*registered, *subscribed, *enabled);
                self.model.clients[client % CLIENTS] =
                    Client { registered, subscribed, enabled, gone: false };
                // Clients whose RP had answered 410 are subscribed again.
                self.model.clients.iter_mut().for_each(|client| client.gone = false);
                self.configure().await;
                self.model.discard_orphans(self.now);
            }
            Step::Redeliver(delivery) => self.redeliver(*delivery).await,
            Step::RedeliverAll(client) => self.redeliver_all(client % CLIENTS).await,
            Step::SetBack(millis) => {
                let by = Duration::from_millis(u64::from(*millis));
                self.now -= by;
                self.store().bring_forward(by, self.now).await.unwrap();
                self.model.bring_forward(by, self.now);
            }
        }
    }

    async fn accept(&mut self, deliveries: &[(usize, bool)]) {
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
        Intent {
            id: DeliveryId(self.new_id()),
            session_key: None,
            sid: Some("s-1".parse().unwrap()),
            sub: None,
            sub_is_public: false,
            client_id: client_id(client),
            initiator: Initiator::RpLogout,
            session_metadata: SessionMetadata::default(),
            created_at: self.now,
            expires_at: self.now + MAX_AGE,
        }
    }

    async fn lease(&mut self, turns: &[(usize, u32, u32, bool)]) {
        let token = self.new_id();
        let lease = Lease { token, until: self.now + LEASE };
        let turn = |(client, any, first, retries): &(usize, u32, u32, bool)| Turn {
            client_id: client_id(client % CLIENTS),
            any: *any,
            first: *first,
            order: if *retries { Order::Retries } else { Order::FirstAttempts },
        };
        let turns_asked: Vec<Turn> = turns.iter().map(turn).collect();
        let leased = self.store().lease(&turns_asked, lease, self.now).await.unwrap();
        assert_eq!(leased.len(), turns.len());
        // The next due time is that at the end of each turn.
        for (((client, ..), turn), leased) in turns.iter().zip(&turns_asked).zip(leased) {
            let client = client % CLIENTS;
            let held = (token, lease.until);
            let mut expected = self.model.lease(client, turn.any, turn.first, turn.order, held, self.now);
            let mut got: Vec<Uuid> = leased.deliveries.iter().map(|it| it.intent.id.0).collect();
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "{turn:?}");
            if self.model.clients[client].is_subscribed() && self.model.clients[client].enabled {
                assert_eq!(leased.due_at, self.model.next_due(client));
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

    async fn settle(&mut self, outcomes: &[(usize, Outcome)]) {
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

    fn settlement(&self, id: DeliveryId, lease_token: Uuid, outcome: Outcome) -> Settlement {
        let (verdict, unknown) = match outcome {
            Outcome::Delivered => (Verdict::Delivered, false),
            Outcome::Rejected | Outcome::Gone => (Verdict::Rejected, false),
            Outcome::Exhausted => (Verdict::Exhausted, false),
            Outcome::Retry(after, unknown) => {
                (Verdict::Retry(self.now + Duration::from_millis(u64::from(after))), unknown)
            }
        };
        let attempt = Attempt {
            started_at: self.now,
            duration: Duration::from_millis(3),
            phases: Phases::default(),
            jti: Some(Uuid::nil()),
            kid: Some("kid".to_owned()),
            uri: None,
            remote_address: None,
            status: None,
            error: None,
            answer: Some("\"quoted\" \\ ünd\n\u{fffd}".to_owned()),
            outcome_unknown: unknown,
        };
        let client_id = client_id(self.model.deliveries[&id.0].client);
        let unsubscribe = matches!(outcome, Outcome::Gone);
        Settlement { id, lease_token, client_id, attempt, verdict, unsubscribe }
    }

    async fn extend(&mut self, leases: &[usize]) {
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

    async fn release(&mut self, leases: &[usize]) {
        let picked = self.pick(leases);
        self.store().release(&picked, self.now).await.unwrap();
        for (id, token) in picked {
            if self.model.held(id.0, token).is_some() {
                self.model.put_back(id.0, self.now);
            }
        }
    }

    async fn crash(&mut self) {
        self.store().close().await;
        // The old handle has to be dropped first: the new one must be the only one.
        self.store = None;
        self.store = Some(self.backend.open().await);
        self.store().recover(self.now).await.unwrap();
        self.model.reclaim(Timestamp::MAX, self.now);
    }

    async fn configure(&self) {
        let clients: Vec<client::Client> = (0..CLIENTS)
            .filter(|client| self.model.clients[*client].registered)
            .map(|client| self.registration(client))
            .collect();
        self.store().replace_file_clients(&clients, self.now).await.unwrap();
    }

    fn registration(&self, client: usize) -> client::Client {
        let Client { subscribed, enabled, .. } = self.model.clients[client];
        client::Client {
            backchannel_logout_uri: subscribed.then(|| "https://rp.example.com/".parse().unwrap()),
            initiators: Initiators::All,
            enabled,
            ..client::Client::new(client_id(client))
        }
    }

    async fn redeliver(&mut self, delivery: usize) {
        let ids: Vec<Uuid> = self.model.deliveries.keys().copied().collect();
        let Some(id) = ids.get(delivery % ids.len().max(1)).copied() else { return };
        let expires_at = self.now + MAX_AGE;
        let got = self.store().redeliver(DeliveryId(id), expires_at, self.now).await.unwrap().unwrap();
        let delivery = self.model.deliveries.get_mut(&id).unwrap();
        let client = client_id(delivery.client);
        match delivery.state {
            State::InFlight => assert_eq!(got, Err(RedeliveryRefusal::InFlight)),
            State::Pending => {
                assert_eq!(got, Ok(client));
                delivery.due_at = delivery.due_at.min(self.now);
            }
            _ if !self.model.clients[delivery.client].is_subscribed() => {
                assert_eq!(got, Err(RedeliveryRefusal::NotSubscribed(client)));
            }
            _ => {
                assert_eq!(got, Ok(client));
                self.model.requeue(id, expires_at, self.now);
            }
        }
    }

    /// Two deliveries at a time, so that a job has several steps.
    async fn redeliver_all(&mut self, client: usize) {
        let filter = DeliveryFilter {
            client_id: Some(client_id(client)),
            states: Some(DEAD_LETTERS.into()),
            ..DeliveryFilter::default()
        };
        let expected: Vec<Uuid> = self
            .model
            .deliveries
            .iter()
            .filter(|(_, it)| it.client == client && DEAD_LETTERS.contains(&it.state))
            .map(|(id, _)| *id)
            .collect();
        let id = JobId(self.new_id());
        let job = RedeliveryJob {
            id,
            filter,
            until: DeliveryId(self.new_id()),
            cursor: None,
            first: None,
            counted_to: None,
            matched: 0,
            redelivered: 0,
            skipped: 0,
            created_at: self.now,
            completed_at: None,
        };
        let job = self.store().create_job(job).await.unwrap().unwrap();
        assert_eq!(job.matched, expected.len() as u64);
        let expires_at = self.now + MAX_AGE;
        while !self.store().advance_job(id, 2, expires_at, self.now).await.unwrap().complete {}

        let job = self.store().job(id).await.unwrap().unwrap();
        let subscribed = self.model.clients[client].is_subscribed();
        let count = expected.len() as u64;
        assert_eq!((job.redelivered, job.skipped), if subscribed { (count, 0) } else { (0, count) });
        assert_eq!(self.store().unfinished_job(None).await.unwrap(), None);
        for id in expected.into_iter().filter(|_| subscribed) {
            self.model.requeue(id, expires_at, self.now);
        }
    }

    /// All that can be seen of the queue is the same on both sides.
    pub async fn compare(&self, step: &Step) {
        for (id, expected) in &self.model.deliveries {
            let got = self.store().delivery(DeliveryId(*id)).await.unwrap().unwrap();
            let seen = (got.state, got.attempts, got.redeliveries, got.outcome_unknown);
            let meant = (expected.state, expected.attempts, expected.redeliveries, expected.outcome_unknown);
            assert_eq!(seen, meant, "after {step:?}");
            let seen = (got.due_at, got.intent.expires_at, got.settled_at);
            assert_eq!(seen, (expected.due_at, expected.expires_at, expected.settled_at), "after {step:?}");
            let attempts = self.store().attempts(DeliveryId(*id)).await.unwrap();
            let numbers: Vec<u32> = attempts.iter().map(|it| it.number).collect();
            assert_eq!(numbers, (1..=expected.attempts).collect::<Vec<_>>());
        }
        for queue in self.store().queues().await.unwrap() {
            let client = (0..CLIENTS).find(|it| client_id(*it) == queue.client_id).unwrap();
            assert_eq!(queue.due_at, self.model.next_due(client));
        }
    }

    /// Nothing is stuck: whatever the steps were, every delivery can be brought to a final state.
    pub async fn settle_everything(&mut self) {
        for client in &mut self.model.clients {
            *client = Client { registered: true, subscribed: true, enabled: true, gone: false };
        }
        self.configure().await;
        self.now += Duration::from_hours(1);
        self.store().reclaim(self.now).await.unwrap();
        let all = |client| Turn { client_id: client_id(client), any: 1_000, first: 0, order: Order::Retries };
        let lease = Lease { token: self.new_id(), until: self.now + LEASE };
        let turns: Vec<Turn> = (0..CLIENTS).map(all).collect();
        let mut settlements = Vec::new();
        for turn in self.store().lease(&turns, lease, self.now).await.unwrap() {
            let ids = turn.deliveries.iter().map(|it| it.intent.id);
            settlements.extend(ids.map(|id| self.settlement(id, lease.token, Outcome::Delivered)));
        }
        self.store().settle(&settlements, &BTreeMap::new(), self.now).await.unwrap();
        for id in self.model.deliveries.keys() {
            let delivery = self.store().delivery(DeliveryId(*id)).await.unwrap().unwrap();
            assert!(delivery.state.is_final(), "{delivery:?}");
        }
        self.store().close().await;
    }
}
