//! The store from the workers' side: what is due, who may attempt it, and what came of it.
//!
//! Every change of a leased delivery matches on its lease's token, so that a worker which was paused past
//! its lease cannot overwrite its successor.

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

/// The queue of deliveries, from the workers' side.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// To be called before this process leases anything. As [`reclaim`](Self::reclaim), and where no other
    /// process has the store open, leases that have not run out are taken back too: whoever held them is
    /// gone.
    async fn recover(&self, now: Timestamp) -> Result<u64>;

    /// Makes deliveries whose lease ran out before `now` pending again, due at once, and marks that their
    /// last attempt's outcome is unknown. Returns how many.
    async fn reclaim(&self, now: Timestamp) -> Result<u64>;

    /// The queues of all clients that are subscribed and enabled, and have something pending or a breaker
    /// that is open.
    async fn queues(&self) -> Result<Vec<ClientQueue>>;

    /// Leases deliveries that are due, under `lease`: for each client in turn, as many as it asks for.
    async fn lease(&self, turns: &[Turn], lease: Lease, now: Timestamp) -> Result<Vec<LeasedTurn>>;

    /// Moves the end of these leases, where they still hold. Returns which do.
    async fn extend(&self, leases: &[(DeliveryId, Uuid)], until: Timestamp) -> Result<Vec<DeliveryId>>;

    /// Records attempts and what follows from them, durably, with the breakers that changed (`None`: it is
    /// closed). A settlement whose lease was lost changes nothing. A retry for a client that is no longer
    /// subscribed discards the delivery. Of what waits for a client that unsubscribes some is discarded, the rest by
    /// [`discard_left`](Self::discard_left).
    ///
    /// Returns what became of each, in order; `None` where the lease was lost.
    async fn settle(
        &self,
        settlements: &[Settlement],
        breakers: &BTreeMap<ClientId, Option<OpenBreaker>>,
        now: Timestamp,
    ) -> Result<Vec<Option<Settled>>>;

    /// Gives leases back without an attempt; the deliveries stay due. Those whose lease was lost are
    /// left alone.
    async fn release(&self, leases: &[(DeliveryId, Uuid)], now: Timestamp) -> Result<()>;

    /// Ends up to `limit` pending deliveries whose time ran out: exhausted, or discarded if their client is
    /// disabled. Returns which, whose, and how.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<(DeliveryId, ClientId, State)>>;

    /// Discards what waits for clients that are no longer subscribed or registered, a piece at a time.
    async fn discard_left(&self, now: Timestamp) -> Result<()>;

    /// Moves the due times that lie after `now` towards it by `by`: the clock was set back by that much.
    async fn bring_forward(&self, by: Duration, now: Timestamp) -> Result<()>;
}

/// What waits for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientQueue {
    /// The client.
    pub client_id: ClientId,
    /// When the first of its pending deliveries is due.
    pub due_at: Option<Timestamp>,
    /// Its breaker, if that is open.
    pub breaker: Option<OpenBreaker>,
}

/// A client's turn: how many of its due deliveries are to be leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The client.
    pub client_id: ClientId,
    /// The most first attempts and retries together.
    pub any: u32,
    /// How many first attempts may be leased beyond that.
    pub first: u32,
    /// Which of them come first.
    pub order: Order,
}

/// Which deliveries of a client come first. In each kind, those that have been due for longest do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// First attempts: somebody has just logged out.
    FirstAttempts,
    /// Retries and redeliveries, so that they are not left behind where first attempts never end.
    Retries,
}

/// A turn that was taken.
#[derive(Clone, Debug)]
pub struct LeasedTurn {
    /// The client.
    pub client_id: ClientId,
    /// What was leased.
    pub deliveries: Vec<LeasedDelivery>,
    /// When the next of its pending deliveries is due.
    pub due_at: Option<Timestamp>,
}

/// A worker's right to attempt a delivery. Whoever holds another token, or comes too late, changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Fences off whoever held the delivery before.
    pub token: Uuid,
    /// When the delivery may be given to another worker.
    pub until: Timestamp,
}

/// A delivery to attempt.
#[derive(Clone, Debug)]
pub struct LeasedDelivery {
    /// What it is to say.
    pub intent: Intent,
    /// The client, as it is registered now.
    pub client: Arc<Client>,
    /// How many attempts were made before, over all redeliveries.
    pub attempts: u32,
    /// How many of these failed since it was queued or redelivered: its place in the schedule.
    pub failures: u32,
    /// Whether the RP may already have received a token of it without our knowing.
    pub outcome_unknown: bool,
    /// The right to attempt it.
    pub lease: Lease,
}

impl LeasedDelivery {
    /// Whether it was never attempted, nor put back into the queue by hand.
    pub fn is_first_attempt(&self) -> bool {
        self.attempts == 0
    }
}

/// What came of one leased delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The delivery.
    pub id: DeliveryId,
    /// The token of the lease it was attempted under.
    pub lease_token: Uuid,
    /// The client.
    pub client_id: ClientId,
    /// The attempt.
    pub attempt: Attempt,
    /// What follows.
    pub verdict: Verdict,
    /// The RP answered 410 (Gone): end the client's subscription, and discard what waits for it.
    pub unsubscribe: bool,
}

/// What became of a delivery that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Where it stands now.
    pub state: State,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}
