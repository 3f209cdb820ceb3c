//! The keys folder: which files are keys, their permissions, and writing files.
//!
//! Nothing here knows the content of a key file. Unix only.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::KeyringError;
use super::key_file::{Format, KeyFile};
use super::kid::Kid;
use super::lock::Lock;
use super::manifest;
use crate::files::{self, FileError};
use crate::watched_files::{Exposure, Fingerprint, PermissionCheck, PermissionVerdict};

/// The largest key file, in bytes: ten times the largest RSA key's JWK, so that nothing else is read in.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The largest `keyring.json`, in bytes: room for the times of thousands of keys.
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

const IGNORED: [&str; 3] = [manifest::FILE_NAME, "README.md", "lost+found"];

enum Access {
    /// The lock is held until this is dropped: no other logoutd process changes the folder meanwhile.
    Locked { _lock: Lock },
    /// It takes no files: a mounted secret.
    ReadOnly,
    /// Opened to be read.
    Inspected,
}

/// The keys folder, opened.
pub(super) struct Folder {
    path: PathBuf,
    access: Access,
}

impl Folder {
    /// Makes the folder (0700) where it is missing.
    pub(super) fn make(path: &Path) -> Result<(), KeyringError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(KeyringError::io("make the keys folder", path))
    }

    /// Opens the folder to change it, waiting a while for other processes that do. A folder that cannot be written
    /// to is opened all the same, see [`Folder::is_writable`].
    pub(super) fn lock(path: &Path) -> Result<Self, KeyringError> {
        let access = Lock::take(path)?.map_or(Access::ReadOnly, |lock| Access::Locked { _lock: lock });
        Ok(Self { path: path.to_owned(), access })
    }

    /// Opens the folder to read it, without changing anything.
    pub(super) fn inspect(path: &Path) -> Self {
        Self { path: path.to_owned(), access: Access::Inspected }
    }

    #[cfg(test)]
    pub(super) fn read_only(path: &Path) -> Self {
        Self { path: path.to_owned(), access: Access::ReadOnly }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_writable(&self) -> bool {
        matches!(self.access, Access::Locked { .. })
    }

    /// The key files, by kid. Anything else that does not belong here is an error, so that a mistyped name
    /// never is a key silently not used.
    pub(super) fn key_files(&self) -> Result<Vec<KeyFile>, KeyringError> {
        let mut files: Vec<KeyFile> = Vec::new();
        for path in self.paths()? {
            let unexpected = || KeyringError::UnexpectedFile(path.clone());
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unexpected)?;
            if is_ignored(name) {
                continue;
            }
            let format = path.extension().and_then(|extension| Format::from_extension(extension.to_str()?));
            let format = format.ok_or_else(unexpected)?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(unexpected)?;
            let kid = stem.parse().map_err(|reason| KeyringError::FileName { path: path.clone(), reason })?;
            files.push(KeyFile { kid, path, format });
        }
        files.sort_by(|a, b| (&a.kid, &a.path).cmp(&(&b.kid, &b.path)));
        match files.array_windows().find(|[first, second]| first.kid == second.kid) {
            Some([first, second]) => {
                Err(KeyringError::SameKid { first: first.path.clone(), second: second.path.clone() })
            }
            None => Ok(files),
        }
    }

    /// An error for a folder that others can write to: they could replace the keys in it.
    ///
    /// One without keys is made private when it gets its first, see [`Folder::write_key`], so its mode is no error yet.
    pub(super) fn check(&self, has_keys: bool) -> Result<(), KeyringError> {
        let metadata =
            fs::metadata(&self.path).map_err(KeyringError::io("open the keys folder", &self.path))?;
        match self.permissions().folder(&self.path, &metadata) {
            PermissionVerdict::Refused(reason) => {
                let by_its_mode = matches!(reason, Exposure::Mode { .. });
                if by_its_mode && !has_keys && (!self.is_writable() || self.close()) {
                    return Ok(());
                }
                Err(KeyringError::FolderExposed { path: self.path.clone(), reason })
            }
            PermissionVerdict::Warned(reason) => {
                self.warn(&self.path, &reason);
                Ok(())
            }
            PermissionVerdict::Safe => Ok(()),
        }
    }

    /// A key file's content, or `None` if it is larger than any key.
    ///
    /// A file that others can use is an error where that can be changed from here. Where it cannot, in a mounted secret, it is
    /// a warning.
    pub(super) fn read_key(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        let (file, metadata) = open(path)?;
        self.admit(path, &metadata, self.permissions().private_file(path, &metadata))?;
        content(file, &metadata, path, MAX_FILE_BYTES)
    }

    /// The content of `keyring.json`; `None` if there is none. It is not secret, but decides which key signs.
    pub(super) fn read_manifest(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        let (file, metadata) = match open(path) {
            Err(KeyringError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            opened => opened?,
        };
        self.admit(path, &metadata, self.permissions().public_file(path, &metadata))?;
        let content = content(file, &metadata, path, MAX_MANIFEST_BYTES)?;
        let too_large = || KeyringError::Manifest {
            path: path.to_owned(),
            reason: FileError::TooLarge(MAX_MANIFEST_BYTES).to_string(),
        };
        content.ok_or_else(too_large).map(Some)
    }

    fn admit(
        &self,
        path: &Path,
        metadata: &Metadata,
        verdict: PermissionVerdict,
    ) -> Result<(), KeyringError> {
        let link = self.permissions().link(&self.path, path, metadata);
        for verdict in [verdict, link.map_err(KeyringError::io("read", path))?] {
            match verdict {
                PermissionVerdict::Safe => {}
                PermissionVerdict::Warned(reason) => self.warn(path, &reason),
                PermissionVerdict::Refused(reason) => {
                    return Err(KeyringError::Exposed { path: path.to_owned(), reason });
                }
            }
        }
        Ok(())
    }

    fn permissions(&self) -> PermissionCheck {
        let permissions = PermissionCheck::of(&self.path);
        if matches!(self.access, Access::ReadOnly) { permissions.read_only() } else { permissions }
    }

    /// Only the service warns, not a command that inspects the folder.
    fn warn(&self, path: &Path, reason: &Exposure) {
        if !matches!(self.access, Access::Inspected) {
            tracing::warn!(
                path = %path.display(), %reason,
                "others can use the signing keys, and that cannot be changed from here; mount them with mode \
                 0400, or 0440 with a group of their own",
            );
        }
    }

    /// Makes the folder private (0700), and returns whether that succeeded.
    fn close(&self) -> bool {
        let closed = fs::set_permissions(&self.path, Permissions::from_mode(0o700));
        if let Err(error) = &closed {
            tracing::warn!(
                directory = %self.path.display(), %error,
                "the keys folder's mode could not be set to 0700; the keys in it are 0600",
            );
        }
        closed.is_ok()
    }

    pub(super) fn fingerprint(&self) -> Result<Fingerprint, KeyringError> {
        Fingerprint::of_folder(&self.path).map_err(KeyringError::io("open the keys folder", &self.path))
    }

    /// Writes a new key's file, 0600; the folder becomes 0700 with its first key.
    pub(super) fn write_key(
        &self,
        kid: &Kid,
        format: Format,
        content: &[u8],
        first: bool,
    ) -> Result<KeyFile, KeyringError> {
        if first {
            self.close();
        }
        let path = self.write(&format!("{kid}.{}", format.extension()), content)?;
        Ok(KeyFile { kid: kid.clone(), path, format })
    }

    /// Writes a file so that a reader, or a crash at any instant, finds the old content or the new one.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, KeyringError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.tmp"));
        if !self.is_writable() {
            return Err(KeyringError::ReadOnly { action: format!("write {name}"), path: self.path.clone() });
        }
        write_synced(&temporary, content).map_err(KeyringError::io("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(KeyringError::io("write", &path))?;
        let folder = File::open(&self.path).and_then(|folder| folder.sync_all());
        folder.map_err(KeyringError::io("sync", &self.path))?;
        Ok(path)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, KeyringError> {
        let list = || fs::read_dir(&self.path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
        list().map_err(KeyringError::io("list the keys folder", &self.path))
    }
}

fn is_ignored(name: &str) -> bool {
    let temporary = Path::new(name).extension().is_some_and(|extension| extension == "tmp");
    name.starts_with('.') || temporary || IGNORED.contains(&name)
}

fn open(path: &Path) -> Result<(File, Metadata), KeyringError> {
    files::open(path).map_err(|error| match error {
        FileError::NotRegular(what) => KeyringError::NotRegular { path: path.to_owned(), what },
        error => KeyringError::Io { action: "open", path: path.to_owned(), error: error.into() },
    })
}

/// `None` if it is larger than `max`.
fn content(
    file: File,
    metadata: &Metadata,
    path: &Path,
    max: u64,
) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    match files::content(file, metadata.len(), max) {
        Ok(content) => Ok(Some(content)),
        Err(FileError::TooLarge(_)) => Ok(None),
        Err(error) => Err(KeyringError::Io { action: "read", path: path.to_owned(), error: error.into() }),
    }
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    // One left by a crash may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
