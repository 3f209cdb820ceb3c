//! The signature algorithms of logout tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A JWS `alg` for logout tokens: the accepted values of a client's `id_token_signed_response_alg`. `none` and
/// symmetric algorithms are excluded on purpose (Back-Channel Logout 1.0 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SigningAlg {
    /// RSASSA-PKCS1-v1_5 with SHA-256: the default of OpenID Connect, which every RP supports.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

impl SigningAlg {
    /// Every algorithm, in the order documents list them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name registered for JOSE (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether it uses an RSA key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512)
    }
}

impl fmt::Display for SigningAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<SigningAlg> for &'static str {
    fn from(alg: SigningAlg) -> Self {
        alg.as_str()
    }
}

impl From<SigningAlg> for jsonwebtoken::Algorithm {
    fn from(alg: SigningAlg) -> Self {
        match alg {
            SigningAlg::Rs256 => Self::RS256,
            SigningAlg::Rs384 => Self::RS384,
            SigningAlg::Rs512 => Self::RS512,
            SigningAlg::Ps256 => Self::PS256,
            SigningAlg::Ps384 => Self::PS384,
            SigningAlg::Ps512 => Self::PS512,
            SigningAlg::Es256 => Self::ES256,
            SigningAlg::Es384 => Self::ES384,
            SigningAlg::EdDsa => Self::EdDSA,
        }
    }
}

/// The name is not one of [`SigningAlg::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a supported signing algorithm; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
)]
pub struct UnknownAlg(String);

impl FromStr for SigningAlg {
    type Err = UnknownAlg;

    fn from_str(name: &str) -> Result<Self, UnknownAlg> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name).ok_or_else(|| UnknownAlg(name.to_owned()))
    }
}

impl TryFrom<String> for SigningAlg {
    type Error = UnknownAlg;

    fn try_from(name: String) -> Result<Self, UnknownAlg> {
        name.parse()
    }
}
