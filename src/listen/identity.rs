//! From the content of the files to rustls's configuration.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::error::{TlsError, TlsErrorReason, TlsFile};
use super::expiry;
use super::files::{self, read, read_key};
use crate::config::{self, ClientCertificate};

/// The ALPN protocols, in order of preference (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A listener's files, parsed.
pub(super) struct Identity {
    /// For new connections. It has a session cache of its own, so that sessions of an earlier configuration are not resumed:
    /// their client certificates were verified against other authorities.
    pub(super) config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires; `None` if that cannot be read.
    pub(super) expires: Option<Timestamp>,
}

impl Identity {
    /// Reads the files.
    pub(super) fn load(tls: &config::Tls) -> Result<Self, TlsError> {
        let chain = read(&tls.certificate)
            .and_then(|pem| certificates(&pem))
            .map_err(|reason| files::error(tls, TlsFile::Certificate, reason))?;
        let expires = expiry::earliest(&chain);
        let key = read_key(&tls.key)
            .and_then(|pem| private_key(&pem))
            .map_err(|reason| files::error(tls, TlsFile::Key, reason))?;
        let certified = certified(tls, chain, key)?;
        let verifier = match &tls.client_auth {
            None => Arc::new(NoClientAuth),
            Some(auth) => verifier(auth).map_err(|reason| files::error(tls, TlsFile::ClientCa, reason))?,
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| files::error(tls, TlsFile::Certificate, TlsErrorReason::Setup(error)))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Self { config: Arc::new(config), expires })
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The chain with its key, if the key is that of its first certificate.
fn certified(
    tls: &config::Tls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    let key = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| files::error(tls, TlsFile::Key, TlsErrorReason::Key(error)))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let certificate = tls.certificate.clone();
            Err(files::error(tls, TlsFile::Key, TlsErrorReason::Mismatch { certificate }))
        }
        Err(reason) => {
            Err(files::error(tls, TlsFile::Certificate, TlsErrorReason::Certificate { number: 1, reason }))
        }
    }
}

fn verifier(auth: &config::ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, TlsErrorReason> {
    let mut roots = RootCertStore::empty();
    for (index, authority) in certificates(&read(&auth.ca)?)?.into_iter().enumerate() {
        roots.add(authority).map_err(|reason| TlsErrorReason::Certificate { number: index + 1, reason })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match auth.certificate {
        ClientCertificate::Required => builder,
        ClientCertificate::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(TlsErrorReason::Authorities)
}

/// The certificates of a PEM text, at least one. Other blocks are skipped: a key may be in the same file.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsErrorReason> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| damaged(&error))?;
    if found.is_empty() { Err(TlsErrorReason::NoCertificate) } else { Ok(found) }
}

/// The one private key of a PEM text.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsErrorReason> {
    let mut found: Vec<_> =
        PrivateKeyDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| damaged(&error))?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if contains(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => Err(TlsErrorReason::EncryptedKey),
        0 => Err(TlsErrorReason::NoKey),
        many => Err(TlsErrorReason::ManyKeys(many)),
    }
}

/// Without the parser's message, which may quote the file.
fn damaged(_: &PemError) -> TlsErrorReason {
    TlsErrorReason::DamagedPem
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use pkcs8::PrivateKeyInfoRef;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
    use rsa::pkcs8::EncodePrivateKey as _;
    use rsa::{Generate as _, PrivateKey};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        pem::encode(&pem::Pem::new(label, der))
    }

    /// What is inside PKCS#8: PKCS#1 for an RSA key, SEC 1 for one on a curve.
    fn inner(pkcs8: &[u8]) -> &[u8] {
        PrivateKeyInfoRef::try_from(pkcs8).unwrap().private_key.as_bytes()
    }

    fn usable(pem: &str) -> Result<(), TlsErrorReason> {
        let key = private_key(pem.as_bytes())?;
        provider().key_provider.load_private_key(key).map(drop).map_err(TlsErrorReason::Key)
    }

    #[test]
    fn keys_of_all_three_forms_are_taken() {
        let rsa = PrivateKey::generate().to_pkcs8_der().unwrap();
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_der();
        let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_der();
        for (label, der) in [
            ("PRIVATE KEY", rsa.as_bytes()),
            ("RSA PRIVATE KEY", inner(rsa.as_bytes())),
            ("PRIVATE KEY", &ec),
            ("EC PRIVATE KEY", inner(&ec)),
            ("PRIVATE KEY", &ed),
        ] {
            let key = pem(label, der);
            assert!(usable(&key).is_ok(), "{label}");
            // As openssl writes it, and in one file with the certificate.
            let around = format!("{}{key}{}", pem("EC PARAMETERS", &[6, 0]), pem("CERTIFICATE", &[1]));
            assert!(usable(&around).is_ok(), "{label}");
        }
        assert!(matches!(usable(&pem("PRIVATE KEY", &[1, 2, 3])), Err(TlsErrorReason::Key(_))));
    }

    #[test]
    fn a_damaged_key_is_not_quoted() {
        let error =
            usable("-----BEGIN PRIVATE KEY-----\nc2VjcmV0!\n-----END PRIVATE KEY-----\n").unwrap_err();
        assert!(matches!(error, TlsErrorReason::DamagedPem));
        assert!(!error.to_string().contains("c2Vj"));
    }
}
