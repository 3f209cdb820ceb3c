//! The audit trail: the `audit_log` table, and what deliveries came to, read from their own rows.
//!
//! What no index serves is looked for in pieces: each looks at so many entries in one statement, and others get to
//! the store in between. How many pieces there are is limited too, so that no search costs more than that.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, SqliteConnection, ValueRef as _};
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::log_sources::{self, Asked, Part};
use super::rows::{AUDIT_LOG, DELIVERIES, Page, Rows, Table};
use super::{SqliteStore, deliveries};
use crate::domain::ids::DeliveryId;
use crate::domain::log::{LogEntry, LogEvent, LogFilter, LogId, Outcome};
use crate::storage::records::{ChangeRecord, OutcomeRecord};
use crate::storage::{LogOrder, LogPage, LogRecord, LogStore, Result};

/// How many entries of each source a piece of a search looks at, and those of the same millisecond as the last.
const PIECE: u32 = 5_000;

/// How many pieces a search has at the most.
const MAX_PIECES: u32 = 40;

/// Up to how many deliveries a user's are found from the sessions on. Whoever has more has so many that they are met
/// along the times, too.
const MAX_OF_USER: u32 = 20_000;

#[async_trait]
impl LogStore for SqliteStore {
    async fn record(&self, entry: &LogEntry) -> Result<()> {
        let mut write = self.write().await?;
        insert(&mut write, std::slice::from_ref(entry)).await?;
        write.commit().await
    }

    async fn log(&self, id: LogId) -> Result<Option<LogRecord>> {
        let asked = Asked { filter: &LogFilter::of_id(id), user: None };
        let part = Part { order: LogOrder::Newest, after: None, skip: 0, limit: 1 };
        let mut query = log_sources::page(&asked, &part);
        let row = query.build().fetch_optional(&mut *self.lists.acquire().await?).await?;
        row.as_ref().map(|row| self.rows.one(table(row), row, record)).transpose()
    }

    async fn logs(&self, filter: &LogFilter, order: LogOrder, skip: u32, limit: u32) -> Result<LogPage> {
        self.search(filter, Part { order, after: None, skip, limit }).await
    }

    async fn log_count(&self, filter: &LogFilter, most: u32) -> Result<u32> {
        let user = self.user_to_go_by(filter).await?;
        let mut pieces = Pieces::of(filter, LogOrder::Newest, None, user.is_some());
        let mut counted = 0;
        while counted < most
            && let Some(piece) = pieces.next(self).await?
        {
            let mut query = log_sources::count(&Asked { filter: &piece, user }, most - counted);
            let row = query.build().fetch_one(&mut *self.lists.acquire().await?).await?;
            counted += row.try_get::<u32, _>(0)?;
        }
        Ok(counted.min(most))
    }

    async fn logs_after(
        &self,
        filter: &LogFilter,
        after: LogId,
        until: Timestamp,
        limit: u32,
    ) -> Result<LogPage> {
        // Whoever writes waits in line for the one connection that does: at the end of the line, all who
        // were there before have committed.
        drop(self.writer.acquire().await?);
        let before = filter.before.map_or(until, |before| before.min(until));
        let filter = LogFilter { before: Some(before), ..filter.clone() };
        self.search(&filter, Part { order: LogOrder::Oldest, after: Some(after), skip: 0, limit }).await
    }
}

impl SqliteStore {
    /// A page of a piece, filled up with what follows where rows cannot be read.
    async fn read(&self, asked: &Asked<'_>, part: &Part) -> Result<Vec<LogRecord>> {
        let mut read = Page::of(part.limit);
        while let Some((limit, seen)) = read.wanted() {
            let part = Part { skip: part.skip.saturating_add(seen), limit, ..*part };
            let mut query = log_sources::page(asked, &part);
            let rows = query.build().fetch_all(&mut *self.lists.acquire().await?).await?;
            read.add(&self.rows, &AUDIT_LOG, &rows, |row| self.rows.one(table(row), row, record))?;
        }
        Ok(read.items)
    }

    async fn search(&self, filter: &LogFilter, part: Part) -> Result<LogPage> {
        let user = self.user_to_go_by(filter).await?;
        let mut pieces = Pieces::of(filter, part.order, part.after, user.is_some());
        let (wanted, mut records) = (part.skip.saturating_add(part.limit) as usize, Vec::new());
        while records.len() < wanted {
            let Some(piece) = pieces.next(self).await? else { break };
            let asked = Asked { filter: &piece, user };
            // Where there is one piece only, what is skipped need not be read.
            let skip = if pieces.is_one() { part.skip } else { 0 };
            let missing = u32::try_from(wanted - records.len()).unwrap_or(u32::MAX) - skip;
            records.extend(self.read(&asked, &Part { skip, limit: missing, ..part }).await?);
            if pieces.is_one() {
                return Ok(LogPage { records, stopped_at: None });
            }
        }
        let stopped_at = if records.len() < wanted { pieces.stopped_at() } else { None };
        let skipped = (part.skip as usize).min(records.len());
        Ok(LogPage { records: records.split_off(skipped), stopped_at })
    }

    /// The one user that is asked for, if the deliveries are few enough to begin with them.
    async fn user_to_go_by<'f>(&self, filter: &'f LogFilter) -> Result<Option<&'f str>> {
        let Some(user) = filter.user() else { return Ok(None) };
        let mut query = log_sources::count_of_user(user, MAX_OF_USER + 1);
        let row = query.build().fetch_one(&mut *self.lists.acquire().await?).await?;
        let deliveries: u32 = row.try_get(0)?;
        Ok((deliveries <= MAX_OF_USER).then_some(user))
    }
}

/// A search, cut into pieces by time.
struct Pieces {
    /// What was not looked at yet.
    window: LogFilter,
    order: LogOrder,
    after: Option<LogId>,
    /// Whether an index finds what matches: then nothing is cut.
    served: bool,
    left: u32,
    /// Where the last piece ended; `None` before the first, and after the last there can be.
    edge: Option<Timestamp>,
    done: bool,
}

impl Pieces {
    fn of(filter: &LogFilter, order: LogOrder, after: Option<LogId>, served: bool) -> Self {
        Self {
            window: filter.clone(),
            order,
            after,
            served: served || !filter.is_searched(),
            left: MAX_PIECES,
            edge: None,
            done: filter.is_empty(),
        }
    }

    fn is_one(&self) -> bool {
        self.served
    }

    /// The next piece, unless there is none, or none may be looked at any more.
    async fn next(&mut self, store: &SqliteStore) -> Result<Option<LogFilter>> {
        if self.done || self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut piece = self.window.clone();
        if self.served {
            self.done = true;
            return Ok(Some(piece));
        }
        // Only in the first piece there is something before it.
        let mut query = log_sources::edge(&self.window, self.order, self.after.take(), PIECE);
        let row = query.build().fetch_one(&mut *store.lists.acquire().await?).await?;
        self.edge = Columns(&row).time_option("edge")?;
        match (self.edge, self.order) {
            (None, _) => self.done = true,
            (Some(edge), LogOrder::Newest) => {
                piece.since = Some(edge);
                self.window.before = Some(edge);
            }
            (Some(edge), LogOrder::Oldest) => {
                let next = edge.saturating_add(std::time::Duration::from_millis(1));
                let next = next.expect("a std Duration has no calendar units");
                piece.before = Some(next);
                self.window.since = Some(next);
            }
        }
        Ok(Some(piece))
    }

    /// Where the search stopped, though there may be more.
    fn stopped_at(&self) -> Option<Timestamp> {
        self.edge.filter(|_| !self.done)
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
    // A delivery that comes to an end twice within a millisecond has one entry for it.
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
    use crate::domain::log::{LogField, LogSearch, LogTerm, LogType, Pattern};

    async fn store() -> (tempfile::TempDir, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        let store = SqliteStore::open(&url).await.unwrap();
        (folder, store)
    }

    /// The steps in which SQLite answers a query.
    async fn plan(store: &SqliteStore, query: &QueryBuilder<sqlx::Sqlite>) -> Vec<String> {
        let sql = format!("EXPLAIN QUERY PLAN {}", query.sql().as_str());
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&store.reader).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    fn text(field: LogField) -> LogSearch {
        LogTerm::Text(field, Pattern::exactly("x")).into()
    }

    const ORDERS: [(LogOrder, Option<LogId>); 3] =
        [(LogOrder::Newest, None), (LogOrder::Oldest, None), (LogOrder::Oldest, Some(LogId::FIRST))];

    #[tokio::test]
    async fn a_page_goes_along_the_index_from_where_it_begins() {
        const ALONG: &str = "SEARCH deliveries USING INDEX deliveries_settled (state=? AND settled_at";
        let (_folder, store) = store().await;
        let before = LogSearch::from(LogTerm::Date(None, Some(Timestamp::UNIX_EPOCH)));
        let restricted = LogFilter::from(LogSearch::All(vec![text(LogField::ClientId), before]));
        let failed = LogFilter::from(LogSearch::from(LogTerm::Type([LogType::LogoutFailed].into())));
        for (filter, parts) in [(LogFilter::default(), 3), (restricted, 3), (failed, 2)] {
            for (order, after) in ORDERS {
                let asked = Asked { filter: &filter, user: None };
                let part = Part { order, after, skip: 0, limit: 50 };
                let steps = plan(&store, &log_sources::page(&asked, &part)).await;
                let of_deliveries: Vec<_> = steps
                    .iter()
                    .filter(|step| step.contains(" deliveries") && !step.contains("(id=?)"))
                    .collect();
                assert_eq!(of_deliveries.len(), parts, "{steps:#?}");
                assert!(of_deliveries.iter().all(|step| step.starts_with(ALONG)), "{steps:#?}");
                // Those of one millisecond are sorted among themselves; parts of a page are merged.
                let sorted = steps.iter().filter(|step| step.ends_with("FOR LAST TERM OF ORDER BY")).count();
                assert_eq!(sorted, parts, "{steps:#?}");
                let of_written = steps.iter().filter(|step| step.contains(" audit_log"));
                let along = ["USING PRIMARY KEY", "SCAN audit_log", "audit_log_by_type (type=?"];
                assert!(
                    of_written.clone().all(|step| along.iter().any(|it| step.contains(it))),
                    "{:#?}",
                    of_written.collect::<Vec<_>>()
                );
            }
        }
    }

    #[tokio::test]
    async fn where_a_piece_ends_is_found_in_indexes_alone() {
        let (_folder, store) = store().await;
        for (order, _) in ORDERS {
            let steps = plan(&store, &log_sources::edge(&LogFilter::default(), order, None, PIECE)).await;
            let covered =
                "SEARCH deliveries USING COVERING INDEX deliveries_settled (state=? AND settled_at>?)";
            assert_eq!(steps.iter().filter(|step| *step == covered).count(), 3, "{steps:#?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{steps:#?}");
        }
    }

    #[tokio::test]
    async fn one_users_entries_are_found_from_the_sessions_on() {
        let (_folder, store) = store().await;
        let filter = LogFilter::from(LogSearch::All(vec![text(LogField::UserId), text(LogField::ClientId)]));
        let asked = Asked { filter: &filter, user: filter.user() };
        let part = Part { order: LogOrder::Newest, after: None, skip: 0, limit: 50 };
        for query in [log_sources::page(&asked, &part), log_sources::count(&asked, 1_000)] {
            let steps = plan(&store, &query).await;
            // What is gone through is what was found of the user already.
            let tables = ["s", "a", "audit_log USING", "deliveries USING", "sessions"];
            let scans =
                |step: &String| tables.iter().any(|table| step.starts_with(&format!("SCAN {table} ")));
            assert!(!steps.iter().any(scans), "{steps:#?}");
            assert!(steps.iter().any(|step| step.contains("sessions_by_sub (sub=?")), "{steps:#?}");
            assert!(
                steps.iter().any(|step| step.contains("deliveries_of_session (session_key=?")),
                "{steps:#?}"
            );
            assert!(!steps.iter().any(|step| step.contains("deliveries_settled (")), "{steps:#?}");
        }
    }

    #[tokio::test]
    async fn an_entry_is_read_as_it_was_written() {
        use crate::domain::log::Change;
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
