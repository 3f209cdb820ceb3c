//! `POST /api/v2/keys/signing/rotate`: new keys are made and announced; they take over after
//! `keys.publish_before`, when receivers have them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::SigningKeyView;
use super::with_keys;
use crate::domain::algorithm::SigningAlg;
use crate::http::audit::Note;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::OptionalApiJson;
use crate::keyring::{Keyring, Kid, RotatedKey};

/// Which keys are to be rotated.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = SigningKeyRotation)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// Only the key of this alg; else those of every alg in `keys.algorithms`.
    alg: Option<SigningAlg>,
}

/// The first of the keys that will sign, as Auth0 answers, and all of them by name.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedSigningKeys)]
pub(super) struct Rotated {
    #[serde(flatten)]
    key: SigningKeyView,
    rotated: Vec<RotatedView>,
}

/// A key that will sign.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedSigningKey)]
struct RotatedView {
    kid: Kid,
    alg: SigningAlg,
    /// Whether it was made for this, rather than waiting already.
    made: bool,
}

/// Rotates the signing keys.
///
/// New keys are made and announced; they take over after `keys.publish_before`, when receivers have them.
#[utoipa::path(
    post,
    path = "/api/v2/keys/signing/rotate",
    tag = "keys",
    operation_id = "rotateSigningKeys",
    request_body(content = Option<Rotation>, example = json!({"alg": "ES256"})),
    responses(
        (status = 201, description = "The keys that will sign.", body = Rotated),
        (status = 409, description = "`keys_read_only`: the keys folder is read-only. `keys_folder_invalid`: something in \
            it must be repaired first.", body = Error),
    )
)]
pub(super) async fn rotate(
    State(keyring): State<Keyring>,
    // Auth0's SDKs send no body.
    OptionalApiJson(Rotation { alg }): OptionalApiJson<Rotation>,
) -> Result<(StatusCode, Extension<Note>, Json<Rotated>), ApiError> {
    let (key, keys) = with_keys(keyring, move |keyring| {
        let keys = match alg {
            Some(alg) => vec![keyring.rotate(alg, false)?],
            None => keyring.rotate_all(false)?,
        };
        let first = keys.first().expect("a configuration has at least one algorithm").key.clone();
        Ok((SigningKeyView::of(keyring, first)?, keys))
    })
    .await?;
    let affected = keys.iter().map(|rotated| rotated.key.kid.to_string()).collect();
    let note = Note { affected, ..Note::default() };
    let rotated =
        keys.into_iter().map(|RotatedKey { key, made }| RotatedView { kid: key.kid, alg: key.alg, made });
    Ok((StatusCode::CREATED, Extension(note), Json(Rotated { key, rotated: rotated.collect() })))
}
