//! Errors in the files of a listener's TLS. The texts are for operators: each names the file and the fix, and none quotes a key
//! file.

use std::path::PathBuf;

use crate::files::FileError;

/// Why a listener's files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TlsError {
    /// Which of the files.
    pub file: TlsFile,
    /// Its path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: TlsErrorReason,
}

/// One of the files of a listener's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate chain.
    Certificate,
    /// Its private key.
    Key,
    /// The authorities of client certificates.
    ClientCa,
}

impl TlsFile {
    /// The setting that has its path.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ClientCa => "client_ca",
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsErrorReason {
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// A private key that others can use.
    #[error("its mode is {mode:04o}, so that others can use the key; run `chmod 600` on it")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// A block that does not end, or is not base64.
    #[error("it is damaged PEM: a block does not end, or has characters that are not base64")]
    DamagedPem,
    /// No `CERTIFICATE` block.
    #[error("it holds no certificate; expected PEM blocks that begin with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// A certificate that cannot be used.
    #[error("its certificate {number} cannot be used: {reason}")]
    Certificate {
        /// Which one, from 1.
        number: usize,
        /// Why not.
        reason: rustls::Error,
    },
    /// Authorities that cannot be used together.
    #[error("its certificates cannot be used as authorities: {0}")]
    Authorities(rustls::server::VerifierBuilderError),
    /// No block that is a private key.
    #[error(
        "it holds no private key; expected a PEM block `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC 1)"
    )]
    NoKey,
    /// An encrypted key.
    #[error("its private key is encrypted; decrypt it with `openssl pkey -in OLD.pem -out NEW.pem`")]
    EncryptedKey,
    /// More than one key.
    #[error("it holds {0} private keys; leave only the one of the certificate there")]
    ManyKeys(usize),
    /// A key that cannot sign.
    #[error(
        "its private key cannot be used ({0}); supported are RSA (2048 bits and more), P-256, P-384 and Ed25519"
    )]
    Key(rustls::Error),
    /// The key of another certificate.
    #[error(
        "its private key is not that of the first certificate in {}; a chain begins with the listener's own certificate",
        certificate.display()
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// rustls does not take them together.
    #[error("TLS cannot be set up with it: {0}")]
    Setup(rustls::Error),
}
