//! Deliveries and attempts, by client where there are not too many.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::buckets;
use super::declare::metrics;

/// How many clients have a label of their own.
pub const MAX_CLIENTS: usize = 200;

/// The label of all the other clients.
const OTHER: &str = "(other)";

/// Deliveries and attempts.
pub struct DeliveryMetrics {
    registered: Registered,
    clients: ClientNames,
}

metrics! {
    struct Registered {
        /// Deliveries that reached a final state, by client
        deliveries: Family<DeliveryLabels, Counter>,
        /// Attempts by client and result
        attempts: Family<AttemptLabels, Counter>,
        /// How long the parts of attempts took
        attempt_phase (Seconds): Family<PhaseLabels, Histogram> = Family::new_with_constructor(buckets::milliseconds),
        /// From the acceptance of a session's end to its delivery
        delivery_lag (Seconds): Histogram = buckets::days(),
        /// Building and signing a token, waiting for a signer included
        signing (Seconds): Family<AlgLabels, Histogram> = Family::new_with_constructor(buckets::microseconds),
        /// Attempts by the connection they used
        connections: Family<ConnectionLabels, Counter>,
        /// Attempts under way now
        attempts_in_flight: Gauge,
        /// Pending deliveries by client
        queue_depth: Family<ClientLabels, Gauge>,
        /// For how long the oldest pending delivery of a client has been due
        queue_oldest_due_age (Seconds): Family<ClientLabels, Gauge>,
        /// Clients whose circuit breaker is not closed: 2 open, 1 half-open
        breaker_open: Family<ClientLabels, Gauge>,
        /// Outcomes that were not recorded, since another worker had taken the delivery over
        leases_lost: Counter,
    }
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
struct ClientLabels {
    client_id: String,
}

/// A client's pending deliveries.
#[derive(Clone, Debug)]
pub struct ClientGauges {
    /// The client.
    pub client_id: String,
    /// How many deliveries are pending.
    pub pending: u64,
    /// For how many seconds the oldest has been due; 0 if it is not due yet.
    pub overdue_seconds: i64,
}

impl DeliveryMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self { registered: Registered::register(registry), clients: ClientNames::default() }
    }

    /// Counts a delivery that reached a final state.
    pub fn ended(&self, client_id: &str, state: &'static str) {
        let client_id = self.clients.label(client_id);
        self.registered.deliveries.get_or_create(&DeliveryLabels { client_id, state }).inc();
    }

    /// Counts an attempt by its result: `delivered`, or the class of its error.
    pub fn attempt(&self, client_id: &str, result: &str) {
        let client_id = self.clients.label(client_id);
        let labels = AttemptLabels { client_id, result: result.to_owned() };
        self.registered.attempts.get_or_create(&labels).inc();
    }

    /// Observes how long a phase of an attempt took.
    pub fn phase(&self, phase: &'static str, took: Duration) {
        self.registered.attempt_phase.get_or_create(&PhaseLabels { phase }).observe(took.as_secs_f64());
    }

    /// Observes the time from the acceptance of an event to a delivery that follows from it.
    pub fn delivered_after(&self, lag: Duration) {
        self.registered.delivery_lag.observe(lag.as_secs_f64());
    }

    /// Observes how long it took to build and sign a token.
    pub fn signed(&self, alg: &'static str, took: Duration) {
        self.registered.signing.get_or_create(&AlgLabels { alg }).observe(took.as_secs_f64());
    }

    /// Counts an attempt by whether its connection came from the pool.
    pub fn connection(&self, kept: bool) {
        let connection = if kept { "kept" } else { "new" };
        self.registered.connections.get_or_create(&ConnectionLabels { connection }).inc();
    }

    /// Counts an outcome that was not recorded, since its lease was lost.
    pub fn lease_lost(&self) {
        self.registered.leases_lost.inc();
    }

    /// Sets how many attempts are under way.
    pub fn set_in_flight(&self, attempts: u32) {
        self.registered.attempts_in_flight.set(attempts.into());
    }

    /// Sets the pending deliveries of each client that has any.
    pub fn set_queues(&self, queues: &[ClientGauges]) {
        let Registered { queue_depth, queue_oldest_due_age, .. } = &self.registered;
        queue_depth.clear();
        queue_oldest_due_age.clear();
        for queue in queues {
            let labels = ClientLabels { client_id: self.clients.label(&queue.client_id) };
            queue_depth.get_or_create(&labels).inc_by(i64::try_from(queue.pending).unwrap_or(i64::MAX));
            let age = queue_oldest_due_age.get_or_create(&labels);
            age.set(age.get().max(queue.overdue_seconds));
        }
    }

    /// Sets the breakers that are not closed: client and state.
    pub fn set_breakers<'b>(&self, breakers: impl IntoIterator<Item = (&'b str, &'static str)>) {
        let breaker_open = &self.registered.breaker_open;
        breaker_open.clear();
        for (client_id, state) in breakers {
            let labels = ClientLabels { client_id: self.clients.label(client_id) };
            let gauge = breaker_open.get_or_create(&labels);
            gauge.set(gauge.get().max(if state == "open" { 2 } else { 1 }));
        }
    }
}

/// The clients that have a label of their own: the first [`MAX_CLIENTS`] seen.
#[derive(Default)]
struct ClientNames(Mutex<HashSet<String>>);

impl ClientNames {
    fn label(&self, client_id: &str) -> String {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    use super::*;

    #[test]
    fn clients_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new();
        for n in 0..MAX_CLIENTS + 50 {
            metrics.delivery.attempt(&format!("client-{n}"), "delivered");
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
