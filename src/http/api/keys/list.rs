//! `GET /api/v2/keys/signing`: every key there is, current ones first, as a bare array.

use axum::Json;
use axum::extract::State;

use super::view::SigningKeyView;
use super::with_keys;
use crate::http::error::ApiError;
use crate::keyring::Keyring;

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
pub(super) async fn list(State(keyring): State<Keyring>) -> Result<Json<Vec<SigningKeyView>>, ApiError> {
    let view = with_keys(keyring, |keyring| {
        keyring.keys().into_iter().map(|key| SigningKeyView::of(keyring, key)).collect()
    });
    Ok(Json(view.await?))
}
