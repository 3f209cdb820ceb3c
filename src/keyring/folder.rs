//! The keys folder: which files count, who may read them, and how files are written to it.
//!
//! Nothing here knows what is inside a key file. Unix only: permissions are half of what it is about.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::KeyringError;
use super::kid::Kid;
use super::manifest;

/// The largest key file, in bytes: ten times the largest RSA key's JWK, so that nothing else is read in.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024;

const LOCK_FILE: &str = ".lock";
const IGNORED: [&str; 3] = [manifest::FILE_NAME, "README.md", "lost+found"];

/// How a key is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pem,
    Jwk,
}

impl Format {
    fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "pem" => Some(Self::Pem),
            "jwk" | "json" => Some(Self::Jwk),
            _ => None,
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Jwk => "jwk",
        }
    }
}

/// A file in the folder whose name is a key's.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    pub(super) kid: Kid,
    pub(super) path: PathBuf,
    pub(super) format: Format,
}

/// What the folder's listing looked like: differs when a file was added, removed, replaced or changed.
/// Taken by polling, which works where notifications do not: NFS, and Kubernetes' swapped symlinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<(std::ffi::OsString, FileMark)>);

/// Size, inode, mode, and the times of change, in seconds and nanoseconds.
type FileMark = (u64, u64, u32, (i64, i64), (i64, i64));

enum Access {
    /// The lock is held until this is dropped: no other logoutd process changes the folder meanwhile.
    Locked { _lock: File },
    /// It takes no files: a mounted secret.
    ReadOnly,
    /// Only looked at.
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

    /// Opens the folder to change it, waiting for other processes that do. A folder that cannot be written
    /// to is opened all the same, see [`Folder::is_writable`].
    pub(super) fn lock(path: &Path) -> Result<Self, KeyringError> {
        let lock_path = path.join(LOCK_FILE);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let access = match opened {
            Ok(lock) => {
                lock.lock().map_err(KeyringError::io("lock", lock_path))?;
                Access::Locked { _lock: lock }
            }
            Err(error) if is_read_only(&error) => Access::ReadOnly,
            Err(error) => {
                return Err(KeyringError::Io { action: "open the lock file", path: lock_path, error });
            }
        };
        Ok(Self { path: path.to_owned(), access })
    }

    /// Opens the folder to look at it, without touching anything.
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
            let stranger = || KeyringError::Stranger(path.clone());
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(stranger)?;
            if is_ignored(name) {
                continue;
            }
            let format = path.extension().and_then(|extension| Format::from_extension(extension.to_str()?));
            let format = format.ok_or_else(stranger)?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(stranger)?;
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

    /// A key file's content, or `None` if it is larger than any key.
    ///
    /// A file that others can use is an error in a folder of our own. In a read-only one it is only worth a
    /// warning: there the modes are given by whatever mounts it, and cannot be changed here.
    pub(super) fn read_key(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        let file = File::open(path).map_err(KeyringError::io("open", path))?;
        let metadata = file.metadata().map_err(KeyringError::io("read", path))?;
        if !metadata.is_file() {
            return Err(KeyringError::Stranger(path.to_owned()));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            match self.access {
                Access::Locked { .. } => return Err(KeyringError::Exposed { path: path.to_owned(), mode }),
                Access::ReadOnly => tracing::warn!(
                    file = %path.display(),
                    mode = format_args!("{mode:04o}"),
                    "a private key can be read by others; mount it with mode 0400",
                ),
                Access::Inspected => {}
            }
        }
        read_bounded(file, metadata.len()).map_err(KeyringError::io("read", path))
    }

    pub(super) fn fingerprint(&self) -> Result<Fingerprint, KeyringError> {
        let mut marks = Vec::new();
        for path in self.paths()? {
            let Some(name) = path.file_name().filter(|name| !name.to_string_lossy().starts_with('.')) else {
                continue;
            };
            // Follows symlinks: in a mounted secret only their targets ever change.
            let mark = match fs::metadata(&path) {
                Ok(m) => {
                    (m.len(), m.ino(), m.mode(), (m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => FileMark::default(),
                Err(error) => return Err(KeyringError::Io { action: "read", path, error }),
            };
            marks.push((name.to_owned(), mark));
        }
        marks.sort();
        Ok(Fingerprint(marks))
    }

    /// Writes a new key's file, 0600; the folder becomes 0700 with its first key.
    pub(super) fn write_key(
        &self,
        kid: &Kid,
        format: Format,
        content: &[u8],
        first: bool,
    ) -> Result<KeyFile, KeyringError> {
        if first && let Err(error) = fs::set_permissions(&self.path, Permissions::from_mode(0o700)) {
            tracing::warn!(
                directory = %self.path.display(), %error,
                "the keys folder's mode could not be set to 0700; the keys in it are 0600",
            );
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

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Reads without ever growing the buffer, since growing leaves unwiped copies behind.
pub(super) fn read_bounded(file: File, len: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    if len > MAX_FILE_BYTES {
        return Ok(None);
    }
    let capacity = usize::try_from(len).map_err(io::Error::other)? + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(len).read_to_end(&mut content)?;
    Ok(Some(content))
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
