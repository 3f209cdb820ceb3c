//! `GET /api/v2/keys/signing/{kid}`: one key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::super::error::{ApiError, Body as Error};
use super::super::openapi as doc;
use super::super::path::Id;
use super::super::state::HttpState;
use super::view::SigningKeyView;
use super::{kid, with_keys};

/// Reads a signing key.
#[utoipa::path(
    get,
    path = "/api/v2/keys/signing/{kid}",
    tag = "keys",
    operation_id = "getSigningKey",
    params(("kid" = doc::Kid, Path, description = "The key.")),
    responses(
        (status = 200, description = "The key.", body = SigningKeyView),
        (status = 404, description = "`inexistent_resource`: there is none.", body = Error),
    )
)]
pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<Json<SigningKeyView>, ApiError> {
    let kid = kid(&text)?;
    let view = with_keys(&state, move |keyring| SigningKeyView::of(keyring, keyring.key(&kid)?));
    Ok(Json(view.await?))
}
