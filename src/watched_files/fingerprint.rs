//! What files look like from the outside.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What files looked like at some time: differs when one was added, removed, replaced or changed.
///
/// Symlinks are followed, since Kubernetes and certbot swap them and leave the files alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Mode and owner of the folder, if it is one that is watched. Its times change with every file that is written.
    folder: Option<(u32, u32)>,
    /// By path or name. `None`: it does not exist, leads nowhere, or cannot be looked at.
    files: Vec<(OsString, Option<FileMark>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileMark {
    device: u64,
    inode: u64,
    bytes: u64,
    mode: u32,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same, of the inode: changes of mode and owner too.
    changed: (i64, i64),
}

impl Fingerprint {
    /// What these files look like now.
    pub fn of_files<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let files = paths.into_iter().map(|path| (path.as_os_str().to_owned(), FileMark::of(path)));
        Self { folder: None, files: files.collect() }
    }

    /// What a folder and the files in it look like now, but for those whose names begin with a dot.
    pub fn of_folder(path: &Path) -> io::Result<Self> {
        let folder = fs::metadata(path)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                files.push((name, FileMark::of(&entry.path())));
            }
        }
        files.sort();
        Ok(Self { folder: Some((folder.mode(), folder.uid())), files })
    }
}

impl FileMark {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileMark {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
