//! A store, and SQLite's query plans, for the tests of this module.

use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;

use super::SqliteStore;

/// A new store, and its folder, which is deleted when dropped.
pub(super) async fn store() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let store = SqliteStore::open(&url).await.unwrap();
    (folder, store)
}

/// The steps of SQLite's query plan for a statement.
pub(super) async fn plan(store: &SqliteStore, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(sql).fetch_all(&store.reader).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}
