//! The `breakers` table: circuit breakers that are open.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::columns::{Columns, millis};
use super::rows::{BREAKERS, Rows};
use crate::domain::breaker::OpenBreaker;
use crate::domain::ids::ClientId;
use crate::storage::Result;

/// All open breakers.
pub(super) async fn all(
    connection: &mut SqliteConnection,
    rows: &Rows,
) -> Result<Vec<(ClientId, OpenBreaker)>> {
    let found = sqlx::query("SELECT * FROM breakers").fetch_all(connection).await?;
    rows.readable(&BREAKERS, &found, |row| Ok((Columns(row).parsed("client_id")?, breaker(row)?)))
}

/// A breaker, from its row.
pub(super) fn breaker(row: &SqliteRow) -> Result<OpenBreaker> {
    let columns = Columns(row);
    Ok(OpenBreaker {
        since: columns.time("since")?,
        until: columns.time("until")?,
        probes: columns.plain("probes")?,
    })
}

/// Stores breakers that opened, and deletes those that closed.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    breakers: &BTreeMap<ClientId, Option<OpenBreaker>>,
) -> Result<()> {
    for (client_id, breaker) in breakers {
        let query = match breaker {
            Some(open) => sqlx::query("INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?)")
                .bind(client_id.as_str())
                .bind(millis(open.since))
                .bind(millis(open.until))
                .bind(open.probes),
            None => sqlx::query("DELETE FROM breakers WHERE client_id = ?").bind(client_id.as_str()),
        };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
