//! JSON Web Keys (RFC 7517, 7518 §6, 8037 §2): reading private ones, and the public ones of the JWKS.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::kid::Kid;
use super::material::{Curve, KeyMaterial, PublicNumbers};
use crate::domain::algorithm::SigningAlg;

/// What a private JWK says.
pub(super) struct PrivateJwk {
    pub(super) material: KeyMaterial,
    /// Its `alg`, known to go with the key.
    pub(super) alg: Option<SigningAlg>,
    /// Its `kid`, as it is.
    pub(super) kid: Option<String>,
}

/// The members that matter. Members that are not listed (`x5c`, `key_ops`, …) do not change what the key is.
#[derive(Deserialize)]
struct Members {
    kty: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(default)]
    d: Secret,
    #[serde(default)]
    p: Secret,
    #[serde(default)]
    q: Secret,
    #[serde(default)]
    dp: Secret,
    #[serde(default)]
    dq: Secret,
    #[serde(default)]
    qi: Secret,
    oth: Option<serde::de::IgnoredAny>,
    keys: Option<serde::de::IgnoredAny>,
}

/// A private member: wiped when dropped.
#[derive(Default)]
struct Secret(Option<Zeroizing<String>>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new)))
    }
}

impl Secret {
    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }
}

/// The private key in a JWK's JSON text.
pub(super) fn parse(bytes: &[u8]) -> Result<PrivateJwk, KeyError> {
    // serde's own message can quote the value it stumbled over, so only the place is kept.
    let members: Members = serde_json::from_slice(bytes)
        .map_err(|error| KeyError::NotJwk { line: error.line(), column: error.column() })?;
    if members.keys.is_some() {
        return Err(KeyError::JwkSet);
    }
    if let Some(usage) = members.usage.as_deref().filter(|usage| *usage != "sig") {
        return Err(KeyError::Use(usage.to_owned()));
    }
    let material = match members.kty.as_deref() {
        Some("RSA") => rsa(&members)?,
        Some("EC") => ec(&members)?,
        Some("OKP") => okp(&members)?,
        Some(other) => return Err(KeyError::Unsupported(format!("`kty` {other:?}"))),
        None => return Err(KeyError::Missing { kty: "JWK", member: "kty", hint: "" }),
    };
    let alg = members.alg.as_deref().map(str::parse::<SigningAlg>).transpose().map_err(KeyError::Alg)?;
    let kind = material.kind();
    if let Some(alg) = alg.filter(|alg| !kind.signs(*alg)) {
        return Err(KeyError::AlgMismatch { alg, kind });
    }
    Ok(PrivateJwk { material, alg, kid: members.kid })
}

fn rsa(members: &Members) -> Result<KeyMaterial, KeyError> {
    if members.oth.is_some() {
        return Err(KeyError::Unsupported("RSA with more than two primes".to_owned()));
    }
    let number = |member, text: Option<&str>| -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = required("RSA", member, text)?;
        // Base64urlUInt has no leading zeros (RFC 7518 §2), yet some writers pad to the modulus' length.
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(Zeroizing::new(bytes[zeros..].to_vec()))
    };
    KeyMaterial::rsa_from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: number("n", members.n.as_deref())?,
            e: number("e", members.e.as_deref())?,
        },
        d: number("d", members.d.text())?,
        p: number("p", members.p.text())?,
        q: number("q", members.q.text())?,
        dP: number("dp", members.dp.text())?,
        dQ: number("dq", members.dq.text())?,
        qInv: number("qi", members.qi.text())?,
    })
}

fn ec(members: &Members) -> Result<KeyMaterial, KeyError> {
    let curve = match members.crv.as_deref() {
        Some("P-256") => Curve::P256,
        Some("P-384") => Curve::P384,
        Some(other) => return Err(KeyError::Unsupported(format!("EC with `crv` {other:?}"))),
        None => return Err(KeyError::Missing { kty: "EC", member: "crv", hint: "" }),
    };
    let len = curve.coordinate_len();
    let d = exactly("EC", "d", members.d.text(), len)?;
    let x = exactly("EC", "x", members.x.as_deref(), len)?;
    let y = exactly("EC", "y", members.y.as_deref(), len)?;
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    KeyMaterial::ec_from_parts(curve, &d, &point)
}

fn okp(members: &Members) -> Result<KeyMaterial, KeyError> {
    match members.crv.as_deref() {
        Some("Ed25519") => {}
        Some(other) => return Err(KeyError::Unsupported(format!("OKP with `crv` {other:?}"))),
        None => return Err(KeyError::Missing { kty: "OKP", member: "crv", hint: "" }),
    }
    let d = exactly("OKP", "d", members.d.text(), 32)?;
    let x = exactly("OKP", "x", members.x.as_deref(), 32)?;
    KeyMaterial::ed25519_from_parts(&d, &x)
}

fn required(
    kty: &'static str,
    member: &'static str,
    text: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let hint = match member {
        "d" => "; is this the public JWK?",
        "p" | "q" | "dp" | "dq" | "qi" => "; export the key with its primes",
        _ => "",
    };
    let text = text.ok_or(KeyError::Missing { kty, member, hint })?;
    URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| KeyError::Member(member))
}

fn exactly(
    kty: &'static str,
    member: &'static str,
    text: Option<&str>,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = required(kty, member, text)?;
    if bytes.len() == len { Ok(bytes) } else { Err(KeyError::Member(member)) }
}

/// A public key as the JWKS shows it: always with `kid`, `use` and `alg`, since receivers with several keys
/// to choose from need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// The key's id.
    pub kid: Kid,
    /// The one alg it is used with.
    pub alg: SigningAlg,
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
enum Numbers {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

impl PublicJwk {
    pub(super) fn new(kid: Kid, alg: SigningAlg, public: &PublicNumbers) -> Self {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let numbers = match public {
            PublicNumbers::Rsa { n, e } => Numbers::Rsa { n: text(n), e: text(e) },
            PublicNumbers::Ec { curve, x, y } => Numbers::Ec { crv: curve.name(), x: text(x), y: text(y) },
            PublicNumbers::Ed25519 { x } => Numbers::Okp { crv: "Ed25519", x: text(x) },
        };
        Self { kid, alg, usage: "sig", numbers }
    }
}

/// A JWK Set (RFC 7517 §5) of public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys: current ones first, then next, then retired.
    pub keys: Vec<Arc<PublicJwk>>,
}
