//! The `deliveries` table, as it is filled and read. How it is worked off is `queue`'s.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::columns::{Columns, millis, to_json};
use super::{SqliteStore, attempts};
use crate::domain::delivery::{Attempt, DeliverySummary, Intent, State};
use crate::domain::ids::{DeliveryId, Sub};
use crate::domain::session::SessionKey;
use crate::storage::{DeliveryReader, Result};

#[async_trait]
impl DeliveryReader for SqliteStore {
    async fn summaries(&self, ids: &[DeliveryId]) -> Result<Vec<DeliverySummary>> {
        // SQLite compares blobs, and JSON has none: the ids travel as hexadecimal text.
        let ids = to_json(&ids.iter().map(|id| id.0.simple().to_string()).collect::<Vec<_>>());
        let rows = sqlx::query(
            "SELECT id, client_id, state FROM deliveries
             WHERE id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY id",
        )
        .bind(ids)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(summary).collect()
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        attempts::of(&mut *self.reader.acquire().await?, id).await
    }
}

/// The deliveries that arose from the end of a session.
pub(super) async fn of_session(
    connection: &mut SqliteConnection,
    key: SessionKey,
) -> Result<Vec<DeliverySummary>> {
    let rows =
        sqlx::query("SELECT id, client_id, state FROM deliveries WHERE session_key = ? ORDER BY client_id")
            .bind(key.0)
            .fetch_all(connection)
            .await?;
    rows.iter().map(summary).collect()
}

/// Queues a delivery, due at once.
pub(super) async fn insert(connection: &mut SqliteConnection, intent: &Intent) -> Result<()> {
    sqlx::query(
        "INSERT INTO deliveries (id, session_key, sid, sub, client_id, initiator, session_metadata, state,
             created_at, due_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?8, ?9)",
    )
    .bind(intent.id.0)
    .bind(intent.session_key.map(|key| key.0))
    .bind(intent.sid.as_ref().map(crate::domain::ids::Sid::as_str))
    .bind(intent.sub.as_ref().map(Sub::as_str))
    .bind(intent.client_id.as_str())
    .bind(intent.initiator.as_str())
    .bind(to_json(&intent.session_metadata))
    .bind(millis(intent.created_at))
    .bind(millis(intent.expires_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// A delivery's intent, from its row.
pub(super) fn intent(row: &SqliteRow) -> Result<Intent> {
    let columns = Columns(row);
    Ok(Intent {
        id: DeliveryId(columns.plain("id")?),
        session_key: columns.plain::<Option<uuid::Uuid>>("session_key")?.map(SessionKey),
        sid: columns.parsed_option("sid")?,
        sub: columns.parsed_option("sub")?,
        client_id: columns.parsed("client_id")?,
        initiator: columns.parsed("initiator")?,
        session_metadata: columns.json("session_metadata")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time("expires_at")?,
    })
}

fn summary(row: &SqliteRow) -> Result<DeliverySummary> {
    let columns = Columns(row);
    Ok(DeliverySummary {
        id: DeliveryId(columns.plain("id")?),
        client_id: columns.parsed("client_id")?,
        state: state(&columns)?,
    })
}

/// The `state` column.
pub(super) fn state(columns: &Columns<'_>) -> Result<State> {
    columns.word("state", |word| State::ALL.into_iter().find(|state| state.as_str() == word))
}
