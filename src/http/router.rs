//! Every route, in one table for each listener: method, path, scope, handler.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Request};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;

use super::auth::{Required, Scope, authorize};
use super::error::{ApiError, panicked};
use super::state::HttpState;
use super::{breakers, clients, deliveries, discovery, events, health, jwks, metrics, sessions};

/// The largest request body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long a client may take between two pieces of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A route: its path, the scope it takes, and the handler of one method.
type Route = (&'static str, Option<Scope>, MethodRouter<Arc<HttpState>>);

/// `server.listen`: for sources and relying parties.
pub fn server(state: &Arc<HttpState>) -> Router {
    let routes: [Route; 3] = [
        ("/.well-known/openid-configuration", None, get(discovery::show)),
        ("/.well-known/jwks.json", None, get(jwks::show)),
        ("/events", Some(Scope::CreateEvents), post(events::receive)),
    ];
    assemble(routes, state)
}

/// `management.listen`: for operators. Events are taken here too, so that one URL does for all commands.
pub fn management(state: &Arc<HttpState>) -> Router {
    use Scope::{
        CreateClients, CreateEvents, DeleteClients, DeleteSessions, ReadClients, ReadDeliveries,
        ReadSessions, UpdateClients, UpdateDeliveries, UpdateSessions,
    };
    let routes: [Route; 22] = [
        ("/livez", None, get(health::live)),
        ("/readyz", None, get(health::ready)),
        ("/metrics", None, get(metrics::show)),
        ("/events", Some(CreateEvents), post(events::receive)),
        ("/api/v2/sessions/{id}", Some(ReadSessions), get(sessions::show)),
        ("/api/v2/sessions/{id}", Some(UpdateSessions), patch(sessions::update)),
        ("/api/v2/sessions/{id}", Some(DeleteSessions), delete(sessions::delete)),
        ("/api/v2/sessions/{id}/revoke", Some(DeleteSessions), post(sessions::revoke)),
        ("/api/v2/users/{id}/sessions", Some(ReadSessions), get(sessions::list)),
        ("/api/v2/users/{id}/sessions", Some(DeleteSessions), delete(sessions::delete_all)),
        ("/api/v2/clients", Some(ReadClients), get(clients::list)),
        ("/api/v2/clients", Some(CreateClients), post(clients::create)),
        ("/api/v2/clients/{id}", Some(ReadClients), get(clients::show)),
        ("/api/v2/clients/{id}", Some(UpdateClients), patch(clients::update)),
        ("/api/v2/clients/{id}", Some(DeleteClients), delete(clients::delete)),
        ("/api/v2/clients/{id}/test", Some(UpdateClients), post(clients::probe)),
        ("/api/v2/deliveries", Some(ReadDeliveries), get(deliveries::list)),
        ("/api/v2/deliveries/redeliver", Some(UpdateDeliveries), post(deliveries::redeliver_all)),
        ("/api/v2/deliveries/{id}", Some(ReadDeliveries), get(deliveries::show)),
        ("/api/v2/deliveries/{id}/redeliver", Some(UpdateDeliveries), post(deliveries::redeliver)),
        ("/api/v2/jobs/{id}", Some(ReadDeliveries), get(deliveries::job)),
        ("/api/v2/breakers", Some(ReadDeliveries), get(breakers::list)),
    ];
    assemble(routes, state)
}

fn assemble(routes: impl IntoIterator<Item = Route>, state: &Arc<HttpState>) -> Router {
    let mut router = Router::new();
    for (path, scope, method) in routes {
        let method = match scope {
            Some(scope) => {
                let required = Required { state: Arc::clone(state), scope };
                method.route_layer(from_fn_with_state(required, authorize))
            }
            None => method,
        };
        router = router.route(path, method);
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

/// The span of a request: never its headers or its query, which may hold secrets.
fn span<B>(request: &Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}
