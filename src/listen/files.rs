//! The files of a listener's TLS: reading them, who else may, and seeing that they changed. What is inside
//! them is not known here. Unix only, as the keys folder.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{TlsError, TlsErrorReason, TlsFile};
use crate::files;

/// The largest file, in bytes: a bundle of all public authorities has a fifth of it.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where a listener's certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The PEM file of the certificate chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
    /// Whether callers show a certificate.
    pub client_auth: Option<ClientAuth>,
}

/// How callers show who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The PEM file of the authorities that sign callers' certificates.
    pub ca: PathBuf,
    /// Whether callers without a certificate are refused. Those with a wrong one are.
    pub required: bool,
}

/// What the files looked like: differs when one was replaced, changed, added or removed.
///
/// Symlinks are followed, since Kubernetes and certbot swap them and leave the files alone. It is taken by
/// polling, which works where notifications do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<FileMark>>);

/// Device, inode, size, mode, and the times of change, in seconds and nanoseconds.
type FileMark = (u64, u64, u64, u32, (i64, i64), (i64, i64));

impl TlsFiles {
    /// What the files look like now.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let ca = self.client_auth.as_ref().map(|auth| &auth.ca);
        let mark = |path: &PathBuf| {
            let m = fs::metadata(path).ok()?;
            Some((
                m.dev(),
                m.ino(),
                m.len(),
                m.mode(),
                (m.mtime(), m.mtime_nsec()),
                (m.ctime(), m.ctime_nsec()),
            ))
        };
        Fingerprint([&self.certificate, &self.key].into_iter().chain(ca).map(mark).collect())
    }

    pub(super) fn error(&self, file: TlsFile, reason: TlsErrorReason) -> TlsError {
        let path = match (file, &self.client_auth) {
            (TlsFile::Key, _) => &self.key,
            (TlsFile::ClientCa, Some(auth)) => &auth.ca,
            (TlsFile::Certificate | TlsFile::ClientCa, _) => &self.certificate,
        };
        TlsError { file, path: path.clone(), reason }
    }
}

/// A file's content.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsErrorReason> {
    Ok(files::read(path, MAX_FILE_BYTES)?)
}

/// A private key's file.
///
/// One that others can use is an error where its mode can be changed from here. Where it cannot, in a
/// mounted secret or a folder shared through a group, it is only worth a warning.
pub(super) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsErrorReason> {
    let (file, metadata) = files::open(path)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        if files::may_chmod(path, &metadata) {
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
