//! The HTTP surface: one listener for sources and relying parties, one for operators.
//!
//! A handler reads the request, calls a use case and writes the answer; it contains no SQL and decides
//! nothing about sessions or deliveries.

mod api;
mod audit;
mod auth;
mod conventions;
mod error;
mod extract;
mod openapi;
mod router;
mod schema;
mod state;

pub use api::service::health::Readiness;
pub use api::service::metrics::Scrapes;
pub use audit::Trail;
pub use extract::list_turn::ListTurns;
pub use extract::peer::Peer;
pub use openapi::document as openapi_document;
pub use router::{Route, management, management_routes, server, server_routes};
pub use state::HttpState;
