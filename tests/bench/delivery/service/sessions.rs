//! A store with many live sessions: filled from outside while no service runs, because to report ten million
//! over HTTP takes most of an hour.
//!
//! The rows are what the service writes for `session.created`. Indexes that are not the table's own are
//! dropped for the while and made again from their own definitions.

use std::path::Path;

use anyhow::Context;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use crate::bench::HEALTHY;

/// How many rows go into one transaction.
const BATCH: i64 = 500_000;

/// One in so many sessions shares its user with others.
const SESSIONS_PER_USER: i64 = 2;

/// What a store was filled with.
pub struct Filled {
    /// How many sessions expired long ago.
    pub expired: u32,
    /// The ids of some others, picked over all.
    pub picked: Vec<String>,
}

/// Fills a store with this many live sessions, of which `expired`, about, have expired long ago.
pub async fn fill(store: &Path, sessions: i64, expired: i64, picked: i64) -> anyhow::Result<Filled> {
    let options = SqliteConnectOptions::new()
        .filename(store)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let indexes = sqlx::query(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'sessions' AND sql IS NOT NULL",
    )
    .fetch_all(&mut connection)
    .await?;
    for index in &indexes {
        let name: String = index.try_get("name")?;
        sqlx::query(AssertSqlSafe(format!("DROP INDEX \"{name}\""))).execute(&mut connection).await?;
    }
    for from in (0..sessions).step_by(usize::try_from(BATCH)?) {
        insert(&mut connection, from, BATCH.min(sessions - from)).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    }
    let step = (sessions / expired).max(1);
    let done = sqlx::query("UPDATE sessions SET expires_at = 1, ends_at = 1 WHERE rowid % ? = 1")
        .bind(step)
        .execute(&mut connection)
        .await?;
    let expired = u32::try_from(done.rows_affected())?;
    for index in &indexes {
        let sql: String = index.try_get("sql")?;
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    // In the order of their keys, which are random.
    let step = (sessions / picked).max(1);
    let sids = sqlx::query(
        "SELECT sid FROM sessions WHERE rowid % ?1 = ?1 - 1 AND ends_at > 1 ORDER BY key LIMIT ?2",
    )
    .bind(step)
    .bind(picked)
    .fetch_all(&mut connection)
    .await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await?;
    let picked = sids.iter().map(|row| row.try_get(0).context("a sid")).collect::<anyhow::Result<_>>()?;
    Ok(Filled { expired, picked })
}

/// The ids ascend, so that the table's own index is filled from one end; where in it a session is looked up
/// later is random all the same.
async fn insert(connection: &mut SqliteConnection, from: i64, count: i64) -> anyhow::Result<()> {
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2)
         INSERT INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at, updated_at,
             expires_at, ends_at, revision, decided)
         SELECT printf('%016x', i) || lower(hex(randomblob(8))), randomblob(16),
             printf('user-%016x', (i / ?3) * 2654435761 % 4294967296), 'browser', '{\"org_id\":\"org_abc123\"}',
             json_object(?4, NULL), 1767225600000, 1767225600000, 4102444800000, 4102444800000, 1, '[]'
         FROM n",
    )
    .bind(from)
    .bind(count)
    .bind(SESSIONS_PER_USER)
    .bind(HEALTHY)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many sessions that have expired are still to be ended.
pub async fn overdue(store: &Path) -> anyhow::Result<i64> {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let left = sqlx::query_scalar("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL AND ends_at <= 1")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(left)
}
