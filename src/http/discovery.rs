//! `GET /.well-known/openid-configuration`: what relying parties need to know to verify logout tokens
//! (OpenID Connect Discovery 1.0 §3, Back-Channel Logout 1.0 §2.1).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::state::HttpState;
use crate::domain::algorithm::SigningAlg;

#[derive(Serialize)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    id_token_signing_alg_values_supported: Vec<SigningAlg>,
}

pub(super) async fn show(State(state): State<Arc<HttpState>>) -> Json<Metadata> {
    Json(Metadata {
        issuer: state.issuer.clone(),
        jwks_uri: state.jwks_uri.clone(),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        id_token_signing_alg_values_supported: state.keyring.algorithms(),
    })
}
