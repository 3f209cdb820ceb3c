//! What the service reports about itself: the log, for people or as JSON, and Prometheus metrics.
//!
//! Log lines stand alone, with fields. Tokens, secrets, `sub` and metadata values are in none of them.

mod logging;
pub mod metrics;
mod writer;

pub use logging::{check, init};
pub use metrics::Metrics;
