//! Read access to deliveries, for operators, metrics and answers to events.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::breaker::OpenBreaker;
use crate::domain::delivery::{Attempt, Delivery, DeliveryFilter, DeliverySummary};
use crate::domain::ids::{ClientId, DeliveryId, Sid};

/// Read access to deliveries.
#[async_trait]
pub trait DeliveryReader: Send + Sync + 'static {
    /// The states of these deliveries, in order of their ids. Those that no longer exist are left out.
    async fn summaries(&self, ids: &[DeliveryId]) -> Result<Vec<DeliverySummary>>;

    /// A delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;

    /// The attempts of a delivery, oldest first.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<AttemptRecord>>;

    /// Matching deliveries, the newest first: up to `limit` of those created before `before`.
    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        sid: Option<&Sid>,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage>;

    /// The number of pending deliveries of each client, and when the first of them is due.
    async fn depths(&self) -> Result<Vec<QueueDepth>>;

    /// The breakers that are open.
    async fn open_breakers(&self) -> Result<Vec<(ClientId, OpenBreaker)>>;
}

/// An attempt, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// From 1, over all redeliveries.
    pub number: u32,
    /// The attempt.
    pub attempt: Attempt,
}

/// A page of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// The last delivery of the page, to go on after it; `None` on the last page. A page scans a bounded number of
    /// deliveries, so that it may be short, or empty, and not be the last.
    pub next: Option<DeliveryId>,
}

/// The pending deliveries of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The client.
    pub client_id: ClientId,
    /// How many deliveries are pending.
    pub pending: u64,
    /// When the first of them is, or was, due.
    pub due_at: Timestamp,
}
