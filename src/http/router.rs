//! The services of the listeners: every route with the layers around its handler, and those around all routes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRef, MatchedPath};
use axum::http::{HeaderName, Request};
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};

use crate::http::api::{management_routes, server_routes};
use crate::http::audit::{Audited, audit};
use crate::http::auth::{Required, authorize};
use crate::http::conventions::{self, Conventions};
use crate::http::error::{ApiError, MAX_BODY_BYTES, panicked};
use crate::http::openapi;
use crate::http::route::Route;
use crate::http::state::{AuditSubjects, HttpState, SharedState};

/// Paths below this name users, by the `sub`.
const OF_USERS: &str = "/api/v2/users/";

/// How long a client may take between two pieces of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The service of `server.listen`: for sources and relying parties.
pub fn server(state: &Arc<HttpState>) -> Router {
    assemble(server_routes(), &SharedState::new(state))
}

/// The service of `management.listen`: for operators.
pub fn management(state: &Arc<HttpState>) -> Router {
    assemble(management_routes(), &SharedState::new(state))
}

fn assemble(routes: Vec<Route>, state: &SharedState) -> Router {
    // Routes of the same path are merged; two of the same method and path would panic here.
    let router = routes.into_iter().fold(OpenApiRouter::new(), |router, route| {
        let operation = route.operation.clone();
        router.routes(operation.map(|handler| layered(handler, route, state)))
    });
    let request_id = HeaderName::from_static("x-request-id");
    let (router, _) = router.split_for_parts();
    router
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(Extension(openapi::served()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(state.clone())
}

/// A handler within the layers of its route. The outermost is the audit trail, then the caller is authenticated.
fn layered(
    handler: MethodRouter<SharedState>,
    route: Route,
    state: &SharedState,
) -> MethodRouter<SharedState> {
    let proxies = || FromRef::from_ref(state);
    let mut handler = handler;
    if route.is_rate_limited() {
        let conventions = Conventions { has_query: route.has_query };
        handler = handler.route_layer(from_fn_with_state(conventions, conventions::check));
    }
    if let Some(scope) = route.scope {
        let limited = route.is_rate_limited();
        let required =
            Required { authenticator: FromRef::from_ref(state), proxies: proxies(), scope, limited };
        handler = handler.route_layer(from_fn_with_state(required, authorize));
    }
    if let Some(recorded) = route.recorded {
        let AuditSubjects(subjects) = FromRef::from_ref(state);
        let trail = FromRef::from_ref(state);
        let audited = Audited { route: Arc::new(recorded), trail, proxies: proxies(), subjects };
        handler = handler.route_layer(from_fn_with_state(audited, audit));
    }
    handler
}

/// The span of a request: without its headers and its query, which may hold secrets, and without users in its path.
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
