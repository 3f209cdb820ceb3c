//! A parsed private key: what it can sign, its public half, and signing itself, all by ring.
//!
//! Parsing happens once, here; a [`KeyMaterial`] does not expose the private numbers.

use std::fmt;

use ring::error::{KeyRejected, Unspecified};
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use zeroize::Zeroizing;

use super::error::KeyError;
use crate::domain::algorithm::SigningAlg;

/// An elliptic curve for ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Its name in a JWK (RFC 7518 §6.2.1.1).
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// The length of a coordinate and of the private number, in bytes.
    pub(super) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    pub(super) fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with its modulus in bits.
    Rsa {
        /// 2048 to 4096.
        bits: usize,
    },
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The alg that the kind settles; an RSA key leaves it open.
    pub const fn only_alg(self) -> Option<SigningAlg> {
        match self {
            Self::Rsa { .. } => None,
            Self::P256 => Some(SigningAlg::Es256),
            Self::P384 => Some(SigningAlg::Es384),
            Self::Ed25519 => Some(SigningAlg::EdDsa),
        }
    }

    /// Whether such a key can sign `alg`.
    pub fn signs(self, alg: SigningAlg) -> bool {
        self.only_alg().map_or(alg.is_rsa(), |only| only == alg)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The public half of a key, as big-endian numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicNumbers {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key, checked and ready to sign. It has no `Debug`, on purpose.
pub(super) struct KeyMaterial {
    pair: Pair,
    random: SystemRandom,
}

/// ring signs with its own kind of randomness only, which [`crate::entropy::Entropy`] cannot stand in for.
#[expect(
    clippy::disallowed_methods,
    reason = "key material and nonces take ring's own generator, nothing else"
)]
pub(super) fn ring_random() -> SystemRandom {
    SystemRandom::new()
}

impl KeyMaterial {
    pub(super) fn rsa_from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_pkcs8(der).map_err(rejected("RSA"))?;
        Self::checked(Pair::Rsa(pair))
    }

    /// From PKCS#8, or from the bare PKCS#1 that jsonwebtoken calls an RSA key's DER.
    pub(super) fn rsa_from_der(der: &[u8]) -> Result<Self, KeyError> {
        let pair =
            RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).map_err(rejected("RSA"))?;
        Self::checked(Pair::Rsa(pair))
    }

    pub(super) fn rsa_from_components(
        parts: &KeyPairComponents<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_components(parts).map_err(rejected("RSA"))?;
        Self::checked(Pair::Rsa(pair))
    }

    pub(super) fn ec_from_pkcs8(curve: Curve, der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(curve.signing(), der, &ring_random()).map_err(|reason| {
            KeyError::Rejected {
                kind: curve.name(),
                reason: reason.to_string(),
                hint: "; if its public key is missing, `openssl pkey -in OLD -out NEW` adds it",
            }
        })?;
        Self::checked(Pair::Ec(curve, pair))
    }

    /// From the private number and the uncompressed public point (SEC 1 §2.3.3).
    pub(super) fn ec_from_parts(curve: Curve, d: &[u8], point: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), d, point, &ring_random())
            .map_err(rejected(curve.name()))?;
        Self::checked(Pair::Ec(curve, pair))
    }

    pub(super) fn ed25519_from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        // "Maybe unchecked": openssl leaves the public key out (RFC 8410 makes it optional), and then there
        // is nothing to check the private one against.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected("Ed25519"))?;
        Self::checked(Pair::Ed25519(pair))
    }

    pub(super) fn ed25519_from_parts(seed: &[u8], public: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(rejected("Ed25519"))?;
        Self::checked(Pair::Ed25519(pair))
    }

    /// ring finds some wrong RSA numbers only when it signs, so one signature is made here rather than the
    /// first failure left to a delivery.
    fn checked(pair: Pair) -> Result<Self, KeyError> {
        let material = Self { pair, random: ring_random() };
        let alg = material.kind().only_alg().unwrap_or(SigningAlg::Rs256);
        material.sign(alg, b"logoutd").map_err(|Unspecified| KeyError::Rejected {
            kind: "private",
            reason: "its numbers contradict each other".to_owned(),
            hint: "",
        })?;
        Ok(material)
    }

    pub(super) fn kind(&self) -> KeyKind {
        match &self.pair {
            Pair::Rsa(pair) => KeyKind::Rsa { bits: pair.public().modulus_len() * 8 },
            Pair::Ec(Curve::P256, _) => KeyKind::P256,
            Pair::Ec(Curve::P384, _) => KeyKind::P384,
            Pair::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    pub(super) fn public(&self) -> PublicNumbers {
        match &self.pair {
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                PublicNumbers::Rsa { n, e }
            }
            Pair::Ec(curve, pair) => {
                // ring's public keys are uncompressed points: 0x04, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(curve.coordinate_len());
                PublicNumbers::Ec { curve: *curve, x: x.to_vec(), y: y.to_vec() }
            }
            Pair::Ed25519(pair) => PublicNumbers::Ed25519 { x: pair.public_key().as_ref().to_vec() },
        }
    }

    /// The contents of `subjectPublicKey` in X.509: PKCS#1 for RSA (RFC 3279 §2.3.1), an uncompressed point
    /// (RFC 5480 §2.2), or the bare bytes (RFC 8410 §4).
    pub(super) fn subject_public_key(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ec(_, pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// The JWS signature of `message` (RFC 7518 §3.3–3.5, RFC 8037 §3.1). An RSA signature takes about a
    /// millisecond of CPU: keep it off the async workers.
    pub(super) fn sign(&self, alg: SigningAlg, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        if !self.kind().signs(alg) {
            return Err(Unspecified);
        }
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(rsa_encoding(alg)?, &self.random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::Ec(_, pair) => Ok(pair.sign(&self.random, message)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn rsa_encoding(alg: SigningAlg) -> Result<&'static dyn RsaEncoding, Unspecified> {
    Ok(match alg {
        SigningAlg::Rs256 => &RSA_PKCS1_SHA256,
        SigningAlg::Rs384 => &RSA_PKCS1_SHA384,
        SigningAlg::Rs512 => &RSA_PKCS1_SHA512,
        SigningAlg::Ps256 => &RSA_PSS_SHA256,
        SigningAlg::Ps384 => &RSA_PSS_SHA384,
        SigningAlg::Ps512 => &RSA_PSS_SHA512,
        SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::EdDsa => return Err(Unspecified),
    })
}

fn rejected(kind: &'static str) -> impl FnOnce(KeyRejected) -> KeyError {
    move |reason| KeyError::Rejected { kind, reason: reason.to_string(), hint: "" }
}

/// ring's generator behind the trait that `rsa` draws from.
pub(super) struct RingRng<'a>(pub(super) &'a SystemRandom);

impl rsa::rand_core::TryRng for RingRng<'_> {
    type Error = rsa::errors::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes).map_err(|Unspecified| rsa::errors::Error::Internal)
    }
}

impl rsa::rand_core::TryCryptoRng for RingRng<'_> {}
