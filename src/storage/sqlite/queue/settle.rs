//! Settlement: the outcomes of a group of attempts are stored with a few statements, however many they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::domain::breaker::OpenBreaker;
use crate::domain::delivery::Verdict;
use crate::domain::ids::{ClientId, DeliveryId};
use crate::storage::sqlite::columns::{Columns, hex, millis, to_json};
use crate::storage::sqlite::rows::{DELIVERIES, Rows};
use crate::storage::sqlite::{attempts, breakers, clients, deliveries};
use crate::storage::{Result, Settled, Settlement};

/// Stores settlements, their attempts, changed breakers and ended subscriptions.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    rows: &Rows,
    settlements: &[Settlement],
    changed: &BTreeMap<ClientId, Option<OpenBreaker>>,
    now: Timestamp,
) -> Result<Vec<Option<Settled>>> {
    let settled = update(connection, rows, settlements, now).await?;
    let made: Vec<_> = settlements
        .iter()
        .filter_map(|it| settled.get(&it.id).map(|done| (it.id, done.attempt, &it.attempt)))
        .collect();
    if !made.is_empty() {
        attempts::insert(connection, &made).await?;
    }
    breakers::put(connection, changed).await?;
    let gone: BTreeSet<&ClientId> = settlements
        .iter()
        .filter(|it| it.unsubscribe && settled.contains_key(&it.id))
        .map(|it| &it.client_id)
        .collect();
    for client_id in gone {
        clients::unsubscribe(connection, client_id, now).await?;
    }
    Ok(settlements.iter().map(|it| settled.get(&it.id).copied()).collect())
}

/// Moves the deliveries that are still under their leases to their next states.
async fn update(
    connection: &mut SqliteConnection,
    rows: &Rows,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<HashMap<DeliveryId, Settled>> {
    let outcomes: Vec<_> = settlements.iter().map(row).collect();
    // A retry for a client that is no longer subscribed is discarded: it would never be leased again.
    let updated = sqlx::query(
        "UPDATE OR ROLLBACK deliveries SET
             state = iif(s.due_at IS NULL OR client_id IN (SELECT client_id FROM clients WHERE subscribed),
                         s.state, 'discarded'),
             settled_at = iif(s.due_at IS NULL OR client_id NOT IN (SELECT client_id FROM clients WHERE subscribed),
                              ?1, NULL),
             due_at = coalesce(s.due_at, deliveries.due_at),
             attempts = attempts + 1,
             failures = failures + s.failed,
             outcome_unknown = deliveries.outcome_unknown OR s.outcome_unknown,
             lease_token = NULL, lease_until = NULL
         FROM (SELECT unhex(value ->> 0) AS id, unhex(value ->> 1) AS token, value ->> 2 AS state,
                   value ->> 3 AS due_at, value ->> 4 AS failed, value ->> 5 AS outcome_unknown
               FROM json_each(?2)) AS s
         WHERE deliveries.id = s.id AND deliveries.lease_token = s.token
         RETURNING deliveries.id, deliveries.state, deliveries.attempts",
    )
    .bind(millis(now))
    .bind(to_json(&outcomes))
    .fetch_all(connection)
    .await?;
    // A row that became unreadable since it was leased is settled too; only its state cannot be returned.
    let settled = rows.readable(&DELIVERIES, &updated, |row| {
        let columns = Columns(row);
        let done = Settled { state: deliveries::state(&columns)?, attempt: columns.plain("attempts")? };
        Ok((DeliveryId(columns.plain("id")?), done))
    })?;
    Ok(settled.into_iter().collect())
}

fn row(settlement: &Settlement) -> impl Serialize {
    let (due_at, failed) = match settlement.verdict {
        Verdict::Retry(due_at) => (Some(millis(due_at)), true),
        Verdict::Exhausted => (None, true),
        Verdict::Delivered | Verdict::Rejected | Verdict::Discarded => (None, false),
    };
    (
        hex(settlement.id.0),
        hex(settlement.lease_token),
        settlement.verdict.state(),
        due_at,
        failed,
        settlement.attempt.outcome_unknown,
    )
}
