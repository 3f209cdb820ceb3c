//! What the handlers share. A handler extracts only the parts that it needs: `State<Keyring>`, `State<Intake>`, ….

mod metrics_text;
mod readiness;

use std::sync::Arc;

use axum::extract::FromRef;

pub use metrics_text::MetricsText;
pub use readiness::Readiness;

use crate::access::{Authenticator, TrustedProxies};
use crate::clock::Clock;
use crate::delivery::{Gauges, Prober, Redelivery, Waiting};
use crate::http::audit::Trail;
use crate::http::extract::ListPermits;
use crate::intake::Intake;
use crate::keyring::Keyring;
use crate::registry::ClientRegistry;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryReader, LogStore, SessionReader};
use crate::telemetry::Metrics;

/// What the handlers share. The intake closes when this is dropped, and with it the servers that hold it.
pub struct HttpState {
    /// The `iss` of the tokens.
    pub issuer: String,
    /// Where relying parties find the keys.
    pub jwks_uri: String,
    /// The signing keys.
    pub keyring: Keyring,
    /// Takes events and commands.
    pub intake: Intake,
    /// Deliveries, to read them.
    pub deliveries: Arc<dyn DeliveryReader>,
    /// The audit trail, to read it.
    pub logs: Arc<dyn LogStore>,
    /// The audit trail, to write to it.
    pub trail: Trail,
    /// Whether entries of the audit trail name users (`audit.subjects`).
    pub audit_subjects: bool,
    /// Requests that wait for the outcome of deliveries.
    pub waiting: Waiting,
    /// Sessions, to read them.
    pub sessions: Arc<dyn SessionReader>,
    /// The clients.
    pub clients: ClientRegistry,
    /// Sends a client a token for a session that does not exist.
    pub prober: Prober,
    /// Puts deliveries back into the queue.
    pub redelivery: Redelivery,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Prometheus metrics.
    pub metrics: Arc<Metrics>,
    /// Brings the gauges among the metrics up to date.
    pub gauges: Gauges,
    /// Whether the store takes writes.
    pub readiness: Readiness,
    /// Bounds how many lists a caller reads at a time.
    pub list_permits: ListPermits,
    /// The last metrics text, shared by concurrent scrapes.
    pub metrics_text: MetricsText,
    /// Authenticates callers and counts their requests.
    pub authenticator: Authenticator,
    /// The proxies whose forwarding headers are believed.
    pub proxies: TrustedProxies,
    /// Whether the service is shutting down.
    pub shutdown: Shutdown,
}

/// The state of the routers: clones are the same.
#[derive(Clone)]
pub(crate) struct SharedState(Arc<HttpState>);

/// Who issues the tokens, as relying parties need to know it.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) jwks_uri: String,
}

/// Whether entries of the audit trail name users.
#[derive(Clone, Copy)]
pub(crate) struct AuditSubjects(pub(crate) bool);

impl SharedState {
    pub(crate) fn new(state: &Arc<HttpState>) -> Self {
        Self(Arc::clone(state))
    }
}

/// Makes these fields parts that a handler can extract by themselves.
macro_rules! parts {
    ($($field:ident: $part:ty,)+) => { $(
        impl FromRef<SharedState> for $part {
            fn from_ref(SharedState(state): &SharedState) -> Self {
                state.$field.clone()
            }
        }
    )+ };
}

parts! {
    keyring: Keyring,
    intake: Intake,
    deliveries: Arc<dyn DeliveryReader>,
    logs: Arc<dyn LogStore>,
    trail: Trail,
    waiting: Waiting,
    sessions: Arc<dyn SessionReader>,
    clients: ClientRegistry,
    prober: Prober,
    redelivery: Redelivery,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    gauges: Gauges,
    readiness: Readiness,
    list_permits: ListPermits,
    metrics_text: MetricsText,
    authenticator: Authenticator,
    proxies: TrustedProxies,
    shutdown: Shutdown,
}

impl FromRef<SharedState> for Issuer {
    fn from_ref(SharedState(state): &SharedState) -> Self {
        Self { url: state.issuer.clone(), jwks_uri: state.jwks_uri.clone() }
    }
}

impl FromRef<SharedState> for AuditSubjects {
    fn from_ref(SharedState(state): &SharedState) -> Self {
        Self(state.audit_subjects)
    }
}
