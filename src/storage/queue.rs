//! The delivery queue: what is due, leases, and outcomes.
//!
//! Every change of a leased delivery matches on its lease's token, so that a worker that was paused past the end of
//! its lease cannot overwrite its successor's work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::Result;
use crate::domain::breaker::OpenBreaker;
use crate::domain::client::Client;
use crate::domain::delivery::{Attempt, Intent, State, Verdict};
use crate::domain::ids::{ClientId, DeliveryId};

/// The delivery queue.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// Called once, before this process leases anything. Does what [`reclaim`](Self::reclaim) does, and also takes back
    /// unexpired leases that earlier runs of this process left behind, so that after a crash their deliveries need not
    /// wait for the leases to expire. Leases of other processes that are running stay as they are.
    ///
    /// How a backend knows the leases of earlier runs is up to it. One that only this process has open takes back every
    /// lease. One that several processes share stores the name of the instance with each lease, and takes back those
    /// with its own name. One that can tell neither takes back expired leases only.
    async fn recover(&self, now: Timestamp) -> Result<u64>;

    /// Makes deliveries whose lease expired before `now` pending again, due at once, and marks the outcome of their
    /// last attempt as unknown. Returns how many.
    async fn reclaim(&self, now: Timestamp) -> Result<u64>;

    /// The queues of all subscribed and enabled clients that have pending deliveries or an open breaker.
    async fn queues(&self) -> Result<Vec<ClientQueue>>;

    /// Listens to other processes that have the same store open, from now on.
    fn listen(&self) -> Box<dyn QueueListener>;

    /// Leases due deliveries under `lease`: for each client in turn, as many as its turn allows.
    async fn lease(&self, turns: &[Turn], lease: Lease, now: Timestamp) -> Result<Vec<LeasedTurn>>;

    /// Moves the expiry of these leases, where they are still held. Returns those that are.
    async fn extend(&self, leases: &[(DeliveryId, Uuid)], until: Timestamp) -> Result<Vec<DeliveryId>>;

    /// Records attempts and their consequences, durably, with the breakers that changed (`None`: closed). A settlement
    /// whose lease was lost changes nothing. A retry for a client that is no longer subscribed discards the delivery.
    /// Where a client is unsubscribed, a part of its pending deliveries is discarded at once and the rest by
    /// [`discard_left`](Self::discard_left).
    ///
    /// Returns the result of each, in order; `None` where the lease was lost.
    async fn settle(
        &self,
        settlements: &[Settlement],
        breakers: &BTreeMap<ClientId, Option<OpenBreaker>>,
        now: Timestamp,
    ) -> Result<Vec<Option<Settled>>>;

    /// Gives leases back without an attempt; the deliveries stay due. Those whose lease was lost are left unchanged.
    async fn release(&self, leases: &[(DeliveryId, Uuid)], now: Timestamp) -> Result<()>;

    /// Ends up to `limit` pending deliveries that have reached their maximum age: exhausted, or discarded if their
    /// client is disabled. Returns their ids, clients and final states.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<(DeliveryId, ClientId, State)>>;

    /// Discards the pending deliveries of clients that are no longer subscribed or registered, in several short
    /// transactions.
    async fn discard_left(&self, now: Timestamp) -> Result<()>;

    /// After the clock was set back by `by`: moves due times that are later than `now` back by as much, but not before
    /// `now`.
    async fn bring_forward(&self, by: Duration, now: Timestamp) -> Result<()>;
}

/// Reports what other processes put into the queue. The dispatcher also polls
/// [`queues`](DeliveryQueue::queues), so that a lost notification delays a delivery and never loses it.
#[async_trait]
pub trait QueueListener: Send {
    /// Waits for the next notification; forever, for a backend that has none. Reconnects by itself. Cancel-safe.
    async fn next(&mut self) -> QueueNotification;
}

/// A change of the queue by another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueNotification {
    /// Deliveries to this client became due.
    Due(ClientId),
    /// Notifications may have been lost, after a reconnect for instance: any client may have deliveries that are due.
    Missed,
}

/// The queue of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientQueue {
    /// The client.
    pub client_id: ClientId,
    /// When its pending deliveries are due.
    pub due: DueTimes,
    /// Its breaker, if that is open.
    pub breaker: Option<OpenBreaker>,
}

/// When the earliest pending delivery of each kind is due for a client; `None` where there is none.
///
/// The kinds are separate because a turn whose [`any`](Turn::any) is 0 leases first attempts only. A delivery's kind has to
/// be the one as which it is leased: what is due is requested at once, and a request that leases nothing of it would be
/// repeated at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueTimes {
    /// First attempts.
    pub first_attempt: Option<Timestamp>,
    /// Retries and redeliveries.
    pub retry: Option<Timestamp>,
}

impl DueTimes {
    /// Where the kind is not known: deliveries of either kind may be due then.
    pub fn either(at: Timestamp) -> Self {
        Self { first_attempt: Some(at), retry: Some(at) }
    }

    /// When the first delivery of any kind is due.
    pub fn earliest(self) -> Option<Timestamp> {
        self.first_attempt.into_iter().chain(self.retry).min()
    }
}

/// A client's turn: how many of its due deliveries to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The client.
    pub client_id: ClientId,
    /// The most deliveries of either kind.
    pub any: u32,
    /// How many more may be leased that are first attempts.
    pub first: u32,
    /// Which kind comes first.
    pub order: Order,
}

/// Which deliveries of a client come first. Within each kind, the longest due come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// First attempts: a user has just logged out.
    FirstAttempts,
    /// Retries and redeliveries, so that they are not starved by a steady flow of first attempts.
    Retries,
}

/// What was leased in a turn.
#[derive(Clone, Debug)]
pub struct LeasedTurn {
    /// The client.
    pub client_id: ClientId,
    /// The leased deliveries.
    pub deliveries: Vec<LeasedDelivery>,
    /// When its deliveries that are still pending are due.
    pub due: DueTimes,
}

/// A worker's right to attempt a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Fencing token: a change of the delivery has to come with it.
    pub token: Uuid,
    /// When the lease expires, and the delivery may be leased by another worker.
    pub until: Timestamp,
}

/// A delivery to attempt.
#[derive(Clone, Debug)]
pub struct LeasedDelivery {
    /// The content of its token.
    pub intent: Intent,
    /// The client as it was registered when the delivery was leased.
    pub client: Arc<Client>,
    /// How many attempts were made before, including those before redeliveries.
    pub attempts: u32,
    /// How many of these failed since it was queued or redelivered: its position in the retry schedule.
    pub failures: u32,
    /// Whether an earlier attempt may have reached the RP, though its outcome was never recorded.
    pub outcome_unknown: bool,
    /// The lease.
    pub lease: Lease,
}

impl LeasedDelivery {
    /// Whether it was never attempted.
    pub fn is_first_attempt(&self) -> bool {
        self.attempts == 0
    }
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The delivery.
    pub id: DeliveryId,
    /// The token of the lease under which it was attempted.
    pub lease_token: Uuid,
    /// The client.
    pub client_id: ClientId,
    /// The attempt.
    pub attempt: Attempt,
    /// What follows from it.
    pub verdict: Verdict,
    /// The RP answered 410 (Gone): end the client's subscription, and discard its pending deliveries.
    pub unsubscribe: bool,
}

/// A delivery after its settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its state.
    pub state: State,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}
