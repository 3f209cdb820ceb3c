//! A key with its id and its one alg: what signs tokens.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::JwtSigner;
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, Header};
use ring::error::Unspecified;
use serde::Serialize;

use super::error::SignError;
use super::jwk::PublicJwk;
use super::kid::Kid;
use super::material::{KeyKind, KeyMaterial};
use crate::domain::algorithm::SigningAlg;

/// A private key, parsed once, under its `kid` and with the one alg it is used for (RFC 8725 §3.1).
pub struct SigningKey {
    kid: Kid,
    alg: SigningAlg,
    material: KeyMaterial,
    public: Arc<PublicJwk>,
}

impl SigningKey {
    /// `alg` must go with the material, which its callers have checked: otherwise every signature fails.
    pub(super) fn new(kid: Kid, alg: SigningAlg, material: KeyMaterial) -> Self {
        let public = Arc::new(PublicJwk::new(kid.clone(), alg, &material.public()));
        Self { kid, alg, material, public }
    }

    /// Its id.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The alg it signs with.
    pub fn alg(&self) -> SigningAlg {
        self.alg
    }

    /// RSA with its size, or the curve.
    pub fn kind(&self) -> KeyKind {
        self.material.kind()
    }

    /// The public half, as the JWKS shows it.
    pub fn public_jwk(&self) -> &Arc<PublicJwk> {
        &self.public
    }

    /// The key itself.
    pub(super) fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// The compact JWS (RFC 7515 §7.1) of these claims. `jsonwebtoken::encode` would do the same, and parse
    /// the key anew for every token.
    ///
    /// An RSA signature takes about a millisecond of CPU: keep it off the async workers.
    pub fn encode(&self, header: &Header, claims: &impl Serialize) -> Result<String, SignError> {
        let ours =
            header.alg == Algorithm::from(self.alg) && header.kid.as_deref() == Some(self.kid.as_str());
        if !ours {
            return Err(SignError::Header { kid: self.kid.clone(), alg: self.alg });
        }
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(header)?);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut token);
        let signature = self
            .material
            .sign(self.alg, token.as_bytes())
            .map_err(|Unspecified| SignError::Signature(self.kid.clone()))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

impl Signer<Vec<u8>> for SigningKey {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.material.sign(self.alg, message).map_err(|Unspecified| signature::Error::new())
    }
}

impl JwtSigner for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.alg.into()
    }
}
