//! The audit trail: the `audit_log` table, and what deliveries came to, read from their own rows.
//!
//! Both are read by one statement, a part for each state of a delivery: each part goes along one index from
//! where the page begins, so that a page costs the same among millions of deliveries.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, ValueRef as _};
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{AUDIT_LOG, DELIVERIES, Page, Rows, Table};
use super::{SqliteStore, deliveries};
use crate::domain::delivery::State;
use crate::domain::ids::DeliveryId;
use crate::domain::log::{LogEntry, LogEvent, LogFilter, LogId, LogType, Outcome};
use crate::storage::{LogOrder, LogRecord, LogStore, LogsAfter, Result};

#[async_trait]
impl LogStore for SqliteStore {
    async fn record(&self, entry: &LogEntry) -> Result<()> {
        let mut write = self.write().await?;
        insert(&mut write, std::slice::from_ref(entry)).await?;
        write.commit().await
    }

    async fn log(&self, id: LogId) -> Result<Option<LogRecord>> {
        let filter = LogFilter { id: Some(id), ..LogFilter::default() };
        let part = Part { order: LogOrder::Newest, after: None, skip: 0, limit: 1 };
        let row = page(&filter, &part).build().fetch_optional(&self.reader).await?;
        row.as_ref().map(|row| self.rows.one(table(row), row, record)).transpose()
    }

    async fn logs(
        &self,
        filter: &LogFilter,
        order: LogOrder,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        self.read(filter, Part { order, after: None, skip, limit }).await
    }

    async fn log_count(&self, filter: &LogFilter, most: u32) -> Result<u32> {
        let mut query = QueryBuilder::new("SELECT 0");
        for source in Source::of(filter) {
            query.push(" + (SELECT COUNT(*) FROM (SELECT 1 FROM ");
            source.push_conditions(&mut query, filter);
            query.push(" LIMIT ").push_bind(most).push("))");
        }
        let count: u32 = query.build().fetch_one(&mut *self.lists.acquire().await?).await?.try_get(0)?;
        Ok(count.min(most))
    }

    async fn logs_after(
        &self,
        filter: &LogFilter,
        after: LogId,
        until: Timestamp,
        limit: u32,
    ) -> Result<LogsAfter> {
        // Whoever writes waits in line for the one connection that does: at the end of the line, all who
        // were there before have committed.
        drop(self.writer.acquire().await?);
        let before = filter.before.map_or(until, |before| before.min(until));
        let mut filter = LogFilter { before: Some(before), ..filter.clone() };
        let window_end = self.window_end(&filter, after).await?;
        filter.before = window_end.or(filter.before);
        let part = Part { order: LogOrder::Oldest, after: Some(after), skip: 0, limit };
        let records = self.read(&filter, part).await?;
        // Those at the end of the window come after this.
        let looked_at =
            window_end.filter(|_| records.len() < limit as usize).map(|at| LogId::new(at, Uuid::nil()));
        Ok(LogsAfter { records, looked_at })
    }
}

/// How many entries of each kind are looked at from a checkpoint on.
const WINDOW: u32 = 20_000;

impl SqliteStore {
    /// The time before which there are no more entries after `after` than are looked at; `None` if there are none
    /// beyond them.
    async fn window_end(&self, filter: &LogFilter, after: LogId) -> Result<Option<Timestamp>> {
        let since = filter.since.map_or(after.at(), |since| since.max(after.at()));
        // What leads along the indexes, and nothing else of the filter.
        let way = LogFilter { since: Some(since), before: filter.before, ..LogFilter::default() };
        let mut connection = self.lists.acquire().await?;
        let mut end: Option<Timestamp> = None;
        for source in Source::of(filter) {
            let mut query = QueryBuilder::new(format!("SELECT {} AS at FROM ", source.time()));
            source.push_conditions(&mut query, &way);
            query.push(format!(" ORDER BY {} LIMIT 1 OFFSET {WINDOW}", source.time()));
            let row = query.build().fetch_optional(&mut *connection).await?;
            let at = row.map(|row| Columns(&row).time("at")).transpose()?;
            end = end.into_iter().chain(at).min();
        }
        // So many in one millisecond are not cut apart.
        Ok(end.filter(|end| *end > after.at()))
    }

    async fn read(&self, filter: &LogFilter, part: Part) -> Result<Vec<LogRecord>> {
        let mut read = Page::of(part.limit);
        let mut connection = self.lists.acquire().await?;
        while let Some((limit, seen)) = read.wanted() {
            let part = Part { skip: part.skip.saturating_add(seen), limit, ..part };
            let rows = page(filter, &part).build().fetch_all(&mut *connection).await?;
            read.add(&self.rows, &AUDIT_LOG, &rows, |row| self.rows.one(table(row), row, record))?;
        }
        Ok(read.items)
    }
}

/// Writes down what these deliveries came to, before they are put back into the queue.
pub(super) async fn keep_outcomes(
    connection: &mut SqliteConnection,
    rows: &Rows,
    ids: &[DeliveryId],
) -> Result<()> {
    let states = Outcome::STATES.map(|state| format!("'{state}'")).join(", ");
    let mut query = QueryBuilder::new(format!(
        "SELECT settled_at AS at, id, client_id, NULL AS type, NULL AS event, state, initiator, sid, attempts,
             uri, status, error, NULL AS client_name
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
    // A delivery that comes to an end twice within a millisecond has one entry for it.
    sqlx::query(
        "INSERT OR REPLACE INTO audit_log (at, id, type, client_id, event)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)",
    )
    .bind(to_json(&entries.iter().map(row).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(entry: &LogEntry) -> impl Serialize {
    let event = match &entry.event {
        LogEvent::Change(change) => to_json(&**change),
        LogEvent::Outcome(outcome) => to_json(outcome),
    };
    (millis(entry.id.at()), hex(entry.id.uuid()), entry.log_type().as_str(), &entry.client_id, event)
}

fn record(row: &SqliteRow) -> Result<LogRecord> {
    let columns = Columns(row);
    let uuid: Uuid = columns.plain("id")?;
    let event = match columns.plain::<Option<&str>>("type")? {
        None => LogEvent::Outcome(Outcome {
            delivery_id: DeliveryId(uuid),
            state: deliveries::state(&columns)?,
            initiator: columns.parsed("initiator")?,
            sid: columns.parsed_option("sid")?,
            attempts: columns.plain("attempts")?,
            uri: columns.plain("uri")?,
            status: columns.plain("status")?,
            error: columns.plain("error")?,
        }),
        Some("sapi" | "fapi") => LogEvent::Change(columns.json("event")?),
        Some(_) => LogEvent::Outcome(columns.json("event")?),
    };
    let id = LogId::new(columns.time("at")?, uuid);
    let entry = LogEntry { id, client_id: columns.parsed_option("client_id")?, event };
    Ok(LogRecord { entry, client_name: columns.plain("client_name")? })
}

/// The table that an entry was read from.
fn table(row: &SqliteRow) -> &'static Table {
    let is_outcome = row.try_get_raw("type").is_ok_and(|it| it.is_null());
    if is_outcome { &DELIVERIES } else { &AUDIT_LOG }
}

/// Where entries come from.
#[derive(Clone, Copy)]
enum Source {
    /// What was written down.
    Written,
    /// Deliveries that have come to this.
    Deliveries(State),
}

/// Which of the entries that match.
#[derive(Clone, Copy)]
struct Part {
    order: LogOrder,
    after: Option<LogId>,
    skip: u32,
    limit: u32,
}

/// A query for the entries that match.
fn page(filter: &LogFilter, part: &Part) -> QueryBuilder<Sqlite> {
    let order = match part.order {
        LogOrder::Newest => "DESC",
        LogOrder::Oldest => "ASC",
    };
    let mut query = QueryBuilder::new(
        "SELECT page.*, attempts.uri, attempts.status, attempts.error,
             iif(json_valid(clients.document), clients.document ->> '$.client_name', NULL) AS client_name
         FROM (",
    );
    for (index, source) in Source::of(filter).into_iter().enumerate() {
        query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        query.push(source.select());
        source.push_conditions(&mut query, filter);
        if let Some(after) = part.after {
            query.push(format!(" AND ({}, id) > (", source.time()));
            query.push_bind(millis(after.at())).push(", ").push_bind(after.uuid()).push(")");
        }
        // No part of the page can come from beyond this.
        query.push(format!(" ORDER BY {} {order}, id {order} LIMIT ", source.time()));
        query.push_bind(part.skip.saturating_add(part.limit)).push(")");
    }
    query.push(format!(" ORDER BY at {order}, id {order} LIMIT "));
    query.push_bind(part.limit).push(" OFFSET ").push_bind(part.skip);
    query.push(format!(
        ") AS page
         LEFT JOIN attempts ON attempts.delivery_id = page.id AND attempts.number = page.attempts
         LEFT JOIN clients ON clients.client_id = page.client_id
         ORDER BY page.at {order}, page.id {order}"
    ));
    query
}

impl Source {
    /// Those that can have entries that match.
    fn of(filter: &LogFilter) -> Vec<Self> {
        let asked = |state: &State| {
            filter.takes(if *state == State::Delivered { LogType::Sslo } else { LogType::Fslo })
        };
        let deliveries = Outcome::STATES.into_iter().filter(asked).map(Self::Deliveries);
        std::iter::once(Self::Written).chain(deliveries).collect()
    }

    /// The column of an entry's time.
    fn time(self) -> &'static str {
        match self {
            Self::Written => "at",
            Self::Deliveries(_) => "settled_at",
        }
    }

    /// The columns of an entry.
    fn select(self) -> &'static str {
        match self {
            Self::Written => {
                "SELECT at, id, client_id, type, event, NULL AS state, NULL AS initiator, NULL AS sid,
                     NULL AS attempts FROM "
            }
            Self::Deliveries(_) => {
                "SELECT settled_at AS at, id, client_id, NULL AS type, NULL AS event, state, initiator, sid,
                     attempts FROM "
            }
        }
    }

    /// Its table, and what a filter asks of it.
    fn push_conditions(self, query: &mut QueryBuilder<Sqlite>, filter: &LogFilter) {
        let LogFilter { types, client_id, id, since, before } = filter;
        match self {
            Self::Written => {
                query.push("audit_log WHERE TRUE");
                if let Some(types) = types {
                    let types: Vec<_> = types.iter().map(|it| format!("'{it}'")).collect();
                    query.push(format!(" AND type IN ({})", types.join(", ")));
                }
            }
            // Written out, not bound: so the planner sees which index will do.
            Self::Deliveries(state) => {
                query.push(format!("deliveries WHERE state = '{state}' AND settled_at IS NOT NULL"));
            }
        }
        let time = self.time();
        if let Some(client_id) = client_id {
            query.push(" AND client_id = ").push_bind(client_id.as_str().to_owned());
        }
        if let Some(id) = id {
            query.push(format!(" AND {time} = ")).push_bind(millis(id.at()));
            query.push(" AND id = ").push_bind(id.uuid());
        }
        if let Some(since) = since {
            query.push(format!(" AND {time} >= ")).push_bind(millis(*since));
        }
        if let Some(before) = before {
            query.push(format!(" AND {time} < ")).push_bind(millis(*before));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The steps in which SQLite makes a page.
    async fn plan(store: &SqliteStore, filter: &LogFilter, part: &Part) -> Vec<String> {
        let sql = format!("EXPLAIN QUERY PLAN {}", page(filter, part).sql().as_str());
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&store.reader).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn a_page_goes_along_the_index_from_where_it_begins() {
        const ALONG: &str = "SEARCH deliveries USING INDEX deliveries_settled (state=? AND settled_at";
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        let store = SqliteStore::open(&url).await.unwrap();
        let restricted = LogFilter {
            client_id: Some("shop".parse().unwrap()),
            before: Some(Timestamp::UNIX_EPOCH),
            ..LogFilter::default()
        };
        let failed = LogFilter { types: Some(BTreeSet::from([LogType::Fslo])), ..LogFilter::default() };
        for (filter, parts) in [(LogFilter::default(), 3), (restricted, 3), (failed, 2)] {
            for (order, after) in
                [(LogOrder::Newest, None), (LogOrder::Oldest, None), (LogOrder::Oldest, Some(LogId::FIRST))]
            {
                let steps = plan(&store, &filter, &Part { order, after, skip: 0, limit: 50 }).await;
                let of_deliveries: Vec<_> =
                    steps.iter().filter(|step| step.contains(" deliveries")).collect();
                assert_eq!(of_deliveries.len(), parts, "{steps:#?}");
                assert!(of_deliveries.iter().all(|step| step.starts_with(ALONG)), "{steps:#?}");
                // Those of one millisecond are sorted among themselves; parts of a page are merged.
                let sorted = steps.iter().filter(|step| step.ends_with("FOR LAST TERM OF ORDER BY")).count();
                assert_eq!(sorted, parts, "{steps:#?}");
            }
        }
    }
}
