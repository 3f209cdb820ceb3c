//! Prometheus metrics, in the text format of `OpenMetrics`.
//!
//! Each subject has a group that declares its metrics and counts them. Names and labels are for operators, and every
//! label has few values: the first [`MAX_CLIENTS`] clients seen have a label of their own, and the others share one.

mod buckets;
mod declare;
mod delivery;
mod intake;
mod keys;
mod listeners;
mod storage;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::delivery::{ClientGauges, DeliveryMetrics, MAX_CLIENTS};
pub use self::intake::{EventOutcome, IntakeMetrics};
pub use self::keys::KeysMetrics;
pub use self::listeners::{ClosedReason, HandshakeOutcome, ListenerMetrics};
pub use self::storage::StorageMetrics;

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    /// Connections, TLS handshakes and certificates.
    pub listeners: ListenerMetrics,
    /// The keys folder.
    pub keys: KeysMetrics,
    /// Reported events.
    pub intake: IntakeMetrics,
    /// Deliveries and attempts.
    pub delivery: DeliveryMetrics,
    /// The store's transactions and rows.
    pub storage: StorageMetrics,
}

impl Metrics {
    /// Metrics in which nothing was counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("logoutd");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        let keys = KeysMetrics::register(&mut registry);
        keys.start_at_zero();
        Self {
            listeners: ListenerMetrics::register(&mut registry),
            keys,
            intake: IntakeMetrics::register(&mut registry),
            delivery: DeliveryMetrics::register(&mut registry),
            storage: StorageMetrics::register(&mut registry),
            registry,
        }
    }

    /// All of them as text (`application/openmetrics-text`).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Operators' dashboards and alerts depend on names, help texts, labels, units and buckets.
    #[test]
    fn the_output_is_the_golden_file() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(1);
        let Metrics { listeners, keys, intake, delivery, storage, .. } = &metrics;
        listeners.handshake("server", HandshakeOutcome::timed_out);
        listeners.reloaded("server", false);
        listeners.expires("server", "2026-01-02T03:04:05Z".parse().ok());
        listeners.opened("server");
        listeners.closed("management", ClosedReason::idle);
        keys.reloaded(true);
        intake.events(EventOutcome::accepted, 2);
        intake.sensitive_metadata("payment_card");
        intake.event_id_collision();
        delivery.ended("shop", "delivered");
        delivery.attempt("shop", "timeout");
        delivery.phase("connect", took);
        delivery.delivered_after(took);
        delivery.signed("ES256", took);
        delivery.connection(true);
        delivery.set_in_flight(4);
        delivery.set_queues(&[ClientGauges { client_id: "shop".into(), pending: 5, overdue_seconds: 6 }]);
        delivery.set_breakers([("shop", "open")]);
        delivery.lease_lost();
        storage.committed("events", 3, took);
        storage.unreadable_row("deliveries");

        let text = metrics.encode().replace(env!("CARGO_PKG_VERSION"), "VERSION");
        // The series of a family come in any order.
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, include_str!("golden.txt").lines().collect::<Vec<_>>());
    }
}
