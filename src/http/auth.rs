//! Who may do what: a token is asked for before a request's body is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use ring::digest::{Digest, SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::state::HttpState;
use crate::domain::access::Scope;

/// Knows the tokens. For now that is the bootstrap token, which has every scope.
#[derive(Clone)]
pub struct Authenticator {
    bootstrap: Option<Digest>,
}

impl Authenticator {
    /// Takes this token, or none at all.
    pub fn new(bootstrap: Option<&SecretString>) -> Self {
        Self { bootstrap: bootstrap.map(|token| hash(token.expose_secret())) }
    }

    /// Whether a bearer of `token` may use a route that takes `_scope`.
    fn allows(&self, token: &str, _scope: Scope) -> bool {
        // Digests, compared in constant time: how long a comparison takes says nothing of the token.
        let presented = hash(token);
        self.bootstrap.as_ref().is_some_and(|known| known.as_ref().ct_eq(presented.as_ref()).into())
    }
}

fn hash(token: &str) -> Digest {
    digest(&SHA256, token.as_bytes())
}

/// What a route takes.
#[derive(Clone)]
pub(super) struct Required {
    pub(super) state: Arc<HttpState>,
    pub(super) scope: Scope,
}

/// Lets a request pass that bears a token with the scope, before its body is read.
pub(super) async fn authorize(
    State(required): State<Required>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let header = request.headers().get(AUTHORIZATION).ok_or_else(ApiError::missing_token)?;
    let token = header.to_str().ok().and_then(bearer).ok_or_else(ApiError::invalid_token)?;
    if !required.state.authenticator.allows(token, required.scope) {
        return Err(ApiError::invalid_token());
    }
    Ok(next.run(request).await)
}

/// The token of a `Bearer` header; the scheme's name has no case (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
