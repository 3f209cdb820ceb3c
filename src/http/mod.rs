//! The HTTP surface: one listener for sources and relying parties, one for operators.
//!
//! A handler reads the request, calls a use case and writes the answer; it contains no SQL and decides
//! nothing about sessions or deliveries.

mod audit;
mod auth;
mod body;
mod breakers;
mod clients;
mod conventions;
mod deliveries;
mod discovery;
mod error;
mod event_body;
mod events;
mod health;
mod if_match;
mod jwks;
mod keys;
mod list_turn;
mod logs;
mod metrics;
mod oauth;
mod openapi;
mod path;
mod peer;
mod prefer;
mod query;
mod router;
mod sessions;
mod state;
mod time;

pub use audit::Trail;
pub use health::Readiness;
pub use list_turn::ListTurns;
pub use metrics::Scrapes;
pub use openapi::document as openapi_document;
pub use peer::Peer;
pub use router::{Route, management, management_routes, server, server_routes};
pub use state::HttpState;
