//! The `clients` table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::columns::{Columns, json_list, millis, to_json};
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::plan::Registration;
use crate::storage::{ClientStore, Result};

#[async_trait]
impl ClientStore for SqliteStore {
    async fn replace_file_clients(&self, clients: &[Client], now: Timestamp) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "DELETE FROM clients WHERE origin = 'file' AND client_id NOT IN (SELECT value FROM json_each(?))",
        )
        .bind(json_list(clients.iter().map(|it| &it.client_id)))
        .execute(&mut *transaction)
        .await?;
        for client in clients {
            sqlx::query(
                "INSERT INTO clients (client_id, origin, document, subscribed, enabled, updated_at)
                 VALUES (?, 'file', ?, ?, ?, ?)
                 ON CONFLICT (client_id) DO UPDATE SET origin = 'file', document = excluded.document,
                     subscribed = excluded.subscribed, enabled = excluded.enabled,
                     updated_at = excluded.updated_at",
            )
            .bind(client.client_id.as_str())
            .bind(to_json(client))
            .bind(client.backchannel_logout_uri.is_some())
            .bind(client.enabled)
            .bind(millis(now))
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "UPDATE deliveries SET state = 'discarded', settled_at = ?
             WHERE state = 'pending' AND client_id NOT IN (SELECT client_id FROM clients WHERE subscribed)",
        )
        .bind(millis(now))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}

/// Those of these clients that are registered.
pub(super) async fn registered(
    connection: &mut SqliteConnection,
    ids: &BTreeSet<ClientId>,
) -> Result<BTreeMap<ClientId, Registration>> {
    let rows = sqlx::query(
        "SELECT document, subscribed FROM clients WHERE client_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(ids))
    .fetch_all(connection)
    .await?;
    let registrations = rows.iter().map(|row| {
        let columns = Columns(row);
        let client: Arc<Client> = Arc::new(columns.json("document")?);
        let subscribed = columns.plain("subscribed")?;
        Ok((client.client_id.clone(), Registration { client, subscribed }))
    });
    registrations.collect()
}

/// Ends a client's subscription and discards what waits for it.
pub(super) async fn unsubscribe(
    connection: &mut SqliteConnection,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<()> {
    sqlx::query("UPDATE clients SET subscribed = 0, updated_at = ? WHERE client_id = ?")
        .bind(millis(now))
        .bind(client_id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE deliveries SET state = 'discarded', settled_at = ? WHERE state = 'pending' AND client_id = ?",
    )
    .bind(millis(now))
    .bind(client_id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
