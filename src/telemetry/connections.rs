//! What is counted of the listeners' connections.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of the listeners' connections.
#[derive(Default)]
pub struct ConnectionMetrics {
    open: Family<ListenerLabels, Gauge>,
    closed: Family<ClosedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedLabels {
    listener: &'static str,
    reason: ClosedReason,
}

/// Why a connection was closed that its peer would have kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the collector sees them")]
pub enum ClosedReason {
    /// Nothing was asked for too long.
    idle,
    /// The peer did not read what was written.
    stalled,
    /// Another needed its place.
    crowded_out,
}

impl ConnectionMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "listener_connections",
            "Connections to a listener that are open now",
            metrics.open.clone(),
        );
        registry.register(
            "listener_connections_closed",
            "Connections to a listener that were closed on their peers, by the reason",
            metrics.closed.clone(),
        );
        metrics
    }

    /// A connection was accepted.
    pub fn opened(&self, listener: &'static str) {
        self.open.get_or_create(&ListenerLabels { listener }).inc();
    }

    /// A connection has ended, for whatever reason.
    pub fn ended(&self, listener: &'static str) {
        self.open.get_or_create(&ListenerLabels { listener }).dec();
    }

    /// A connection is closed on its peer.
    pub fn closed(&self, listener: &'static str, reason: ClosedReason) {
        self.closed.get_or_create(&ClosedLabels { listener, reason }).inc();
    }
}
