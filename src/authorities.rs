//! Bundles of certificate authorities: PEM files at configured paths.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

use crate::files;

/// The largest bundle, in bytes: four times that of all public authorities.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a bundle cannot be used. The caller adds which setting has the path.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its content is not PEM.
    #[error("{path} is damaged PEM")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// It has no certificate.
    #[error("{path} holds no PEM certificate")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The certificates in a PEM file, at least one.
pub fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthoritiesError> {
    let path = path.to_owned();
    let pem = match files::read_once(&path, MAX_FILE_BYTES) {
        Ok(pem) => pem,
        Err(error) => return Err(AuthoritiesError::Read { path, source: error.into() }),
    };
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(AuthoritiesError::Empty { path }),
        Ok(found) => Ok(found),
        Err(source) => Err(AuthoritiesError::Damaged { path, source }),
    }
}
