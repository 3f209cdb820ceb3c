//! `PUT /api/v2/keys/signing/{kid}/revoke`: a key that leaked signs no more and leaves the JWKS at once.
//!
//! Auth0 refuses this for the current key. Here the next key, or a new one, takes its place from that moment
//! on: who holds a leaked key should not have to wait for a rotation.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::SigningKeyView;
use super::with_keys;
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::ApiPath;
use crate::keyring::{Keyring, Kid};

/// The key as it is now.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedSigningKey)]
pub(super) struct Revoked {
    #[serde(flatten)]
    key: SigningKeyView,
    /// What signs in its place, if it was the current key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Kid)]
    successor: Option<Kid>,
}

/// Revokes a signing key.
///
/// It signs no more and leaves the JWKS at once. If it was the current one, the next key, or a new one, takes its
/// place from that moment on.
#[utoipa::path(
    put,
    path = "/api/v2/keys/signing/{kid}/revoke",
    tag = "keys",
    operation_id = "revokeSigningKey",
    params(("kid" = Kid, Path, description = "The key.")),
    responses(
        (status = 200, description = "The key.", body = Revoked),
        (status = 404, description = "`inexistent_resource`: there is none.", body = Error),
        (status = 409, description = "`keys_read_only`: the keys folder is read-only. `keys_folder_invalid`: something in \
            it must be repaired first.", body = Error),
    )
)]
pub(super) async fn revoke(
    State(keyring): State<Keyring>,
    ApiPath(kid): ApiPath<Kid>,
) -> Result<(Extension<Note>, Json<Revoked>), ApiError> {
    let revoked: Revoked = with_keys(keyring, move |keyring| {
        let done = keyring.retire(&kid, true)?;
        tracing::warn!(%kid, "a signing key was revoked");
        let successor = done.successor.map(|key| key.kid);
        Ok(Revoked { key: SigningKeyView::of(keyring, done.key)?, successor })
    })
    .await?;
    let affected = revoked.successor.iter().map(Kid::to_string).collect();
    Ok((Extension(Note { affected, ..Note::default() }), Json(revoked)))
}
