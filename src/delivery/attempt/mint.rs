//! Minting: what a token says, before it is signed.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, TokenTyp};
use crate::domain::delivery::Intent;
use crate::token::{self, Claims, NoIdentifier};

/// A token that is complete but for its signature.
pub(super) struct UnsignedToken<C> {
    pub(super) alg: SigningAlg,
    pub(super) typ: TokenTyp,
    pub(super) claims: C,
}

/// The logout token for a delivery, as its client's settings ask for it.
pub(super) fn logout_token(
    issuer: &str,
    client: &Client,
    intent: &Intent,
    now: Timestamp,
    jti: Uuid,
) -> Result<UnsignedToken<Claims>, NoIdentifier> {
    Ok(UnsignedToken {
        alg: client.id_token_signed_response_alg,
        typ: client.token.typ,
        claims: token::claims(issuer, client, intent, now, jti)?,
    })
}
