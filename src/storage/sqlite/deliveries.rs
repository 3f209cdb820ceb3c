//! The `deliveries` table, as it is filled and read. How it is worked off is `queue`'s.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{DELIVERIES, Page, QUEUES, Rows};
use super::{SqliteStore, attempts, breakers};
use crate::domain::breaker::OpenBreaker;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliverySummary, Intent, State};
use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use crate::domain::plan::WaitingSubject;
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
        // One more than asked for tells whether there are more.
        let mut page = Page::of(limit.saturating_add(1));
        while let Some((wanted, skip)) = page.wanted() {
            let mut query = QueryBuilder::new("SELECT * FROM deliveries WHERE TRUE");
            push_filter(&mut query, filter);
            if let Some(sid) = sid {
                // By way of the session, whose deliveries have an index.
                query.push(" AND session_key = (SELECT key FROM sessions WHERE sid = ");
                query.push_bind(sid.as_str()).push(")");
            }
            if let Some(before) = before {
                query.push(" AND id < ").push_bind(before.0);
            }
            query.push(" ORDER BY id DESC LIMIT ").push_bind(wanted).push(" OFFSET ").push_bind(skip);
            let rows = query.build().fetch_all(&self.reader).await?;
            page.add(&self.rows, &DELIVERIES, &rows, delivery)?;
        }
        let mut deliveries = page.items;
        let more = deliveries.len() > limit as usize;
        deliveries.truncate(limit as usize);
        Ok(DeliveryPage { deliveries, more })
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>> {
        let rows = sqlx::query(
            "SELECT client_id, COUNT(*) AS pending, MIN(due_at) AS due_at FROM deliveries
             WHERE state = 'pending' GROUP BY client_id",
        )
        .fetch_all(&self.reader)
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

/// Appends what a filter asks for to a query over `deliveries`.
pub(super) fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    let DeliveryFilter { client_id, states, initiator, created_after, created_before } = filter;
    if let Some(client_id) = client_id {
        query.push(" AND client_id = ").push_bind(client_id.as_str().to_owned());
    }
    if let Some(states) = states {
        // Written out, not bound: so the planner sees that an index on some states will do.
        let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
        query.push(format!(" AND state IN ({})", states.join(", ")));
    }
    if let Some(initiator) = initiator {
        query.push(" AND initiator = ").push_bind(initiator.as_str());
    }
    if let Some(time) = created_after {
        query.push(" AND created_at >= ").push_bind(millis(*time));
    }
    if let Some(time) = created_before {
        query.push(" AND created_at < ").push_bind(millis(*time));
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
) -> Result<Vec<WaitingSubject>> {
    let subs: Vec<_> = subs.iter().map(Sub::as_str).collect();
    let found = sqlx::query(
        "SELECT sub, id, client_id, state FROM deliveries
         WHERE state = 'pending' AND sid IS NULL AND sub IN (SELECT value FROM json_each(?))",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.readable(&DELIVERIES, &found, |row| {
        Ok(WaitingSubject { sub: Columns(row).parsed("sub")?, delivery: summary(row)? })
    })
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
        session_key: columns.plain::<Option<uuid::Uuid>>("session_key")?.map(SessionKey),
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
