//! The files of the store, which only this user may access: they hold personal data.
//!
//! The mode of a file that others can access is corrected, with a warning, since it may have been read. Where it cannot be
//! changed, a file that belongs to another user and that everybody can access is refused; anything else is only warned
//! about, since on some mounted volumes every file has the same mode.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of the store's files: the configured one with each of these appended.
const SUFFIXES: [&str; 5] = ["", "-wal", "-shm", "-journal", "-lock"];

/// The mode of a file that only its owner can access.
const PRIVATE: u32 = 0o600;
const OTHERS: u32 = 0o077;
const EVERYBODY: u32 = 0o007;
const STICKY: u32 = 0o1000;

/// Creates the store's file if there is none, and makes the existing files private.
///
/// # Errors
/// If the file cannot be created, is not a regular file, or belongs to another user and everybody can access it.
pub(super) fn make_private(database: &Path) -> Result<()> {
    for suffix in SUFFIXES {
        let path = beside(database, suffix);
        match fs::metadata(&path) {
            Ok(metadata) => keep_private(&path, &metadata)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    warn_of_folder(database);
    open_private(database).map(drop)
}

/// Locks a file beside the database, unless another process holds the lock. Not the database itself: SQLite loses its
/// locks when any descriptor of that file is closed (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
pub(super) fn lock(database: &Path) -> Result<Option<Arc<File>>> {
    let file = open_private(&beside(database, "-lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Arc::new(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// SQLite creates files with the process's umask, and its other files with the mode of the database.
fn open_private(path: &Path) -> Result<File> {
    File::options().create(true).append(true).mode(PRIVATE).open(path)
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn keep_private(path: &Path, metadata: &Metadata) -> Result<()> {
    if !metadata.is_file() {
        // Opening a pipe would block until its other end is opened.
        let problem = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::InvalidInput, problem));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let (file, was) = (path.display(), format_args!("{mode:04o}"));
    if is_made_private(path) {
        tracing::warn!(%file, %was, "other users had access to a file of the store; its mode is 0600 now");
        return Ok(());
    }
    if mode & EVERYBODY != 0 && is_another_users(metadata) {
        let problem = format!(
            "{file} belongs to another user and has the mode {was}: everybody has access to it; give it to the user that \
             logoutd runs as, with the mode 0600"
        );
        return Err(Error::new(ErrorKind::PermissionDenied, problem));
    }
    tracing::warn!(
        %file,
        mode = %was,
        "other users have access to a file of the store, and logoutd cannot change its mode; make it 0600"
    );
    Ok(())
}

/// Only the owner and root can change a file's mode; on some file systems the change has no effect, without an error.
fn is_made_private(path: &Path) -> bool {
    fs::set_permissions(path, Permissions::from_mode(PRIVATE)).is_ok()
        && fs::metadata(path).is_ok_and(|it| it.mode() & OTHERS == 0)
}

/// Whether the file is known to belong to another user. New files of this process belong to the user it runs as.
fn is_another_users(metadata: &Metadata) -> bool {
    tempfile::tempfile().and_then(|it| it.metadata()).is_ok_and(|mine| mine.uid() != metadata.uid())
}

/// Users who can write to the folder can replace the store's files.
fn warn_of_folder(database: &Path) {
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Ok(metadata) = fs::metadata(folder)
        && metadata.mode() & 0o002 != 0
        && metadata.mode() & STICKY == 0
    {
        let mode = format_args!("{:04o}", metadata.mode() & 0o7777);
        tracing::warn!(
            folder = %folder.display(),
            %mode,
            "all users can replace the store's files; make their folder writable for its owner only"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn new_and_existing_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        for suffix in ["-wal", "-lock"] {
            fs::write(beside(&database, suffix), "").unwrap();
            fs::set_permissions(beside(&database, suffix), Permissions::from_mode(0o664)).unwrap();
        }
        make_private(&database).unwrap();
        for suffix in ["", "-wal", "-lock"] {
            assert_eq!(mode(&beside(&database, suffix)), 0o600, "{suffix}");
        }
        fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
        make_private(&database).unwrap();
        assert_eq!(mode(&database), 0o600);
    }

    #[test]
    fn what_is_not_a_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        fs::create_dir(&database).unwrap();
        assert!(make_private(&database).unwrap_err().to_string().contains("not a regular file"));
    }
}
