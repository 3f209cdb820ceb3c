//! Rows that cannot be read: passed over wherever rows are read in number, counted, and named in the log.
//!
//! A row is unreadable if a column of it holds what this program never wrote: after a defect of the disk or of
//! this program, a change by hand, or a return to an older version. It is nobody else's fault, so the others are
//! read as if it were not there. It is left as it is: an operator can find it by its name and mend it, and it is
//! read again from then on, without a restart.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::columns::hex_bytes;
use crate::storage::{Result, RowName, StorageError};

/// How long a row that was named in the log is not named again.
const NAME_AGAIN_AFTER: Duration = Duration::from_hours(1);

/// How many rows that were named are remembered. While it is full no other row is named; all are counted.
const REMEMBERED: usize = 1_000;

/// The longest part of a row's name, in bytes of the column.
const MAX_KEY_BYTES: usize = 64;

/// A table, and the columns that tell its rows apart. They must be among those that are read.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    key: &'static [&'static str],
}

pub(super) const CLIENTS: Table = Table { name: "clients", key: &["client_id"] };
pub(super) const BREAKERS: Table = Table { name: "breakers", key: &["client_id"] };
pub(super) const SESSIONS: Table = Table { name: "sessions", key: &["key"] };
pub(super) const SUBJECT_ENDS: Table = Table { name: "subject_ends", key: &["number"] };
pub(super) const SUBJECT_END_TOLD: Table =
    Table { name: "subject_end_told", key: &["end_number", "client_id"] };
pub(super) const SUBJECT_END_PARTS: Table = Table { name: "subject_end_parts", key: &["id"] };
pub(super) const EVENTS: Table = Table { name: "events", key: &["key"] };
pub(super) const DELIVERIES: Table = Table { name: "deliveries", key: &["id"] };
/// Deliveries that are read by their client, all of one together.
pub(super) const QUEUES: Table = Table { name: "deliveries", key: &["client_id"] };
pub(super) const ATTEMPTS: Table = Table { name: "attempts", key: &["delivery_id", "number"] };
pub(super) const REDELIVERY_JOBS: Table = Table { name: "redelivery_jobs", key: &["id"] };
pub(super) const API_TOKENS: Table = Table { name: "api_tokens", key: &["id"] };
pub(super) const AUDIT_LOG: Table = Table { name: "audit_log", key: &["at", "id"] };

/// Reads rows.
pub(super) struct Rows {
    count: Box<dyn Fn(&'static str) + Send + Sync>,
    named: Mutex<HashMap<RowName, Instant>>,
}

impl Rows {
    /// `count` is called with the table's name for each row that is found not to be readable, each time.
    pub(super) fn new(count: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { count: Box::new(count), named: Mutex::default() }
    }

    /// Reads each of these rows, and passes over those that cannot be read. Any other error is returned.
    pub(super) fn readable<'r, T>(
        &self,
        table: &Table,
        rows: impl IntoIterator<Item = &'r SqliteRow>,
        mut read: impl FnMut(&'r SqliteRow) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for row in rows {
            match self.one(table, row, &mut read) {
                Ok(value) => found.push(value),
                Err(error) if error.is_corrupt() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Reads a row that somebody asked for, and cannot do without. The error names it, unless `read` has done so.
    pub(super) fn one<'r, T>(
        &self,
        table: &Table,
        row: &'r SqliteRow,
        read: impl FnOnce(&'r SqliteRow) -> Result<T>,
    ) -> Result<T> {
        read(row).map_err(|error| match error {
            StorageError::Corrupt { row: None, column, problem } => {
                let name = RowName { table: table.name, key: key(row, table.key) };
                self.note(&name, column, problem);
                StorageError::Corrupt { row: Some(name), column, problem }
            }
            other => other,
        })
    }

    fn note(&self, name: &RowName, column: &'static str, problem: &'static str) {
        (self.count)(name.table);
        if self.is_to_be_named(name, Instant::now()) {
            tracing::error!(
                table = name.table,
                row = name.key,
                column,
                problem,
                "a row of the store cannot be read and is passed over until it is mended"
            );
        }
    }

    fn is_to_be_named(&self, name: &RowName, now: Instant) -> bool {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= REMEMBERED {
            named.retain(|_, at| now.duration_since(*at) < NAME_AGAIN_AFTER);
        }
        let due = match named.get(name) {
            Some(at) => now.duration_since(*at) >= NAME_AGAIN_AFTER,
            None => named.len() < REMEMBERED,
        };
        if due {
            named.insert(name.clone(), now);
        }
        due
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

/// The values of a row's key, whatever they are.
fn key(row: &SqliteRow, columns: &[&'static str]) -> String {
    columns.iter().map(|column| shown(row, column)).collect::<Vec<_>>().join("/")
}

fn shown(row: &SqliteRow, column: &str) -> String {
    let Ok(value) = row.try_get_raw(column) else { return "?".to_owned() };
    if value.is_null() {
        return "NULL".to_owned();
    }
    // A number whose bytes were looked at cannot be read as one any more.
    if value.type_info().name() == "INTEGER" {
        return row.try_get::<i64, _>(column).map_or_else(|_| "?".to_owned(), |it| it.to_string());
    }
    let bytes: &[u8] = row.try_get_unchecked(column).unwrap_or_default();
    let cut = &bytes[..bytes.len().min(MAX_KEY_BYTES)];
    match std::str::from_utf8(cut) {
        Ok(text) if row.try_get::<&str, _>(column).is_ok() => text.escape_debug().to_string(),
        _ => hex_bytes(cut),
    }
}

/// A page of a list, filled up with what follows where rows cannot be read. So it is short only at the list's end,
/// and whoever goes on from its last item misses nothing.
pub(super) struct Page<T> {
    /// What was read.
    pub(super) items: Vec<T>,
    limit: usize,
    seen: u32,
    is_last: bool,
}

impl<T> Page<T> {
    /// Up to so many.
    pub(super) fn of(limit: u32) -> Self {
        Self { items: Vec::new(), limit: limit as usize, seen: 0, is_last: limit == 0 }
    }

    /// Which rows are to be read next: so many, after so many of the whole page's. `None` when the page is full or
    /// there are no more.
    pub(super) fn wanted(&self) -> Option<(u32, u32)> {
        let left = u32::try_from(self.limit - self.items.len()).unwrap_or(u32::MAX);
        (!self.is_last && left > 0).then_some((left, self.seen))
    }

    /// These were read, of as many as were wanted.
    pub(super) fn add(
        &mut self,
        rows: &Rows,
        table: &Table,
        found: &[SqliteRow],
        read: impl FnMut(&SqliteRow) -> Result<T>,
    ) -> Result<()> {
        self.is_last = found.len() + self.items.len() < self.limit;
        self.seen = self.seen.saturating_add(u32::try_from(found.len()).unwrap_or(u32::MAX));
        self.items.extend(rows.readable(table, found, read)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn a_row_is_named_by_its_key_whatever_that_is() {
        let mut store = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let long = "x".repeat(MAX_KEY_BYTES + 1);
        for (value, name) in [
            ("7", "7"),
            ("-7", "-7"),
            ("NULL", "NULL"),
            ("'a b'", "a b"),
            ("'a\nb'", "a\\nb"),
            ("x'00ff'", "00ff"),
            ("CAST(x'ff' AS TEXT)", "ff"),
            (&format!("'{long}'"), &long[1..]),
        ] {
            let select = format!("SELECT {value} AS id, 1 AS number");
            let row = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_one(&mut store).await.unwrap();
            assert_eq!(key(&row, &["id", "number"]), format!("{name}/1"));
        }
    }

    #[test]
    fn a_row_is_named_once_an_hour_and_only_so_many_are() {
        let rows = Rows::new(|_| ());
        let name = |key: usize| RowName { table: "sessions", key: key.to_string() };
        let began = Instant::now();
        assert!(rows.is_to_be_named(&name(0), began));
        assert!(!rows.is_to_be_named(&name(0), began + NAME_AGAIN_AFTER / 2));
        assert!(rows.is_to_be_named(&name(0), began + NAME_AGAIN_AFTER));
        for key in 1..REMEMBERED {
            assert!(rows.is_to_be_named(&name(key), began + NAME_AGAIN_AFTER));
        }
        assert!(!rows.is_to_be_named(&name(REMEMBERED), began + NAME_AGAIN_AFTER));
        assert!(rows.is_to_be_named(&name(REMEMBERED), began + NAME_AGAIN_AFTER * 2));
    }
}
