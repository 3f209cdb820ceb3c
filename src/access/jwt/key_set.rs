//! The issuer's keys, parsed from its JWKS (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The maximum number of keys that are read from a JWKS.
const MAX_KEYS: usize = 100;

/// The usable keys, by `kid` and `alg`.
#[derive(Clone, Default)]
pub(super) struct KeySet(HashMap<String, Vec<(Algorithm, Arc<DecodingKey>)>>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Parses a JWKS. Keys for other purposes and of unknown types are ignored (RFC 7517 §5).
    pub(super) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(text)?;
        let mut keys: HashMap<_, Vec<_>> = HashMap::new();
        for jwk in document.keys.into_iter().take(MAX_KEYS) {
            if let Some((kid, alg, key)) = usable(jwk) {
                keys.entry(kid).or_default().push((alg, Arc::new(key)));
            }
        }
        Ok(Self(keys))
    }

    /// The key with this id for this algorithm.
    pub(super) fn find(&self, kid: &str, alg: Algorithm) -> Option<Arc<DecodingKey>> {
        let keys = self.0.get(kid)?;
        keys.iter().find(|(of, _)| *of == alg).map(|(_, key)| Arc::clone(key))
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// The `kid`, `alg` and key of a JWK, if it has a `kid` and verifies signatures of an accepted algorithm.
fn usable(jwk: Value) -> Option<(String, Algorithm, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    if common.key_operations.as_ref().is_some_and(|it| !it.contains(&KeyOperations::Verify)) {
        return None;
    }
    let (alg, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if common.key_algorithm.is_some_and(|it| it != name) {
        return None;
    }
    let kid = common.key_id.clone()?;
    Some((kid, alg, DecodingKey::from_jwk(&jwk).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(more: &Value) -> Value {
        merged(&json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}), more)
    }

    fn ec(more: &Value) -> Value {
        merged(&json!({"kty": "EC", "kid": "k", "crv": "P-256", "x": "AQAB", "y": "AQAB"}), more)
    }

    fn merged(key: &Value, more: &Value) -> Value {
        let mut key = key.clone();
        for (name, value) in more.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    #[test]
    fn only_keys_that_verify_access_tokens_are_used() {
        let ed = json!({"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AQAB"});
        for (key, alg) in [
            (rsa(&json!({})), Some(Algorithm::RS256)),
            (rsa(&json!({"use": "sig", "alg": "RS256", "key_ops": ["verify"]})), Some(Algorithm::RS256)),
            (ec(&json!({})), Some(Algorithm::ES256)),
            (ed.clone(), Some(Algorithm::EdDSA)),
            (rsa(&json!({"alg": "PS256"})), None),
            (rsa(&json!({"use": "enc"})), None),
            (rsa(&json!({"key_ops": ["encrypt"]})), None),
            (rsa(&json!({"kid": null})), None),
            (ec(&json!({"crv": "P-384"})), None),
            (ec(&json!({"alg": "RS256"})), None),
            (merged(&ed, &json!({"crv": "Ed448"})), None),
            (json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}), None),
            (json!({"kty": "future", "kid": "k"}), None),
            (json!("no key"), None),
        ] {
            let set = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
            assert_eq!(set.len(), usize::from(alg.is_some()), "{key}");
            for other in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256] {
                assert_eq!(set.find("k", other).is_some(), alg == Some(other), "{key} {other:?}");
            }
        }
        assert!(KeySet::parse(b"{}").is_err());
        assert!(KeySet::parse(b"[]").is_err());
    }

    #[test]
    fn keys_of_different_algorithms_may_share_a_kid() {
        let keys = json!({"keys": [rsa(&json!({})), ec(&json!({}))]});
        let set = KeySet::parse(keys.to_string().as_bytes()).unwrap();
        assert!(set.find("k", Algorithm::RS256).is_some() && set.find("k", Algorithm::ES256).is_some());
        assert!(set.find("other", Algorithm::RS256).is_none());
    }
}
