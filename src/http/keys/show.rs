//! `GET /api/v2/keys/signing/{kid}`: one key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::view::SigningKeyView;
use super::{kid, with_keys};

pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<Json<SigningKeyView>, ApiError> {
    let kid = kid(&text)?;
    let view = with_keys(&state, move |keyring| SigningKeyView::of(keyring, keyring.key(&kid)?));
    Ok(Json(view.await?))
}
