//! `GET /api/v2/keys/signing/{kid}`: one key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::SigningKeyView;
use super::{kid, with_keys};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::path::Id;
use crate::http::schema as doc;
use crate::http::state::HttpState;

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
pub(crate) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<Json<SigningKeyView>, ApiError> {
    let kid = kid(&text)?;
    let view = with_keys(&state, move |keyring| SigningKeyView::of(keyring, keyring.key(&kid)?));
    Ok(Json(view.await?))
}
