//! What is counted of the listeners' TLS.

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What is counted of the listeners' TLS.
#[derive(Default)]
pub struct TlsMetrics {
    handshakes: Family<HandshakeLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    expires: Family<ListenerLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: &'static str,
    outcome: HandshakeOutcome,
}

/// What became of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the collector sees them")]
pub enum HandshakeOutcome {
    /// The connection is there.
    completed,
    /// The two sides do not go together, or the peer went away.
    failed,
    /// The peer took too long.
    timed_out,
    /// It took longer than others when there were too many.
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

impl TlsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "tls_handshakes",
            "TLS handshakes of the listeners by what became of them",
            metrics.handshakes.clone(),
        );
        registry.register(
            "tls_reloads",
            "How often the files of a listener's TLS were loaded again, and whether they could be used",
            metrics.reloads.clone(),
        );
        registry.register_with_unit(
            "tls_certificate_expires",
            "When the first certificate of a listener's chain expires, in Unix time",
            Unit::Seconds,
            metrics.expires.clone(),
        );
        metrics
    }

    /// A handshake ended.
    pub fn handshake(&self, listener: &'static str, outcome: HandshakeOutcome) {
        self.handshakes.get_or_create(&HandshakeLabels { listener, outcome }).inc();
    }

    /// A listener's files were loaded again, or could not be used.
    pub fn reloaded(&self, listener: &'static str, loaded: bool) {
        let outcome = if loaded { "loaded" } else { "failed" };
        self.reloads.get_or_create(&ReloadLabels { listener, outcome }).inc();
    }

    /// When the first certificate of a listener's chain expires, if that is known.
    pub fn expires(&self, listener: &'static str, at: Option<Timestamp>) {
        let labels = ListenerLabels { listener };
        match at {
            Some(at) => {
                self.expires.get_or_create(&labels).set(at.as_second());
            }
            None => {
                self.expires.remove(&labels);
            }
        }
    }
}
