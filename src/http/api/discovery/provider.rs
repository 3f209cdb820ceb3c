//! `GET /.well-known/openid-configuration`: what relying parties need to know to verify logout tokens
//! (OpenID Connect Discovery 1.0 §3, Back-Channel Logout 1.0 §2.1).

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::algorithm::SigningAlg;
use crate::http::state::Issuer;
use crate::keyring::Keyring;

/// The part of a provider's metadata that is about logout.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderMetadata)]
pub(super) struct Metadata {
    /// The `iss` of logout tokens.
    issuer: String,
    /// Where the public keys are.
    #[schema(format = "uri")]
    jwks_uri: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    /// What logout tokens can be signed with now.
    id_token_signing_alg_values_supported: Vec<SigningAlg>,
}

/// Shows what relying parties need to verify logout tokens.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "discovery",
    operation_id = "getProviderMetadata",
    responses((status = 200, description = "OpenID Connect Discovery 1.0, section 3.", body = Metadata))
)]
pub(super) async fn show(State(issuer): State<Issuer>, State(keyring): State<Keyring>) -> Json<Metadata> {
    Json(Metadata {
        issuer: issuer.url,
        jwks_uri: issuer.jwks_uri,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        id_token_signing_alg_values_supported: keyring.algorithms(),
    })
}
