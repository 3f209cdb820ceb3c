//! `PUT /api/v2/keys/signing/{kid}/revoke`: a key that leaked signs no more and leaves the JWKS at once.
//!
//! Auth0 refuses this for the current key. Here the next key, or a new one, takes its place from that moment
//! on: who holds a leaked key should not have to wait for a rotation.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;

use super::super::audit::Note;
use super::super::error::ApiError;
use super::super::state::HttpState;
use super::view::SigningKeyView;
use super::{kid, with_keys};
use crate::keyring::Kid;

#[derive(Serialize)]
pub(in crate::http) struct Revoked {
    #[serde(flatten)]
    key: SigningKeyView,
    /// What signs in its place, if it was the current key.
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<Kid>,
}

pub(in crate::http) async fn revoke(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<(Extension<Note>, Json<Revoked>), ApiError> {
    let kid = kid(&text)?;
    let revoked: Revoked = with_keys(&state, move |keyring| {
        let done = keyring.retire(&kid, true)?;
        tracing::warn!(%kid, "a signing key was revoked");
        let successor = done.successor.map(|key| key.kid);
        Ok(Revoked { key: SigningKeyView::of(keyring, done.key)?, successor })
    })
    .await?;
    let affected = revoked.successor.iter().map(Kid::to_string).collect();
    Ok((Extension(Note { affected, ..Note::default() }), Json(revoked)))
}
