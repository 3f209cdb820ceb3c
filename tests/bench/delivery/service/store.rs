//! A look into the store from outside, to know when a delivery is settled on disk.
//!
//! The one place of the bench that knows the schema, and only the contract's words in it. It never writes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::time::Instant;

/// How often it is looked whether all is settled. A look is a few steps into an index.
const LOOK: Duration = Duration::from_millis(1);

/// The store of a service, read only.
pub struct StoreView {
    pool: SqlitePool,
}

impl StoreView {
    /// The service has made the file.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(Self { pool: pool.context("the store cannot be read")? })
    }

    /// Returns when nothing waits or is under way for these clients.
    pub async fn settled(&self, clients: &[String], patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        for client_id in clients {
            while self.unsettled(client_id).await? {
                ensure!(Instant::now() < deadline, "not all deliveries were settled within {patience:?}");
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// How many deliveries of a client the relying party has, as far as the store knows.
    pub async fn delivered(&self, client_id: &str) -> anyhow::Result<i64> {
        self.count("SELECT COUNT(*) FROM deliveries WHERE client_id = ? AND state = 'delivered'", client_id)
            .await
    }

    /// How many deliveries of a client are still to be made.
    pub async fn waiting(&self, client_id: &str) -> anyhow::Result<i64> {
        // One statement, one moment: between two, a delivery could be leased and counted twice.
        let sql = "SELECT (SELECT COUNT(*) FROM deliveries WHERE client_id = ?1 AND state = 'pending')
                + (SELECT COUNT(*) FROM deliveries WHERE client_id = ?1 AND state = 'in_flight')";
        self.count(sql, client_id).await
    }

    async fn unsettled(&self, client_id: &str) -> anyhow::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE client_id = ?1 AND state = 'pending')
                OR EXISTS (SELECT 1 FROM deliveries WHERE client_id = ?1 AND state = 'in_flight')";
        Ok(self.count(sql, client_id).await? != 0)
    }

    async fn count(&self, sql: &'static str, client_id: &str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(sql).bind(client_id).fetch_one(&self.pool).await?)
    }
}
