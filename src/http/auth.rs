//! A token is asked for, and the caller's rate limit counted, before a request's body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::Budget;
use crate::domain::access::Scope;
use crate::http::error::ApiError;
use crate::http::extract::peer;
use crate::http::state::HttpState;

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What a route takes.
#[derive(Clone)]
pub(super) struct Required {
    pub(super) state: Arc<HttpState>,
    pub(super) scope: Scope,
    /// Whether requests count against the caller's rate limit.
    pub(super) limited: bool,
}

/// Lets a request pass that bears a token with the scope, with what the token says ([`Grant`](crate::access::Grant))
/// as an extension. Who the caller is, if a token says so, is an extension
/// of the response ([`Caller`](crate::domain::access::Caller)): for the audit trail, which sees refusals too.
pub(super) async fn authorize(
    State(required): State<Required>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let authenticator = &required.state.authenticator;
    let header = request.headers().get(AUTHORIZATION).ok_or_else(ApiError::missing_token)?.clone();
    // What is no bearer's header is no token, and counts as a failed attempt.
    let token = header.to_str().ok().and_then(bearer).unwrap_or_default();
    let source = peer::source(&request, &required.state.proxies);
    let grant = authenticator.authenticate(source, token).await?;

    let caller = grant.caller.clone();
    request.extensions_mut().insert(grant.clone());
    let budget = if required.limited { authenticator.spend(&grant.caller) } else { None };
    let mut response = match budget.and_then(|budget| budget.exceeded) {
        Some(wait) => ApiError::rate_limited(wait).into_response(),
        None => match grant.require(required.scope) {
            Ok(_) => next.run(request).await,
            Err(denied) => ApiError::from(denied).into_response(),
        },
    };
    if let Some(budget) = budget {
        tell(&budget, response.headers_mut());
    }
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// The token of a `Bearer` header; the scheme's name has no case (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Auth0's headers: how much room there is, and the Unix second when there is more.
fn tell(budget: &Budget, headers: &mut HeaderMap) {
    headers.insert(RATE_LIMIT, HeaderValue::from(budget.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(budget.remaining));
    let reset = Duration::try_from(budget.reset.as_duration()).unwrap_or_default();
    headers.insert(RATE_RESET, HeaderValue::from(whole_seconds(reset)));
}

/// In whole seconds, rounded up: whoever waits for so long has waited long enough.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
