//! The audit trail: the `audit_log` table, and the outcomes of deliveries, read from their own rows.

mod search;
mod sources;
mod terms;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, SqliteConnection, ValueRef as _};
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{AUDIT_LOG, DELIVERIES, Rows, Table};
use super::{SqliteStore, deliveries};
use crate::domain::ids::DeliveryId;
use crate::domain::log::{DeliveryOutcome, LogEntry, LogEvent, LogFilter, LogId};
use crate::storage::records::{ChangeRecord, OutcomeRecord};
use crate::storage::{LogOrder, LogPage, LogRecord, LogStore, Result};

use sources::{LogQuery, Slice};

#[async_trait]
impl LogStore for SqliteStore {
    async fn record(&self, entry: &LogEntry) -> Result<()> {
        let mut write = self.write().await?;
        insert(&mut write, std::slice::from_ref(entry)).await?;
        write.commit().await
    }

    async fn log(&self, id: LogId) -> Result<Option<LogRecord>> {
        let log_query = LogQuery { filter: &LogFilter::of_id(id), user: None };
        let slice = Slice { order: LogOrder::Newest, after: None, skip: 0, limit: 1 };
        let mut query = sources::page(&log_query, &slice);
        let row = query.build().fetch_optional(&mut *self.lists.acquire().await?).await?;
        row.as_ref().map(|row| self.rows.one(table(row), row, record)).transpose()
    }

    async fn logs(&self, filter: &LogFilter, order: LogOrder, skip: u32, limit: u32) -> Result<LogPage> {
        self.search(filter, Slice { order, after: None, skip, limit }).await
    }

    async fn log_count(&self, filter: &LogFilter, most: u32) -> Result<u32> {
        self.count(filter, most).await
    }

    async fn logs_after(
        &self,
        filter: &LogFilter,
        after: LogId,
        until: Timestamp,
        limit: u32,
    ) -> Result<LogPage> {
        // Writers queue for the one connection that writes: when this has had it, all before have committed.
        drop(self.writer.acquire().await?);
        let before = filter.before.map_or(until, |before| before.min(until));
        let filter = LogFilter { before: Some(before), ..filter.clone() };
        self.search(&filter, Slice { order: LogOrder::Oldest, after: Some(after), skip: 0, limit }).await
    }
}

/// Stores the outcomes of these deliveries as entries, before they are put back into the queue.
pub(super) async fn keep_outcomes(
    connection: &mut SqliteConnection,
    rows: &Rows,
    ids: &[DeliveryId],
) -> Result<()> {
    let states = DeliveryOutcome::STATES.map(|state| format!("'{state}'")).join(", ");
    let mut query = QueryBuilder::new(format!(
        "SELECT settled_at AS at, id, client_id, NULL AS user_id, NULL AS type, NULL AS event, state, initiator, sid,
             attempts, uri, status, error, NULL AS client_name
         FROM deliveries LEFT JOIN attempts ON delivery_id = id AND number = attempts
         WHERE state IN ({states}) AND id IN (SELECT unhex(value) FROM json_each("
    ));
    query.push_bind(to_json(&ids.iter().map(|id| hex(id.0)).collect::<Vec<_>>())).push("))");
    let found = query.build().fetch_all(&mut *connection).await?;
    let entries = rows.readable(&DELIVERIES, &found, |row| Ok(record(row)?.entry))?;
    insert(connection, &entries).await
}

async fn insert(connection: &mut SqliteConnection, entries: &[LogEntry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    // A delivery that is settled twice within a millisecond has one entry.
    sqlx::query(
        "INSERT OR REPLACE INTO audit_log (at, id, type, client_id, user_id, event)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5
         FROM json_each(?)",
    )
    .bind(to_json(&entries.iter().map(row).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(entry: &LogEntry) -> impl Serialize {
    let event = match &entry.event {
        LogEvent::Change(change) => to_json(&ChangeRecord::from((**change).clone())),
        LogEvent::Outcome(outcome) => to_json(&OutcomeRecord::from(outcome.clone())),
    };
    let log_type = entry.log_type().as_str();
    (millis(entry.id.at()), hex(entry.id.uuid()), log_type, &entry.client_id, &entry.user_id, event)
}

fn record(row: &SqliteRow) -> Result<LogRecord> {
    let columns = Columns(row);
    let uuid: Uuid = columns.plain("id")?;
    let event = match columns.plain::<Option<&str>>("type")? {
        None => LogEvent::Outcome(DeliveryOutcome {
            delivery_id: DeliveryId(uuid),
            state: deliveries::state(&columns)?,
            initiator: columns.parsed("initiator")?,
            sid: columns.parsed_option("sid")?,
            attempts: columns.plain("attempts")?,
            uri: columns.plain("uri")?,
            status: columns.plain("status")?,
            error: columns.plain("error")?,
        }),
        Some("sapi" | "fapi") => LogEvent::Change(Box::new(columns.json::<ChangeRecord>("event")?.into())),
        Some(_) => LogEvent::Outcome(columns.json::<OutcomeRecord>("event")?.into()),
    };
    let id = LogId::new(columns.time("at")?, uuid);
    let (client_id, user_id) = (columns.parsed_option("client_id")?, columns.parsed_option("user_id")?);
    let entry = LogEntry { id, client_id, user_id, event };
    Ok(LogRecord { entry, client_name: columns.plain("client_name")? })
}

/// The table that an entry was read from.
fn table(row: &SqliteRow) -> &'static Table {
    let is_outcome = row.try_get_raw("type").is_ok_and(|it| it.is_null());
    if is_outcome { &DELIVERIES } else { &AUDIT_LOG }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::Change;
    use crate::storage::sqlite::test_support::store;

    #[tokio::test]
    async fn an_entry_is_read_as_it_was_written() {
        let (_folder, store) = store().await;
        let change = Change::by_command("Create an API token", "tokens create", vec!["1".to_owned()]);
        let entry = LogEntry {
            id: LogId::new(Timestamp::UNIX_EPOCH, Uuid::from_u128(7)),
            client_id: Some("shop".parse().unwrap()),
            user_id: Some("alice".parse().unwrap()),
            event: LogEvent::Change(Box::new(change)),
        };
        store.record(&entry).await.unwrap();
        let read = store.log(entry.id).await.unwrap().unwrap();
        assert_eq!(read, LogRecord { entry, client_name: None });
    }
}
