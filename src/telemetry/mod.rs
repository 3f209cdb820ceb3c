//! What logoutd says about itself: log lines, for people or as JSON, and metrics.
//!
//! Lines stand alone, with fields; they never hold tokens, secrets, `sub` or metadata values.

mod connections;
mod keys;
mod logging;
pub mod metrics;
mod tls;
mod writer;

pub use connections::{ClosedReason, ConnectionMetrics};
pub use keys::KeysMetrics;
pub use logging::{check, init};
pub use metrics::Metrics;
pub use tls::{HandshakeOutcome, TlsMetrics};
