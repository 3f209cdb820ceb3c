//! The `deliveries` table: its rows are inserted and read here; [`queue`](super::queue) leases and settles them.

mod list;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
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

use list::List;
pub(super) use list::push_filter;

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
        // One more than requested shows whether there are more.
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

/// The deliveries of these ended sessions. One that cannot be read is an error, since its client must not get a second
/// delivery.
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

/// Makes pending deliveries stand for a newer end too: due at once, with a schedule that starts over. Retries stay
/// retries, since these are leased in an order of their own.
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

/// Inserts deliveries: leased where there is a lease, else pending and due at once.
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
