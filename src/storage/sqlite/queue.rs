//! The queue over the `deliveries` table: what is due, leases, and what puts a delivery back. How outcomes
//! are recorded is `settle`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{BREAKERS, CLIENTS, DELIVERIES, Rows};
use super::{SqliteStore, breakers, clients, deliveries, settle};
use crate::domain::breaker::OpenBreaker;
use crate::domain::client::Client;
use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::plan::Registration;
use crate::domain::time::after;
use crate::storage::{
    ClientQueue, DeliveryQueue, Lease, LeasedDelivery, LeasedTurn, Order, QueueListener, QueueNotification,
    Result, Settled, Settlement, Turn,
};

/// How many rows a statement that goes through the whole table changes in one transaction.
const STRIDE: i64 = 10_000;

/// After how long a delivery that could not be read is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn recover(&self, now: Timestamp) -> Result<u64> {
        // Alone with the file, every lease in it is of a process that is gone.
        let ended_before = if self.is_alone() { i64::MAX } else { millis(now) };
        self.reclaim_ended(ended_before, now).await
    }

    async fn reclaim(&self, now: Timestamp) -> Result<u64> {
        self.reclaim_ended(millis(now), now).await
    }

    async fn queues(&self) -> Result<Vec<ClientQueue>> {
        // From the clients to their queues: each step is one look into an index, however long a queue is.
        let rows = sqlx::query(
            "SELECT c.client_id, b.since, b.until, b.probes,
                 (SELECT MIN(due_at) FROM deliveries WHERE client_id = c.client_id AND state = 'pending'
                     AND (failures + redeliveries > 0) = 0) AS first_due_at,
                 (SELECT MIN(due_at) FROM deliveries WHERE client_id = c.client_id AND state = 'pending'
                     AND (failures + redeliveries > 0) = 1) AS retry_due_at
             FROM clients c LEFT JOIN breakers b USING (client_id)
             WHERE subscribed AND enabled
                 AND (first_due_at IS NOT NULL OR retry_due_at IS NOT NULL OR since IS NOT NULL)",
        )
        .fetch_all(&self.reader)
        .await?;
        self.rows.readable(&CLIENTS, &rows, |row| client_queue(&self.rows, row))
    }

    fn listen(&self) -> Box<dyn QueueListener> {
        Box::new(Silent)
    }

    async fn lease(&self, turns: &[Turn], lease: Lease, now: Timestamp) -> Result<Vec<LeasedTurn>> {
        let mut transaction = self.write().await?;
        let ids: BTreeSet<ClientId> = turns.iter().map(|turn| turn.client_id.clone()).collect();
        let registered = clients::registered(&mut transaction, &self.rows, &ids).await?;
        let mut leased = Vec::with_capacity(turns.len());
        for turn in turns {
            let (mut deliveries, mut due_at) = (Vec::new(), None);
            // Else it was removed, unsubscribed or disabled since it was seen to be due.
            if let Some(Registration { client, subscribed: true }) = registered.get(&turn.client_id)
                && client.enabled
            {
                let rows = lease_turn(&mut transaction, turn, lease, now).await?;
                let read = |row| leased_delivery(row, Arc::clone(client), lease);
                deliveries = self.rows.readable(&DELIVERIES, &rows, read)?;
                if deliveries.len() < rows.len() {
                    put_off_unreadable(&mut transaction, &rows, &deliveries, now).await?;
                }
                due_at = next_due(&mut transaction, &turn.client_id).await?;
            }
            leased.push(LeasedTurn { client_id: turn.client_id.clone(), deliveries, due_at });
        }
        transaction.commit().await?;
        Ok(leased)
    }

    async fn extend(&self, leases: &[(DeliveryId, Uuid)], until: Timestamp) -> Result<Vec<DeliveryId>> {
        let mut write = self.write().await?;
        let rows = sqlx::query(
            "UPDATE OR ROLLBACK deliveries SET lease_until = ?1
             FROM (SELECT unhex(value ->> 0) AS id, unhex(value ->> 1) AS token FROM json_each(?2)) AS held
             WHERE deliveries.id = held.id AND deliveries.lease_token = held.token RETURNING deliveries.id",
        )
        .bind(millis(until))
        .bind(lease_list(leases))
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        self.rows.readable(&DELIVERIES, &rows, |row| Ok(DeliveryId(Columns(row).plain("id")?)))
    }

    async fn settle(
        &self,
        settlements: &[Settlement],
        breakers: &BTreeMap<ClientId, Option<OpenBreaker>>,
        now: Timestamp,
    ) -> Result<Vec<Option<Settled>>> {
        let mut transaction = self.write().await?;
        let settled = settle::all(&mut transaction, &self.rows, settlements, breakers, now).await?;
        transaction.commit().await?;
        Ok(settled)
    }

    async fn release(&self, leases: &[(DeliveryId, Uuid)], now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(put_back::RELEASE)
            .bind(millis(now))
            .bind(lease_list(leases))
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<(DeliveryId, ClientId, State)>> {
        // Looked at without the write lock first: it is asked often, and almost always for nothing.
        let first =
            sqlx::query("SELECT 1 FROM deliveries WHERE state = 'pending' AND expires_at <= ? LIMIT 1")
                .bind(millis(now))
                .fetch_optional(&self.reader)
                .await?;
        if first.is_none() {
            return Ok(Vec::new());
        }
        let mut write = self.write().await?;
        let rows = sqlx::query(
            "UPDATE OR ROLLBACK deliveries SET settled_at = ?1,
                 state = iif(client_id IN (SELECT client_id FROM clients WHERE subscribed AND enabled),
                             'exhausted', 'discarded')
             WHERE id IN (SELECT id FROM deliveries WHERE state = 'pending' AND expires_at <= ?1 LIMIT ?2)
             RETURNING id, client_id, state",
        )
        .bind(millis(now))
        .bind(limit)
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        self.rows.readable(&DELIVERIES, &rows, |row| {
            let columns = Columns(row);
            let id = DeliveryId(columns.plain("id")?);
            Ok((id, columns.parsed("client_id")?, deliveries::state(&columns)?))
        })
    }

    async fn discard_left(&self, now: Timestamp) -> Result<()> {
        for client_id in self.left_with_deliveries().await? {
            while self.discard(&client_id, now).await? {}
        }
        Ok(())
    }

    async fn bring_forward(&self, by: Duration, now: Timestamp) -> Result<()> {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let last: Option<i64> =
            sqlx::query("SELECT MAX(rowid) FROM deliveries").fetch_one(&self.reader).await?.try_get(0)?;
        // A stride at a time: every row is changed once, and other writers get their turns.
        let mut from = 0;
        while from <= last.unwrap_or(-1) {
            let mut write = self.write().await?;
            sqlx::query(
                "UPDATE OR ROLLBACK deliveries SET due_at = MAX(?1, due_at - ?2)
                 WHERE state = 'pending' AND due_at > ?1 AND rowid BETWEEN ?3 AND ?4",
            )
            .bind(millis(now))
            .bind(by)
            .bind(from)
            .bind(from + STRIDE - 1)
            .execute(&mut *write)
            .await?;
            write.commit().await?;
            from += STRIDE;
        }
        Ok(())
    }
}

impl SqliteStore {
    async fn reclaim_ended(&self, ended_before: i64, now: Timestamp) -> Result<u64> {
        // Looked at without the write lock first: it is asked often, and almost always for nothing.
        let ended =
            sqlx::query("SELECT 1 FROM deliveries WHERE state = 'in_flight' AND lease_until <= ? LIMIT 1")
                .bind(ended_before)
                .fetch_optional(&self.reader)
                .await?;
        if ended.is_none() {
            return Ok(0);
        }
        let mut write = self.write().await?;
        let reclaim = sqlx::query(put_back::RECLAIM).bind(millis(now)).bind(ended_before);
        let reclaimed = reclaim.execute(&mut *write).await?.rows_affected();
        write.commit().await?;
        Ok(reclaimed)
    }
}

/// SQLite has no notifications between processes.
struct Silent;

#[async_trait]
impl QueueListener for Silent {
    async fn next(&mut self) -> QueueNotification {
        std::future::pending().await
    }
}

/// Leases for one client. First attempts and retries have an order of their own each, so they are taken one
/// after the other: the kind whose turn it is, then the other for what room is left.
async fn lease_turn(
    connection: &mut SqliteConnection,
    turn: &Turn,
    lease: Lease,
    now: Timestamp,
) -> Result<Vec<SqliteRow>> {
    let mut rows = Vec::new();
    let first_room = |taken: u32| (turn.any + turn.first).saturating_sub(taken);
    let kinds = match turn.order {
        Order::FirstAttempts => [false, true],
        Order::Retries => [true, false],
    };
    for retries in kinds {
        let taken = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        // What was leased so far used up the room for any before that for first attempts, or none of it.
        let room = if retries { turn.any.saturating_sub(taken) } else { first_room(taken) };
        if room > 0 {
            rows.extend(lease_kind(connection, &turn.client_id, retries, room, lease, now).await?);
        }
    }
    Ok(rows)
}

async fn lease_kind(
    connection: &mut SqliteConnection,
    client_id: &ClientId,
    retries: bool,
    room: u32,
    lease: Lease,
    now: Timestamp,
) -> Result<Vec<SqliteRow>> {
    let rows = sqlx::query(
        "UPDATE OR ROLLBACK deliveries SET state = 'in_flight', lease_token = ?1, lease_until = ?2
         WHERE id IN (SELECT id FROM deliveries
             WHERE client_id = ?3 AND state = 'pending' AND (failures + redeliveries > 0) = ?4 AND due_at <= ?5
             ORDER BY due_at LIMIT ?6)
         RETURNING *, rowid AS row",
    )
    .bind(lease.token)
    .bind(millis(lease.until))
    .bind(client_id.as_str())
    .bind(retries)
    .bind(millis(now))
    .bind(room)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Puts back what was leased and cannot be read. It waits a while and is looked at again, so that it holds up nothing
/// that can be read, goes out once it is mended, and is exhausted like any other when its time runs out.
async fn put_off_unreadable(
    connection: &mut SqliteConnection,
    leased: &[SqliteRow],
    read: &[LeasedDelivery],
    now: Timestamp,
) -> Result<()> {
    let readable: BTreeSet<&[u8]> = read.iter().map(|it| it.intent.id.0.as_bytes().as_slice()).collect();
    let mut unreadable: Vec<i64> = Vec::new();
    for row in leased {
        if !readable.contains(Columns(row).plain::<&[u8]>("id")?) {
            unreadable.push(row.try_get("row")?);
        }
    }
    sqlx::query(
        "UPDATE OR ROLLBACK deliveries SET state = 'pending', lease_token = NULL, lease_until = NULL, due_at = ?1
         WHERE rowid IN (SELECT value FROM json_each(?2))",
    )
    .bind(millis(after(now, LOOK_AGAIN_AFTER)))
    .bind(to_json(&unreadable))
    .execute(connection)
    .await?;
    Ok(())
}

async fn next_due(connection: &mut SqliteConnection, client_id: &ClientId) -> Result<Option<Timestamp>> {
    let row = sqlx::query(
        "SELECT (SELECT MIN(due_at) FROM deliveries WHERE client_id = ?1 AND state = 'pending'
                     AND (failures + redeliveries > 0) = 0) AS first_due_at,
                (SELECT MIN(due_at) FROM deliveries WHERE client_id = ?1 AND state = 'pending'
                     AND (failures + redeliveries > 0) = 1) AS retry_due_at",
    )
    .bind(client_id.as_str())
    .fetch_one(connection)
    .await?;
    earlier(&Columns(&row))
}

fn client_queue(rows: &Rows, row: &SqliteRow) -> Result<ClientQueue> {
    let columns = Columns(row);
    // A breaker that cannot be read is closed: the client is tried, and it opens again if that fails.
    let breaker = match columns.time_option("since")? {
        Some(_) => rows.readable(&BREAKERS, [row], breakers::breaker)?.pop(),
        None => None,
    };
    Ok(ClientQueue { client_id: columns.parsed("client_id")?, due_at: earlier(&columns)?, breaker })
}

fn earlier(columns: &Columns<'_>) -> Result<Option<Timestamp>> {
    let (first, retry) = (columns.time_option("first_due_at")?, columns.time_option("retry_due_at")?);
    Ok(first.into_iter().chain(retry).min())
}

fn leased_delivery(row: &SqliteRow, client: Arc<Client>, lease: Lease) -> Result<LeasedDelivery> {
    let columns = Columns(row);
    Ok(LeasedDelivery {
        intent: deliveries::intent(row)?,
        client,
        attempts: columns.plain("attempts")?,
        failures: columns.plain("failures")?,
        outcome_unknown: columns.plain("outcome_unknown")?,
        lease,
    })
}

fn lease_list(leases: &[(DeliveryId, Uuid)]) -> String {
    to_json(&leases.iter().map(|(id, token)| (hex(id.0), hex(*token))).collect::<Vec<_>>())
}

/// Statements that put leased rows back: pending, or discarded if their client left meanwhile, since nobody
/// would ever lease them again. `?1` is the time.
mod put_back {
    macro_rules! put_back {
        ($set:literal, $where:literal) => {
            concat!(
                "UPDATE OR ROLLBACK deliveries SET lease_token = NULL, lease_until = NULL,
                     state = iif(client_id IN (SELECT client_id FROM clients WHERE subscribed),
                                 'pending', 'discarded'),
                     settled_at = iif(client_id IN (SELECT client_id FROM clients WHERE subscribed), NULL, ?1)",
                $set,
                " WHERE state = 'in_flight' AND ",
                $where
            )
        };
    }

    pub(super) const RECLAIM: &str = put_back!(", due_at = ?1, outcome_unknown = 1", "lease_until <= ?2");
    pub(super) const RELEASE: &str = put_back!(
        "",
        "(id, lease_token) IN (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?2))"
    );
}
