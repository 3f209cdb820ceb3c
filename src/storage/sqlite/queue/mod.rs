//! The delivery queue, over the `deliveries` table.

mod leasing;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::columns::{Columns, hex, millis, to_json};
use super::rows::{BREAKERS, CLIENTS, DELIVERIES, Rows};
use super::{SqliteStore, breakers, clients, deliveries};
use crate::domain::breaker::OpenBreaker;
use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::plan::Registration;
use crate::storage::{
    ClientQueue, DeliveryQueue, DueTimes, Lease, LeasedTurn, QueueListener, QueueNotification, Result,
    Settled, Settlement, Turn,
};

/// How many rows of the whole table one transaction updates.
const STRIDE: i64 = 10_000;

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn recover(&self, now: Timestamp) -> Result<u64> {
        // Without another process, all leases are of earlier runs.
        let ended_before = if self.is_alone() { i64::MAX } else { millis(now) };
        self.reclaim_ended(ended_before, now).await
    }

    async fn reclaim(&self, now: Timestamp) -> Result<u64> {
        self.reclaim_ended(millis(now), now).await
    }

    async fn queues(&self) -> Result<Vec<ClientQueue>> {
        // For each client one index lookup, however long its queue is.
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
            let (mut deliveries, mut due) = (Vec::new(), DueTimes::default());
            // Otherwise the client was removed, unsubscribed or disabled since the dispatcher saw its queue.
            if let Some(Registration { client, subscribed: true }) = registered.get(&turn.client_id)
                && client.enabled
            {
                let rows = leasing::lease_turn(&mut transaction, turn, lease, now).await?;
                let read = |row| leasing::leased_delivery(row, Arc::clone(client), lease);
                deliveries = self.rows.readable(&DELIVERIES, &rows, read)?;
                if deliveries.len() < rows.len() {
                    leasing::put_off_unreadable(&mut transaction, &rows, &deliveries, now).await?;
                }
                due = leasing::due_times(&mut transaction, &turn.client_id).await?;
            }
            leased.push(LeasedTurn { client_id: turn.client_id.clone(), deliveries, due });
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
        // Checked without the write lock first: this is called every second, and there is almost never any.
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
        // In ranges of row ids: every row is changed once, and other writers get in between.
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
        // Checked without the write lock first: this is called every second, and there is almost never any.
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

fn client_queue(rows: &Rows, row: &SqliteRow) -> Result<ClientQueue> {
    let columns = Columns(row);
    // A breaker that cannot be read counts as closed: the client is attempted, and it opens again if that fails.
    let breaker = match columns.time_option("since")? {
        Some(_) => rows.readable(&BREAKERS, [row], breakers::breaker)?.pop(),
        None => None,
    };
    Ok(ClientQueue { client_id: columns.parsed("client_id")?, due: read_due_times(&columns)?, breaker })
}

fn read_due_times(columns: &Columns<'_>) -> Result<DueTimes> {
    let (first_attempt, retry) = (columns.time_option("first_due_at")?, columns.time_option("retry_due_at")?);
    Ok(DueTimes { first_attempt, retry })
}

fn lease_list(leases: &[(DeliveryId, Uuid)]) -> String {
    to_json(&leases.iter().map(|(id, token)| (hex(id.0), hex(*token))).collect::<Vec<_>>())
}

/// Statements that put leased rows back: pending, or discarded if their client is no longer subscribed, since they would
/// never be leased again. `?1` is the time.
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
