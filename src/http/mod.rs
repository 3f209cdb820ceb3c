//! The HTTP API: one listener for sources and relying parties, one for operators.
//!
//! A handler reads the request, calls a use case and writes the answer; it contains no SQL and decides nothing about
//! sessions or deliveries. From the bottom to the top, each importing only what is before it:
//!
//! | module | is for |
//! |---|---|
//! | `schema` | pieces of the wire format that several resources share, and their schemas |
//! | `error` | errors as they are answered |
//! | `extract` | extractors: parts of a request, with those errors |
//! | `audit` | the audit trail of changes |
//! | `auth`, `conventions` | checks before a handler |
//! | `state` | what the handlers share |
//! | `route` | a handler with its documentation, scope and name in the audit trail |
//! | `api` | the resources: a folder for each, a file for each handler |
//! | `openapi` | the document of all routes |
//! | `router` | the services of the listeners |
//!
//! To add a route: a handler with `#[utoipa::path]` in a file of its resource's folder, and a line in that folder's
//! `routes`. The tests then ask for its row in `tests/suite/access/table.rs`, and for `docs/openapi.json` to be written anew.

mod api;
mod audit;
mod auth;
mod conventions;
mod error;
mod extract;
mod openapi;
mod route;
mod router;
mod schema;
mod state;

pub use api::{management_routes, server_routes};
pub use audit::Trail;
pub use extract::{ListPermits, Peer};
pub use openapi::document as openapi_document;
pub use route::Route;
pub use router::{management, server};
pub use state::{HttpState, MetricsText, Readiness};
