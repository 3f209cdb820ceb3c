//! What is counted of the keys folder.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What is counted of the keys folder.
#[derive(Default)]
pub struct KeysMetrics {
    reloads: Family<ReloadLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

impl KeysMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "keys_reloads",
            "How often the keys folder was read again, and whether it could be used",
            metrics.reloads.clone(),
        );
        metrics
    }

    /// How often it was taken over, and how often it could not be used, since the start. The keyring counts itself.
    pub fn set_reloads(&self, loaded: u64, failed: u64) {
        for (outcome, count) in [("loaded", loaded), ("failed", failed)] {
            let counter = self.reloads.get_or_create(&ReloadLabels { outcome });
            // Never below what was shown before, where two collectors ask at the same time.
            counter.inner().fetch_max(count, Ordering::Relaxed);
        }
    }
}
