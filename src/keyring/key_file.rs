//! The files of the keys folder that hold a key.

use std::path::PathBuf;

use super::kid::Kid;

/// The format of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pem,
    Jwk,
}

impl Format {
    pub(super) fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "pem" => Some(Self::Pem),
            "jwk" | "json" => Some(Self::Jwk),
            _ => None,
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Jwk => "jwk",
        }
    }
}

/// A key file, not yet read. Its name is the kid and the format.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    pub(super) kid: Kid,
    pub(super) path: PathBuf,
    pub(super) format: Format,
}
