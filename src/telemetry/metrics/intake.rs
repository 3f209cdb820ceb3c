//! Reported events.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::metrics;

metrics! {
    /// Reported events.
    pub struct IntakeMetrics {
        /// Reported events by what became of them
        events: Family<EventLabels, Counter>,
        /// Session metadata entries that look like secrets or high-risk personal data, accepted or refused
        sensitive_metadata: Family<KindLabels, Counter>,
        /// Events that were accepted under a source and id that another reporter had used for something else
        event_id_collisions: Counter,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    outcome: EventOutcome,
}

/// What became of a reported event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values of the metric")]
pub enum EventOutcome {
    /// It was stored.
    accepted,
    /// It had been stored before.
    duplicate,
    /// It is invalid, or cannot be applied.
    refused,
    /// The queue of the intake was full.
    busy,
    /// The store failed.
    unavailable,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl IntakeMetrics {
    /// Counts reported events.
    pub fn events(&self, outcome: EventOutcome, count: usize) {
        self.events.get_or_create(&EventLabels { outcome }).inc_by(count as u64);
    }

    /// Counts an entry of session metadata that looks like a secret or like high-risk personal data of this kind.
    pub fn sensitive_metadata(&self, kind: &'static str) {
        self.sensitive_metadata.get_or_create(&KindLabels { kind }).inc();
    }

    /// Counts an event whose source and id another reporter had used for a different event.
    pub fn event_id_collision(&self) {
        self.event_id_collisions.inc();
    }
}
