//! The keyring through its public API: with real folders and keys, and a manual clock.

mod changes;
mod files;
mod signing;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Header, Validation};
use rsa::pkcs1::{RsaPrivateKeyRef, UintRef};
use serde_json::{Value, json};

use crate::clock::{Clock as _, ManualClock};
use crate::keyring::folder::Folder;
use crate::keyring::*;

pub(super) const DAY: Duration = Duration::from_hours(24);

/// A temporary folder, a clock, and the configuration of a keyring over them.
pub(super) struct Fixture {
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: config::Keys,
    _temporary: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new(algorithms: &[SigningAlg]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let config = config::Keys {
            directory: temporary.path().join("etc/keys"),
            algorithms: algorithms.to_vec(),
            rotate_every: None,
            publish_before: DAY,
            publish_after: DAY,
        };
        let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
        Self { clock, config, _temporary: temporary }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.config.directory
    }

    pub(super) fn open(&self) -> Result<Keyring, KeyringError> {
        self.open_for(&[])
    }

    fn open_for(&self, required: &[SigningAlg]) -> Result<Keyring, KeyringError> {
        let required = required.iter().copied().collect();
        Keyring::open(self.config.clone(), &required, self.ambient())
    }

    fn ambient(&self) -> Ambient {
        Ambient { clock: self.clock.clone(), ..Ambient::system() }
    }

    fn inspect(&self) -> Result<Keyring, KeyringError> {
        Keyring::inspect(self.config.clone(), self.ambient())
    }

    /// Puts a file into the folder as an operator would.
    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.directory()).unwrap();
        let path = self.directory().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn refusal(&self) -> String {
        self.open().unwrap_err().to_string()
    }
}

pub(super) fn pem(alg: SigningAlg) -> String {
    generate::pem(alg, RsaBits::B2048).unwrap().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(super) fn kid(text: &str) -> Kid {
    text.parse().unwrap()
}

fn states(keyring: &Keyring) -> Vec<(String, KeyState)> {
    keyring.keys().into_iter().map(|key| (key.kid.to_string(), key.state)).collect()
}

fn published(keyring: &Keyring) -> Vec<String> {
    keyring.jwks().keys.iter().map(|key| key.kid.to_string()).collect()
}

fn rsa_jwk(pem: &str) -> Value {
    let der = pem::parse(pem).unwrap().into_contents();
    let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
    let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap();
    let text = |number: &UintRef<'_>| URL_SAFE_NO_PAD.encode(number.as_bytes());
    json!({
        "kty": "RSA", "n": text(&key.modulus), "e": text(&key.public_exponent),
        "d": text(&key.private_exponent), "p": text(&key.prime1), "q": text(&key.prime2),
        "dp": text(&key.exponent1), "dq": text(&key.exponent2), "qi": text(&key.coefficient),
    })
}

fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member).unwrap();
    jwk
}

/// RFC 8037 appendix A.1.
fn ed_jwk() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// RFC 7515 appendix A.3.1.
fn ec_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// Signs with the current key of `alg`, and verifies with the JWKS as a receiver does: `kid`, then `alg`.
fn header(key: &SigningKey, typ: Option<&str>) -> Header {
    let mut header = Header::new(key.alg().into());
    header.typ = typ.map(str::to_owned);
    header.kid = Some(key.kid().to_string());
    header
}

fn round_trip(keyring: &Keyring, alg: SigningAlg) {
    provider::install();
    let key = keyring.signing_key(alg).unwrap();
    let token =
        key.encode(&header(&key, Some("logout+jwt")), &json!({"iss": "https://op", "exp": 1})).unwrap();

    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let jwks = serde_json::to_value(keyring.jwks()).unwrap();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks).unwrap();
    let jwk = jwks.find(&header.kid.unwrap()).unwrap();
    assert_eq!(jwk.common.key_algorithm.unwrap().to_string(), alg.as_str());

    let mut validation = Validation::new(alg.into());
    validation.validate_exp = false;
    let decoding = DecodingKey::from_jwk(jwk).unwrap();
    let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
    assert_eq!(decoded.claims["iss"], "https://op");

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{}x.{signature}", &signed[..signed.len() - 1]);
    assert!(jsonwebtoken::decode::<Value>(&forged, &decoding, &validation).is_err(), "{alg}");
}
