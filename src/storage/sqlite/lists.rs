//! Connections that lists are read with, separate from all others, so that lists never keep an event, a token or a health
//! check waiting.
//!
//! Lists read few rows, by an index or within a window. A filter that needs more is cancelled after a number of steps
//! instead of a time, so that the same statement on the same rows always has the same result.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Sqlite, SqliteConnection};

use crate::storage::{LISTS_AT_A_TIME, Result};

/// How many steps SQLite takes between two calls of the progress handler.
const STEPS_AT_A_TIME: i32 = 10_000;

/// How many steps of SQLite's virtual machine one list may take: about half a million rows that do not match, or a few
/// tenths of a second.
const MAX_STEPS: u32 = 10_000_000;

/// The connections for lists.
#[derive(Clone, Debug)]
pub(super) struct Lists(SqlitePool);

impl Lists {
    /// Opens the first of them. `options` must be read-only.
    pub(super) async fn open(options: SqliteConnectOptions) -> sqlx::Result<Self> {
        let pool = SqlitePoolOptions::new().test_before_acquire(false).max_connections(LISTS_AT_A_TIME);
        pool.connect_with(options).await.map(Self)
    }

    /// A connection for one list. A statement that takes too many steps fails with SQLite's `INTERRUPT`, which
    /// becomes [`Rejection::TooBroad`](crate::storage::Rejection::TooBroad).
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Sqlite>> {
        let mut connection = self.0.acquire().await?;
        limit_steps(&mut connection, MAX_STEPS).await?;
        Ok(connection)
    }

    /// A connection without a limit, for periodic counts of the whole queue.
    pub(super) async fn acquire_unlimited(&self) -> Result<PoolConnection<Sqlite>> {
        let mut connection = self.0.acquire().await?;
        connection.lock_handle().await?.remove_progress_handler();
        Ok(connection)
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// Cancels a statement when the connection has taken more than `most` steps from now on.
async fn limit_steps(connection: &mut SqliteConnection, most: u32) -> Result<()> {
    let mut looks = most / STEPS_AT_A_TIME.unsigned_abs();
    connection.lock_handle().await?.set_progress_handler(STEPS_AT_A_TIME, move || {
        looks = looks.saturating_sub(1);
        looks > 0
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::query;

    use super::*;
    use crate::storage::sqlite::READERS;
    use crate::storage::sqlite::test_support::store;
    use crate::storage::{Rejection, StorageError};

    #[tokio::test]
    async fn an_endless_list_is_cancelled_and_the_next_one_has_all_its_steps() {
        const ENDLESS: &str =
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT COUNT(*) FROM n";
        let (_folder, store) = store().await;
        for _ in 0..2 * LISTS_AT_A_TIME {
            let mut connection = store.lists.acquire().await.unwrap();
            let error = StorageError::from(query(ENDLESS).fetch_one(&mut *connection).await.unwrap_err());
            let too_broad = matches!(error, StorageError::Rejected { reason: Rejection::TooBroad, .. });
            assert!(too_broad && !error.is_transient(), "{error:?}");
            drop(connection);
            let mut connection = store.lists.acquire().await.unwrap();
            query("SELECT * FROM clients").fetch_all(&mut *connection).await.unwrap();
        }
        // The remaining steps do not limit a connection without a limit.
        let counted = format!("{} LIMIT 2000000)", ENDLESS.replace("COUNT(*) FROM n", "n FROM n"));
        let counted = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM ({counted}"));
        let mut connection = store.lists.acquire_unlimited().await.unwrap();
        query(counted).fetch_one(&mut *connection).await.unwrap();
    }

    #[tokio::test]
    async fn api_tokens_are_found_while_lists_and_readers_are_all_busy() {
        use crate::domain::access::TokenHash;
        use crate::storage::TokenStore as _;
        let (_folder, store) = store().await;
        let mut busy = Vec::new();
        for _ in 0..LISTS_AT_A_TIME {
            busy.push(store.lists.acquire().await.unwrap());
        }
        for _ in 0..READERS {
            busy.push(store.reader.acquire().await.unwrap());
        }
        assert!(store.token(&TokenHash([1; 32])).await.unwrap().is_none());
    }
}
