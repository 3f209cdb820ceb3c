//! Every route, in one table for each listener: a row for each method, with its path, scope and handler.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath};
use axum::handler::Handler;
use axum::http::{HeaderName, Method, Request};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::domain::access::Scope;
use crate::http::api::discovery::{jwks, provider};
use crate::http::api::service::{health, metrics};
use crate::http::api::{breakers, clients, deliveries, events, keys, logs, oauth, sessions};
use crate::http::audit::{Audited, audit};
use crate::http::auth::{Required, authorize};
use crate::http::conventions::{self, Conventions};
use crate::http::error::{ApiError, panicked};
use crate::http::openapi;
use crate::http::state::HttpState;

const DELETE: Method = Method::DELETE;
const GET: Method = Method::GET;
const PATCH: Method = Method::PATCH;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;

/// What callers ask below this path counts against their rate limit. Events do not: they come as often as
/// people log out.
pub(super) const API: &str = "/api/v2/";

/// The largest request body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Where paths name a user, by the `sub`.
const OF_USERS: &str = "/api/v2/users/";

/// How long a client may take between two pieces of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A row of a table.
struct Row {
    route: Route,
    handler: MethodRouter<Arc<HttpState>>,
}

/// What a row says, without its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method. `GET` rows also answer `HEAD`.
    pub method: Method,
    /// The path, with `{name}` where a segment varies.
    pub path: &'static str,
    /// The scope a caller's token must have; `None` where no token is asked for.
    pub scope: Option<Scope>,
}

/// `server.listen`: for sources and relying parties.
fn server_table() -> Vec<Row> {
    use Scope::CreateEvents;
    vec![
        row(GET, "/.well-known/openid-configuration", None, provider::show),
        row(GET, "/.well-known/jwks.json", None, jwks::show),
        row(POST, "/events", Some(CreateEvents), events::receive),
    ]
}

/// `management.listen`: for operators. Events are taken here too, so that one URL does for all commands.
fn management_table() -> Vec<Row> {
    use Scope::{
        CreateClients, CreateEvents, DeleteClients, DeleteSessions, ReadClients, ReadDeliveries, ReadLogs,
        ReadSessions, ReadSigningKeys, UpdateClients, UpdateDeliveries, UpdateSessions, UpdateSigningKeys,
    };
    vec![
        row(GET, "/livez", None, health::live),
        row(GET, "/readyz", None, health::ready),
        row(GET, "/metrics", None, metrics::show),
        row(POST, "/oauth/token", None, oauth::log_in),
        row(POST, "/events", Some(CreateEvents), events::receive),
        row(GET, "/api/v2/sessions/{id}", Some(ReadSessions), sessions::show),
        row(PATCH, "/api/v2/sessions/{id}", Some(UpdateSessions), sessions::update),
        row(DELETE, "/api/v2/sessions/{id}", Some(DeleteSessions), sessions::delete),
        row(POST, "/api/v2/sessions/{id}/revoke", Some(DeleteSessions), sessions::revoke),
        row(GET, "/api/v2/users/{id}/sessions", Some(ReadSessions), sessions::list),
        row(DELETE, "/api/v2/users/{id}/sessions", Some(DeleteSessions), sessions::delete_all),
        row(POST, "/api/v2/users/{id}/revoke-access", Some(DeleteSessions), sessions::revoke_access),
        row(GET, "/api/v2/clients", Some(ReadClients), clients::list),
        row(POST, "/api/v2/clients", Some(CreateClients), clients::create),
        row(GET, "/api/v2/clients/{id}", Some(ReadClients), clients::show),
        row(PATCH, "/api/v2/clients/{id}", Some(UpdateClients), clients::update),
        row(DELETE, "/api/v2/clients/{id}", Some(DeleteClients), clients::delete),
        row(POST, "/api/v2/clients/{id}/test", Some(UpdateClients), clients::probe),
        row(GET, "/api/v2/deliveries", Some(ReadDeliveries), deliveries::list),
        row(POST, "/api/v2/deliveries/redeliver", Some(UpdateDeliveries), deliveries::redeliver_all),
        row(GET, "/api/v2/deliveries/{id}", Some(ReadDeliveries), deliveries::show),
        row(POST, "/api/v2/deliveries/{id}/redeliver", Some(UpdateDeliveries), deliveries::redeliver),
        row(GET, "/api/v2/jobs/{id}", Some(ReadDeliveries), deliveries::job),
        row(GET, "/api/v2/breakers", Some(ReadDeliveries), breakers::list),
        row(GET, "/api/v2/keys/signing", Some(ReadSigningKeys), keys::list),
        row(POST, "/api/v2/keys/signing/rotate", Some(UpdateSigningKeys), keys::rotate),
        row(GET, "/api/v2/keys/signing/{kid}", Some(ReadSigningKeys), keys::show),
        row(PUT, "/api/v2/keys/signing/{kid}/revoke", Some(UpdateSigningKeys), keys::revoke),
        row(GET, "/api/v2/logs", Some(ReadLogs), logs::list),
        row(GET, "/api/v2/logs/{id}", Some(ReadLogs), logs::show),
        row(GET, "/api/v2/openapi.json", None, openapi::show),
    ]
}

fn row<H, T>(method: Method, path: &'static str, scope: Option<Scope>, handler: H) -> Row
where
    H: Handler<T, Arc<HttpState>>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("a table has standard methods only");
    Row { route: Route { method, path, scope }, handler: on(filter, handler) }
}

/// The service of `server.listen`.
pub fn server(state: &Arc<HttpState>) -> Router {
    assemble(server_table(), state)
}

/// The service of `management.listen`.
pub fn management(state: &Arc<HttpState>) -> Router {
    assemble(management_table(), state)
}

/// The routes of `server.listen`, for documents and tests.
pub fn server_routes() -> Vec<Route> {
    server_table().into_iter().map(|row| row.route).collect()
}

/// The routes of `management.listen`, for documents and tests.
pub fn management_routes() -> Vec<Route> {
    management_table().into_iter().map(|row| row.route).collect()
}

fn assemble(table: Vec<Row>, state: &Arc<HttpState>) -> Router {
    let mut router = Router::new();
    for Row { route, handler } in table {
        let handler = match Conventions::of(&route) {
            Some(conventions) => handler.route_layer(from_fn_with_state(conventions, conventions::check)),
            None => handler,
        };
        let handler = match route.scope {
            Some(scope) => {
                let limited = route.path.starts_with(API);
                let required = Required { state: Arc::clone(state), scope, limited };
                handler.route_layer(from_fn_with_state(required, authorize))
            }
            None => handler,
        };
        let handler = match Audited::route(state, &route.method, route.path) {
            Some(audited) => handler.route_layer(from_fn_with_state(audited, audit)),
            None => handler,
        };
        // Rows of one path are merged; two of the same method and path would panic here.
        router = router.route(route.path, handler);
    }
    let request_id = HeaderName::from_static("x-request-id");
    router
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(Arc::clone(state))
}

/// The span of a request: never its headers or its query, which may hold secrets, nor a user in its path.
fn span<B>(request: &Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let path = match request.uri().path() {
        path if path.starts_with(OF_USERS) => {
            request.extensions().get::<MatchedPath>().map_or(OF_USERS, MatchedPath::as_str)
        }
        path => path,
    };
    tracing::info_span!("request", method = %request.method(), path, id)
}
