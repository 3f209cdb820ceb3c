//! The store's transactions and rows.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::buckets;
use super::declare::metrics;

metrics! {
    /// The store's transactions and rows.
    pub struct StorageMetrics {
        /// How many events or outcomes shared a transaction
        group_commit_size: Family<CommitLabels, Histogram> = Family::new_with_constructor(buckets::counts),
        /// How long such a transaction took
        group_commit (Seconds): Family<CommitLabels, Histogram> = Family::new_with_constructor(buckets::milliseconds),
        /// How often a row was passed over since it cannot be read, by table
        store_unreadable_rows: Family<TableLabels, Counter>,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommitLabels {
    of: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabels {
    table: &'static str,
}

impl StorageMetrics {
    /// Observes a committed group of `events` or `outcomes`.
    pub fn committed(&self, of: &'static str, size: usize, took: Duration) {
        let labels = CommitLabels { of };
        #[expect(clippy::cast_precision_loss, reason = "groups are small")]
        self.group_commit_size.get_or_create(&labels).observe(size as f64);
        self.group_commit.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a row of this table that cannot be read, and was passed over.
    pub fn unreadable_row(&self, table: &'static str) {
        self.store_unreadable_rows.get_or_create(&TableLabels { table }).inc();
    }
}
