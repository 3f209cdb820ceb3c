//! The store's file from outside: what a defect, or somebody with `sqlite3`, leaves in it.

use std::path::PathBuf;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection};

use super::app::Setup;

/// The store's file of a test's service, which may be running.
pub struct StoreFile(PathBuf);

impl StoreFile {
    pub fn of(setup: &Setup) -> Self {
        Self(setup.folder.path().join("store.db"))
    }

    async fn open(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.0).connect().await.unwrap()
    }

    /// Holds what a process holds that is making the store, for as long as the connection is open.
    pub async fn held(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(&self.0).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection
            .execute("PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE; CREATE TABLE t (a)")
            .await
            .unwrap();
        connection
    }

    /// Runs a statement that the table's own checks do not stop, and returns how many rows it changed.
    pub async fn change(&self, sql: &str) -> u64 {
        let mut connection = self.open().await;
        connection.execute("PRAGMA ignore_check_constraints = ON").await.unwrap();
        let done =
            connection.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.unwrap();
        done.rows_affected()
    }

    /// Makes one row what it should not be.
    pub async fn spoil(&self, sql: &str) {
        assert_eq!(self.change(sql).await, 1, "{sql}");
    }

    /// A text that a query gives.
    pub async fn text(&self, sql: &str) -> String {
        let mut connection = self.open().await;
        let row: SqliteRow = connection.fetch_one(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }
}
