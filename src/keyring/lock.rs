//! The lock of the keys folder: one process at a time changes what is in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use super::error::KeyringError;
use crate::files::{self, FileError};

const FILE_NAME: &str = ".lock";

/// How often, and at what interval, taking the lock is tried: 10 seconds in all. A change takes about a second at most, and the
/// process's exit must not wait for a lock that is never released.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Held until it is dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a folder; `None` where the folder takes no files.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>, KeyringError> {
        let path = folder.join(FILE_NAME);
        // Neither blocks on something else in place of the file, nor follows a link.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_read_only(&error) => return Ok(None),
            // The errors of opening a socket, a link, or a pipe without a reader.
            Err(_) if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) => {
                return Err(KeyringError::NotRegular { path, what: "something else" });
            }
            Err(error) => return Err(KeyringError::Io { action: "open the lock file", path, error }),
        };
        let metadata = file.metadata().map_err(KeyringError::io("open the lock file", &path))?;
        if let Err(FileError::NotRegular(what)) = files::regular(&metadata) {
            return Err(KeyringError::NotRegular { path, what });
        }
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => {
                    return Err(KeyringError::Io { action: "lock", path, error });
                }
            }
        }
        Err(KeyringError::LockedElsewhere(path))
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}
