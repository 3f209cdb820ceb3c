//! The `breakers` table: circuit breakers that are open.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::columns::{Columns, millis};
use crate::domain::breaker::OpenBreaker;
use crate::domain::ids::ClientId;
use crate::storage::Result;

/// Every breaker that is open.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<(ClientId, OpenBreaker)>> {
    let rows = sqlx::query("SELECT * FROM breakers").fetch_all(connection).await?;
    let breakers = rows.iter().map(|row| {
        let columns = Columns(row);
        let open = OpenBreaker {
            since: columns.time("since")?,
            until: columns.time("until")?,
            probes: columns.plain("probes")?,
        };
        Ok((columns.parsed("client_id")?, open))
    });
    breakers.collect()
}

/// Stores breakers that opened, and forgets those that closed.
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
