//! `GET /api/v2/keys/signing`: every key there is, current ones first, as a bare array.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::SigningKeyView;
use super::with_keys;
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// Lists the signing keys.
///
/// The current ones come first.
#[utoipa::path(
    get,
    path = "/api/v2/keys/signing",
    tag = "keys",
    operation_id = "listSigningKeys",
    responses((status = 200, description = "Every key there is.", body = Vec<SigningKeyView>))
)]
pub(crate) async fn list(State(state): State<Arc<HttpState>>) -> Result<Json<Vec<SigningKeyView>>, ApiError> {
    let view = with_keys(&state, |keyring| {
        keyring.keys().into_iter().map(|key| SigningKeyView::of(keyring, key)).collect()
    });
    Ok(Json(view.await?))
}
