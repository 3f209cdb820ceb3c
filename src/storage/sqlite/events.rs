//! The `events` table: what was accepted before.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::columns::{Columns, hex_bytes, millis, to_json};
use crate::storage::{AcceptedEvent, EventKey, Result};

/// Those of these events that were accepted before.
pub(super) async fn accepted(
    connection: &mut SqliteConnection,
    keys: &BTreeSet<EventKey>,
) -> Result<HashMap<EventKey, AcceptedEvent>> {
    let keys: Vec<_> = keys.iter().map(|key| (&key.source, &key.id)).collect();
    let rows = sqlx::query(
        "SELECT source, id, digest, receipt FROM events
         WHERE (source, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
    )
    .bind(to_json(&keys))
    .fetch_all(connection)
    .await?;
    let events = rows.iter().map(|row| {
        let columns = Columns(row);
        let key = EventKey { source: columns.plain("source")?, id: columns.plain("id")? };
        // A digest of another length equals none that is computed now.
        let digest = columns.plain::<Vec<u8>>("digest")?.try_into().unwrap_or_default();
        Ok((key, AcceptedEvent { digest, receipt: columns.json("receipt")? }))
    });
    events.collect()
}

/// Remembers events as accepted.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[(&EventKey, &AcceptedEvent)],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO events (source, id, digest, receipt, received_at)
         SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM json_each(?)",
    )
    .bind(to_json(&events.iter().map(|(key, accepted)| row(key, accepted, now)).collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(key: &EventKey, accepted: &AcceptedEvent, now: Timestamp) -> impl Serialize {
    (&key.source, &key.id, hex_bytes(&accepted.digest), to_json(&accepted.receipt), millis(now))
}
