//! A strict validator of logout tokens, independent of everything in `src/`: OpenID Connect Back-Channel
//! Logout 1.0 §2.4 and §2.6, and what the conformance suite and real receivers check beyond that.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

/// A token that passed every check.
#[derive(Clone, Debug)]
pub struct ValidToken {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

impl ValidToken {
    pub fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_else(|| panic!("{name} is no string"))
    }
}

/// Checks a request's form body and the token in it. Panics with what is wrong.
pub fn validate(body: &[u8], issuer: &str, client_id: &str, jwks: &Value) -> ValidToken {
    let body = std::str::from_utf8(body).expect("the body is ASCII");
    let token = body.strip_prefix("logout_token=").expect("the body is exactly logout_token=<jwt>");
    assert!(!token.contains(['&', '=', '%']), "one parameter, and nothing that needs escaping");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("not three parts: {}", parts.len()) };

    let header_json = object(header);
    check_header(&header_json);
    let signed = format!("{header}.{claims}");
    check_signature(&header_json, signed.as_bytes(), &decode(signature), jwks);
    let claims = object(claims);
    check_claims(&claims, issuer, client_id);
    ValidToken { header: header_json, claims }
}

fn check_header(header: &Map<String, Value>) {
    for name in header.keys() {
        assert!(["alg", "kid", "typ"].contains(&name.as_str()), "unexpected header {name}");
    }
    if let Some(typ) = header.get("typ") {
        assert!(typ == "logout+jwt" || typ == "JWT", "typ {typ}");
    }
}

fn check_signature(header: &Map<String, Value>, message: &[u8], signature: &[u8], jwks: &Value) {
    let (alg, kid) = (header["alg"].as_str().unwrap(), header["kid"].as_str().expect("kid is always there"));
    let matching: Vec<&Value> =
        jwks["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == kid).collect();
    let [key] = matching[..] else { panic!("kid {kid} matches {} keys", matching.len()) };
    assert_eq!(key["alg"], alg);
    assert_eq!(key["use"], "sig");
    for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert!(key.get(private).is_none(), "the JWKS shows the private member {private}");
    }
    let member = |name: &str| decode(key[name].as_str().unwrap());
    match alg {
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => {
            assert_eq!(key["kty"], "RSA");
            let parameters = match alg {
                "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                _ => &signature::RSA_PSS_2048_8192_SHA512,
            };
            RsaPublicKeyComponents { n: member("n"), e: member("e") }
                .verify(parameters, message, signature)
                .expect("the signature verifies");
        }
        "ES256" | "ES384" => {
            let (curve, algorithm): (_, &dyn signature::VerificationAlgorithm) = match alg {
                "ES256" => ("P-256", &signature::ECDSA_P256_SHA256_FIXED),
                _ => ("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            };
            assert_eq!((&key["kty"], &key["crv"]), (&"EC".into(), &curve.into()));
            let point = [&[4][..], &member("x"), &member("y")].concat();
            UnparsedPublicKey::new(algorithm, point)
                .verify(message, signature)
                .expect("the signature verifies");
        }
        "EdDSA" => {
            assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
            UnparsedPublicKey::new(&signature::ED25519, member("x"))
                .verify(message, signature)
                .expect("the signature verifies");
        }
        other => panic!("alg {other}"),
    }
}

fn check_claims(claims: &Map<String, Value>, issuer: &str, client_id: &str) {
    let known = ["iss", "aud", "iat", "exp", "jti", "events", "sub", "sid", "session_metadata"];
    for name in claims.keys() {
        assert!(known.contains(&name.as_str()), "unexpected claim {name}");
    }
    assert_eq!(claims["iss"], issuer);
    assert_eq!(claims["aud"], client_id, "aud is the client_id, a string");
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!(iat <= now, "iat is {} s ahead of the clock", iat - now);
    assert!(now - iat < 60, "iat is {} s old", now - iat);
    assert!(exp > now && exp - iat <= 120, "exp is iat + {}", exp - iat);
    assert!(!claims["jti"].as_str().unwrap().is_empty());
    let events = serde_json::json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(claims["events"], events);
    for name in ["sid", "sub"] {
        assert!(claims.get(name).is_none_or(|it| it.as_str().is_some_and(|it| !it.is_empty())), "{name}");
    }
    assert!(claims.contains_key("sid") || claims.contains_key("sub"), "neither sid nor sub");
    if let Some(metadata) = claims.get("session_metadata") {
        let metadata = metadata.as_object().expect("session_metadata is an object");
        assert!((1..=25).contains(&metadata.len()));
        assert!(metadata.values().all(Value::is_string));
    }
}

fn object(part: &str) -> Map<String, Value> {
    serde_json::from_slice(&decode(part)).expect("a JSON object")
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url without padding")
}
