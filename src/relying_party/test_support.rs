//! Keys and tokens for the tests of this module, made with ring and nothing of the issuer's code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use rsa::Generate as _;
use rsa::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};

use super::jwks::Jwks;

/// 2026-01-02T03:04:05Z.
pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// What the issuer of the tests is called.
pub(crate) const ISSUER: &str = "https://op.example.com";

/// A key pair with a `kid`.
pub(crate) struct TestKey {
    kid: String,
    pair: Pair,
}

enum Pair {
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

fn random() -> SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "test keys may be drawn ambiently")]
    SystemRandom::new()
}

impl TestKey {
    pub(crate) fn es256(kid: &str) -> Self {
        Self::ec(kid, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(crate) fn es384(kid: &str) -> Self {
        Self::ec(kid, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ec(kid: &str, curve: &'static str, alg: &'static signature::EcdsaSigningAlgorithm) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(alg, &random()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(alg, document.as_ref(), &random()).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Ec(curve, pair) }
    }

    pub(crate) fn eddsa(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&random()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Ed(pair) }
    }

    pub(crate) fn rsa(kid: &str) -> Self {
        let document = rsa::PrivateKey::generate().to_pkcs8_der().unwrap();
        let pair = RsaKeyPair::from_pkcs8(document.as_bytes()).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Rsa(pair) }
    }

    /// The public key, with `kid` and `use`, and without an `alg`.
    pub(crate) fn jwk(&self) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Ec(curve, pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())}),
            Pair::Rsa(pair) => {
                let public: signature::RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "n": b64(&public.n), "e": b64(&public.e)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A signature; `alg` chooses among those that an RSA key can make.
    pub(crate) fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(_, pair) => pair.sign(&random(), message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match alg {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => panic!("{alg} is not one of RSA's"),
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A compact JWS of the header and the payload as they are.
    pub(crate) fn token(&self, header: &Value, payload: &Value) -> String {
        self.token_of(&header.to_string(), &payload.to_string())
    }

    /// A compact JWS of any two texts; a header without a readable `alg` is signed as if it said RS256.
    pub(crate) fn token_of(&self, header: &str, payload: &str) -> String {
        let alg = serde_json::from_str::<Value>(header).unwrap_or_default();
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(alg["alg"].as_str().unwrap_or("RS256"), input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of these keys.
pub(crate) fn jwks(keys: &[Value]) -> Jwks {
    Jwks::parse(&json!({"keys": keys}).to_string()).unwrap()
}

/// The header of a good ES256 token.
pub(crate) fn header(kid: &str) -> Value {
    json!({"alg": "ES256", "kid": kid, "typ": "logout+jwt"})
}

/// The claims of a good token for the client `shop`, issued at [`now`].
pub(crate) fn claims(jti: &str) -> Value {
    let iat = now().as_second();
    json!({
        "iss": ISSUER, "aud": "shop", "iat": iat, "exp": iat + 120, "jti": jti,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "sub": "alice", "sid": "s-1", "session_metadata": {"org_id": "org_abc123"},
    })
}
