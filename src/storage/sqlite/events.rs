//! The `events` table: what was accepted before.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use sqlx::{SqliteConnection, SqlitePool};

use super::columns::{Columns, hex_bytes, millis, to_json};
use super::rows::{EVENTS, Rows};
use super::subject_ends::number;
use crate::domain::receipt::Receipt;
use crate::domain::session::EndNumber;
use crate::storage::{AcceptedBefore, AcceptedEvent, EventKey, Result};

/// Those of these events that were accepted before. One that cannot be read is an error: what was answered to it is
/// not known, and it must not be acted on again.
pub(super) async fn accepted(
    connection: &mut SqliteConnection,
    rows: &Rows,
    keys: &BTreeSet<EventKey>,
) -> Result<HashMap<EventKey, AcceptedBefore>> {
    let wanted: Vec<_> = keys.iter().map(hashed).collect();
    let found = sqlx::query(
        "SELECT key, source, id, digest, end_number FROM events
         WHERE key IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(to_json(&wanted))
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let columns = Columns(row);
        let key = EventKey { source: columns.plain("source")?, id: columns.plain("id")? };
        // A digest of another length equals none that is computed now.
        let digest = columns.plain::<Vec<u8>>("digest")?.try_into().unwrap_or_default();
        Ok((key, AcceptedBefore { digest, end: end_number(&columns)? }))
    };
    found.iter().map(|row| rows.one(&EVENTS, row, read)).collect()
}

/// What was answered to an event when it was accepted.
pub(super) async fn answer(reader: &SqlitePool, rows: &Rows, key: &EventKey) -> Result<Option<Receipt>> {
    let row = sqlx::query("SELECT key, receipt FROM events WHERE key = unhex(?)")
        .bind(hashed(key))
        .fetch_optional(reader)
        .await?;
    row.as_ref().map(|row| rows.one(&EVENTS, row, |row| Columns(row).json("receipt"))).transpose()
}

fn end_number(columns: &Columns<'_>) -> Result<Option<EndNumber>> {
    Ok(columns.plain::<Option<i64>>("end_number")?.map(|number| EndNumber(number.unsigned_abs())))
}

/// Remembers events as accepted.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[(&EventKey, &AcceptedEvent)],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT OR ROLLBACK INTO events (key, source, id, digest, receipt, received_at, end_number)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5,
             value ->> 6
         FROM json_each(?)",
    )
    .bind(to_json(&events.iter().map(|(key, accepted)| row(key, accepted, now)).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(key: &EventKey, accepted: &AcceptedEvent, now: Timestamp) -> impl Serialize {
    let (digest, receipt) = (hex_bytes(&accepted.digest), to_json(&accepted.receipt));
    (hashed(key), &key.source, &key.id, digest, receipt, millis(now), accepted.end.map(number))
}

/// Half a SHA-256 of source and id, which no two events share by chance or by design.
fn hashed(key: &EventKey) -> String {
    let mut context = Context::new(&SHA256);
    // Neither has a control character in it.
    for part in [&key.source, "\0", &key.id] {
        context.update(part.as_bytes());
    }
    hex_bytes(&context.finish().as_ref()[..16])
}
