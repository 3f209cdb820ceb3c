//! How domain values are written to columns and read from them.

use std::error::Error;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::storage::{Result, StorageError};

/// A time as it is stored: milliseconds since the Unix epoch.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A duration as it is stored: microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A UUID inside a JSON parameter. SQLite's JSON has no blobs: statements turn it back with `unhex`.
pub(super) fn hex(id: Uuid) -> Simple {
    id.simple()
}

/// Other bytes inside a JSON parameter, likewise.
pub(super) fn hex_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads columns by name, turning what cannot be read into [`StorageError::Corrupt`].
pub(super) struct Columns<'r>(pub(super) &'r SqliteRow);

impl<'r> Columns<'r> {
    /// A value SQLite has a type for.
    pub(super) fn plain<T>(&self, column: &'static str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        Ok(self.0.try_get(column)?)
    }

    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N]> {
        let bytes: &[u8] = self.0.try_get(column)?;
        bytes.try_into().map_err(|source| corrupt(column, source))
    }

    /// A value parsed from text.
    pub(super) fn parsed<T>(&self, column: &'static str) -> Result<T>
    where
        T: TryFrom<String, Error: Error + Send + Sync + 'static>,
    {
        self.plain::<String>(column)?.try_into().map_err(|source| corrupt(column, source))
    }

    /// A value parsed from text, or nothing.
    pub(super) fn parsed_option<T>(&self, column: &'static str) -> Result<Option<T>>
    where
        T: TryFrom<String, Error: Error + Send + Sync + 'static>,
    {
        let text: Option<String> = self.plain(column)?;
        text.map(T::try_from).transpose().map_err(|source| corrupt(column, source))
    }

    /// A value stored as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(self.0.try_get(column)?).map_err(|source| corrupt(column, source))
    }

    /// A value stored as JSON, or nothing.
    pub(super) fn json_option<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<&str> = self.0.try_get(column)?;
        text.map(serde_json::from_str).transpose().map_err(|source| corrupt(column, source))
    }

    /// A time.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp> {
        Timestamp::from_millisecond(self.plain(column)?).map_err(|source| corrupt(column, source))
    }

    /// A time, or nothing.
    pub(super) fn time_option(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let millis: Option<i64> = self.plain(column)?;
        millis.map(Timestamp::from_millisecond).transpose().map_err(|source| corrupt(column, source))
    }

    /// A duration, or nothing.
    pub(super) fn duration_option(&self, column: &'static str) -> Result<Option<Duration>> {
        let micros: Option<i64> = self.plain(column)?;
        Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
    }

    /// One of a fixed set of words.
    pub(super) fn word<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let word: &str = self.0.try_get(column)?;
        parse(word).ok_or_else(|| corrupt(column, UnknownWord(word.to_owned())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of the words this column can hold")]
struct UnknownWord(String);

fn corrupt(column: &'static str, source: impl Error + Send + Sync + 'static) -> StorageError {
    StorageError::Corrupt { column, source: Box::new(source) }
}

/// A value stored as JSON. Our own types with string keys always serialize.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("stored types have string keys and no failing serializers")
}

/// A list of texts as one JSON parameter, for `IN (SELECT value FROM json_each(?))`.
pub(super) fn json_list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    to_json(&items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>())
}
