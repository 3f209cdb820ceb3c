//! The store on SQLite: one file, write-ahead log, `synchronous=FULL`.
//!
//! One connection writes, so that writers queue in the process instead of failing on SQLite's lock. Separate pools of
//! connections read single rows, API tokens and lists, so that none of these waits for another kind.
//!
//! Plain SQL, a file for each aggregate. Each statement is a round trip to the connection's thread, so that groups of
//! rows are passed as one JSON parameter (`json_each`): ten times faster than one statement per row. These statements
//! say `OR ROLLBACK`: a transaction is always given up as a whole, and SQLite needs no journal for undoing a single
//! statement.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;

use super::{Maintenance, OpenError, Result};

mod attempts;
mod breakers;
mod checkpoint;
mod clients;
mod columns;
mod deliveries;
mod errors;
mod events;
mod files;
mod intake;
mod lists;
mod logs;
mod open;
mod queue;
mod redelivery;
mod rows;
mod sessions;
mod subject_ends;
#[cfg(test)]
mod test_support;
mod tokens;
mod write;

use checkpoint::Checkpointer;
use lists::Lists;
use rows::Rows;
use write::Write;

/// How many connections read single rows and small groups of them. Lists have connections of [their own](lists).
const READERS: u32 = 4;

/// How many connections look up API tokens, so that callers are authenticated even while all other readers are busy.
/// Unknown tokens are looked up one at a time, which leaves one connection for known ones.
const TOKEN_READERS: u32 = 2;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("migrations/0001_initial.sql")),
    (2, "ends", include_str!("migrations/0002_ends.sql")),
    (3, "event reporters", include_str!("migrations/0003_event_reporters.sql")),
    (5, "live sessions of a user", include_str!("migrations/0005_live_sessions.sql")),
    (6, "redelivery jobs", include_str!("migrations/0006_redelivery_jobs.sql")),
    (7, "audit trail", include_str!("migrations/0007_audit_trail.sql")),
    (8, "session details", include_str!("migrations/0008_session_details.sql")),
];

/// The store in an SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    tokens: SqlitePool,
    lists: Lists,
    checkpointer: Arc<Checkpointer>,
    /// Held for as long as the store is open, if this process was the first to open it.
    lock: Option<Arc<File>>,
    rows: Arc<Rows>,
}

impl SqliteStore {
    /// Opens the store at `url`, such as `sqlite://logoutd.db`. Creates the file if there is none (mode 0600, it holds
    /// personal data) and migrates its schema. Waits while other processes do the same.
    pub async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        open::open(url, true).await
    }

    /// Opens the store like [`open`](Self::open), for a command that reads or changes a few rows beside a service that may
    /// be running. It does not count as the first process: a service that starts meanwhile does.
    pub async fn open_beside(url: &str) -> std::result::Result<Self, OpenError> {
        open::open(url, false).await
    }

    /// Calls `count` with the name of the table whenever a row is found that cannot be read.
    #[must_use]
    pub fn counting_unreadable(self, count: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { rows: Arc::new(Rows::new(count)), ..self }
    }

    /// Whether no other process had the store open when this one did.
    fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    async fn write(&self) -> Result<Write> {
        self.checkpointer.note_write();
        Write::begin(&self.writer).await
    }
}

#[async_trait]
impl Maintenance for SqliteStore {
    async fn ping(&self, now: Timestamp) -> Result<()> {
        // A real write: on a full or read-only disk, beginning a transaction succeeds.
        let mut write = self.write().await?;
        sqlx::query("UPDATE probe SET written_at = ?")
            .bind(columns::millis(now))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        sqlx::query("SELECT 1 FROM clients LIMIT 1").fetch_optional(&self.reader).await?;
        Ok(())
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut transaction = self.write().await?;
        let mut swept = 0;
        // Attempts before their deliveries, and these before their session.
        for statement in [
            "DELETE FROM attempts WHERE delivery_id IN
                 (SELECT id FROM deliveries WHERE state IN ('delivered', 'rejected', 'exhausted', 'discarded')
                     AND settled_at IS NOT NULL AND settled_at < ?1 LIMIT ?2)",
            "DELETE FROM deliveries WHERE id IN
                 (SELECT id FROM deliveries WHERE state IN ('delivered', 'rejected', 'exhausted', 'discarded')
                     AND settled_at IS NOT NULL AND settled_at < ?1 LIMIT ?2)",
            "DELETE FROM sessions WHERE sid IN
                 (SELECT sid FROM sessions WHERE ended_at IS NOT NULL AND ended_at < ?1
                     AND NOT EXISTS (SELECT 1 FROM deliveries WHERE session_key = sessions.key) LIMIT ?2)",
            // Rows are in the order of acceptance.
            "DELETE FROM events WHERE received_at < ?1 AND rowid IN (SELECT rowid FROM events ORDER BY rowid LIMIT ?2)",
            // Likewise; the parts before their ends.
            "DELETE FROM subject_end_parts WHERE id IN
                 (SELECT id FROM subject_end_parts WHERE end_number IN
                     (SELECT number FROM subject_ends WHERE accepted_at < ?1 AND finished_at IS NOT NULL
                      ORDER BY number LIMIT ?2) LIMIT ?2)",
            "DELETE FROM subject_ends WHERE accepted_at < ?1 AND finished_at IS NOT NULL
                 AND number IN (SELECT number FROM subject_ends ORDER BY number LIMIT ?2)
                 AND NOT EXISTS (SELECT 1 FROM subject_end_parts WHERE end_number = number)",
            "DELETE FROM redelivery_jobs WHERE id IN
                 (SELECT id FROM redelivery_jobs WHERE completed_at < ?1 LIMIT ?2)",
            "DELETE FROM api_tokens WHERE id IN
                 (SELECT id FROM api_tokens WHERE revoked_at < ?1 OR expires_at < ?1 LIMIT ?2)",
            "DELETE FROM audit_log WHERE (at, id) IN (SELECT at, id FROM audit_log WHERE at < ?1 LIMIT ?2)",
        ] {
            let done = sqlx::query(statement)
                .bind(columns::millis(before))
                .bind(limit)
                .execute(&mut *transaction)
                .await?;
            swept += done.rows_affected();
        }
        transaction.commit().await?;
        Ok(swept)
    }

    async fn close(&self) {
        self.lists.close().await;
        self.tokens.close().await;
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use sqlx::Row as _;
    use sqlx::migrate::Migrator;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::storage::SessionReader;

    #[tokio::test]
    async fn a_command_beside_the_service_does_not_count_as_the_first_process() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let beside = SqliteStore::open_beside(&url).await.unwrap();
        let service = SqliteStore::open(&url).await.unwrap();
        assert!(service.is_alone() && !beside.is_alone());
        let second = SqliteStore::open(&url).await.unwrap();
        assert!(!second.is_alone());
    }

    #[tokio::test]
    async fn a_store_of_an_earlier_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let options = SqliteConnectOptions::from_str(&url).unwrap().create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        Migrator::with_migrations(open::migrations().drain(..1).collect()).run(&pool).await.unwrap();
        sqlx::query(
            "INSERT INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at, updated_at,
                 revision, ended_at, initiator, told_as_subject)
             VALUES ('over', randomblob(16), 'alice', 'browser', '{}', '{\"shop\":null,\"blog\":\"b\"}', 0, 0, 1, 5,
                 'rp-logout', '[]'),
             ('lives', randomblob(16), 'alice', 'browser', '{}', '{\"shop\":null}', 0, 0, 1, NULL, NULL, '[]')",
        )
        .execute(&pool)
        .await
        .unwrap();
        pool.close().await;

        let store = SqliteStore::open(&url).await.unwrap();
        let decided = async |sid: &str| {
            let session = store.session(&sid.parse().unwrap()).await.unwrap().unwrap();
            session.decided.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        // For ends from before the migration, all participants are decided.
        assert_eq!(decided("over").await, ["blog", "shop"]);
        assert_eq!(decided("lives").await, Vec::<String>::new());
    }

    /// The pragmas of the store's connections. `synchronous` is 2 (FULL): with less, an acknowledged commit can be lost in
    /// a power failure (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    #[tokio::test]
    async fn every_commit_is_on_the_disk_before_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let store = SqliteStore::open(&url).await.unwrap();
        let value_of = async |pool: &SqlitePool, pragma: &'static str| -> String {
            let row = sqlx::query(pragma).fetch_one(pool).await.unwrap();
            row.try_get::<i64, _>(0).map_or_else(|_| row.get(0), |number| number.to_string())
        };
        for pool in [&store.writer, &store.reader] {
            assert_eq!(value_of(pool, "PRAGMA journal_mode").await, "wal");
            assert_eq!(value_of(pool, "PRAGMA synchronous").await, "2");
        }
        // A connection that replaces a failed one has the same pragmas.
        drop(store.write().await.unwrap());
        assert_eq!(value_of(&store.writer, "PRAGMA synchronous").await, "2");
    }
}
