//! The queue over the `deliveries` table: due, lease, settle, release.
//!
//! Every change of a leased row matches on the lease's token, so that a worker which was paused past its
//! lease cannot overwrite its successor.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::columns::{Columns, millis};
use super::{SqliteStore, attempts, clients, deliveries};
use crate::domain::delivery::{State, Verdict};
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::plan::Registration;
use crate::storage::{DeliveryQueue, Due, DueClient, Lease, LeasedDelivery, Result, Settlement};

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn reclaim(&self, now: Timestamp) -> Result<u64> {
        // Looked at without the write lock first: it is asked often, and almost always for nothing.
        let expired = sqlx::query("SELECT 1 FROM deliveries WHERE state = 'in_flight' AND lease_until <= ?")
            .bind(millis(now))
            .fetch_optional(&self.reader)
            .await?;
        if expired.is_none() {
            return Ok(0);
        }
        let done = sqlx::query(put_back::RECLAIM).bind(millis(now)).execute(&self.writer).await?;
        Ok(done.rows_affected())
    }

    async fn due(&self, now: Timestamp) -> Result<Due> {
        // From the clients to their queues: each step is one look into an index, however long a queue is.
        let rows = sqlx::query(
            "SELECT client_id,
                 (SELECT MIN(due_at) FROM deliveries d
                     WHERE d.client_id = c.client_id AND d.state = 'pending') AS due_at,
                 (SELECT COUNT(*) FROM deliveries d
                     WHERE d.client_id = c.client_id AND d.state = 'in_flight') AS in_flight
             FROM clients c WHERE subscribed ORDER BY due_at",
        )
        .fetch_all(&self.reader)
        .await?;
        let lease_end: Option<i64> =
            sqlx::query("SELECT MIN(lease_until) FROM deliveries WHERE state = 'in_flight'")
                .fetch_one(&self.reader)
                .await?
                .try_get(0)?;

        let mut due =
            Due { clients: Vec::new(), next: lease_end.and_then(|it| Timestamp::from_millisecond(it).ok()) };
        for row in &rows {
            let columns = Columns(row);
            match columns.time_option("due_at")? {
                Some(at) if at <= now => due.clients.push(DueClient {
                    client_id: columns.parsed("client_id")?,
                    in_flight: columns.plain("in_flight")?,
                }),
                Some(at) => due.next = Some(due.next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        Ok(due)
    }

    async fn lease(
        &self,
        shares: &[(ClientId, u32)],
        lease: Lease,
        now: Timestamp,
    ) -> Result<Vec<LeasedDelivery>> {
        let mut transaction = self.write().await?;
        let ids = shares.iter().map(|(client_id, _)| client_id.clone()).collect();
        let registered = clients::registered(&mut transaction, &ids).await?;
        let mut leased = Vec::new();
        for (client_id, share) in shares {
            // Removed or unsubscribed since it was seen to be due: its deliveries are being discarded.
            let Some(Registration { client, subscribed: true }) = registered.get(client_id) else {
                continue;
            };
            let rows = sqlx::query(
                "UPDATE deliveries SET state = 'in_flight', lease_token = ?1, lease_until = ?2
                 WHERE id IN (SELECT id FROM deliveries
                     WHERE client_id = ?3 AND state = 'pending' AND due_at <= ?4 ORDER BY due_at LIMIT ?5)
                 RETURNING *",
            )
            .bind(lease.token)
            .bind(millis(lease.until))
            .bind(client_id.as_str())
            .bind(millis(now))
            .bind(share)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &rows {
                let columns = Columns(row);
                leased.push(LeasedDelivery {
                    intent: deliveries::intent(row)?,
                    client: client.clone(),
                    attempts: columns.plain("attempts")?,
                    outcome_unknown: columns.plain("outcome_unknown")?,
                    lease,
                });
            }
        }
        transaction.commit().await?;
        Ok(leased)
    }

    async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<Vec<Option<State>>> {
        let mut transaction = self.write().await?;
        let mut states = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            states.push(settle_one(&mut transaction, settlement, now).await?);
        }
        transaction.commit().await?;
        Ok(states)
    }

    async fn release(&self, ids: &[DeliveryId], token: Uuid, now: Timestamp) -> Result<()> {
        let mut transaction = self.write().await?;
        for id in ids {
            sqlx::query(put_back::RELEASE)
                .bind(millis(now))
                .bind(id.0)
                .bind(token)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn settle_one(
    connection: &mut SqliteConnection,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<Option<State>> {
    let row = match settlement.verdict {
        Verdict::Retry(due_at) => {
            sqlx::query(put_back::RETRY)
                .bind(millis(now))
                .bind(settlement.id.0)
                .bind(settlement.lease_token)
                .bind(settlement.attempt.outcome_unknown)
                .bind(millis(due_at))
                .fetch_optional(&mut *connection)
                .await?
        }
        last => {
            sqlx::query(
                "UPDATE deliveries SET state = ?5, attempts = attempts + 1, settled_at = ?1,
                     outcome_unknown = outcome_unknown OR ?4, lease_token = NULL, lease_until = NULL
                 WHERE id = ?2 AND lease_token = ?3 RETURNING state, attempts",
            )
            .bind(millis(now))
            .bind(settlement.id.0)
            .bind(settlement.lease_token)
            .bind(settlement.attempt.outcome_unknown)
            .bind(last.state().as_str())
            .fetch_optional(&mut *connection)
            .await?
        }
    };
    let Some(row) = row else { return Ok(None) };
    let columns = Columns(&row);
    attempts::insert(connection, settlement.id, columns.plain("attempts")?, &settlement.attempt).await?;
    if let Some(client_id) = &settlement.unsubscribe {
        clients::unsubscribe(connection, client_id, now).await?;
    }
    Ok(Some(deliveries::state(&columns)?))
}

/// Statements that put a leased row back: pending, or discarded if its client left meanwhile, since
/// nobody would ever lease it again. `?1` is the time.
mod put_back {
    macro_rules! put_back {
        ($set:literal, $where:literal) => {
            concat!(
                "UPDATE deliveries SET lease_token = NULL, lease_until = NULL,
                     state = iif(client_id IN (SELECT client_id FROM clients WHERE subscribed),
                                 'pending', 'discarded'),
                     settled_at = iif(client_id IN (SELECT client_id FROM clients WHERE subscribed),
                                      NULL, ?1)",
                $set,
                " WHERE state = 'in_flight' AND ",
                $where,
                " RETURNING state, attempts"
            )
        };
    }

    pub(super) const RECLAIM: &str = put_back!(", due_at = ?1, outcome_unknown = 1", "lease_until <= ?1");
    pub(super) const RELEASE: &str = put_back!("", "id = ?2 AND lease_token = ?3");
    pub(super) const RETRY: &str = put_back!(
        ", attempts = attempts + 1, outcome_unknown = outcome_unknown OR ?4, due_at = ?5",
        "id = ?2 AND lease_token = ?3"
    );
}
