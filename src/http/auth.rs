//! Authentication, rate limit and scope, checked before a request's body is read.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Authenticator, Budget, TrustedProxies};
use crate::domain::access::Scope;
use crate::http::error::{ApiError, whole_seconds};
use crate::http::extract;

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What a route requires of its callers.
#[derive(Clone)]
pub(super) struct Required {
    pub(super) authenticator: Authenticator,
    pub(super) proxies: TrustedProxies,
    pub(super) scope: Scope,
    /// Whether requests count against the caller's rate limit.
    pub(super) limited: bool,
}

/// Passes on a request whose token has the scope, with the token's [`Grant`](crate::access::Grant) as an extension. The
/// [`Caller`](crate::domain::access::Caller) of a valid token is an extension of the response: for the audit trail, which
/// records refusals too.
pub(super) async fn authorize(
    State(required): State<Required>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Required { authenticator, proxies, scope, limited } = required;
    let header = request.headers().get(AUTHORIZATION).ok_or_else(ApiError::missing_token)?.clone();
    // Another scheme than `Bearer` counts as a failed attempt, too.
    let token = header.to_str().ok().and_then(bearer).unwrap_or_default();
    let source = extract::source(&request, &proxies);
    let grant = authenticator.authenticate(source, token).await?;

    let caller = grant.caller.clone();
    request.extensions_mut().insert(grant.clone());
    let budget = if limited { authenticator.spend(&grant.caller) } else { None };
    let mut response = match budget.and_then(|budget| budget.exceeded) {
        Some(wait) => ApiError::rate_limited(wait).into_response(),
        None => match grant.require(scope) {
            Ok(_) => next.run(request).await,
            Err(denied) => ApiError::from(denied).into_response(),
        },
    };
    if let Some(budget) = budget {
        insert_rate_limit(&budget, response.headers_mut());
    }
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// The token of a `Bearer` header; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Auth0's headers: the limit, how many requests remain, and the Unix second when there are more.
fn insert_rate_limit(budget: &Budget, headers: &mut HeaderMap) {
    headers.insert(RATE_LIMIT, HeaderValue::from(budget.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(budget.remaining));
    let reset = Duration::try_from(budget.reset.as_duration()).unwrap_or_default();
    headers.insert(RATE_RESET, HeaderValue::from(whole_seconds(reset)));
}
