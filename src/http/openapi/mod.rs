//! The OpenAPI 3.1 document, made from the routes.
//!
//! A handler's `#[utoipa::path]` says what is its own: parameters, body, answers. What follows from its route (the scope,
//! the answers that any request can get) is added by `complete`, so that no handler can forget or contradict it.

mod complete;

use std::sync::LazyLock;

use axum::body::Bytes;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::http::api::{Document, management_routes, server_routes};
use crate::http::error::Body as Error;
use crate::http::route::Route;
use crate::http::schema;

/// What the document says of the API as a whole.
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
        (name = "service", description = "Health, metrics, the API token login and this document."),
    ),
    components(schemas(Error)),
)]
struct Base;

/// The document as it is served, serialized once.
static SERVED: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&document()).expect("a document has string keys").into());

/// The document for `GET /api/v2/openapi.json`.
pub(super) fn served() -> Document {
    Document(&SERVED)
}

/// The document of both listeners' routes.
pub fn document() -> Value {
    let (server, management) = (server_routes(), management_routes());
    let router = distinct(&server, &management)
        .fold(OpenApiRouter::with_openapi(Base::openapi()), |router, route| {
            router.routes(route.operation.clone())
        });
    let mut document = router.into_openapi();
    document.components.get_or_insert_default().schemas.extend(schema::shared_schemas());
    let document = serde_json::to_value(document).expect("a document has string keys");
    complete::complete(document, &server, &management)
}

/// Every route once, also those that both listeners serve.
fn distinct<'r>(server: &'r [Route], management: &'r [Route]) -> impl Iterator<Item = &'r Route> {
    management.iter().chain(server.iter().filter(|route| !is_among(route, management)))
}

fn is_among(route: &Route, routes: &[Route]) -> bool {
    routes.iter().any(|other| route.is_same(other))
}
