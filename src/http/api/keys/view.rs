//! A signing key as JSON: Auth0's members, and those that say what Auth0's cannot. Nothing of it is secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::algorithm::SigningAlg;
use crate::http::schema::{Shown, shown};
use crate::keyring::{KeyInfo, KeyState, Keyring, KeyringError, Kid};

/// A signing key. Nothing of it is secret. Auth0's `pkcs7` is left out: it is the certificate again, in another
/// wrapping that nothing here reads.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
#[expect(clippy::struct_excessive_bools, reason = "they are Auth0's")]
pub(super) struct SigningKeyView {
    kid: Kid,
    alg: SigningAlg,
    /// RSA with its size in bits, or the curve.
    kind: String,
    /// A self-signed X.509 certificate, PEM.
    cert: String,
    /// The SHA-1 of its DER, as Auth0 writes it: `AB:CD:…`.
    fingerprint: String,
    /// The same without colons.
    thumbprint: String,
    /// RFC 7515 §4.1.8.
    #[serde(rename = "x5t#S256")]
    x5t_s256: String,
    current: bool,
    next: bool,
    /// It has signed, and does no more.
    previous: bool,
    /// From when on it signs, or signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    current_since: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    current_until: Option<Shown>,
    revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    revoked_at: Option<Shown>,
    /// Whether it is in the JWKS now.
    published: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    published_until: Option<Shown>,
}

impl SigningKeyView {
    /// May sign the certificate: keep it off the async workers.
    pub(super) fn of(keyring: &Keyring, key: KeyInfo) -> Result<Self, KeyringError> {
        let certificate = keyring.certificate(&key.kid)?;
        let thumbprint: Vec<String> = certificate.sha1().iter().map(|byte| format!("{byte:02X}")).collect();
        let (current, next) = (key.state == KeyState::Current, key.state == KeyState::Next);
        // One that was retired before its time never signed.
        let signed = current || key.retired_at.is_some_and(|retired| key.activates_at < retired);
        Ok(Self {
            alg: key.alg,
            kind: key.kind.to_string(),
            cert: certificate.pem().to_owned(),
            fingerprint: thumbprint.join(":"),
            thumbprint: thumbprint.concat(),
            x5t_s256: URL_SAFE_NO_PAD.encode(certificate.sha256()),
            current,
            next,
            previous: signed && !current,
            current_since: signed.then_some(key.activates_at).map(shown),
            current_until: key.retired_at.filter(|_| signed).map(shown),
            revoked: key.revoked_at.is_some(),
            revoked_at: key.revoked_at.map(shown),
            published: key.published,
            published_until: key.published_until.map(shown),
            kid: key.kid,
        })
    }
}
