//! Verification of JWT access tokens of one configured issuer (RFC 9068, and common formats older than it).
//!
//! Checks signature, issuer, audience and times; caller and scopes are taken from the claims. The verifier of logout
//! tokens in `relying_party` is separate on purpose: its rules are different.

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

use claims::{Claims, ClaimsError, Rules};
use fetch::HttpJwks;
use keys::{KeyLookup, Keys, key_cache};
use verified::VerifiedTokens;

pub use fetch::JwtError;
pub(super) use keys::Refresher;

/// The longest accepted access token, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The accepted signature algorithms. Never `none` or symmetric ones: the keys are public.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Verifies access tokens.
pub(super) struct AccessTokens {
    rules: Rules,
    keys: Keys,
    verified: VerifiedTokens,
    /// One permit (fair) for the [serial](Concurrency::Serial) verifications.
    serial: Semaphore,
}

/// How many signatures may be verified at a time. This is the most expensive part of checking a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concurrency {
    /// Any number.
    Parallel,
    /// One at a time, unless the token was verified recently. For sources with many failed attempts.
    Serial,
}

/// Whether the text has the form of a JWT: three parts separated by dots (RFC 7515 §7.1).
pub(super) fn is_jwt(token: &str) -> bool {
    token.len() <= MAX_TOKEN_BYTES && token.split('.').count() == 3
}

impl AccessTokens {
    /// The verifier, and the task that fetches its keys.
    pub(super) fn new(config: config::Jwt) -> Result<(Self, Refresher), JwtError> {
        let fetch = HttpJwks::new(&config)?;
        let (keys, refresher) = key_cache(Arc::new(fetch));
        let config::Jwt { issuer, audience, scope_claims, .. } = config;
        let rules = Rules { issuer, audience, scope_claims };
        let (verified, serial) = (VerifiedTokens::default(), Semaphore::new(1));
        Ok((Self { rules, keys, verified, serial }, refresher))
    }

    /// Verifies a token and returns its caller and scopes. `hash` is the token's hash.
    pub(super) async fn verify(
        &self,
        token: &str,
        hash: &TokenHash,
        concurrency: Concurrency,
        now: Timestamp,
    ) -> Result<Grant, Denied> {
        self.check(token, hash, concurrency, now).await.map_err(|rejection| {
            tracing::debug!(reason = %rejection, "an access token was rejected");
            match rejection {
                Rejection::Claims(ClaimsError::Expired) => Denied::Expired(TokenKind::Access),
                Rejection::NoKeys => Denied::KeysUnavailable,
                Rejection::Header(_)
                | Rejection::UnknownKey
                | Rejection::Signature
                | Rejection::Claims(_) => Denied::Invalid(TokenKind::Access),
            }
        })
    }

    async fn check(
        &self,
        token: &str,
        hash: &TokenHash,
        concurrency: Concurrency,
        now: Timestamp,
    ) -> Result<Grant, Rejection> {
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| Rejection::Header("it cannot be read"))?;
        let kid = check_header(&header)?;
        // Claims first: a token that they rule out costs neither a signature nor a fetch for a made-up `kid`.
        self.rules.grant(&unverified(token)?, now)?;
        let key = match self.keys.find(kid, header.alg).await {
            KeyLookup::Found(key) => key,
            KeyLookup::Unknown => return Err(Rejection::UnknownKey),
            KeyLookup::Unavailable => return Err(Rejection::NoKeys),
        };
        let _permit = if concurrency == Concurrency::Serial && !self.verified.contains(hash) {
            Some(self.serial.acquire().await.expect("it is never closed"))
        } else {
            None
        };
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &signature_only(header.alg));
        if concurrency == Concurrency::Serial {
            // Lets other tasks run between two of these CPU-bound verifications.
            tokio::task::yield_now().await;
        }
        let grant = self.rules.grant(&decoded.map_err(|_| Rejection::Signature)?.claims, now)?;
        self.verified.insert(hash);
        Ok(grant)
    }
}

/// A token's claims, without verification of the signature.
fn unverified(token: &str) -> Result<Claims, Rejection> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Rejection::Signature)?;
    serde_json::from_slice(&payload).map_err(|_| Rejection::Signature)
}

/// Why an access token is rejected, for the log. Contains no part of the token.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error("its header: {0}")]
    Header(&'static str),
    #[error("the issuer has no key with its kid and alg")]
    UnknownKey,
    #[error("its signature is wrong, or its claims cannot be parsed")]
    Signature,
    #[error("its claims: {0}")]
    Claims(#[from] ClaimsError),
    #[error("the issuer's keys are not available")]
    NoKeys,
}

/// Checks the header and returns its `kid`.
fn check_header(header: &Header) -> Result<&str, Rejection> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Rejection::Header("alg must be RS256, ES256 or EdDSA"));
    }
    // RFC 7515 §4.1.11: critical extensions must be understood, and none is supported.
    if header.crit.is_some() {
        return Err(Rejection::Header("crit names extensions"));
    }
    // RFC 9068 §2.1. ID Tokens may have `typ` JWT as well; the check of `aud` rejects them.
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    if !matches!(typ.as_deref(), None | Some("at+jwt" | "application/at+jwt" | "jwt")) {
        return Err(Rejection::Header("typ must be at+jwt or JWT, or missing"));
    }
    header.kid.as_deref().ok_or(Rejection::Header("kid is missing"))
}

/// Validates only the signature. The claims are checked by [`Rules`], with the time as an argument.
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
    fn a_jwt_has_three_parts_and_a_bounded_length() {
        for (token, expected) in
            [("a.b.c", true), ("..", true), ("a.b", false), ("a.b.c.d.e", false), ("", false)]
        {
            assert_eq!(is_jwt(token), expected, "{token}");
        }
        assert!(is_jwt(&format!("a.b.{}", "c".repeat(16 * 1024 - 4))));
        assert!(!is_jwt(&format!("a.b.{}", "c".repeat(16 * 1024 - 3))));
    }

    #[test]
    fn headers_are_checked() {
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
