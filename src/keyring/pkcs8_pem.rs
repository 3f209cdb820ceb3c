//! Private keys as PKCS#8 PEM (RFC 5958, RFC 7468 §10): parsing them, and errors that name other formats.

use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::material::{Curve, KeyMaterial};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Kinds of key that people have and that are not supported, by their registered name.
const UNSUPPORTED: [(ObjectIdentifier, &str); 9] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"),
        "RSA restricted to PSS (use a plain RSA key with PS256)",
    ),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.3.101.111"), "X448"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.33"), "P-224"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1"),
    (ObjectIdentifier::new_unwrap("1.2.156.10197.1.301"), "SM2"),
];

/// The private key in a PEM text.
pub(super) fn parse(bytes: &[u8]) -> Result<KeyMaterial, KeyError> {
    let mut blocks = Vec::new();
    for block in pem::parse_many(bytes).map_err(|_| KeyError::NotPem)? {
        let label = block.tag().to_owned();
        blocks.push((label, Zeroizing::new(block.into_contents())));
    }
    if let Some((label, _)) = blocks.iter().find(|(label, _)| label != "PRIVATE KEY") {
        return Err(KeyError::Label { fix: fix(label), label: label.clone() });
    }
    match blocks.as_slice() {
        [] => Err(KeyError::NotPem),
        [(_, der)] => parse_der(der),
        many => Err(KeyError::ManyBlocks(many.len())),
    }
}

fn fix(label: &str) -> &'static str {
    match label {
        "RSA PRIVATE KEY" => {
            "this is PKCS#1; convert it with `openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem`"
        }
        "EC PRIVATE KEY" | "EC PARAMETERS" => {
            "this is SEC 1; convert it with `openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem`"
        }
        "ENCRYPTED PRIVATE KEY" => {
            "it is encrypted; decrypt it with `openssl pkcs8 -in OLD.pem -out NEW.pem`"
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "a public key cannot sign; put the private one there",
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
            "a certificate cannot sign; put the private key there, alone"
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => "a certificate request cannot sign",
        "OPENSSH PRIVATE KEY" => {
            "this is OpenSSH's format; convert a copy with `ssh-keygen -p -N '' -m PKCS8 -f COPY`"
        }
        _ => "put one private key there, alone",
    }
}

fn parse_der(der: &[u8]) -> Result<KeyMaterial, KeyError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Pkcs8)?;
    match info.algorithm.oid {
        RSA => KeyMaterial::rsa_from_pkcs8(der),
        ED25519 => KeyMaterial::ed25519_from_pkcs8(der),
        EC => match info.algorithm.parameters_oid().map_err(|_| unnamed_curve())? {
            P256 => KeyMaterial::ec_from_pkcs8(Curve::P256, der),
            P384 => KeyMaterial::ec_from_pkcs8(Curve::P384, der),
            other => Err(unsupported(other)),
        },
        other => Err(unsupported(other)),
    }
}

fn unsupported(oid: ObjectIdentifier) -> KeyError {
    let name = UNSUPPORTED.into_iter().find(|(known, _)| *known == oid).map(|(_, name)| name.to_owned());
    KeyError::Unsupported(name.unwrap_or_else(|| format!("OID {oid}")))
}

fn unnamed_curve() -> KeyError {
    KeyError::Unsupported("elliptic curve with explicit parameters".to_owned())
}
