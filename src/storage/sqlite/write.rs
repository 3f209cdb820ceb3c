//! A write transaction, whose connection is closed if anything goes wrong.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use crate::storage::Result;

/// A transaction that holds the write lock from its beginning, so that it never conflicts with another process.
///
/// Dropped without [`commit`](Self::commit) or [`rollback`](Self::rollback), it closes its connection, which rolls back in
/// every case: SQLite rolls back by itself after some errors and not after others, and a connection that was opened while
/// the file was read-only can never write.
pub(super) struct Write(Option<PoolConnection<Sqlite>>);

impl Write {
    pub(super) async fn begin(writer: &SqlitePool) -> Result<Self> {
        let mut write = Self(Some(writer.acquire().await?));
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *write).await?;
        Ok(write)
    }

    /// Makes it durable.
    pub(super) async fn commit(self) -> Result<()> {
        self.end("COMMIT").await
    }

    /// Rolls back, and keeps the connection.
    pub(super) async fn rollback(self) -> Result<()> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<()> {
        sqlx::query(statement).execute(&mut *self).await?;
        // The connection goes back to the pool.
        self.0 = None;
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.0.as_ref().expect("only the end takes it")
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.0.as_mut().expect("only the end takes it")
    }
}
