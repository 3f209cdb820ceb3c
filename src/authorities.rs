//! Bundles of certificate authorities that somebody names, as the HTTP client takes them.

use std::path::{Path, PathBuf};

use reqwest::Certificate;

use crate::files;

/// The largest bundle, in bytes: those of all public authorities have a quarter of it.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a bundle cannot be used. Whoever asked for it says which setting named it.
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
    /// What is in it is no PEM.
    #[error("{path} is damaged PEM")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// There is nothing of use in it.
    #[error("{path} holds no PEM certificate")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The certificates in a PEM file: one at least.
pub fn read(path: &Path) -> Result<Vec<Certificate>, AuthoritiesError> {
    let path = path.to_owned();
    let pem = match files::read_once(&path, MAX_FILE_BYTES) {
        Ok(pem) => pem,
        Err(error) => return Err(AuthoritiesError::Read { path, source: error.into() }),
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(AuthoritiesError::Empty { path }),
        Ok(found) => Ok(found),
        Err(source) => Err(AuthoritiesError::Damaged { path, source }),
    }
}
