//! The store, behind one small trait for each of its users.
//!
//! The traits say what holds for every backend; each backend is a folder of its own, and only `app` names one. Nothing
//! in here makes decisions: plans come from `domain`, times and tokens from the caller. `tests/storage/README.md` says
//! how to add a backend.
//!
//! A row that cannot be read is left out of lists and batches, and is an error ([`StorageError::Corrupt`]) where it is
//! requested by its id: one corrupt row never stops the processing of others.

use async_trait::async_trait;
use jiff::Timestamp;

mod clients;
mod error;
mod groups;
mod intake;
mod logs;
mod queue;
mod reader;
mod records;
mod redelivery;
mod sessions;
pub mod sqlite;
mod tokens;

pub use clients::{ClientFilter, ClientStore};
pub use error::{Cause, OpenError, Rejection, RowName, StorageError};
pub use groups::Groups;
pub use intake::{
    AcceptedBefore, AcceptedElsewhere, AcceptedEvent, AnswerKey, Changes, EventDigest, EventKey, IntakeStore,
    IntakeTransaction, Known, LeftToEnd, Part, Wanted,
};
pub use logs::{LogOrder, LogPage, LogRecord, LogStore};
pub use queue::{
    ClientQueue, DeliveryQueue, DueTimes, Lease, LeasedDelivery, LeasedTurn, Order, QueueListener,
    QueueNotification, Settled, Settlement, Turn,
};
pub use reader::{AttemptRecord, DeliveryPage, DeliveryReader, QueueDepth};
pub use redelivery::{JobProgress, RedeliveryStore};
pub use sessions::{SessionPage, SessionReader};
pub use tokens::{FoundToken, TokenStore};

/// How many lists are read at a time; more wait. A limit for a single caller has to be below this.
pub const LISTS_AT_A_TIME: u32 = 3;

/// The result of every operation on the store.
pub type Result<T> = std::result::Result<T, StorageError>;

/// Everything a backend provides.
pub trait Storage:
    IntakeStore
    + DeliveryQueue
    + DeliveryReader
    + RedeliveryStore
    + SessionReader
    + ClientStore
    + TokenStore
    + LogStore
    + Maintenance
{
}

impl<T> Storage for T where
    T: IntakeStore
        + DeliveryQueue
        + DeliveryReader
        + RedeliveryStore
        + SessionReader
        + ClientStore
        + TokenStore
        + LogStore
        + Maintenance
{
}

/// Operations on the store as a whole.
#[async_trait]
pub trait Maintenance: Send + Sync + 'static {
    /// Checks that the store can be read and written, by writing and reading.
    async fn ping(&self, now: Timestamp) -> Result<()>;

    /// Deletes what is older than `before`: up to `limit` rows each of finished deliveries (with their attempts), ended
    /// sessions, accepted events, completed redelivery jobs, audit entries, and API tokens that are revoked or expired.
    /// Returns how many rows were deleted.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Waits for operations under way, and closes the store.
    async fn close(&self);
}
