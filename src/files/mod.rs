//! Files at configured paths: opened without blocking, and read up to a limit.
//!
//! A path may lead to a named pipe, a socket, a device or a directory, by mistake or on purpose, and what is there
//! may be replaced while the service runs. Opening a named pipe blocks until another process opens it for writing, so that
//! one in a watched folder would block the thread that polls it, and the process's exit. Unix only.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// How often, and at what interval, reading a pipe is tried again before it is an error: 10 seconds in all.
const PIPE_TRIES: u32 = 1000;
const PIPE_PAUSE: Duration = Duration::from_millis(10);

/// Why a file was not read. The texts continue after the file's name: "it …".
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system returned an error.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not a regular file, but this, with its article.
    #[error("it is {0}, and must be a regular file")]
    NotRegular(&'static str),
    /// It is larger than the limit, in bytes.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// A pipe without a writer, or whose writer did not finish.
    #[error("it is a pipe, and its writer did not finish within 10 seconds")]
    PipeTimeout,
}

/// For callers whose own errors hold an [`io::Error`].
impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            FileError::NotRegular(_) => Self::new(ErrorKind::InvalidInput, error.to_string()),
            FileError::TooLarge(_) => Self::new(ErrorKind::FileTooLarge, error.to_string()),
            FileError::PipeTimeout => Self::new(ErrorKind::TimedOut, error.to_string()),
        }
    }
}

/// Opens a regular file without blocking, following symbolic links.
///
/// Its type is checked before it is opened, since opening some devices has effects, and afterwards, since it may have been
/// replaced in between.
pub fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    regular(&fs::metadata(path)?)?;
    let file = open_anything(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok((file, metadata))
}

/// The content of a regular file of at most `max` bytes.
pub fn read(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (file, metadata) = open(path)?;
    content(file, metadata.len(), max)
}

/// The content of an open file whose metadata has the length `len`.
///
/// The buffer never grows, since reallocation leaves copies that are not wiped: what is appended to the file meanwhile is
/// left out.
pub fn content(file: File, len: u64, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if len > max {
        return Err(FileError::TooLarge(max));
    }
    // Files in `/proc` have the length 0.
    let room = if len == 0 { max + 1 } else { len };
    let mut content = with_room(room)?;
    file.take(room).read_to_end(&mut content)?;
    if content.len() as u64 > max {
        return Err(FileError::TooLarge(max));
    }
    Ok(content)
}

/// The content of a regular file or a pipe, of at most `max` bytes. For files that are read once when a command starts, where
/// a shell (`<(…)`) or a decrypting tool may pass a pipe. Waits up to 10 seconds for a pipe's writer.
pub fn read_once(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if !fs::metadata(path)?.file_type().is_fifo() {
        return read(path, max);
    }
    let pipe = open_anything(path)?;
    if pipe.metadata()?.file_type().is_fifo() { drain(pipe, max) } else { read(path, max) }
}

/// The same as text.
pub fn read_text_once(path: &Path, max: u64) -> Result<Zeroizing<String>, FileError> {
    let mut content = read_once(path, max)?;
    // Moved, not copied, so that there is one buffer to wipe.
    match String::from_utf8(std::mem::take(&mut *content)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(ErrorKind::InvalidData, "it is not UTF-8").into())
        }
    }
}

fn drain(mut pipe: File, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut content = with_room(max + 1)?;
    for _ in 0..PIPE_TRIES {
        let room = max + 1 - content.len() as u64;
        match pipe.by_ref().take(room).read_to_end(&mut content) {
            Ok(_) if content.len() as u64 > max => return Err(FileError::TooLarge(max)),
            Ok(_) if !content.is_empty() => return Ok(content),
            // No writer has opened it yet, or none has written anything.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(PIPE_PAUSE);
    }
    Err(FileError::PipeTimeout)
}

fn open_anything(path: &Path) -> io::Result<File> {
    // Without NONBLOCK opening a pipe blocks; without NOCTTY a terminal becomes the process's controlling one.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn with_room(bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).map_err(io::Error::other)?)))
}

/// Returns an error for anything but a regular file.
pub fn regular(metadata: &Metadata) -> Result<(), FileError> {
    match not_regular(metadata.file_type()) {
        None => Ok(()),
        Some(what) => Err(FileError::NotRegular(what)),
    }
}

fn not_regular(kind: FileType) -> Option<&'static str> {
    let kinds = [
        (kind.is_file(), None),
        (kind.is_dir(), Some("a directory")),
        (kind.is_fifo(), Some("a named pipe")),
        (kind.is_socket(), Some("a socket")),
        (kind.is_char_device() || kind.is_block_device(), Some("a device")),
    ];
    let found = kinds.into_iter().find_map(|(is, what)| is.then_some(what));
    found.unwrap_or(Some("something else"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType as Kind, Mode, mknodat};

    use super::*;

    fn fifo(path: &Path) {
        mknodat(CWD, path, Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "content").unwrap();
        symlink("file", at("link")).unwrap();
        for name in ["file", "link"] {
            assert_eq!(read(&at(name), 7).unwrap().as_slice(), b"content", "{name}");
            assert!(matches!(read(&at(name), 6), Err(FileError::TooLarge(6))), "{name}");
        }
        fifo(&at("pipe"));
        let _socket = UnixListener::bind(at("socket")).unwrap();
        symlink("pipe", at("link-to-pipe")).unwrap();
        for (path, what) in [
            (at("pipe"), "a named pipe"),
            (at("link-to-pipe"), "a named pipe"),
            (at("socket"), "a socket"),
            (folder.path().to_owned(), "a directory"),
            ("/dev/zero".into(), "a device"),
        ] {
            assert!(matches!(read(&path, 10), Err(FileError::NotRegular(is)) if is == what), "{path:?}");
        }
        symlink("nowhere", at("dangling")).unwrap();
        assert!(
            matches!(read(&at("dangling"), 10), Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_file_that_does_not_say_its_size_is_read() {
        assert!(!read(Path::new("/proc/self/status"), 1024 * 1024).unwrap().is_empty());
    }

    #[test]
    fn a_pipe_is_read_once_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        fifo(&path);
        let write = |content: &'static str| {
            let path = path.clone();
            // The reader closes the pipe early if there is too much.
            std::thread::spawn(move || drop(fs::write(path, content)))
        };
        let writer = write("from a pipe");
        assert_eq!(read_text_once(&path, 11).unwrap().as_str(), "from a pipe");
        writer.join().unwrap();
        let writer = write("from a pipe");
        assert!(matches!(read_once(&path, 10), Err(FileError::TooLarge(10))));
        writer.join().unwrap();
    }
}
