//! A self-signed X.509 certificate (RFC 5280) for a signing key: Auth0's Management API shows signing keys as
//! certificates, and its users expect one.
//!
//! It certifies nothing: relying parties trust the JWKS, and do not check its dates. The private key is not exposed for it; the
//! key signs it like a token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SerialNumber,
    SignatureAlgorithm,
};
use ring::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::Keyring;
use super::error::KeyringError;
use super::jwk::PublicJwk;
use super::kid::Kid;
use super::material::{KeyKind, KeyMaterial};
use super::signing_key::SigningKey;
use crate::domain::algorithm::SigningAlg;

/// From the day the key was made. Auth0's last about as long; a key is rotated long before.
const VALID_YEARS: i64 = 10;

/// The longest common name (RFC 5280 appendix A.1, `ub-common-name`), in characters.
const MAX_COMMON_NAME: usize = 64;

/// The longest serial number (RFC 5280 §4.1.2.2) is 20 bytes; this many are as good as unique.
const SERIAL_LEN: usize = 16;

/// A certificate, with its digests.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    sha1: Digest,
    sha256: Digest,
}

impl Certificate {
    /// One `CERTIFICATE` block (RFC 7468 §5).
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The SHA-1 of its DER: what Auth0 calls its fingerprint, and JOSE its `x5t`.
    pub fn sha1(&self) -> &[u8] {
        self.sha1.as_ref()
    }

    /// The SHA-256 of its DER: JOSE's `x5t#S256` (RFC 7515 §4.1.8).
    pub fn sha256(&self) -> &[u8] {
        self.sha256.as_ref()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// The certificates that were made.
#[derive(Default)]
pub(super) struct Certificates(Mutex<BTreeMap<Kid, Made>>);

/// A certificate with the public key it is for: a file can be replaced under its kid.
struct Made {
    public: Arc<PublicJwk>,
    certificate: Arc<Certificate>,
}

impl Keyring {
    /// A key's certificate. Subject, serial number and dates follow from the key, its kid and the day it was
    /// made, and the bytes stay the same while this process runs. An ECDSA signature is random, so that for
    /// ES256 and ES384 they differ after a restart.
    ///
    /// Signs on first use, which takes an RSA key about a millisecond: keep it off the async workers.
    pub fn certificate(&self, kid: &Kid) -> Result<Arc<Certificate>, KeyringError> {
        let created_at = self.key(kid)?.created_at;
        let generation = self.current();
        let key = generation.keys.get(kid).ok_or_else(|| KeyringError::UnknownKid(kid.clone()))?;
        let mut made = self.inner.certificates.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Made { certificate, .. }) = made.get(kid).filter(|made| made.public == *key.public_jwk())
        {
            return Ok(Arc::clone(certificate));
        }
        let certificate = Arc::new(make(key, created_at)?);
        made.retain(|kid, _| generation.keys.contains_key(kid));
        let public = Arc::clone(key.public_jwk());
        made.insert(kid.clone(), Made { public, certificate: Arc::clone(&certificate) });
        Ok(certificate)
    }
}

fn make(key: &SigningKey, created_at: Timestamp) -> Result<Certificate, KeyringError> {
    // People may edit `keyring.json`, and X.509 has no years before 0.
    let from = TimeZone::UTC.to_datetime(created_at.max(Timestamp::UNIX_EPOCH)).date();
    let until = from.saturating_add(VALID_YEARS.years());
    let midnight = |date: Date| {
        let part = |number: i8| u8::try_from(number).expect("months and days are positive");
        rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, key.kid().as_str().chars().take(MAX_COMMON_NAME).collect::<String>());
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(serial(key, from));
    params.not_before = midnight(from);
    params.not_after = midnight(until);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Not written into this certificate; without it rcgen would want cryptography of its own.
    params.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
    let certificate = params
        .self_signed(&Signer(key.material()))
        .map_err(|_| KeyringError::Certificate(key.kid().clone()))?;
    let der = certificate.der();
    let block = Pem::new("CERTIFICATE", der.to_vec());
    Ok(Certificate {
        pem: pem::encode_config(&block, EncodeConfig::new().set_line_ending(LineEnding::LF)),
        sha1: digest(&SHA1_FOR_LEGACY_USE_ONLY, der),
        sha256: digest(&SHA256, der),
    })
}

/// The same for the same key, kid and day.
fn serial(key: &SigningKey, from: Date) -> SerialNumber {
    let mut text = format!("{}\n{from}\n", key.kid().as_str()).into_bytes();
    text.extend_from_slice(key.material().subject_public_key());
    let mut serial = digest(&SHA256, &text).as_ref()[..SERIAL_LEN].to_vec();
    // Positive, and as long for every key.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    serial.into()
}

/// The key, as rcgen wants to see one.
struct Signer<'a>(&'a KeyMaterial);

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.subject_public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.0.kind() {
            // Also for PS256 keys: not every parser of certificates supports PSS.
            KeyKind::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
            KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
        }
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let kind = self.0.kind();
        let alg = kind.only_alg().unwrap_or(SigningAlg::Rs256);
        let signature = self.0.sign(alg, message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(match kind {
            KeyKind::P256 | KeyKind::P384 => ecdsa_der(&signature),
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => signature,
        })
    }
}

/// An ECDSA signature as X.509 has it (RFC 5480 appendix A: a SEQUENCE of two INTEGERs), from JOSE's r and s
/// of equal length side by side.
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let (r, s) = signature.split_at(signature.len() / 2);
    let mut content = der_integer(r);
    content.extend(der_integer(s));
    der(SEQUENCE, &content)
}

/// A DER INTEGER: no redundant leading zeros, and one where the number would be negative otherwise.
fn der_integer(big_endian: &[u8]) -> Vec<u8> {
    const INTEGER: u8 = 0x02;
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let mut content = big_endian[zeros..].to_vec();
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    der(INTEGER, &content)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    // Two P-384 numbers, the longest there are, take 102 bytes: one byte of length holds up to 127.
    let len = u8::try_from(content.len()).ok().filter(|len| *len < 0x80);
    let mut bytes = vec![tag, len.expect("no curve has longer numbers than P-384")];
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, UnixTime};
    use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algs};

    use super::*;
    use crate::clock::Clock as _;
    use crate::keyring::tests::Fixture;
    use crate::keyring::{GenerateKey, RsaBits};

    const EVERY_KIND: [SigningAlg; 5] =
        [SigningAlg::Rs256, SigningAlg::Ps384, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa];

    /// Verifies the signature with the certificate's own key, with independent code, at a time in seconds.
    fn verify(pem: &str, at: u64) -> Result<(), webpki::Error> {
        let der = CertificateDer::from(pem::parse(pem).unwrap().into_contents());
        let anchor = anchor_from_trusted_cert(&der)?;
        let known = [
            algs::RSA_PKCS1_2048_8192_SHA256,
            algs::ECDSA_P256_SHA256,
            algs::ECDSA_P384_SHA384,
            algs::ED25519,
        ];
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        EndEntityCert::try_from(&der)?
            .verify_for_usage(&known, &[anchor], &[], time, KeyUsage::server_auth(), None, None)
            .map(|_| ())
    }

    #[test]
    fn every_kind_of_key_has_a_certificate_that_verifies_under_its_own_key() {
        let fixture = Fixture::new(&EVERY_KIND);
        let keyring = fixture.open().unwrap();
        let now = u64::try_from(fixture.clock.now().as_second()).unwrap();
        for key in keyring.keys() {
            let certificate = keyring.certificate(&key.kid).unwrap();
            verify(certificate.pem(), now).unwrap_or_else(|error| panic!("{}: {error}", key.alg));
            assert!(verify(certificate.pem(), now - 24 * 3600).is_err(), "it begins with the key");
            assert!(verify(certificate.pem(), now + 11 * 366 * 24 * 3600).is_err(), "it ends");
            let der = pem::parse(certificate.pem()).unwrap().into_contents();
            assert_eq!(certificate.sha256(), digest(&SHA256, &der).as_ref());
            assert_eq!(certificate.sha1(), digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref());
            let holds = |part: &[u8]| der.windows(part.len()).any(|window| window == part);
            assert!(holds(key.kid.as_str().as_bytes()), "the subject is the kid");
        }
    }

    #[test]
    fn it_stays_the_same_while_the_keys_change_around_it() {
        let fixture = Fixture::new(&[SigningAlg::Es256, SigningAlg::EdDsa]);
        let keyring = fixture.open().unwrap();
        let kids: Vec<_> = keyring.keys().into_iter().map(|key| key.kid).collect();
        let pems = |keyring: &Keyring| -> Vec<String> {
            kids.iter().map(|kid| keyring.certificate(kid).unwrap().pem().to_owned()).collect()
        };
        let first = pems(&keyring);
        keyring.rotate(SigningAlg::Es256, true).unwrap();
        keyring.reload().unwrap();
        assert_eq!(pems(&keyring), first);

        // After a restart only the random part of an ECDSA signature differs.
        let again = pems(&fixture.open().unwrap());
        let ed = kids.iter().position(|kid| kid.as_str().starts_with("eddsa")).unwrap();
        assert_eq!(again[ed], first[ed]);
        assert_ne!(again[1 - ed], first[1 - ed]);
    }

    #[test]
    fn another_key_under_the_kid_has_another_certificate() {
        let fixture = Fixture::new(&[SigningAlg::EdDsa]);
        let keyring = fixture.open().unwrap();
        let kid: Kid = "second".parse().unwrap();
        let wanted = || GenerateKey {
            alg: SigningAlg::EdDsa,
            kid: Some(kid.clone()),
            bits: None::<RsaBits>,
            activate_now: false,
        };
        keyring.generate(wanted()).unwrap();
        let first = keyring.certificate(&kid).unwrap();
        std::fs::remove_file(fixture.directory().join("second.pem")).unwrap();
        keyring.reload().unwrap();
        assert!(matches!(keyring.certificate(&kid), Err(KeyringError::UnknownKid(_))));
        keyring.generate(wanted()).unwrap();
        assert_ne!(keyring.certificate(&kid).unwrap().pem(), first.pem());
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        for (number, expected) in [
            (&[0x00, 0x00, 0x01][..], &[0x02, 0x01, 0x01][..]),
            (&[0x7f], &[0x02, 0x01, 0x7f]),
            (&[0x80], &[0x02, 0x02, 0x00, 0x80]),
            (&[0x00, 0xff, 0x00], &[0x02, 0x03, 0x00, 0xff, 0x00]),
            (&[0x00], &[0x02, 0x01, 0x00]),
        ] {
            assert_eq!(der_integer(number), expected, "{number:02x?}");
        }
    }
}
