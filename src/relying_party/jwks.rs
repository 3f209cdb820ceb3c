//! The OP's published keys, as a relying party reads them, and the selection of one for a token.
//!
//! A key that cannot be used stays in the set with the reason, so that a report can name it. This module fetches nothing (see [`keys`](super::keys)) and verifies nothing (see [`signature`](super::signature)).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::signature::Alg;

/// The smallest RSA key, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;
/// The largest RSA key, in bits: what ring verifies with.
const MAX_RSA_BITS: usize = 8192;

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// Why a document is not a JSON Web Key Set.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not JSON, or not an object with a list of `keys`.
    #[error("a JWKS must be a JSON object with a list `keys` (RFC 7517, section 5): {0}")]
    Document(#[from] serde_json::Error),
}

/// One key of a set.
#[derive(Clone, Debug)]
pub(super) struct Jwk {
    kid: Option<String>,
    usage: Option<String>,
    alg: Option<String>,
    operations: Option<Vec<String>>,
    material: Result<Material, String>,
}

/// The public key itself. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// Modulus and exponent, big-endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point on P-256, uncompressed (SEC 1 §2.3.3).
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
    /// An Ed25519 public key (RFC 8037 §2).
    Ed25519(Vec<u8>),
}

/// Why no key of the set can be used for a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKey {
    /// No key has this `kid`.
    #[error("no key of the JWKS has the kid {0:?}")]
    Unknown(String),
    /// There are keys with this `kid`, but none fits.
    #[error("the key {kid:?} cannot be used: {}", reasons.join("; "))]
    Unfit {
        /// The token's `kid`.
        kid: String,
        /// One for each key with this `kid`.
        reasons: Vec<String>,
    },
    /// More than one key fits, so the selection would be arbitrary.
    #[error("{count} keys of the JWKS have the kid {kid:?} and fit the alg; it must be exactly one")]
    Ambiguous {
        /// The token's `kid`.
        kid: String,
        /// How many fit.
        count: usize,
    },
}

impl Jwks {
    /// Parses a JWKS document. Keys of an unknown kind are no error (RFC 7517 §5).
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_str(text)?;
        Ok(Self { keys: document.keys.into_iter().map(Jwk::read).collect() })
    }

    /// How many keys it has, usable or not.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key has this `kid`, usable or not.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The one key with this `kid` that may verify a signature of this `alg`.
    pub(super) fn select(&self, kid: &str, alg: Alg) -> Result<&Material, NoKey> {
        let mut fitting = Vec::new();
        let mut reasons = Vec::new();
        for key in self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)) {
            match key.for_alg(alg) {
                Ok(material) => fitting.push(material),
                Err(reason) => reasons.push(reason),
            }
        }
        match fitting[..] {
            [material] => Ok(material),
            [] if reasons.is_empty() => Err(NoKey::Unknown(kid.to_owned())),
            [] => Err(NoKey::Unfit { kid: kid.to_owned(), reasons }),
            _ => Err(NoKey::Ambiguous { kid: kid.to_owned(), count: fitting.len() }),
        }
    }
}

impl Jwk {
    fn read(value: Value) -> Self {
        match serde_json::from_value::<RawJwk>(value) {
            Ok(raw) => Self {
                material: raw.material(),
                kid: raw.kid,
                usage: raw.usage,
                alg: raw.alg,
                operations: raw.key_ops,
            },
            // Its kid is lost too, so a token with this kid finds no key.
            Err(error) => {
                Self { kid: None, usage: None, alg: None, operations: None, material: Err(error.to_string()) }
            }
        }
    }

    fn for_alg(&self, alg: Alg) -> Result<&Material, String> {
        let material = self.material.as_ref().map_err(Clone::clone)?;
        if let Some(usage) = self.usage.as_deref().filter(|usage| *usage != "sig") {
            return Err(format!("its use is {usage:?}, not \"sig\" (RFC 7517, section 4.2)"));
        }
        if self.operations.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Err("its key_ops lack \"verify\" (RFC 7517, section 4.3)".to_owned());
        }
        if let Some(own) = self.alg.as_deref().filter(|own| *own != alg.as_str()) {
            return Err(format!("its alg is {own:?}, and the token's is {:?}", alg.as_str()));
        }
        if !alg.takes(material) {
            return Err(format!(
                "it is an {} key, which cannot be used with {}",
                material.kind(),
                alg.as_str()
            ));
        }
        Ok(material)
    }
}

impl Material {
    /// Its kind, as text.
    fn kind(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::P256(_) => "EC P-256",
            Self::P384(_) => "EC P-384",
            Self::Ed25519(_) => "OKP Ed25519",
        }
    }
}

/// A JWK as written. Of members that only private and symmetric keys have, only the presence matters.
#[derive(Deserialize)]
struct RawJwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    p: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

impl RawJwk {
    fn material(&self) -> Result<Material, String> {
        if self.d.is_some() || self.p.is_some() || self.k.is_some() {
            return Err("the JWKS publishes its secret part; the key must be replaced".to_owned());
        }
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa(),
            ("EC", Some("P-256")) => self.point(32).map(Material::P256),
            ("EC", Some("P-384")) => self.point(48).map(Material::P384),
            ("OKP", Some("Ed25519")) => bytes("x", self.x.as_deref(), Some(32)).map(Material::Ed25519),
            ("EC" | "OKP", Some(curve)) => Err(format!("its crv {curve:?} is not supported")),
            ("EC" | "OKP", None) => Err("it has no crv".to_owned()),
            (kty, _) => Err(format!("its kty {kty:?} is not supported")),
        }
    }

    fn rsa(&self) -> Result<Material, String> {
        let n = bytes("n", self.n.as_deref(), None)?;
        let e = bytes("e", self.e.as_deref(), None)?;
        if n.first() == Some(&0) || e.first() == Some(&0) {
            return Err("its n or e starts with a zero byte (RFC 7518, section 2)".to_owned());
        }
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(format!("its modulus has {bits} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}"));
        }
        Ok(Material::Rsa { n, e })
    }

    fn point(&self, coordinate: usize) -> Result<Vec<u8>, String> {
        let x = bytes("x", self.x.as_deref(), Some(coordinate))?;
        let y = bytes("y", self.y.as_deref(), Some(coordinate))?;
        Ok([&[4], &x[..], &y[..]].concat())
    }
}

/// The bytes of a member in base64url without padding, of exactly `length` bytes where that is fixed.
fn bytes(name: &str, text: Option<&str>, length: Option<usize>) -> Result<Vec<u8>, String> {
    let text = text.ok_or_else(|| format!("it has no {name}"))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| format!("its {name} is not base64url without padding (RFC 7515, section 2)"))?;
    match length {
        Some(length) if bytes.len() != length => {
            Err(format!("its {name} has {} bytes, not {length}", bytes.len()))
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::relying_party::test_support::{TestKey, jwks};

    fn unfit(jwk: &Value, alg: Alg) -> String {
        match jwks(std::slice::from_ref(jwk)).select("k", alg) {
            Err(NoKey::Unfit { reasons, .. }) => reasons.join("; "),
            other => panic!("{other:?}"),
        }
    }

    fn with(mut jwk: Value, member: &str, value: Value) -> Value {
        jwk[member] = value;
        jwk
    }

    #[test]
    fn a_key_is_chosen_by_kid_kty_alg_and_use() {
        let ec = TestKey::es256("k").jwk();
        let ed = TestKey::eddsa("k").jwk();
        let other = TestKey::es256("other").jwk();
        let set = jwks(&[ec.clone(), ed, other]);
        assert!(matches!(set.select("k", Alg::Es256), Ok(Material::P256(_))));
        assert!(matches!(set.select("k", Alg::EdDsa), Ok(Material::Ed25519(_))));
        assert_eq!(set.select("nobody", Alg::Es256), Err(NoKey::Unknown("nobody".to_owned())));
        let twice = jwks(&[ec.clone(), with(ec, "use", json!("sig"))]);
        assert_eq!(twice.select("k", Alg::Es256), Err(NoKey::Ambiguous { kid: "k".to_owned(), count: 2 }));
    }

    #[test]
    fn an_unfit_key_says_why() {
        let key = TestKey::es256("k").jwk();
        for (jwk, expected) in [
            (with(key.clone(), "use", json!("enc")), "its use is \"enc\""),
            (with(key.clone(), "alg", json!("ES384")), "its alg is \"ES384\", and the token's is \"ES256\""),
            (with(key.clone(), "key_ops", json!(["sign"])), "its key_ops lack"),
            (with(key.clone(), "crv", json!("secp256k1")), "its crv \"secp256k1\" is not supported"),
            (with(key.clone(), "x", json!("AAAA")), "its x has 3 bytes, not 32"),
            (with(key.clone(), "x", json!("A=")), "its x is not base64url"),
            (with(key.clone(), "y", json!(null)), "it has no y"),
            (with(key, "d", json!("AAAA")), "the JWKS publishes its secret part"),
            (json!({"kty": "oct", "kid": "k"}), "its kty \"oct\" is not supported"),
            (json!({"kty": "oct", "kid": "k", "k": "AAAA"}), "the JWKS publishes its secret part"),
            (json!({"kty": "OKP", "kid": "k", "x": "AAAA"}), "it has no crv"),
            (TestKey::eddsa("k").jwk(), "it is an OKP Ed25519 key, which cannot be used with ES256"),
        ] {
            assert!(unfit(&jwk, Alg::Es256).starts_with(expected), "{}", unfit(&jwk, Alg::Es256));
        }
    }

    #[test]
    fn a_weak_rsa_key_is_unfit() {
        for (n, expected) in [
            (vec![0xff; 128], "its modulus has 1024 bits"),
            ([&[0x7f], &[0xff; 255][..]].concat(), "its modulus has 2047 bits"),
            ([&[0], &[0xff; 256][..]].concat(), "its n or e starts with a zero byte"),
        ] {
            let jwk = json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB"});
            assert!(unfit(&jwk, Alg::Rs256).starts_with(expected), "{}", unfit(&jwk, Alg::Rs256));
        }
    }

    #[test]
    fn unknown_kinds_of_keys_do_not_spoil_the_set() {
        let set = jwks(&[json!({"kty": "AKP", "kid": "k"}), json!("nonsense"), TestKey::es256("ec").jwk()]);
        assert_eq!(set.len(), 3);
        assert!(set.select("ec", Alg::Es256).is_ok());
        for text in ["", "[]", "{}", r#"{"keys": 1}"#] {
            assert!(Jwks::parse(text).is_err(), "{text}");
        }
    }
}
