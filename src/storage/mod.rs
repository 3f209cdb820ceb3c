//! What logoutd remembers, behind small traits: one for each user of the store.
//!
//! The traits say what must hold, the backends how; only `app` names a backend. Nothing here decides
//! anything: plans come from `domain`, times and tokens from the caller.
//!
//! A row that cannot be read is left out of whatever is read in number, and is an error
//! ([`StorageError::Corrupt`]) for who asks for it by its name: it never stops the others.

use async_trait::async_trait;
use jiff::Timestamp;

mod clients;
mod error;
mod groups;
mod intake;
mod logs;
mod queue;
mod reader;
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
    ClientQueue, DeliveryQueue, Lease, LeasedDelivery, LeasedTurn, Order, Settled, Settlement, Turn,
};
pub use reader::{AttemptRecord, DeliveryPage, DeliveryReader, QueueDepth};
pub use redelivery::{JobProgress, RedeliveryStore};
pub use sessions::{SessionPage, SessionReader};
pub use tokens::{FoundToken, TokenStore};

/// How many lists are read at a time; the others wait for their turn. What one caller asks for must leave some of it.
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

/// Upkeep.
#[async_trait]
pub trait Maintenance: Send + Sync + 'static {
    /// Whether the store can be read and written now: it writes something, and reads.
    async fn ping(&self, now: Timestamp) -> Result<()>;

    /// Deletes up to `limit` rows each of finished deliveries (with their attempts), ended sessions,
    /// accepted events, completed redelivery jobs, entries of the audit trail, and API tokens revoked or expired,
    /// all from before `before`.
    /// Returns how many rows went.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Finishes what is under way and closes the store.
    async fn close(&self);
}
