//! The `attempts` table: what was tried, and what came of it. Never a token.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::columns::{Columns, millis};
use crate::domain::delivery::Attempt;
use crate::domain::ids::DeliveryId;
use crate::storage::Result;

/// Records the attempt of this number (from 1).
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
    number: i64,
    attempt: &Attempt,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO attempts (delivery_id, number, started_at, duration_us, jti, kid, remote_address,
             status, error, answer, outcome_unknown)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(delivery.0)
    .bind(number)
    .bind(millis(attempt.started_at))
    .bind(i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX))
    .bind(attempt.jti)
    .bind(attempt.kid.as_deref())
    .bind(attempt.remote_address.as_deref())
    .bind(attempt.status)
    .bind(attempt.error.as_deref())
    .bind(attempt.answer.as_deref())
    .bind(attempt.outcome_unknown)
    .execute(connection)
    .await?;
    Ok(())
}

/// The attempts of a delivery, oldest first.
pub(super) async fn of(connection: &mut SqliteConnection, delivery: DeliveryId) -> Result<Vec<Attempt>> {
    let rows = sqlx::query("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number")
        .bind(delivery.0)
        .fetch_all(connection)
        .await?;
    let attempts = rows.iter().map(|row| {
        let columns = Columns(row);
        Ok(Attempt {
            started_at: columns.time("started_at")?,
            duration: Duration::from_micros(columns.plain::<i64>("duration_us")?.unsigned_abs()),
            jti: columns.plain("jti")?,
            kid: columns.plain("kid")?,
            remote_address: columns.plain("remote_address")?,
            status: columns.plain("status")?,
            error: columns.plain("error")?,
            answer: columns.plain("answer")?,
            outcome_unknown: columns.plain("outcome_unknown")?,
        })
    });
    attempts.collect()
}
