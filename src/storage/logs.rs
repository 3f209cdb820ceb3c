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
    ///
    /// Where no index serves the filter, entries are looked at one by one, in pieces that let others in between, and
    /// so many at the most: see [`LogPage::stopped_at`].
    async fn logs(&self, filter: &LogFilter, order: LogOrder, skip: u32, limit: u32) -> Result<LogPage>;

    /// How many entries match, counted up to `most`, or as far as [`logs`](Self::logs) goes: a lower bound then.
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
    ) -> Result<LogPage>;
}

/// Entries that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// In the order that was asked for.
    pub records: Vec<LogRecord>,
    /// There may be more that match, and nobody looked: where the search stopped. Every entry on the way there was
    /// looked at, those of that millisecond included.
    pub stopped_at: Option<Timestamp>,
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
