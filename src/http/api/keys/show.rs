//! `GET /api/v2/keys/signing/{kid}`: one key.

use axum::Json;
use axum::extract::State;

use super::view::SigningKeyView;
use super::with_keys;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::keyring::{Keyring, Kid};

/// Reads a signing key.
#[utoipa::path(
    get,
    path = "/api/v2/keys/signing/{kid}",
    tag = "keys",
    operation_id = "getSigningKey",
    params(("kid" = Kid, Path, description = "The key.")),
    responses(
        (status = 200, description = "The key.", body = SigningKeyView),
        (status = 404, description = "`inexistent_resource`: there is none.", body = Error),
    )
)]
pub(super) async fn show(
    State(keyring): State<Keyring>,
    ApiPath(kid): ApiPath<Kid>,
) -> Result<Json<SigningKeyView>, ApiError> {
    let view = with_keys(keyring, move |keyring| SigningKeyView::of(keyring, keyring.key(&kid)?));
    Ok(Json(view.await?))
}
