//! Secrets: given as `x` or, to keep them out of the environment and the file, as `x_file`. Errors and `Debug` do
//! not show their values.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::files::{self, FileError};

/// The longest secret file, in bytes. A longer one is most likely the wrong file.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The fewest characters of a bearer token that is chosen by hand.
const MIN_BEARER_CHARS: usize = 16;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Both `x` and `x_file`.
    #[error("is given twice, directly and as a file; leave one out")]
    Both,
    /// The file could not be read, or is not UTF-8.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Longer than a secret file can be.
    #[error("{} is too long for a secret: at most 64 KiB", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
    },
    /// The secret is empty.
    #[error("must not be empty")]
    Empty,
    /// The secret cannot be sent in an `Authorization` header.
    #[error("must consist of visible ASCII characters, without spaces")]
    NotVisible,
    /// The secret is short enough to be guessed.
    #[error(
        "must have at least {MIN_BEARER_CHARS} characters, so that it cannot be guessed; `openssl rand -hex 32` makes one"
    )]
    TooShort,
}

/// The secret given as `value` or in `file`, without one trailing newline if it was a file's.
pub fn resolve(
    value: Option<SecretString>,
    file: Option<PathBuf>,
) -> Result<Option<SecretString>, SecretError> {
    match (value, file) {
        (Some(_), Some(_)) => Err(SecretError::Both),
        (None, Some(path)) => read(&path).map(Some),
        (value, None) => Ok(value),
    }
}

/// The secret, if it can be a bearer token: visible ASCII (RFC 6750 §2.1 allows no other), and not too short.
pub fn bearer(secret: SecretString) -> Result<SecretString, SecretError> {
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err(SecretError::Empty);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::NotVisible);
    }
    if text.len() < MIN_BEARER_CHARS {
        return Err(SecretError::TooShort);
    }
    Ok(secret)
}

fn read(path: &Path) -> Result<SecretString, SecretError> {
    let text = files::read_text_once(path, MAX_FILE_BYTES).map_err(|error| match error {
        FileError::TooLarge(_) => SecretError::FileTooLong { path: path.to_owned() },
        error => SecretError::File { path: path.to_owned(), source: error.into() },
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn one_trailing_newline_is_not_part_of_it() {
        for (content, expected) in
            [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), ("abc\n\n", "abc\n")]
        {
            let file = file(content.as_bytes());
            let secret = resolve(None, Some(file.path().to_owned())).unwrap().unwrap();
            assert_eq!(secret.expose_secret(), expected);
        }
    }

    #[test]
    fn both_forms_are_refused() {
        let file = file(b"abc");
        let both = resolve(Some(SecretString::from("abc")), Some(file.path().to_owned()));
        assert!(matches!(both, Err(SecretError::Both)));
        assert!(resolve(None, None).unwrap().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_one_is_refused() {
        let missing = resolve(None, Some(PathBuf::from("/nonexistent/secret"))).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read /nonexistent/secret: "), "{missing}");
        let long = file(&vec![b'x'; 64 * 1024 + 1]);
        assert!(matches!(resolve(None, Some(long.path().to_owned())), Err(SecretError::FileTooLong { .. })));
        let binary = file(&[0xff, 0xfe]);
        assert!(matches!(resolve(None, Some(binary.path().to_owned())), Err(SecretError::File { .. })));
    }

    #[test]
    fn a_bearer_token_can_be_sent() {
        assert!(bearer(SecretString::from("0123456789abcdef")).is_ok());
        assert!(matches!(bearer(SecretString::from("")), Err(SecretError::Empty)));
        assert!(matches!(bearer(SecretString::from("0123456789 abcdef")), Err(SecretError::NotVisible)));
        assert!(matches!(bearer(SecretString::from("0123456789abcde")), Err(SecretError::TooShort)));
    }
}
