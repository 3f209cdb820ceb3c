//! Leasing: which due deliveries of a client are leased, and what becomes of those that cannot be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::read_due_times;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::time::after;
use crate::storage::sqlite::columns::{Columns, millis, to_json};
use crate::storage::sqlite::deliveries;
use crate::storage::{DueTimes, Lease, LeasedDelivery, Order, Result, Turn};

/// The pause before a delivery that could not be read is leased again.
const UNREADABLE_PAUSE: Duration = Duration::from_mins(1);

/// Leases deliveries of one client. First attempts and retries are in separate ranges of the index, so one kind is
/// leased after the other, the preferred one first.
pub(super) async fn lease_turn(
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
        // What was leased so far counts against the limit for either kind first.
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

/// Puts leased rows back that cannot be read, due again after a pause: they keep no other delivery waiting, are attempted
/// once they are repaired, and are exhausted like any other at their maximum age.
pub(super) async fn put_off_unreadable(
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
    .bind(millis(after(now, UNREADABLE_PAUSE)))
    .bind(to_json(&unreadable))
    .execute(connection)
    .await?;
    Ok(())
}

/// When the pending deliveries of a client are due.
pub(super) async fn due_times(connection: &mut SqliteConnection, client_id: &ClientId) -> Result<DueTimes> {
    let row = sqlx::query(
        "SELECT (SELECT MIN(due_at) FROM deliveries WHERE client_id = ?1 AND state = 'pending'
                     AND (failures + redeliveries > 0) = 0) AS first_due_at,
                (SELECT MIN(due_at) FROM deliveries WHERE client_id = ?1 AND state = 'pending'
                     AND (failures + redeliveries > 0) = 1) AS retry_due_at",
    )
    .bind(client_id.as_str())
    .fetch_one(connection)
    .await?;
    read_due_times(&Columns(&row))
}

/// A leased delivery, from its row.
pub(super) fn leased_delivery(row: &SqliteRow, client: Arc<Client>, lease: Lease) -> Result<LeasedDelivery> {
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
