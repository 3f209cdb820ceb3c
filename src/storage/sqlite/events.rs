//! The `events` table: what was accepted before.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::columns::{Columns, millis, to_json};
use crate::domain::event::Event;
use crate::storage::{AcceptedEvent, Result};

/// The event of this source and id, if it was accepted before.
pub(super) async fn accepted(
    connection: &mut SqliteConnection,
    source: &str,
    id: &str,
) -> Result<Option<AcceptedEvent>> {
    let row = sqlx::query("SELECT digest, receipt FROM events WHERE source = ? AND id = ?")
        .bind(source)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns(&row);
    // A digest of another length equals none that is computed now.
    let digest = columns.plain::<Vec<u8>>("digest")?.try_into().unwrap_or_default();
    Ok(Some(AcceptedEvent { digest, receipt: columns.json("receipt")? }))
}

/// Remembers an event as accepted.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    event: &Event,
    accepted: &AcceptedEvent,
    now: Timestamp,
) -> Result<()> {
    sqlx::query("INSERT INTO events (source, id, digest, receipt, received_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&event.source)
        .bind(&event.id)
        .bind(accepted.digest.as_slice())
        .bind(to_json(&accepted.receipt))
        .bind(millis(now))
        .execute(connection)
        .await?;
    Ok(())
}
