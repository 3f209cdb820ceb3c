//! The files of a listener's TLS: reading them, checking who else can, and noticing changes.

use std::path::Path;

use zeroize::Zeroizing;

use super::error::{TlsError, TlsErrorReason, TlsFile};
use crate::config;
use crate::files;
use crate::watched_files::{ExposedMode, Fingerprint, exposed_private_mode};

/// The largest file, in bytes: a bundle of all public authorities has a fifth of it.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the files look like now.
pub(super) fn fingerprint(files: &config::Tls) -> Fingerprint {
    let client_ca = files.client_auth.as_ref().map(|auth| auth.ca.as_path());
    Fingerprint::of_files([files.certificate.as_path(), &files.key].into_iter().chain(client_ca))
}

/// An error that names one of the files.
pub(super) fn error(files: &config::Tls, file: TlsFile, reason: TlsErrorReason) -> TlsError {
    let path = match (file, &files.client_auth) {
        (TlsFile::Key, _) => &files.key,
        (TlsFile::ClientCa, Some(auth)) => &auth.ca,
        (TlsFile::Certificate | TlsFile::ClientCa, _) => &files.certificate,
    };
    TlsError { file, path: path.clone(), reason }
}

/// A file's content.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsErrorReason> {
    Ok(files::read(path, MAX_FILE_BYTES)?)
}

/// The content of a private key's file.
///
/// A key that others can use is an error where its mode can be changed from here. Where it cannot, in a mounted secret or
/// a folder shared through a group, it is used with a warning.
pub(super) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsErrorReason> {
    let (file, metadata) = files::open(path)?;
    if let Some(ExposedMode { mode, can_be_changed }) = exposed_private_mode(path, &metadata) {
        if can_be_changed {
            return Err(TlsErrorReason::Exposed { mode });
        }
        tracing::warn!(
            file = %path.display(),
            mode = format_args!("{mode:04o}"),
            "a private key can be read by others; mount it with mode 0400",
        );
    }
    Ok(files::content(file, metadata.len(), MAX_FILE_BYTES)?)
}
