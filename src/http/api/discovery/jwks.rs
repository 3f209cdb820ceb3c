//! `GET /.well-known/jwks.json`: the public keys, next, current and recently retired (RFC 7517 §5).

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use utoipa::ToSchema;

use crate::domain::algorithm::SigningAlg;
use crate::keyring::Keyring;

/// Far shorter than `keys.publish_before`, so that relying parties have a new key before it signs.
const CACHEABLE: &str = "public, max-age=300";

/// The public keys (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the keyring writes")]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key. Which members it has beside these depends on `kty`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the keyring writes")]
struct Jwk {
    #[schema(example = "EC", pattern = "^(RSA|EC|OKP)$")]
    kty: String,
    #[schema(example = "es256-20261124-9f2c1a")]
    kid: String,
    alg: SigningAlg,
    #[schema(example = "sig")]
    r#use: String,
}

/// Lists the public keys.
///
/// They are those that sign now, those that will next, and those that did until recently.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "discovery",
    operation_id = "getJwks",
    responses((
        status = 200,
        description = "RFC 7517, section 5.",
        body = JwkSet,
        headers(("Cache-Control" = String, description = "How long they may be kept: 5 minutes."))
    ))
)]
pub(super) async fn show(State(keyring): State<Keyring>) -> impl IntoResponse {
    ([(CACHE_CONTROL, CACHEABLE)], Json(keyring.jwks()))
}
