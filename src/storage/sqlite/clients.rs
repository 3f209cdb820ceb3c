//! The `clients` table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::SqliteStore;
use super::columns::{Columns, json_list, millis, to_json};
use super::rows::{CLIENTS, Page, QUEUES, Rows};
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, ClientRecord, Origin};
use crate::domain::ids::ClientId;
use crate::domain::initiator::Initiators;
use crate::domain::plan::Registration;
use crate::storage::records::ClientDocument;
use crate::storage::{ClientFilter, ClientStore, DeliveryQueue, Result};

/// How many pending deliveries are discarded in one transaction: few enough that no event waits for long.
const DISCARD_BATCH: u32 = 1_000;

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
                "INSERT INTO clients (client_id, origin, document, subscribed, enabled, revision, created_at,
                     updated_at)
                 VALUES (?1, 'file', ?2, ?3, ?4, 1, ?5, ?5)
                 ON CONFLICT (client_id) DO UPDATE SET origin = 'file', document = excluded.document,
                     subscribed = excluded.subscribed, enabled = excluded.enabled, revision = revision + 1,
                     updated_at = iif(document = excluded.document, updated_at, excluded.updated_at)",
            )
            .bind(client.client_id.as_str())
            .bind(to_json(&ClientDocument::from(client.clone())))
            .bind(client.backchannel_logout_uri.is_some())
            .bind(client.enabled)
            .bind(millis(now))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        self.discard_left(now).await
    }

    async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRecord>> {
        let row = sqlx::query("SELECT * FROM clients WHERE client_id = ?")
            .bind(client_id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(|row| self.rows.one(&CLIENTS, row, record)).transpose()
    }

    async fn client_count(&self, filter: &ClientFilter) -> Result<u64> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) AS count FROM clients WHERE TRUE");
        push_filter(&mut query, filter);
        let row = query.build().fetch_one(&mut *self.lists.acquire().await?).await?;
        Ok(Columns(&row).plain::<i64>("count")?.unsigned_abs())
    }

    async fn clients(
        &self,
        filter: &ClientFilter,
        after: Option<&ClientId>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<ClientRecord>> {
        let mut page = Page::of(limit);
        while let Some((wanted, seen)) = page.wanted() {
            let mut query = QueryBuilder::new("SELECT * FROM clients WHERE TRUE");
            push_filter(&mut query, filter);
            if let Some(after) = after {
                query.push(" AND client_id > ").push_bind(after.as_str().to_owned());
            }
            query.push(" ORDER BY client_id LIMIT ").push_bind(wanted);
            query.push(" OFFSET ").push_bind(skip.saturating_add(seen));
            let rows = query.build().fetch_all(&mut *self.lists.acquire().await?).await?;
            page.add(&self.rows, &CLIENTS, &rows, record)?;
        }
        Ok(page.items)
    }

    async fn client_algorithms(&self) -> Result<BTreeSet<SigningAlg>> {
        let rows = sqlx::query(
            // Invalid JSON in one row would fail the whole statement.
            "SELECT MIN(client_id) AS client_id,
                 iif(json_valid(document), document ->> '$.id_token_signed_response_alg', NULL) AS alg
             FROM clients WHERE subscribed GROUP BY alg",
        )
        .fetch_all(&self.reader)
        .await?;
        let algs = self.rows.readable(&CLIENTS, &rows, |row| Columns(row).parsed("alg"))?;
        Ok(algs.into_iter().collect())
    }

    async fn create_client(&self, client: &Client, now: Timestamp) -> Result<bool> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO clients (client_id, origin, document, subscribed, enabled, revision, created_at, updated_at)
             VALUES (?1, 'api', ?2, ?3, ?4, 1, ?5, ?5) ON CONFLICT (client_id) DO NOTHING",
        )
        .bind(client.client_id.as_str())
        .bind(to_json(&ClientDocument::from(client.clone())))
        .bind(client.backchannel_logout_uri.is_some())
        .bind(client.enabled)
        .bind(millis(now))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn replace_client(&self, record: &ClientRecord, now: Timestamp) -> Result<bool> {
        let ClientRecord { client, subscribed, revision, .. } = record;
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE clients SET document = ?, subscribed = ?, enabled = ?, revision = revision + 1, updated_at = ?
             WHERE client_id = ? AND origin = 'api' AND revision = ?",
        )
        .bind(to_json(&ClientDocument::from(client.clone())))
        .bind(subscribed)
        .bind(client.enabled)
        .bind(millis(now))
        .bind(client.client_id.as_str())
        .bind(i64::try_from(*revision).unwrap_or(i64::MAX))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if !subscribed {
            while self.discard(&client.client_id, now).await? {}
        }
        Ok(true)
    }

    async fn delete_client(&self, client_id: &ClientId, now: Timestamp) -> Result<bool> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM clients WHERE client_id = ? AND origin = 'api'")
            .bind(client_id.as_str())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() > 0 {
            sqlx::query("DELETE FROM breakers WHERE client_id = ?")
                .bind(client_id.as_str())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        while self.discard(client_id, now).await? {}
        Ok(true)
    }
}

impl SqliteStore {
    /// The clients that are not subscribed, or not registered, and have pending deliveries. One index lookup per client,
    /// however many deliveries it has.
    pub(super) async fn left_with_deliveries(&self) -> Result<Vec<ClientId>> {
        let rows = sqlx::query(
            "WITH RECURSIVE waiting (client_id) AS (
                 SELECT MIN(client_id) FROM deliveries WHERE state = 'pending'
                 UNION ALL
                 SELECT (SELECT MIN(client_id) FROM deliveries
                         WHERE state = 'pending' AND client_id > waiting.client_id)
                 FROM waiting WHERE waiting.client_id IS NOT NULL
             )
             SELECT client_id FROM waiting
             WHERE client_id IS NOT NULL AND client_id NOT IN (SELECT client_id FROM clients WHERE subscribed)",
        )
        .fetch_all(&self.reader)
        .await?;
        self.rows.readable(&QUEUES, &rows, |row| Columns(row).parsed("client_id"))
    }

    /// Discards some pending deliveries of a client unless it is subscribed; returns whether there were any. These are
    /// never leased, and what is left by a restart is discarded then.
    pub(super) async fn discard(&self, client_id: &ClientId, now: Timestamp) -> Result<bool> {
        let mut write = self.write().await?;
        let discarded = discard_some(&mut write, client_id, DISCARD_BATCH, now).await?;
        write.commit().await?;
        Ok(discarded > 0)
    }
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &ClientFilter) {
    let ClientFilter { app_types, first_party } = filter;
    if let Some(app_types) = app_types {
        query.push(" AND iif(json_valid(document), document, '{}') ->> '$.descriptive.app_type' IN (SELECT value FROM json_each(");
        query.push_bind(json_list(app_types)).push("))");
    }
    if let Some(first_party) = first_party {
        query
            .push(" AND coalesce(iif(json_valid(document), document, '{}') ->> '$.descriptive.is_first_party', 1) = ")
            .push_bind(*first_party);
    }
}

fn record(row: &SqliteRow) -> Result<ClientRecord> {
    let columns = Columns(row);
    let origin = |word: &str| [Origin::File, Origin::Api].into_iter().find(|it| it.as_str() == word);
    Ok(ClientRecord {
        client: columns.json::<ClientDocument>("document")?.into(),
        origin: columns.word("origin", origin)?,
        subscribed: columns.plain("subscribed")?,
        revision: columns.plain::<i64>("revision")?.unsigned_abs(),
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
    })
}

/// The registered ones among these clients. One whose document cannot be read is replaced by a [placeholder].
pub(super) async fn registered(
    connection: &mut SqliteConnection,
    rows: &Rows,
    ids: &BTreeSet<ClientId>,
) -> Result<BTreeMap<ClientId, Registration>> {
    let found = sqlx::query(
        "SELECT client_id, document, subscribed FROM clients WHERE client_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(ids))
    .fetch_all(connection)
    .await?;
    let registrations = rows.readable(&CLIENTS, &found, |row| {
        let columns = Columns(row);
        let client_id: ClientId = columns.parsed("client_id")?;
        let read = |row| Columns(row).json::<ClientDocument>("document").map(Client::from);
        let client = match rows.one(&CLIENTS, row, read) {
            Err(error) if error.is_corrupt() => placeholder(client_id.clone()),
            other => other?,
        };
        let subscribed = columns.plain("subscribed")?;
        Ok((client_id, Registration { client: Arc::new(client), subscribed }))
    })?;
    Ok(registrations.into_iter().collect())
}

/// Stands for a client whose document cannot be read. It gets a delivery for every end, so that none is lost, and is
/// disabled, so that its deliveries wait until the document is repaired. They have no metadata, since the client's choice
/// is unknown; whether its tokens may have the `sub` is decided when they are made.
fn placeholder(client_id: ClientId) -> Client {
    Client { enabled: false, initiators: Initiators::All, ..Client::new(client_id) }
}

/// Ends a client's subscription and discards some of its pending deliveries;
/// [`discard_left`](DeliveryQueue::discard_left) discards the rest.
pub(super) async fn unsubscribe(
    connection: &mut SqliteConnection,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE clients SET subscribed = 0, revision = revision + 1, updated_at = ? WHERE client_id = ?",
    )
    .bind(millis(now))
    .bind(client_id.as_str())
    .execute(&mut *connection)
    .await?;
    discard_some(connection, client_id, DISCARD_BATCH, now).await?;
    Ok(())
}

/// Discards up to `limit` pending deliveries of a client unless it is subscribed; returns how many.
async fn discard_some(
    connection: &mut SqliteConnection,
    client_id: &ClientId,
    limit: u32,
    now: Timestamp,
) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE deliveries SET state = 'discarded', settled_at = ?1 WHERE id IN
             (SELECT id FROM deliveries WHERE state = 'pending' AND client_id = ?2
                 AND client_id NOT IN (SELECT client_id FROM clients WHERE subscribed) LIMIT ?3)",
    )
    .bind(millis(now))
    .bind(client_id.as_str())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
