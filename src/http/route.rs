//! A route, written once: its handler with its method, path and documentation, the scope it requires, and its name in the
//! audit trail. The routers and the OpenAPI document are both made from it.

use axum::http::Method;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::domain::access::Scope;
use crate::http::audit::RecordedRoute;
use crate::http::state::SharedState;

/// Requests with a token below this path count against the caller's rate limit. Events do not: they come as often as
/// people log out.
pub(crate) const API: &str = "/api/v2/";

/// A method at a path of a listener.
#[derive(Clone)]
pub struct Route {
    /// The method. `GET` routes also answer `HEAD`.
    pub method: Method,
    /// The path, with `{name}` where a segment varies.
    pub path: String,
    /// The scope that the caller's token must have; `None` where no token is required.
    pub scope: Option<Scope>,
    /// How requests appear in the audit trail, if they do.
    pub(crate) recorded: Option<RecordedRoute>,
    /// Whether the handler reads parameters of the query string.
    pub(crate) has_query: bool,
    /// The handler with its documentation.
    pub(crate) operation: UtoipaMethodRouter<SharedState>,
}

impl Route {
    /// The route of a handler, as `utoipa_axum::routes!` has it, which requires no token.
    ///
    /// Requests that change something below `/api/v2/` are recorded even if the route has no [name](Self::recorded): by
    /// method and path, without the ids in the path.
    pub(crate) fn open(operation: UtoipaMethodRouter<SharedState>) -> Self {
        let (_, paths, _) = &operation;
        let (path, item) = paths.paths.first_key_value().expect("a handler has a path");
        let (method, documented) = documented(item).expect("a handler has a method");
        let recorded = (path.starts_with(API) && !method.is_safe())
            .then(|| RecordedRoute::new(path, format!("{method} {path}")).without_ids());
        let has_query = documented
            .parameters
            .iter()
            .flatten()
            .any(|it| matches!(it, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query));
        Self { method, path: path.clone(), scope: None, recorded, has_query, operation }
    }

    /// The route of a handler that requires a token with this scope.
    pub(crate) fn scoped(scope: Scope, operation: UtoipaMethodRouter<SharedState>) -> Self {
        Self { scope: Some(scope), ..Self::open(operation) }
    }

    /// Its requests are recorded in the audit trail by this name, with the ids in their paths.
    pub(crate) fn recorded(mut self, name: &str) -> Self {
        self.recorded = Some(RecordedRoute::new(&self.path, name));
        self
    }

    /// Its requests are recorded in the audit trail by this name, and without the ids in their paths: these name people.
    pub(crate) fn recorded_without_ids(mut self, name: &str) -> Self {
        self.recorded = Some(RecordedRoute::new(&self.path, name).without_ids());
        self
    }

    /// Whether its requests count against the caller's rate limit.
    pub(crate) fn is_rate_limited(&self) -> bool {
        self.scope.is_some() && self.path.starts_with(API)
    }

    /// Whether it is the same method and path.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.method == other.method && self.path == other.path
    }
}

/// The one operation of a path, and its method.
fn documented(item: &PathItem) -> Option<(Method, &Operation)> {
    let operations = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    operations.into_iter().find_map(|(method, operation)| Some((method, operation.as_ref()?)))
}
