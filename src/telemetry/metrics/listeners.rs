//! The listeners: connections, TLS handshakes and certificates.

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::declare::metrics;

metrics! {
    /// The listeners: connections, TLS handshakes and certificates.
    pub struct ListenerMetrics {
        /// TLS handshakes of the listeners by what became of them
        tls_handshakes: Family<HandshakeLabels, Counter>,
        /// How often the files of a listener's TLS were loaded again, and whether they could be used
        tls_reloads: Family<ReloadLabels, Counter>,
        /// When the first certificate of a listener's chain expires, in Unix time
        tls_certificate_expires (Seconds): Family<ListenerLabels, Gauge>,
        /// Connections to a listener that are open now
        listener_connections: Family<ListenerLabels, Gauge>,
        /// Connections to a listener that were closed on their peers, by the reason
        listener_connections_closed: Family<ClosedLabels, Counter>,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: &'static str,
    outcome: HandshakeOutcome,
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values of the metric")]
pub enum HandshakeOutcome {
    /// The connection is established.
    completed,
    /// The peer sent something invalid, offered nothing that is supported, or disconnected.
    failed,
    /// It took longer than a handshake may.
    timed_out,
    /// It was the oldest one when too many were under way.
    crowded_out,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    listener: &'static str,
    outcome: &'static str,
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

/// Why the listener closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label values of the metric")]
pub enum ClosedReason {
    /// No request was being answered for longer than the idle timeout.
    idle,
    /// The peer read nothing of a response for longer than the write timeout.
    stalled,
    /// The listener had its maximum of connections, and another one came in.
    crowded_out,
}

impl ListenerMetrics {
    /// Counts a TLS handshake.
    pub fn handshake(&self, listener: &'static str, outcome: HandshakeOutcome) {
        self.tls_handshakes.get_or_create(&HandshakeLabels { listener, outcome }).inc();
    }

    /// Counts a reload of a listener's TLS files, and whether they could be used.
    pub fn reloaded(&self, listener: &'static str, loaded: bool) {
        let outcome = if loaded { "loaded" } else { "failed" };
        self.tls_reloads.get_or_create(&ReloadLabels { listener, outcome }).inc();
    }

    /// Sets when the first certificate of a listener's chain expires; `None` if that is not known.
    pub fn expires(&self, listener: &'static str, at: Option<Timestamp>) {
        let labels = ListenerLabels { listener };
        match at {
            Some(at) => {
                self.tls_certificate_expires.get_or_create(&labels).set(at.as_second());
            }
            None => {
                self.tls_certificate_expires.remove(&labels);
            }
        }
    }

    /// Counts a connection as open.
    pub fn opened(&self, listener: &'static str) {
        self.listener_connections.get_or_create(&ListenerLabels { listener }).inc();
    }

    /// Counts a connection as no longer open.
    pub fn ended(&self, listener: &'static str) {
        self.listener_connections.get_or_create(&ListenerLabels { listener }).dec();
    }

    /// Counts a connection that the listener closes.
    pub fn closed(&self, listener: &'static str, reason: ClosedReason) {
        self.listener_connections_closed.get_or_create(&ClosedLabels { listener, reason }).inc();
    }
}
