//! What logoutd remembers, behind small traits: one for each user of the store.
//!
//! The traits say what must hold, the backends how; only `app` names a backend. Nothing here decides
//! anything: plans come from `domain`, times and tokens from the caller.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::client::Client;
use crate::domain::delivery::{Attempt, DeliverySummary, Intent, State, Verdict};
use crate::domain::event::Event;
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::plan::{KnownSession, Plan, Registration};
use crate::domain::receipt::Receipt;

mod error;
pub mod sqlite;

pub use error::StorageError;

/// The result of every operation on the store.
pub type Result<T> = std::result::Result<T, StorageError>;

/// Everything a backend provides.
pub trait Storage: IntakeStore + DeliveryQueue + DeliveryReader + ClientStore + Maintenance {}

impl<T: IntakeStore + DeliveryQueue + DeliveryReader + ClientStore + Maintenance> Storage for T {}

/// Where events are accepted.
#[async_trait]
pub trait IntakeStore: Send + Sync + 'static {
    /// Begins the one transaction in which events are looked up, planned and stored. It excludes every
    /// other writer, so that what was read still holds at the commit. Dropped without a commit, it is
    /// undone.
    async fn begin(&self) -> Result<Box<dyn IntakeTransaction>>;
}

/// The transaction of an [`IntakeStore`].
#[async_trait]
pub trait IntakeTransaction: Send {
    /// Sets a mark to which [`undo_to_mark`](Self::undo_to_mark) can return. A later mark replaces it.
    async fn mark(&mut self) -> Result<()>;

    /// Undoes all that was stored since the mark.
    async fn undo_to_mark(&mut self) -> Result<()>;

    /// What was answered to the event of this source and id, if it was accepted before.
    async fn accepted(&mut self, source: &str, id: &str) -> Result<Option<AcceptedEvent>>;

    /// The session of this `sid`, ended or not, with its deliveries.
    async fn session(&mut self, sid: &Sid) -> Result<Option<KnownSession>>;

    /// The sessions of this `sub` that have not ended.
    async fn live_sessions(&mut self, sub: &Sub) -> Result<Vec<KnownSession>>;

    /// Whether any session of this `sub` is known, ended ones included.
    async fn knows_subject(&mut self, sub: &Sub) -> Result<bool>;

    /// Those of these clients that are registered.
    async fn clients(&mut self, ids: &BTreeSet<ClientId>) -> Result<BTreeMap<ClientId, Registration>>;

    /// Stores a plan, with the event it came from.
    async fn store(
        &mut self,
        event: &Event,
        accepted: &AcceptedEvent,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<()>;

    /// Makes it durable: when this returns, a loss of power loses nothing of it.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// An event that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// A digest of what it said, to tell a repetition from a reused id.
    pub digest: [u8; 32],
    /// What was answered.
    pub receipt: Receipt,
}

/// The queue of deliveries, from the workers' side.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// Makes deliveries whose lease ran out before `now` pending again, due at once, and marks that their
    /// last attempt's outcome is unknown. Returns how many.
    async fn reclaim(&self, now: Timestamp) -> Result<u64>;

    /// Which clients have deliveries due at `now`, and when the next ones will be.
    async fn due(&self, now: Timestamp) -> Result<Due>;

    /// Leases up to `share` of the due deliveries of each of these clients, oldest first, under `lease`.
    async fn lease(
        &self,
        shares: &[(ClientId, u32)],
        lease: Lease,
        now: Timestamp,
    ) -> Result<Vec<LeasedDelivery>>;

    /// Records attempts and what follows from them, durably. A settlement whose lease was lost changes
    /// nothing. A retry for a client that is no longer subscribed discards the delivery.
    ///
    /// Returns what state each was left in, in order; `None` where the lease was lost.
    async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<Vec<Option<State>>>;

    /// Gives leases back without an attempt; the deliveries stay due. Those whose lease was lost are
    /// left alone.
    async fn release(&self, deliveries: &[DeliveryId], token: Uuid, now: Timestamp) -> Result<()>;
}

/// What waits in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The clients with deliveries due, the longest waiting first.
    pub clients: Vec<DueClient>,
    /// When something else is to be looked at: a delivery falls due, or a lease runs out.
    pub next: Option<Timestamp>,
}

/// A client with deliveries due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueClient {
    /// The client.
    pub client_id: ClientId,
    /// How many of its deliveries are leased now, by any worker.
    pub in_flight: u32,
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
    pub client: Client,
    /// How many attempts were made before.
    pub attempts: u32,
    /// Whether the RP may already have received a token of it without our knowing.
    pub outcome_unknown: bool,
    /// The right to attempt it.
    pub lease: Lease,
}

/// What came of one leased delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The delivery.
    pub id: DeliveryId,
    /// The token of the lease it was attempted under.
    pub lease_token: Uuid,
    /// The attempt.
    pub attempt: Attempt,
    /// What follows.
    pub verdict: Verdict,
    /// The RP answered 410 (Gone): end the client's subscription, and discard what waits for it.
    pub unsubscribe: Option<ClientId>,
}

/// Deliveries as operators and waiting sources see them.
#[async_trait]
pub trait DeliveryReader: Send + Sync + 'static {
    /// Where these deliveries stand, in order of their ids; those that no longer exist are left out.
    async fn summaries(&self, ids: &[DeliveryId]) -> Result<Vec<DeliverySummary>>;

    /// The attempts of a delivery, oldest first.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>>;
}

/// The registered clients.
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// Makes the clients of the configuration file exactly these: adds, replaces and removes, and
    /// discards the waiting deliveries of those that were removed or unsubscribed. A client whose RP had
    /// answered 410 is subscribed again.
    async fn replace_file_clients(&self, clients: &[Client], now: Timestamp) -> Result<()>;
}

/// Upkeep.
#[async_trait]
pub trait Maintenance: Send + Sync + 'static {
    /// Whether the store can be read and written now.
    async fn ping(&self) -> Result<()>;

    /// Deletes up to `limit` rows each of finished deliveries (with their attempts), ended sessions and
    /// accepted events that are older than `before`. Returns how many rows went.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Finishes what is under way and closes the store.
    async fn close(&self);
}
