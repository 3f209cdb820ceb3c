//! The audit trail: changes by operators, and the outcomes of deliveries.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Result;
use crate::domain::log::{LogEntry, LogFilter, LogId};

/// The audit trail. The outcome of a delivery is read from the delivery itself, so that it costs no second row while
/// tokens are sent; the earlier outcome of a redelivered one is stored here.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Stores an entry, durably.
    async fn record(&self, entry: &LogEntry) -> Result<()>;

    /// An entry.
    async fn log(&self, id: LogId) -> Result<Option<LogRecord>>;

    /// Matching entries in this order: up to `limit`, after the first `skip`.
    ///
    /// Where no index serves the filter, entries are scanned in several short statements, up to a limit: see
    /// [`LogPage::stopped_at`].
    async fn logs(&self, filter: &LogFilter, order: LogOrder, skip: u32, limit: u32) -> Result<LogPage>;

    /// How many entries match: exact below `most`, and where [`logs`](Self::logs) would not stop early; else a lower
    /// bound.
    async fn log_count(&self, filter: &LogFilter, most: u32) -> Result<u32>;

    /// Up to `limit` matching entries after `after` and before `until`, the oldest first.
    ///
    /// For readers that go on from the last entry they have seen. Entries become visible when their transactions
    /// commit, which is not always in the order of their times, so that a late commit could add an entry before the
    /// reader's place. Therefore this waits for all transactions that were writing when it was called, and reads after
    /// they have ended: an entry from before `until` can be missed only if its writer had not begun its transaction by
    /// then. The caller rules that out by an `until` that is in the past by more than a writer takes to begin.
    async fn logs_after(
        &self,
        filter: &LogFilter,
        after: LogId,
        until: Timestamp,
        limit: u32,
    ) -> Result<LogPage>;
}

/// A page of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// In the order of the request.
    pub records: Vec<LogRecord>,
    /// Where the search stopped before its end, since it had scanned as many entries as one request may: there may be
    /// more beyond. Every entry up to there was scanned, including all of that millisecond.
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

/// An entry, with what is joined to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The entry.
    pub entry: LogEntry,
    /// The current name of its client.
    pub client_name: Option<String>,
}
