//! The audit trail in the store: what was changed, and what deliveries came to.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::log::{LogEntry, LogFilter, LogId};

/// The audit trail. What a delivery came to is read from the delivery itself, so that it costs no second row
/// while logout tokens go out; a delivery that is redelivered leaves its earlier outcome here.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Writes an entry, durably.
    async fn record(&self, entry: &LogEntry) -> Result<()>;

    /// An entry.
    async fn log(&self, id: LogId) -> Result<Option<LogRecord>>;

    /// Entries that match, in this order: up to `limit`, the first `skip` left out.
    async fn logs(
        &self,
        filter: &LogFilter,
        order: LogOrder,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<LogRecord>>;

    /// How many entries match, counted up to `most`.
    async fn log_count(&self, filter: &LogFilter, most: u32) -> Result<u32>;

    /// Up to `limit` entries that match, of those after `after` and before `until`, the oldest first.
    ///
    /// Waits for what is being written when it is called: then all that happened before `until` is there, if
    /// whoever wrote it had the time of it no earlier than `until` and got to the store before this call.
    async fn logs_after(
        &self,
        filter: &LogFilter,
        after: LogId,
        until: Timestamp,
        limit: u32,
    ) -> Result<LogsAfter>;
}

/// Entries after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsAfter {
    /// The entries.
    pub records: Vec<LogRecord>,
    /// Up to here all were looked at, if that is further than the last of them: a call looks at a bounded number
    /// of entries, and may find few or none that match among them.
    pub looked_at: Option<LogId>,
}

/// Which entries come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOrder {
    /// The newest.
    Newest,
    /// The oldest.
    Oldest,
}

/// An entry as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The entry.
    pub entry: LogEntry,
    /// The name of its client, as it is registered now.
    pub client_name: Option<String>,
}
