//! `GET /api/v2/openapi.json`: what the HTTP surface takes and answers, as OpenAPI 3.1.
//!
//! Each handler is annotated with what is its own: parameters, body, answers. What follows from the route table
//! (the scope, what any request can be answered with) is added by `complete`, so that no handler can forget or
//! contradict it. A test compares the document with the route table.
//!
//! For a new route: annotate its handler with `#[utoipa::path]`, name it in its folder's `Operations` (or in
//! `Handlers` below), and write `docs/openapi.json` anew as the failing test says.

mod complete;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa::OpenApi;

use crate::http::api::discovery::{jwks, provider};
use crate::http::api::service::{health, metrics};
use crate::http::api::{breakers, clients, deliveries, events as intake, keys, logs, oauth, sessions};
use crate::http::error::Body as Error;
use crate::http::schema::types;

/// The handlers that are in no folder of their own; the others are listed in their folders.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "logoutd",
        description = "A durable back-channel logout token issuer that runs beside any OpenID Provider. Where \
                       Auth0's Management API v2 has the resource, shapes, names, limits and paging are its own.\n\n\
                       Errors are JSON (`Error`), also for paths and methods that do not exist (404, 405). Nothing \
                       of a refused request is stored. Answers of `/api/v2` say how much of the caller's rate \
                       limit is left (`X-RateLimit-…`). Bodies have at most 1 MiB. Query parameters and members that \
                       an operation does not know are errors."
    ),
    servers((url = "/", description = "management.listen: for operators")),
    tags(
        (name = "events", description = "What sources report: sessions created, changed and terminated."),
        (name = "sessions", description = "Sessions and their metadata, in Auth0's shape."),
        (name = "clients", description = "Relying parties, in the words of OpenID registration and of Auth0."),
        (name = "deliveries", description = "The queue, its dead letters, and redelivery."),
        (name = "keys", description = "Signing keys, in Auth0's shape."),
        (name = "logs", description = "The audit trail: changes, and outcomes of deliveries."),
        (name = "discovery", description = "What relying parties need to verify logout tokens."),
        (name = "service", description = "For whoever runs logoutd."),
    ),
    components(schemas(Error)),
    paths(
        intake::receive,
        breakers::list,
        provider::show,
        jwks::show,
        health::live,
        health::ready,
        metrics::show,
        show,
    )
)]
struct Handlers;

/// The document, as it is served.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&document()).expect("JSON can be written").into());

/// The document of both listeners' routes, for `GET /api/v2/openapi.json` and tests.
pub fn document() -> Value {
    let mut document = Handlers::openapi();
    for folder in [
        sessions::Operations::openapi(),
        clients::Operations::openapi(),
        deliveries::Operations::openapi(),
        keys::Operations::openapi(),
        logs::Operations::openapi(),
        oauth::Operations::openapi(),
    ] {
        document.merge(folder);
    }
    document.components.get_or_insert_default().schemas.extend(types::stand_ins());
    complete::complete(serde_json::to_value(document).expect("a document has string keys"))
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v2/openapi.json",
    tag = "service",
    operation_id = "getOpenApi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub(super) async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
