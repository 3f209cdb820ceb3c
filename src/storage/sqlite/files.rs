//! The files of the store: made for this user alone, and kept so. They hold personal data.
//!
//! A file that others can use is put right where its mode can be changed from here, with a warning, since it may have
//! been read. Where it cannot, another user's file that everybody can use is refused: whoever made it could read and
//! change what is stored. Anything else is warned of: on some mounted volumes every file has the same mode.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the store's files are called: the file of the configuration, and this appended.
const SUFFIXES: [&str; 5] = ["", "-wal", "-shm", "-journal", "-lock"];

/// The mode of a file that is its owner's alone.
const PRIVATE: u32 = 0o600;
const OTHERS: u32 = 0o077;
const EVERYBODY: u32 = 0o007;
const STICKY: u32 = 0o1000;

/// Makes the store's file if there is none, and sees to it that what is there is nobody else's.
///
/// # Errors
/// If it cannot be made, is no file, or is another user's and can be used by everybody.
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

/// Locks a file beside the database's, unless another process has. Not the database's own: SQLite loses its
/// locks when any descriptor of that is closed (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
pub(super) fn lock(database: &Path) -> Result<Option<Arc<File>>> {
    let file = open_private(&beside(database, "-lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Arc::new(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// SQLite gives its files the process's umask; the log and shared-memory files take after the main one.
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
        // Opening a pipe would wait for its other end.
        let problem = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::InvalidInput, problem));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let (file, was) = (path.display(), format_args!("{mode:04o}"));
    if is_made_private(path) {
        tracing::warn!(%file, %was, "a file of the store could be used by others; its mode is 0600 now");
        return Ok(());
    }
    if mode & EVERYBODY != 0 && is_another_users(metadata) {
        let problem = format!(
            "{file} belongs to another user and has the mode {was}: everybody can use it; give it to the user that \
             logoutd runs as, with the mode 0600"
        );
        return Err(Error::new(ErrorKind::PermissionDenied, problem));
    }
    tracing::warn!(
        %file,
        mode = %was,
        "a file of the store can be used by others, and its mode cannot be changed from here; make it 0600"
    );
    Ok(())
}

/// Only a file's owner, or root, can change its mode; and on some file systems nobody can, without an error.
fn is_made_private(path: &Path) -> bool {
    fs::set_permissions(path, Permissions::from_mode(PRIVATE)).is_ok()
        && fs::metadata(path).is_ok_and(|it| it.mode() & OTHERS == 0)
}

/// Whether it is known to be. What this process makes belongs to the user it runs as.
fn is_another_users(metadata: &Metadata) -> bool {
    tempfile::tempfile().and_then(|it| it.metadata()).is_ok_and(|mine| mine.uid() != metadata.uid())
}

/// Whoever may write to the folder can put another file in the store's place.
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
            "everybody can replace the store's files; take the right to write to their folder from others"
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
    fn what_is_made_and_what_is_found_is_its_owners_alone() {
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
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        fs::create_dir(&database).unwrap();
        assert!(make_private(&database).unwrap_err().to_string().contains("not a regular file"));
    }
}
