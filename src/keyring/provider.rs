//! ring as the cryptography of the `jsonwebtoken` crate, so that its `decode` works in the whole process.
//!
//! Only the algs logoutd knows are there: HMAC ones are refused, so that no public key can ever be taken for
//! a shared secret (RFC 8725 §2.1). Signing tokens does not go through here, see `SigningKey::encode`.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::jwk::{EllipticCurve, ThumbprintHash};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::digest;
use ring::rsa::PublicKeyComponents;
use ring::signature as ring_signature;
use ring::signature::{RsaParameters, UnparsedPublicKey, VerificationAlgorithm};

use super::material::{Curve, KeyMaterial, PublicNumbers};
use crate::domain::algorithm::SigningAlg;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: rsa_public_from_private,
        rsa_pub_components_from_public_key: rsa_public_from_public,
        ec_pub_components_from_private_key: ec_public_from_private,
        ed_pub_components_from_private_key: ed_public_from_private,
        compute_digest: hash,
    },
};

/// Makes this the provider of the process. Later calls do nothing. To be called before anything uses
/// `jsonwebtoken`, which otherwise settles on a provider that panics.
pub fn install() {
    // An error means that a provider is installed already: this one, since nothing else installs any.
    let _ = CryptoProvider::install_default(&PROVIDER);
}

fn signing_alg(algorithm: Algorithm) -> Result<SigningAlg> {
    SigningAlg::ALL
        .into_iter()
        .find(|alg| Algorithm::from(*alg) == algorithm)
        .ok_or_else(|| ErrorKind::UnsupportedAlgorithm.into())
}

struct RingSigner {
    alg: SigningAlg,
    material: KeyMaterial,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature jsonwebtoken asks for")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    let alg = signing_alg(*algorithm)?;
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let material = match alg {
        SigningAlg::Es256 => ec_material(Curve::P256, key.as_bytes())?,
        SigningAlg::Es384 => ec_material(Curve::P384, key.as_bytes())?,
        SigningAlg::EdDsa => ed_material(key.as_bytes())?,
        SigningAlg::Rs256
        | SigningAlg::Rs384
        | SigningAlg::Rs512
        | SigningAlg::Ps256
        | SigningAlg::Ps384
        | SigningAlg::Ps512 => rsa_material(key.as_bytes())?,
    };
    Ok(Box::new(RingSigner { alg, material }))
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        self.material.sign(self.alg, message).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.alg.into()
    }
}

struct RingVerifier {
    alg: SigningAlg,
    key: DecodingKey,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature jsonwebtoken asks for")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let alg = signing_alg(*algorithm)?;
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier { alg, key: key.clone() }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verified = match (self.key.kind(), rsa_parameters(self.alg)) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some(parameters)) => {
                PublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(key), _) => {
                UnparsedPublicKey::new(verification(self.alg), key).verify(message, signature)
            }
            (DecodingKeyKind::RsaModulusExponent { .. }, None) => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.alg.into()
    }
}

fn rsa_parameters(alg: SigningAlg) -> Option<&'static RsaParameters> {
    match alg {
        SigningAlg::Rs256 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
        SigningAlg::Rs384 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        SigningAlg::Rs512 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
        SigningAlg::Ps256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
        SigningAlg::Ps384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
        SigningAlg::Ps512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
        SigningAlg::Es256 | SigningAlg::Es384 | SigningAlg::EdDsa => None,
    }
}

fn verification(alg: SigningAlg) -> &'static dyn VerificationAlgorithm {
    match alg {
        SigningAlg::Rs256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
        SigningAlg::Rs384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
        SigningAlg::Rs512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
        SigningAlg::Ps256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
        SigningAlg::Ps384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
        SigningAlg::Ps512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
        SigningAlg::Es256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
        SigningAlg::Es384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
        SigningAlg::EdDsa => &ring_signature::ED25519,
    }
}

fn rsa_material(der: &[u8]) -> Result<KeyMaterial> {
    KeyMaterial::rsa_from_der(der).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()).into())
}

fn ec_material(curve: Curve, der: &[u8]) -> Result<KeyMaterial> {
    KeyMaterial::ec_from_pkcs8(curve, der).map_err(|_| ErrorKind::InvalidEcdsaKey.into())
}

fn ed_material(der: &[u8]) -> Result<KeyMaterial> {
    KeyMaterial::ed25519_from_pkcs8(der).map_err(|_| ErrorKind::InvalidEddsaKey.into())
}

fn rsa_public_from_private(der: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    match rsa_material(der)?.public() {
        PublicNumbers::Rsa { n, e } => Ok((n, e)),
        PublicNumbers::Ec { .. } | PublicNumbers::Ed25519 { .. } => Err(ErrorKind::InvalidKeyFormat.into()),
    }
}

fn rsa_public_from_public(der: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let key = rsa::pkcs1::RsaPublicKeyRef::try_from(der)
        .map_err(|error| Error::from(ErrorKind::InvalidRsaKey(error.to_string())))?;
    Ok((key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
}

fn ec_public_from_private(der: &[u8], algorithm: Algorithm) -> Result<(EllipticCurve, Vec<u8>, Vec<u8>)> {
    let (curve, name) = match algorithm {
        Algorithm::ES256 => (Curve::P256, EllipticCurve::P256),
        Algorithm::ES384 => (Curve::P384, EllipticCurve::P384),
        _ => return Err(ErrorKind::InvalidEcdsaKey.into()),
    };
    match ec_material(curve, der)?.public() {
        PublicNumbers::Ec { x, y, .. } => Ok((name, x, y)),
        PublicNumbers::Rsa { .. } | PublicNumbers::Ed25519 { .. } => Err(ErrorKind::InvalidEcdsaKey.into()),
    }
}

fn ed_public_from_private(der: &[u8], curve: &EllipticCurve) -> Result<Vec<u8>> {
    if *curve != EllipticCurve::Ed25519 {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    match ed_material(der)?.public() {
        PublicNumbers::Ed25519 { x } => Ok(x),
        PublicNumbers::Rsa { .. } | PublicNumbers::Ec { .. } => Err(ErrorKind::InvalidEddsaKey.into()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature jsonwebtoken asks for")]
fn hash(data: &[u8], function: ThumbprintHash) -> Result<Vec<u8>> {
    let algorithm = match function {
        ThumbprintHash::SHA256 => &digest::SHA256,
        ThumbprintHash::SHA384 => &digest::SHA384,
        ThumbprintHash::SHA512 => &digest::SHA512,
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(digest::digest(algorithm, data).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Header, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::keyring::tests::pem;

    fn der(alg: SigningAlg) -> Vec<u8> {
        pem::parse(pem(alg)).unwrap().into_contents()
    }

    /// Signs with `jsonwebtoken::encode`, and verifies with the public key it derives itself.
    fn round_trip(key: &EncodingKey, algorithm: Algorithm) {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &json!({"a": 1}), key).unwrap();
        let jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        let decoding = DecodingKey::from_jwk(&jwk).unwrap();
        let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(decoded.claims, json!({"a": 1}));
    }

    #[test]
    fn jsonwebtoken_signs_and_verifies_every_alg_with_it() {
        install();
        install();
        let rsa_der = der(SigningAlg::Rs256);
        let pkcs1 = pkcs8::PrivateKeyInfoRef::try_from(rsa_der.as_slice()).unwrap().private_key.as_bytes();
        for alg in SigningAlg::ALL {
            let key = match alg {
                SigningAlg::Es256 | SigningAlg::Es384 => EncodingKey::from_ec_der(&der(alg)),
                SigningAlg::EdDsa => EncodingKey::from_ed_der(&der(alg)),
                SigningAlg::Rs256 => EncodingKey::from_rsa_der(pkcs1),
                _ => EncodingKey::from_rsa_der(&rsa_der),
            };
            round_trip(&key, alg.into());
        }
    }

    #[test]
    fn hmac_and_mismatched_keys_are_refused() {
        let secret = EncodingKey::from_secret(b"secret");
        assert!(signer(&Algorithm::HS256, &secret).is_err());
        assert!(signer(&Algorithm::ES256, &secret).is_err());
        assert!(verifier(&Algorithm::HS256, &DecodingKey::from_secret(b"secret")).is_err());
        assert!(verifier(&Algorithm::EdDSA, &DecodingKey::from_ec_der(&[4])).is_err());
        assert!(signer(&Algorithm::ES384, &EncodingKey::from_ec_der(&der(SigningAlg::Es256))).is_err());
    }

    #[test]
    fn rsa_public_keys_are_taken_apart() {
        let private = der(SigningAlg::Rs256);
        let numbers = rsa_public_from_private(&private).unwrap();
        let info = pkcs8::PrivateKeyInfoRef::try_from(private.as_slice()).unwrap();
        let key = rsa::pkcs1::RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap();
        let public = pkcs8::der::Encode::to_der(&key.public_key()).unwrap();
        assert_eq!(rsa_public_from_public(&public).unwrap(), numbers);
        assert!(rsa_public_from_public(&private).is_err());
    }

    /// The example of RFC 8037 appendix A.3.
    #[test]
    fn thumbprints_are_those_of_the_rfc() {
        install();
        let jwk: Jwk = serde_json::from_value(json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }))
        .unwrap();
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
