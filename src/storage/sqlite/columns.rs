//! Conversion of domain values to columns and back: every value that can be written can be read.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::domain::time::{normalized, of_millis};
use crate::storage::{Result, StorageError};

/// A time as it is stored: milliseconds since the Unix epoch, normalized to the supported range.
pub(super) fn millis(time: Timestamp) -> i64 {
    normalized(time).as_millisecond()
}

/// A duration as it is stored: microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A UUID inside a JSON parameter. SQLite's JSON has no blobs: statements decode it with `unhex`.
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

/// Reads columns by name. A value that cannot be read is a [`StorageError::Corrupt`], to which
/// [`Rows`](super::rows::Rows) adds the name of the row.
pub(super) struct Columns<'r>(pub(super) &'r SqliteRow);

impl<'r> Columns<'r> {
    /// A value of a type that SQLite has.
    pub(super) fn plain<T>(&self, column: &'static str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.0.try_get(column).map_err(|error| match error {
            // Of another type, too large for this one, no UTF-8, or NULL.
            sqlx::Error::ColumnDecode { .. } => corrupt(column, "does not hold a value of its type"),
            other => other.into(),
        })
    }

    /// `N` bytes.
    pub(super) fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N]> {
        let bytes: &[u8] = self.plain(column)?;
        bytes.try_into().map_err(|_| corrupt(column, "does not have the right number of bytes"))
    }

    /// A value parsed from text.
    pub(super) fn parsed<T: TryFrom<String>>(&self, column: &'static str) -> Result<T> {
        self.plain::<String>(column)?.try_into().map_err(|_| corrupt(column, NOT_VALID))
    }

    /// A value parsed from text, or nothing.
    pub(super) fn parsed_option<T: TryFrom<String>>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<String> = self.plain(column)?;
        text.map(T::try_from).transpose().map_err(|_| corrupt(column, NOT_VALID))
    }

    /// A value stored as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(self.plain(column)?).map_err(|error| {
            let is_json = error.classify() == Category::Data;
            corrupt(column, if is_json { "holds JSON of another shape" } else { "does not hold JSON" })
        })
    }

    /// A value stored as JSON, or nothing.
    pub(super) fn json_option<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        self.plain::<Option<&str>>(column)?.map(|_| self.json(column)).transpose()
    }

    /// A time. One outside of the range that is stored is the nearest within.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp> {
        Ok(of_millis(self.plain(column)?))
    }

    /// A time, or nothing.
    pub(super) fn time_option(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.plain::<Option<i64>>(column)?.map(of_millis))
    }

    /// A map to times, stored as a JSON object; empty if the column is NULL.
    pub(super) fn times<K: DeserializeOwned + Ord>(
        &self,
        column: &'static str,
    ) -> Result<BTreeMap<K, Timestamp>> {
        if self.plain::<Option<&str>>(column)?.is_none() {
            return Ok(BTreeMap::new());
        }
        let times: BTreeMap<K, i64> = self.json(column)?;
        Ok(times.into_iter().map(|(of, millis)| (of, of_millis(millis))).collect())
    }

    /// A duration, or nothing.
    pub(super) fn duration_option(&self, column: &'static str) -> Result<Option<Duration>> {
        let micros: Option<i64> = self.plain(column)?;
        Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
    }

    /// One of a fixed set of words.
    pub(super) fn word<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.plain(column)?).ok_or_else(|| corrupt(column, NOT_VALID))
    }
}

const NOT_VALID: &str = "holds a value that is not valid";

fn corrupt(column: &'static str, problem: &'static str) -> StorageError {
    StorageError::Corrupt { row: None, column, problem }
}

/// A value stored as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("stored types have string keys and no failing serializers")
}

/// A list of texts as a JSON parameter, for `IN (SELECT value FROM json_each(?))`.
pub(super) fn json_list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    to_json(&items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>())
}
