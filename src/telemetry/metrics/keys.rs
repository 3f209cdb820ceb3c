//! The keys folder.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::metrics;

metrics! {
    /// The keys folder.
    pub struct KeysMetrics {
        /// How often the keys folder was read again, and whether it could be used
        keys_reloads: Family<ReloadLabels, Counter>,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

impl KeysMetrics {
    /// Counts a reload of the keys folder, and whether its keys could be used.
    pub fn reloaded(&self, loaded: bool) {
        self.add(loaded, 1);
    }

    /// Makes both series appear before the first reload.
    pub(super) fn start_at_zero(&self) {
        for loaded in [true, false] {
            self.add(loaded, 0);
        }
    }

    fn add(&self, loaded: bool, reloads: u64) {
        let outcome = if loaded { "loaded" } else { "failed" };
        self.keys_reloads.get_or_create(&ReloadLabels { outcome }).inc_by(reloads);
    }
}
