//! Takes each step in the store and in the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::domain::ids::{ClientId, DeliveryId};
use logoutd::storage::{Lease, Order, Storage, Turn};
use uuid::Uuid;

use super::model::{Client, Model};
use super::steps::{Outcome, Step};
use crate::backends::TestStore;
use crate::samples;

pub(super) const CLIENTS: usize = 3;
pub(super) const MAX_AGE: Duration = Duration::from_secs(20);
pub(super) const LEASE: Duration = Duration::from_secs(5);

pub struct Machine {
    backend: Box<dyn TestStore>,
    /// `None` only while the store is opened again.
    store: Option<Arc<dyn Storage>>,
    pub(super) model: Model,
    pub(super) now: Timestamp,
    ids: u128,
    /// Every lease there ever was, including those that were lost.
    pub(super) leases: Vec<(DeliveryId, Uuid)>,
}

pub(super) fn client_id(client: usize) -> ClientId {
    format!("client-{client}").parse().unwrap()
}

impl Machine {
    pub async fn start(backend: Box<dyn TestStore>) -> Self {
        let store = Some(backend.open().await);
        let client = Client { registered: true, subscribed: true, enabled: true, gone: false };
        let model = Model { deliveries: BTreeMap::new(), clients: vec![client; CLIENTS] };
        let machine = Self { backend, store, model, now: samples::now(), ids: 0, leases: Vec::new() };
        machine.configure().await;
        machine
    }

    pub(super) fn store(&self) -> &dyn Storage {
        self.store.as_deref().unwrap()
    }

    /// Ids grow, as version 7 UUIDs do.
    pub(super) fn new_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// Every step is at a time of its own, so that due times have one order.
    pub(super) fn tick(&mut self) {
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

    async fn crash(&mut self) {
        self.store().close().await;
        // The old handle has to be dropped first: the new one must be the only one.
        self.store = None;
        self.store = Some(self.backend.open().await);
        self.store().recover(self.now).await.unwrap();
        self.model.reclaim(Timestamp::MAX, self.now);
    }

    /// Compares all that can be seen of the queue.
    pub async fn compare(&self, step: &Step) {
        for (id, expected) in &self.model.deliveries {
            let got = self.store().delivery(DeliveryId(*id)).await.unwrap().unwrap();
            let actual = (got.state, got.attempts, got.redeliveries, got.outcome_unknown);
            let modelled =
                (expected.state, expected.attempts, expected.redeliveries, expected.outcome_unknown);
            assert_eq!(actual, modelled, "after {step:?}");
            let actual = (got.due_at, got.intent.expires_at, got.settled_at);
            assert_eq!(actual, (expected.due_at, expected.expires_at, expected.settled_at), "after {step:?}");
            let attempts = self.store().attempts(DeliveryId(*id)).await.unwrap();
            let numbers: Vec<u32> = attempts.iter().map(|it| it.number).collect();
            assert_eq!(numbers, (1..=expected.attempts).collect::<Vec<_>>());
        }
        for queue in self.store().queues().await.unwrap() {
            let client = (0..CLIENTS).find(|it| client_id(*it) == queue.client_id).unwrap();
            assert_eq!(queue.due, self.model.due_times(client));
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
