//! The `deliveries` table, as it is filled and read. How it is worked off is `queue`'s.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{DELIVERIES, Page, QUEUES, Rows};
use super::{SqliteStore, attempts, breakers};
use crate::domain::breaker::OpenBreaker;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliverySummary, Intent, State};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::plan::{Renewal, WaitingSubjects};
use crate::domain::session::SessionKey;
use crate::storage::{AttemptRecord, DeliveryPage, DeliveryReader, Lease, QueueDepth, Result};

#[async_trait]
impl DeliveryReader for SqliteStore {
    async fn summaries(&self, ids: &[DeliveryId]) -> Result<Vec<DeliverySummary>> {
        let rows = sqlx::query(
            "SELECT id, client_id, state FROM deliveries
             WHERE id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY id",
        )
        .bind(to_json(&ids.iter().map(|id| hex(id.0)).collect::<Vec<_>>()))
        .fetch_all(&self.reader)
        .await?;
        self.rows.readable(&DELIVERIES, &rows, summary)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        let row = sqlx::query("SELECT * FROM deliveries WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(|row| self.rows.one(&DELIVERIES, row, delivery)).transpose()
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<AttemptRecord>> {
        attempts::of(&mut *self.reader.acquire().await?, &self.rows, id).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        sid: Option<&Sid>,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage> {
        let mut connection = self.lists.acquire().await?;
        let list = List { filter, sid, before };
        let window_end = match list.window_end() {
            Some(mut query) => {
                let row = query.build().fetch_optional(&mut *connection).await?;
                row.map(|row| Columns(&row).plain("id").map(DeliveryId)).transpose()?
            }
            None => None,
        };
        // One more than asked for tells whether there are more.
        let mut page = Page::of(limit.saturating_add(1));
        while let Some((wanted, skip)) = page.wanted() {
            let mut query = list.page(window_end, wanted, skip);
            let rows = query.build().fetch_all(&mut *connection).await?;
            page.add(&self.rows, &DELIVERIES, &rows, delivery)?;
        }
        let mut deliveries = page.items;
        let more = deliveries.len() > limit as usize;
        deliveries.truncate(limit as usize);
        let next = if more { deliveries.last().map(|last| last.intent.id) } else { window_end };
        Ok(DeliveryPage { deliveries, next })
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>> {
        let rows = sqlx::query(
            "SELECT client_id, COUNT(*) AS pending, MIN(due_at) AS due_at FROM deliveries
             WHERE state = 'pending' GROUP BY client_id",
        )
        .fetch_all(&mut *self.lists.acquire_unlimited().await?)
        .await?;
        self.rows.readable(&QUEUES, &rows, |row| {
            let columns = Columns(row);
            Ok(QueueDepth {
                client_id: columns.parsed("client_id")?,
                pending: columns.plain::<i64>("pending")?.unsigned_abs(),
                due_at: columns.time("due_at")?,
            })
        })
    }

    async fn open_breakers(&self) -> Result<Vec<(ClientId, OpenBreaker)>> {
        breakers::all(&mut *self.reader.acquire().await?, &self.rows).await
    }
}

/// How many deliveries a page looks at: if fewer match than were asked for, it is short, and says where to go
/// on. With every index that a filter might want, each delivery would cost more to store than to send.
const WINDOW: u32 = 10_000;

/// What is asked for: deliveries before one of them, the newest first.
struct List<'l> {
    filter: &'l DeliveryFilter,
    sid: Option<&'l Sid>,
    before: Option<DeliveryId>,
}

impl List<'_> {
    /// A query for the last delivery that the page looks at; `None` where there are few in any case, those of
    /// a session.
    fn window_end(&self) -> Option<QueryBuilder<Sqlite>> {
        if self.sid.is_some() {
            return None;
        }
        let mut query = QueryBuilder::new("SELECT id FROM deliveries WHERE TRUE");
        self.push_way(&mut query);
        query.push(" ORDER BY id DESC LIMIT 1 OFFSET ").push_bind(WINDOW - 1);
        Some(query)
    }

    /// A query for those that match, down to the end of the window.
    fn page(&self, window_end: Option<DeliveryId>, limit: u32, skip: u32) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT * FROM deliveries WHERE TRUE");
        self.push_way(&mut query);
        if let Some(end) = window_end {
            query.push(" AND id >= ").push_bind(end.0);
        }
        push_conditions(&mut query, self.filter, "+");
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
        query
    }

    /// The way through the table: an index, and between which ids. Ids are in order of the time of making.
    fn push_way(&self, query: &mut QueryBuilder<Sqlite>) {
        let DeliveryFilter { client_id, states, created_after, created_before, .. } = self.filter;
        if let Some(sid) = self.sid {
            // By way of the session, whose deliveries have an index.
            query.push(" AND session_key = (SELECT key FROM sessions WHERE sid = ");
            query.push_bind(sid.as_str().to_owned()).push(")");
        } else if let (Some(client_id), Some(states)) = (client_id, states)
            && states.iter().all(|state| matches!(state, State::Rejected | State::Exhausted))
        {
            query.push(" AND state IN ('rejected', 'exhausted') AND client_id = ");
            query.push_bind(client_id.as_str().to_owned());
        }
        if let Some(before) = self.before {
            query.push(" AND id < ").push_bind(before.0);
        }
        if let Some(time) = created_before {
            query.push(" AND id < ").push_bind(first_id_of(millis(*time)));
        }
        if let Some(time) = created_after {
            query.push(" AND id >= ").push_bind(first_id_of(millis(*time)));
        }
    }
}

/// The least id of a delivery made in this millisecond (RFC 9562 §5.7). Times before 1970 are 1970.
fn first_id_of(millis: i64) -> Uuid {
    Uuid::from_u128(u128::from(u64::try_from(millis).unwrap_or(0)) << 80)
}

/// Appends what a filter asks for to a query over `deliveries`.
pub(super) fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    push_conditions(query, filter, "");
}

/// The same, with something in front of each column: a `+` keeps SQLite from choosing an index by it.
fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter, sign: &str) {
    let DeliveryFilter { client_id, states, initiator, created_after, created_before } = filter;
    if let Some(client_id) = client_id {
        query.push(format!(" AND {sign}client_id = ")).push_bind(client_id.as_str().to_owned());
    }
    if let Some(states) = states {
        // Written out, not bound: so the planner sees that an index on some states will do.
        let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
        query.push(format!(" AND {sign}state IN ({})", states.join(", ")));
    }
    if let Some(initiator) = initiator {
        query.push(format!(" AND {sign}initiator = ")).push_bind(initiator.as_str());
    }
    if let Some(time) = created_after {
        query.push(format!(" AND {sign}created_at >= ")).push_bind(millis(*time));
    }
    if let Some(time) = created_before {
        query.push(format!(" AND {sign}created_at < ")).push_bind(millis(*time));
    }
}

/// The deliveries that arose from the ends of these sessions. One that cannot be read is an error: who was told
/// already must not be told again.
pub(super) async fn of_sessions(
    connection: &mut SqliteConnection,
    rows: &Rows,
    keys: &[SessionKey],
) -> Result<Vec<(SessionKey, DeliverySummary)>> {
    let found = sqlx::query(
        "SELECT session_key, id, client_id, state FROM deliveries
         WHERE session_key IN (SELECT unhex(value) FROM json_each(?)) ORDER BY client_id",
    )
    .bind(to_json(&keys.iter().map(|key| hex(key.0)).collect::<Vec<_>>()))
    .fetch_all(connection)
    .await?;
    let read = |row| Ok((SessionKey(Columns(row).plain("session_key")?), summary(row)?));
    found.iter().map(|row| rows.one(&DELIVERIES, row, read)).collect()
}

/// The pending deliveries that have one of these `sub`s and no `sid`.
pub(super) async fn waiting_subjects(
    connection: &mut SqliteConnection,
    rows: &Rows,
    subs: &BTreeSet<Sub>,
) -> Result<WaitingSubjects> {
    let subs: Vec<_> = subs.iter().map(Sub::as_str).collect();
    let found = sqlx::query(
        "SELECT sub, id, client_id, state FROM deliveries
         WHERE state = 'pending' AND sid IS NULL AND sub IN (SELECT value FROM json_each(?))",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    let waiting =
        rows.readable(&DELIVERIES, &found, |row| Ok((Columns(row).parsed("sub")?, summary(row)?)))?;
    Ok(waiting.into_iter().collect())
}

/// Has pending deliveries tell of a newer end too: due at once, with a schedule that starts anew. They stay retries
/// if they were, which have an order of their own.
pub(super) async fn renew(
    connection: &mut SqliteConnection,
    renewed: &[&Renewal],
    now: Timestamp,
) -> Result<()> {
    let row =
        |it: &&Renewal| (hex(it.id.0), it.initiator, to_json(&it.session_metadata), millis(it.expires_at));
    sqlx::query(
        "UPDATE OR ROLLBACK deliveries SET due_at = MIN(due_at, ?1), failures = MIN(failures, 1),
             initiator = renewed.initiator, session_metadata = renewed.session_metadata,
             expires_at = MAX(deliveries.expires_at, renewed.expires_at)
         FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS initiator, value ->> 2 AS session_metadata,
                   value ->> 3 AS expires_at
               FROM json_each(?2)) AS renewed
         WHERE deliveries.id = renewed.id AND state = 'pending'",
    )
    .bind(millis(now))
    .bind(to_json(&renewed.iter().map(row).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Queues deliveries: leased where there is a lease, else pending and due at once.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    deliveries: &[(&Intent, Option<Lease>)],
) -> Result<()> {
    let rows: Vec<_> = deliveries.iter().map(|(intent, lease)| row(intent, *lease)).collect();
    sqlx::query(
        "INSERT OR ROLLBACK INTO deliveries (id, session_key, sid, sub, sub_is_public, client_id, initiator,
             session_metadata, state, created_at, due_at, expires_at, lease_token, lease_until)
         SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
             value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 9, value ->> 10,
             unhex(value ->> 11), value ->> 12
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(intent: &Intent, lease: Option<Lease>) -> impl Serialize {
    let state = if lease.is_some() { State::InFlight } else { State::Pending };
    (
        hex(intent.id.0),
        intent.session_key.map(|key| hex(key.0)),
        &intent.sid,
        &intent.sub,
        intent.sub_is_public,
        &intent.client_id,
        intent.initiator,
        to_json(&intent.session_metadata),
        state,
        millis(intent.created_at),
        millis(intent.expires_at),
        lease.map(|lease| hex(lease.token)),
        lease.map(|lease| millis(lease.until)),
    )
}

/// A delivery's intent, from its row.
pub(super) fn intent(row: &SqliteRow) -> Result<Intent> {
    let columns = Columns(row);
    Ok(Intent {
        id: DeliveryId(columns.plain("id")?),
        session_key: columns.plain::<Option<Uuid>>("session_key")?.map(SessionKey),
        sid: columns.parsed_option("sid")?,
        sub: columns.parsed_option("sub")?,
        sub_is_public: columns.plain("sub_is_public")?,
        client_id: columns.parsed("client_id")?,
        initiator: columns.parsed("initiator")?,
        session_metadata: columns.json("session_metadata")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time("expires_at")?,
    })
}

fn delivery(row: &SqliteRow) -> Result<Delivery> {
    let columns = Columns(row);
    Ok(Delivery {
        intent: intent(row)?,
        state: state(&columns)?,
        attempts: columns.plain("attempts")?,
        redeliveries: columns.plain("redeliveries")?,
        outcome_unknown: columns.plain("outcome_unknown")?,
        due_at: columns.time("due_at")?,
        settled_at: columns.time_option("settled_at")?,
    })
}

fn summary(row: &SqliteRow) -> Result<DeliverySummary> {
    let columns = Columns(row);
    Ok(DeliverySummary {
        id: DeliveryId(columns.plain("id")?),
        client_id: columns.parsed("client_id")?,
        state: state(&columns)?,
    })
}

/// The `state` column.
pub(super) fn state(columns: &Columns<'_>) -> Result<State> {
    columns.word("state", |word| State::ALL.into_iter().find(|state| state.as_str() == word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::test_support::{plan, store};
    use super::*;

    async fn plans(filter: &DeliveryFilter, sid: Option<&Sid>) -> Vec<String> {
        let (_folder, store) = store().await;
        let before = Some(DeliveryId(Uuid::max()));
        let list = List { filter, sid, before };
        let mut steps = Vec::new();
        if let Some(query) = list.window_end() {
            steps.extend(plan(&store, query.sql().as_str()).await);
        }
        steps.extend(plan(&store, list.page(Some(DeliveryId(Uuid::nil())), 51, 0).sql().as_str()).await);
        steps
    }

    #[tokio::test]
    async fn no_filter_leads_off_the_window() {
        let states = |states: &[State]| Some(states.iter().copied().collect::<BTreeSet<_>>());
        let client_id: Option<ClientId> = Some("shop".parse().unwrap());
        let initiator = Some("rp-logout".parse().unwrap());
        let time = Some("2026-01-02T03:04:05Z".parse().unwrap());
        let none = DeliveryFilter::default();
        for filter in [
            none.clone(),
            DeliveryFilter { initiator, ..none.clone() },
            DeliveryFilter { client_id: client_id.clone(), ..none.clone() },
            DeliveryFilter {
                states: states(&[State::Pending]),
                client_id: client_id.clone(),
                ..none.clone()
            },
            DeliveryFilter { states: states(&[State::InFlight]), ..none.clone() },
            DeliveryFilter { states: states(&[State::Rejected, State::Exhausted]), ..none.clone() },
            DeliveryFilter { created_after: time, created_before: time, initiator, ..none.clone() },
        ] {
            let steps = plans(&filter, None).await;
            assert_eq!(steps.len(), 2, "{filter:?}: {steps:#?}");
            for step in &steps {
                let along = "INDEX sqlite_autoindex_deliveries_1 (id";
                assert!(step.contains(along), "{filter:?}: {steps:#?}");
            }
        }
        // What an index brings together goes along it, and that is the window.
        let dead =
            DeliveryFilter { states: states(&[State::Rejected]), client_id, initiator, ..none.clone() };
        for step in plans(&dead, None).await {
            assert!(step.contains("INDEX deliveries_dead (client_id=? AND id"), "{step}");
        }
        let sid: Sid = "s-1".parse().unwrap();
        let steps = plans(&DeliveryFilter { initiator, ..none }, Some(&sid)).await;
        assert!(steps[0].contains("INDEX deliveries_of_session (session_key=?)"), "{steps:#?}");
    }
}
