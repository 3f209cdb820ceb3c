//! Rows that cannot be read: left out of lists and batches, counted in a metric, and named in the log.
//!
//! A row is unreadable if a column holds a value that this program never wrote: after a defect of the disk or of this
//! program, a change by hand, or a downgrade. Other rows are read as if it did not exist. It is left unchanged: an
//! operator can find it by its name and repair it, and it is read again from then on, without a restart.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::columns::hex_bytes;
use crate::storage::{Result, RowName, StorageError};

/// The least time between two log lines about the same row.
const LOG_EVERY: Duration = Duration::from_hours(1);

/// How many logged rows are remembered. While as many are, no further row is logged; all are counted.
const MAX_REMEMBERED: usize = 1_000;

/// How many bytes of each key column are part of a row's name.
const MAX_KEY_BYTES: usize = 64;

/// A table, and the columns of its key. Statements that read its rows must select them.
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
/// Deliveries grouped by client.
pub(super) const QUEUES: Table = Table { name: "deliveries", key: &["client_id"] };
pub(super) const ATTEMPTS: Table = Table { name: "attempts", key: &["delivery_id", "number"] };
pub(super) const REDELIVERY_JOBS: Table = Table { name: "redelivery_jobs", key: &["id"] };
pub(super) const API_TOKENS: Table = Table { name: "api_tokens", key: &["id"] };
pub(super) const AUDIT_LOG: Table = Table { name: "audit_log", key: &["at", "id"] };

/// Reads rows.
pub(super) struct Rows {
    count: Box<dyn Fn(&'static str) + Send + Sync>,
    logged: Mutex<HashMap<RowName, Instant>>,
}

impl Rows {
    /// `count` is called with the table's name each time a row cannot be read.
    pub(super) fn new(count: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { count: Box::new(count), logged: Mutex::default() }
    }

    /// Reads each of these rows, and leaves out those that cannot be read. Returns any other error.
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

    /// Reads a row that the caller needs. The error names the row.
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
        if self.should_log(name, Instant::now()) {
            tracing::error!(
                table = name.table,
                row = name.key,
                column,
                problem,
                "a row of the store cannot be read and is skipped until it is repaired"
            );
        }
    }

    fn should_log(&self, name: &RowName, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_REMEMBERED {
            logged.retain(|_, at| now.duration_since(*at) < LOG_EVERY);
        }
        let due = match logged.get(name) {
            Some(at) => now.duration_since(*at) >= LOG_EVERY,
            None => logged.len() < MAX_REMEMBERED,
        };
        if due {
            logged.insert(name.clone(), now);
        }
        due
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

/// The values of a row's key.
fn key(row: &SqliteRow, columns: &[&'static str]) -> String {
    columns.iter().map(|column| shown(row, column)).collect::<Vec<_>>().join("/")
}

fn shown(row: &SqliteRow, column: &str) -> String {
    let Ok(value) = row.try_get_raw(column) else { return "?".to_owned() };
    if value.is_null() {
        return "NULL".to_owned();
    }
    // First, since a number whose bytes were read cannot be read as a number any more.
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

/// A page of a list. Rows that cannot be read are replaced by those that follow, so that a page is short only at the end
/// of the list, and the next page begins after its last item.
pub(super) struct Page<T> {
    /// The items read so far.
    pub(super) items: Vec<T>,
    limit: usize,
    seen: u32,
    is_last: bool,
}

impl<T> Page<T> {
    /// A page of up to `limit` items.
    pub(super) fn of(limit: u32) -> Self {
        Self { items: Vec::new(), limit: limit as usize, seen: 0, is_last: limit == 0 }
    }

    /// The limit and offset of the rows to read next; `None` when the page is full or there are no more.
    pub(super) fn wanted(&self) -> Option<(u32, u32)> {
        let left = u32::try_from(self.limit - self.items.len()).unwrap_or(u32::MAX);
        (!self.is_last && left > 0).then_some((left, self.seen))
    }

    /// Adds the rows that were read for [`wanted`](Self::wanted).
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
    async fn a_row_is_named_by_its_key_whatever_its_type() {
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
    fn a_row_is_logged_once_an_hour_and_the_number_of_rows_is_limited() {
        let rows = Rows::new(|_| ());
        let name = |key: usize| RowName { table: "sessions", key: key.to_string() };
        let began = Instant::now();
        assert!(rows.should_log(&name(0), began));
        assert!(!rows.should_log(&name(0), began + LOG_EVERY / 2));
        assert!(rows.should_log(&name(0), began + LOG_EVERY));
        for key in 1..MAX_REMEMBERED {
            assert!(rows.should_log(&name(key), began + LOG_EVERY));
        }
        assert!(!rows.should_log(&name(MAX_REMEMBERED), began + LOG_EVERY));
        assert!(rows.should_log(&name(MAX_REMEMBERED), began + LOG_EVERY * 2));
    }
}
