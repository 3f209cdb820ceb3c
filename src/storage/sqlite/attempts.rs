//! The `attempts` table: attempts and their outcomes. Tokens are never stored.

use std::time::Duration;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::columns::{Columns, hex, micros, millis, to_json};
use super::rows::{ATTEMPTS, Rows};
use crate::domain::delivery::{Attempt, Phases};
use crate::domain::ids::DeliveryId;
use crate::storage::{AttemptRecord, Result};

/// Stores attempts with their numbers, which begin at 1.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    attempts: &[(DeliveryId, u32, &Attempt)],
) -> Result<()> {
    let rows: Vec<_> = attempts.iter().map(|(id, number, attempt)| row(*id, *number, attempt)).collect();
    sqlx::query(
        "INSERT OR ROLLBACK INTO attempts (delivery_id, number, started_at, duration_us, sign_us, dns_us, connect_us,
             answer_us, body_us, jti, kid, uri, remote_address, status, error, answer, outcome_unknown)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> '$[4][0]', value ->> '$[4][1]',
             value ->> '$[4][2]', value ->> '$[4][3]', value ->> '$[4][4]', unhex(value ->> 5), value ->> 6,
             value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(id: DeliveryId, number: u32, attempt: &Attempt) -> impl Serialize {
    let Phases { sign, dns, connect, answer, body } = attempt.phases;
    (
        hex(id.0),
        number,
        millis(attempt.started_at),
        micros(attempt.duration),
        [sign, dns, connect, answer, body].map(|took| took.map(micros)),
        attempt.jti.map(hex),
        &attempt.kid,
        &attempt.uri,
        &attempt.remote_address,
        attempt.status,
        &attempt.error,
        &attempt.answer,
        attempt.outcome_unknown,
    )
}

/// The attempts of a delivery, oldest first.
pub(super) async fn of(
    connection: &mut SqliteConnection,
    rows: &Rows,
    delivery: DeliveryId,
) -> Result<Vec<AttemptRecord>> {
    let found = sqlx::query("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number")
        .bind(delivery.0)
        .fetch_all(connection)
        .await?;
    rows.readable(&ATTEMPTS, &found, |row| {
        let columns = Columns(row);
        let attempt = Attempt {
            started_at: columns.time("started_at")?,
            duration: Duration::from_micros(columns.plain::<i64>("duration_us")?.unsigned_abs()),
            phases: Phases {
                sign: columns.duration_option("sign_us")?,
                dns: columns.duration_option("dns_us")?,
                connect: columns.duration_option("connect_us")?,
                answer: columns.duration_option("answer_us")?,
                body: columns.duration_option("body_us")?,
            },
            jti: columns.plain("jti")?,
            kid: columns.plain("kid")?,
            uri: columns.plain("uri")?,
            remote_address: columns.plain("remote_address")?,
            status: columns.plain("status")?,
            error: columns.plain("error")?,
            answer: columns.plain("answer")?,
            outcome_unknown: columns.plain("outcome_unknown")?,
        };
        Ok(AttemptRecord { number: columns.plain("number")?, attempt })
    })
}
