//! What the handlers work with.

use std::sync::Arc;

use crate::access::{Authenticator, TrustedProxies};
use crate::clock::Clock;
use crate::delivery::{Gauges, Prober, Redelivery, Waiting};
use crate::intake::Intake;
use crate::keyring::Keyring;
use crate::registry::ClientRegistry;
use crate::shutdown::Shutdown;
use crate::storage::{DeliveryReader, LogStore, SessionReader};
use crate::telemetry::Metrics;

use crate::http::api::service::health::Readiness;
use crate::http::api::service::metrics::Scrapes;
use crate::http::audit::Trail;
use crate::http::extract::list_turn::ListTurns;

/// What the handlers work with. Dropping it, with the servers that hold it, closes the door of the intake.
pub struct HttpState {
    /// The `iss` of the tokens.
    pub issuer: String,
    /// Where relying parties find the keys.
    pub jwks_uri: String,
    /// The keys.
    pub keyring: Keyring,
    /// Where events go in.
    pub intake: Intake,
    /// Where deliveries stand.
    pub deliveries: Arc<dyn DeliveryReader>,
    /// The audit trail.
    pub logs: Arc<dyn LogStore>,
    /// Where changes are written down.
    pub trail: Trail,
    /// Whether entries of the audit trail name the users they are about.
    pub audit_subjects: bool,
    /// Who waits for outcomes.
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
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// Brings the gauges among the metrics up to date.
    pub gauges: Gauges,
    /// Whether the store works.
    pub readiness: Readiness,
    /// Who reads lists.
    pub list_turns: ListTurns,
    /// The text of the metrics, for those who ask at the same time.
    pub scrapes: Scrapes,
    /// Who may do what.
    pub authenticator: Authenticator,
    /// Whose word is taken on where a request came from.
    pub proxies: TrustedProxies,
    /// Whether the service is winding down.
    pub shutdown: Shutdown,
}
