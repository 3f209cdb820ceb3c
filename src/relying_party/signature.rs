//! The signature algorithms a relying party of this OP accepts, and their verification with ring.
//!
//! `none` and symmetric algorithms are rejected by name before a key is selected, so that a public key can never serve as a
//! shared secret.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::jwks::Material;

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1) that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alg {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// Why an `alg` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AlgError {
    /// `none`, in any case: attackers try all of them.
    #[error("{0:?} means unsigned, and a logout token must be signed")]
    None(String),
    /// One of the HMAC family.
    #[error("{0:?} is symmetric: anyone with the key can make such tokens")]
    Symmetric(String),
    /// Anything else.
    #[error("{0:?} is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA")]
    Unsupported(String),
}

/// The signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not one of this key over these bytes")]
pub(super) struct BadSignature;

impl Alg {
    const ALL: [Self; 9] = [
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

    /// The algorithm of this name. Names are case-sensitive (RFC 7515 §4.1.1).
    pub(super) fn named(name: &str) -> Result<Self, AlgError> {
        if let Some(alg) = Self::ALL.into_iter().find(|alg| alg.as_str() == name) {
            return Ok(alg);
        }
        if name.eq_ignore_ascii_case("none") {
            return Err(AlgError::None(name.to_owned()));
        }
        if matches!(name, "HS256" | "HS384" | "HS512") {
            return Err(AlgError::Symmetric(name.to_owned()));
        }
        Err(AlgError::Unsupported(name.to_owned()))
    }

    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
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

    /// Whether this algorithm uses keys of this kind.
    pub(super) fn takes(self, material: &Material) -> bool {
        match material {
            Material::Rsa { .. } => !matches!(self, Self::Es256 | Self::Es384 | Self::EdDsa),
            Material::P256(_) => self == Self::Es256,
            Material::P384(_) => self == Self::Es384,
            Material::Ed25519(_) => self == Self::EdDsa,
        }
    }

    /// Checks a signature over `message`. A key of another kind never verifies.
    pub(super) fn verify(
        self,
        material: &Material,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let verdict = match (self, material) {
            (Self::Es256, Material::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::Es384, Material::P384(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Self::EdDsa, Material::Ed25519(key)) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
            }
            (_, Material::Rsa { n, e }) => {
                let parameters = self.rsa_parameters().ok_or(BadSignature)?;
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            _ => return Err(BadSignature),
        };
        verdict.map_err(|ring::error::Unspecified| BadSignature)
    }

    fn rsa_parameters(self) -> Option<&'static signature::RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 | Self::Es384 | Self::EdDsa => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::relying_party::test_support::{TestKey, jwks};

    /// Checks a compact JWS against a JWK.
    fn verify(jwk: &Value, alg: Alg, token: &str) -> Result<(), BadSignature> {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let set = jwks(std::slice::from_ref(jwk));
        let material = set.select("k", alg).unwrap();
        alg.verify(material, message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn the_examples_of_the_rfcs_verify() {
        // RFC 7515 appendix A.2.
        let n = concat!(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B",
            "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5",
            "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7",
            "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        );
        let rsa = json!({"kty": "RSA", "kid": "k", "e": "AQAB", "n": n});
        let token = concat!(
            "eyJhbGciOiJSUzI1NiJ9",
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F",
            "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQB",
            "MHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeY",
            "I2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        );
        assert_eq!(verify(&rsa, Alg::Rs256, token), Ok(()));
        // RFC 7515 appendix A.3.
        let ec = json!({
            "kty": "EC", "kid": "k", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        let token = concat!(
            "eyJhbGciOiJFUzI1NiJ9",
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        assert_eq!(verify(&ec, Alg::Es256, token), Ok(()));
        // RFC 8037 appendix A.4.
        let ed = json!({
            "kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let token = concat!(
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
        assert_eq!(verify(&ed, Alg::EdDsa, token), Ok(()));
    }

    #[test]
    fn every_algorithm_verifies_its_own_and_no_changed_message() {
        let rsa = TestKey::rsa("k");
        let keys = [TestKey::es256("k"), TestKey::es384("k"), TestKey::eddsa("k")];
        let with_rsa = [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512];
        let cases = with_rsa.map(|alg| (alg, &rsa)).into_iter().chain([
            (Alg::Es256, &keys[0]),
            (Alg::Es384, &keys[1]),
            (Alg::EdDsa, &keys[2]),
        ]);
        for (alg, key) in cases {
            let signature = URL_SAFE_NO_PAD.encode(key.sign(alg.as_str(), b"message"));
            assert_eq!(verify(&key.jwk(), alg, &format!("message.{signature}")), Ok(()), "{alg:?}");
            assert_eq!(
                verify(&key.jwk(), alg, &format!("massage.{signature}")),
                Err(BadSignature),
                "{alg:?}"
            );
            assert_eq!(verify(&key.jwk(), alg, "message."), Err(BadSignature), "{alg:?}");
        }
        // The same key and digest, but the other padding.
        let signature = URL_SAFE_NO_PAD.encode(rsa.sign("RS256", b"message"));
        assert_eq!(verify(&rsa.jwk(), Alg::Ps256, &format!("message.{signature}")), Err(BadSignature));
    }

    #[test]
    fn names_are_refused_with_the_right_reason() {
        for alg in Alg::ALL {
            assert_eq!(Alg::named(alg.as_str()), Ok(alg));
        }
        for name in ["none", "None", "nOnE"] {
            assert_eq!(Alg::named(name), Err(AlgError::None(name.to_owned())));
        }
        for name in ["HS256", "HS384", "HS512"] {
            assert_eq!(Alg::named(name), Err(AlgError::Symmetric(name.to_owned())));
        }
        for name in ["", "rs256", "ES512", "ES256K", "RSA-OAEP", "RS1"] {
            assert_eq!(Alg::named(name), Err(AlgError::Unsupported(name.to_owned())));
        }
    }
}
