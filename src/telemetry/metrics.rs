//! What is counted and timed, in the Prometheus text format.
//!
//! Names and labels are for operators; every label has few values. Of clients the first [`MAX_CLIENTS`] seen
//! have a label of their own, the others share one, so that a large registry does not flood the collector.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::connections::ConnectionMetrics;
use super::keys::KeysMetrics;
use super::tls::TlsMetrics;

/// How many clients have a label of their own.
pub const MAX_CLIENTS: usize = 200;

/// The label of all the other clients.
const OTHER: &str = "(other)";

/// What is counted and timed.
pub struct Metrics {
    registry: Registry,
    clients: Mutex<HashSet<String>>,
    events: Family<EventLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    phases: Family<PhaseLabels, Histogram>,
    lag: Histogram,
    signing: Family<AlgLabels, Histogram>,
    connections: Family<ConnectionLabels, Counter>,
    group_size: Family<CommitLabels, Histogram>,
    commit: Family<CommitLabels, Histogram>,
    in_flight: Gauge,
    queue_depth: Family<ClientLabels, Gauge>,
    queue_age: Family<ClientLabels, Gauge>,
    breakers: Family<ClientLabels, Gauge>,
    leases_lost: Counter,
    tls: TlsMetrics,
    listeners: ConnectionMetrics,
    keys: KeysMetrics,
    sensitive_metadata: Family<KindLabels, Counter>,
    unreadable_rows: Family<TableLabels, Counter>,
    event_id_collisions: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    outcome: EventOutcome,
}

/// What became of a reported event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the collector sees them")]
pub enum EventOutcome {
    /// It was stored.
    accepted,
    /// It had been stored before.
    duplicate,
    /// It could not be acted on.
    refused,
    /// Too many were waiting.
    busy,
    /// The store failed.
    unavailable,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    client_id: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    client_id: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlgLabels {
    alg: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    connection: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommitLabels {
    of: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabels {
    table: &'static str,
}

/// What waits for a client, as the collector is to see it.
#[derive(Clone, Debug)]
pub struct ClientGauges {
    /// The client.
    pub client_id: String,
    /// How many deliveries are pending.
    pub pending: u64,
    /// For how many seconds the oldest has been due; 0 if it is not due yet.
    pub overdue_seconds: i64,
}

fn fast() -> Histogram {
    // From 10 µs to 80 ms.
    Histogram::new(exponential_buckets(1e-5, 2.0, 14))
}

fn slow() -> Histogram {
    // From 250 µs to 65 s.
    Histogram::new(exponential_buckets(2.5e-4, 2.0, 19))
}

fn days() -> Histogram {
    // From a millisecond to about three days.
    Histogram::new(exponential_buckets(1e-3, 4.0, 15))
}

fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

impl Metrics {
    /// Nothing was counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("logoutd");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        let tls = TlsMetrics::register(&mut registry);
        let listeners = ConnectionMetrics::register(&mut registry);
        let keys = KeysMetrics::register(&mut registry);
        let metrics = Self {
            registry: Registry::default(),
            clients: Mutex::default(),
            events: Family::default(),
            deliveries: Family::default(),
            attempts: Family::default(),
            phases: Family::new_with_constructor(slow),
            lag: days(),
            signing: Family::new_with_constructor(fast),
            connections: Family::default(),
            group_size: Family::new_with_constructor(counts),
            commit: Family::new_with_constructor(slow),
            in_flight: Gauge::default(),
            queue_depth: Family::default(),
            queue_age: Family::default(),
            breakers: Family::default(),
            leases_lost: Counter::default(),
            tls,
            listeners,
            keys,
            sensitive_metadata: Family::default(),
            unreadable_rows: Family::default(),
            event_id_collisions: Counter::default(),
        };
        registry.register("events", "Reported events by what became of them", metrics.events.clone());
        registry.register(
            "deliveries",
            "Deliveries that reached a final state, by client",
            metrics.deliveries.clone(),
        );
        registry.register("attempts", "Attempts by client and result", metrics.attempts.clone());
        registry.register_with_unit(
            "attempt_phase",
            "How long the parts of attempts took",
            Unit::Seconds,
            metrics.phases.clone(),
        );
        registry.register_with_unit(
            "delivery_lag",
            "From the acceptance of a session's end to its delivery",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register_with_unit(
            "signing",
            "Building and signing a token, waiting for a signer included",
            Unit::Seconds,
            metrics.signing.clone(),
        );
        registry.register("connections", "Attempts by the connection they used", metrics.connections.clone());
        registry.register(
            "group_commit_size",
            "How many events or outcomes shared a transaction",
            metrics.group_size.clone(),
        );
        registry.register_with_unit(
            "group_commit",
            "How long such a transaction took",
            Unit::Seconds,
            metrics.commit.clone(),
        );
        registry.register("attempts_in_flight", "Attempts under way now", metrics.in_flight.clone());
        registry.register("queue_depth", "Pending deliveries by client", metrics.queue_depth.clone());
        registry.register_with_unit(
            "queue_oldest_due_age",
            "For how long the oldest pending delivery of a client has been due",
            Unit::Seconds,
            metrics.queue_age.clone(),
        );
        registry.register(
            "breaker_open",
            "Clients whose circuit breaker is not closed: 2 open, 1 half-open",
            metrics.breakers.clone(),
        );
        registry.register(
            "leases_lost",
            "Outcomes that were not recorded, since another worker had taken the delivery over",
            metrics.leases_lost.clone(),
        );
        registry.register(
            "sensitive_metadata",
            "Session metadata entries that look like secrets or high-risk personal data, accepted or refused",
            metrics.sensitive_metadata.clone(),
        );
        metrics.register_faults(&mut registry);
        Self { registry, ..metrics }
    }

    /// What should not be.
    fn register_faults(&self, registry: &mut Registry) {
        registry.register(
            "store_unreadable_rows",
            "How often a row was passed over since it cannot be read, by table",
            self.unreadable_rows.clone(),
        );
        registry.register(
            "event_id_collisions",
            "Events that were accepted under a source and id that another reporter had used for something else",
            self.event_id_collisions.clone(),
        );
    }

    /// Events that were reported.
    pub fn events(&self, outcome: EventOutcome, count: usize) {
        self.events.get_or_create(&EventLabels { outcome }).inc_by(count as u64);
    }

    /// A delivery reached a final state.
    pub fn delivery_ended(&self, client_id: &str, state: &'static str) {
        let client_id = self.client_label(client_id);
        self.deliveries.get_or_create(&DeliveryLabels { client_id, state }).inc();
    }

    /// An attempt came to this: `delivered`, or the class of its error.
    pub fn attempt(&self, client_id: &str, result: &str) {
        let client_id = self.client_label(client_id);
        self.attempts.get_or_create(&AttemptLabels { client_id, result: result.to_owned() }).inc();
    }

    /// A part of an attempt took so long.
    pub fn phase(&self, phase: &'static str, took: Duration) {
        self.phases.get_or_create(&PhaseLabels { phase }).observe(took.as_secs_f64());
    }

    /// A delivery reached its RP so long after it was accepted.
    pub fn delivered_after(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// A token was signed.
    pub fn signed(&self, alg: &'static str, took: Duration) {
        self.signing.get_or_create(&AlgLabels { alg }).observe(took.as_secs_f64());
    }

    /// An attempt had a connection: a kept one, or a new one.
    pub fn connection(&self, kept: bool) {
        let connection = if kept { "kept" } else { "new" };
        self.connections.get_or_create(&ConnectionLabels { connection }).inc();
    }

    /// A group was committed: `events` or `outcomes`.
    pub fn committed(&self, of: &'static str, size: usize, took: Duration) {
        let labels = CommitLabels { of };
        #[expect(clippy::cast_precision_loss, reason = "groups are small")]
        self.group_size.get_or_create(&labels).observe(size as f64);
        self.commit.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An outcome was not recorded, since its lease was lost.
    pub fn lease_lost(&self) {
        self.leases_lost.inc();
    }

    /// An entry of session metadata looks like a secret or like high-risk personal data.
    pub fn sensitive_metadata(&self, kind: &'static str) {
        self.sensitive_metadata.get_or_create(&KindLabels { kind }).inc();
    }

    /// A row of this table cannot be read, and was passed over.
    pub fn unreadable_row(&self, table: &'static str) {
        self.unreadable_rows.get_or_create(&TableLabels { table }).inc();
    }

    /// An event was accepted whose source and id another reporter had used for something else.
    pub fn event_id_collision(&self) {
        self.event_id_collisions.inc();
    }

    /// How many attempts are under way.
    pub fn set_in_flight(&self, attempts: u32) {
        self.in_flight.set(attempts.into());
    }

    /// What waits, for each client with something waiting.
    pub fn set_queues(&self, queues: &[ClientGauges]) {
        self.queue_depth.clear();
        self.queue_age.clear();
        for queue in queues {
            let labels = ClientLabels { client_id: self.client_label(&queue.client_id) };
            self.queue_depth.get_or_create(&labels).inc_by(i64::try_from(queue.pending).unwrap_or(i64::MAX));
            let age = self.queue_age.get_or_create(&labels);
            age.set(age.get().max(queue.overdue_seconds));
        }
    }

    /// The breakers that are not closed: client and state.
    pub fn set_breakers<'b>(&self, breakers: impl IntoIterator<Item = (&'b str, &'static str)>) {
        self.breakers.clear();
        for (client_id, state) in breakers {
            let labels = ClientLabels { client_id: self.client_label(client_id) };
            let gauge = self.breakers.get_or_create(&labels);
            gauge.set(gauge.get().max(if state == "open" { 2 } else { 1 }));
        }
    }

    /// What is counted of the listeners' TLS.
    pub fn tls(&self) -> &TlsMetrics {
        &self.tls
    }

    /// What is counted of the listeners' connections.
    pub fn listeners(&self) -> &ConnectionMetrics {
        &self.listeners
    }

    /// What is counted of the keys folder.
    pub fn keys(&self) -> &KeysMetrics {
        &self.keys
    }

    /// All of it as text (`application/openmetrics-text`).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }

    fn client_label(&self, client_id: &str) -> String {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.contains(client_id) {
            return client_id.to_owned();
        }
        if clients.len() >= MAX_CLIENTS {
            return OTHER.to_owned();
        }
        clients.insert(client_id.to_owned());
        client_id.to_owned()
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
    use super::*;

    #[test]
    fn clients_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new();
        for n in 0..MAX_CLIENTS + 50 {
            metrics.attempt(&format!("client-{n}"), "delivered");
        }
        let text = metrics.encode();
        let lines = text.lines().filter(|line| line.starts_with("logoutd_attempts_total{")).count();
        assert_eq!(lines, MAX_CLIENTS + 1);
        assert!(
            text.contains("logoutd_attempts_total{client_id=\"(other)\",result=\"delivered\"} 50"),
            "{text}"
        );
    }
}
