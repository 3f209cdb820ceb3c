//! `GET /.well-known/jwks.json`: the public keys, next, current and recently retired (RFC 7517 §5).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use super::state::HttpState;

/// Far shorter than `keys.publish_before`, so that a new key is known everywhere before it signs.
const CACHEABLE: &str = "public, max-age=300";

pub(super) async fn show(State(state): State<Arc<HttpState>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, CACHEABLE)], Json(state.keyring.jwks()))
}
