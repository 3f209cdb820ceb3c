//! JWT access tokens of one configured issuer (RFC 9068, and what issuers made before it).
//!
//! The issuer says who a caller is and what it may do; here it is only checked that it was the issuer who said
//! so, to us, and that it still holds. The relying party's verifier is another, on purpose.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use tokio::sync::Semaphore;

use super::{Denied, Grant, TokenKind};
use crate::config;
use crate::domain::access::TokenHash;

mod claims;
mod fetch;
mod key_set;
mod keys;
mod verified;

use claims::{Claims, Fault, Rules};
use fetch::HttpJwks;
use keys::{KeyLookup, Keys, key_cache};
use verified::Verified;

pub use fetch::JwtError;
pub(super) use keys::Refresher;

/// The longest access token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What an access token is signed with. Never `none`, and nothing symmetric: the keys are public.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Verifies access tokens.
pub(super) struct AccessTokens {
    rules: Rules,
    keys: Keys,
    verified: Verified,
    /// Whose turn it is of those that come [after others](Turn::AfterOthers). They come in order.
    strangers: Semaphore,
}

/// When a token's signature is checked, which is most of what a token costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// At once.
    AtOnce,
    /// Unless it was verified before: one at a time with the others of the kind, for those who come from where
    /// tokens are guessed.
    AfterOthers,
}

/// Whether it looks like a JWT: three parts with dots between them (RFC 7515 §7.1).
pub(super) fn is_jwt(token: &str) -> bool {
    token.len() <= MAX_TOKEN_BYTES && token.split('.').count() == 3
}

impl AccessTokens {
    /// The verifier, and what fetches its keys.
    pub(super) fn new(config: config::Jwt) -> Result<(Self, Refresher), JwtError> {
        let fetch = HttpJwks::new(&config)?;
        let (keys, refresher) = key_cache(Arc::new(fetch));
        let config::Jwt { issuer, audience, scope_claims, .. } = config;
        let rules = Rules { issuer, audience, scope_claims };
        Ok((Self { rules, keys, verified: Verified::default(), strangers: Semaphore::new(1) }, refresher))
    }

    /// Who bears `token`, and what it allows.
    pub(super) async fn verify(
        &self,
        token: &str,
        hash: &TokenHash,
        turn: Turn,
        now: Timestamp,
    ) -> Result<Grant, Denied> {
        self.check(token, hash, turn, now).await.map_err(|refused| {
            tracing::debug!(reason = %refused, "an access token was refused");
            match refused {
                Refused::Claims(Fault::Expired) => Denied::Expired(TokenKind::Access),
                Refused::NoKeys => Denied::KeysUnavailable,
                Refused::Header(_) | Refused::UnknownKey | Refused::Signature | Refused::Claims(_) => {
                    Denied::Invalid(TokenKind::Access)
                }
            }
        })
    }

    async fn check(
        &self,
        token: &str,
        hash: &TokenHash,
        turn: Turn,
        now: Timestamp,
    ) -> Result<Grant, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Header("it cannot be read"))?;
        let kid = check_header(&header)?;
        // What would be refused in any case costs no signature, and no fetch of a key that it made up.
        self.rules.grant(&unverified(token)?, now)?;
        let key = match self.keys.find(kid, header.alg).await {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => return Err(Refused::UnknownKey),
            KeyLookup::Unavailable => return Err(Refused::NoKeys),
        };
        let _turn = if turn == Turn::AfterOthers && !self.verified.contains(hash) {
            Some(self.strangers.acquire().await.expect("it is never closed"))
        } else {
            None
        };
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &signature_only(header.alg));
        if turn == Turn::AfterOthers {
            // However many of them there are, others come in between.
            tokio::task::yield_now().await;
        }
        let grant = self.rules.grant(&decoded.map_err(|_| Refused::Signature)?.claims, now)?;
        self.verified.insert(hash);
        Ok(grant)
    }
}

/// What a token claims, be it true or not.
fn unverified(token: &str) -> Result<Claims, Refused> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refused::Signature)?;
    serde_json::from_slice(&payload).map_err(|_| Refused::Signature)
}

/// Why an access token was refused, for the log. Nothing of the token is in it.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("its header: {0}")]
    Header(&'static str),
    #[error("the issuer has no key with its kid that goes with its alg")]
    UnknownKey,
    #[error("its signature is wrong, or its claims cannot be read")]
    Signature,
    #[error("its claims: {0}")]
    Claims(#[from] Fault),
    #[error("the issuer's keys are not available")]
    NoKeys,
}

/// The key's id, if it is a header that an access token may have.
fn check_header(header: &Header) -> Result<&str, Refused> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refused::Header("alg must be RS256, ES256 or EdDSA"));
    }
    // RFC 7515 §4.1.11: what is critical must be understood, and nothing of it is.
    if header.crit.is_some() {
        return Err(Refused::Header("crit names extensions"));
    }
    // RFC 9068 §2.1. An ID Token has `JWT` as well, and is told from an access token by its `aud`.
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    if !matches!(typ.as_deref(), None | Some("at+jwt" | "application/at+jwt" | "jwt")) {
        return Err(Refused::Header("typ must be at+jwt or JWT, or missing"));
    }
    header.kid.as_deref().ok_or(Refused::Header("kid is missing"))
}

/// The claims are checked by [`Rules`], which take the time as an argument.
fn signature_only(alg: Algorithm) -> Validation {
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_are_a_jwt() {
        for (token, expected) in
            [("a.b.c", true), ("..", true), ("a.b", false), ("a.b.c.d.e", false), ("", false)]
        {
            assert_eq!(is_jwt(token), expected, "{token}");
        }
        assert!(is_jwt(&format!("a.b.{}", "c".repeat(16 * 1024 - 4))));
        assert!(!is_jwt(&format!("a.b.{}", "c".repeat(16 * 1024 - 3))));
    }

    #[test]
    fn a_header_says_what_can_be_checked() {
        let header = |change: fn(&mut Header)| {
            let mut header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::RS256) };
            change(&mut header);
            check_header(&header).is_ok()
        };
        assert!(header(|_| {}));
        assert!(header(|it| it.typ = None));
        assert!(header(|it| it.typ = Some("application/AT+JWT".to_owned())));
        assert!(header(|it| it.alg = Algorithm::EdDSA));
        assert!(!header(|it| it.typ = Some("logout+jwt".to_owned())));
        assert!(!header(|it| it.typ = Some("dpop+jwt".to_owned())));
        assert!(!header(|it| it.alg = Algorithm::HS256));
        assert!(!header(|it| it.alg = Algorithm::PS256));
        assert!(!header(|it| it.kid = None));
        assert!(!header(|it| it.crit = Some(vec!["b64".to_owned()])));
    }
}
