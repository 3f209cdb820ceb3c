//! The store on SQLite: one file, write-ahead log, `synchronous=FULL`.
//!
//! One connection writes, so that writers queue in the program instead of failing on SQLite's lock; a few
//! read, and others of their own find API tokens and read lists, so that none of these waits for another kind. Plain SQL, a file for each aggregate. A statement costs a trip to the connection's thread, so that
//! groups of rows travel as one JSON parameter (`json_each`): ten times the rows a second of one by one. The
//! statements on them say `OR ROLLBACK`, since a transaction is given up whatever goes wrong in it: then
//! SQLite keeps no journal to undo the one statement.

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
mod jobs;
mod lists;
mod log_sources;
mod log_terms;
mod logs;
mod open;
mod queue;
mod redelivery;
mod rows;
mod session_details;
mod sessions;
mod settle;
mod subject_ends;
#[cfg(test)]
mod test_support;
mod tokens;
mod write;

use checkpoint::Checkpointer;
use lists::Lists;
use rows::Rows;
use write::Write;

/// How many connections read single rows and small groups of them. Lists have [others](lists).
const READERS: u32 = 4;

/// How many connections find API tokens: whoever calls is told from strangers even when all the readers are
/// busy. One is left for tokens that are in use when a stranger's is looked up, one at a time.
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
    /// Held for as long as the store is open, where this process was the first to open it.
    lock: Option<Arc<File>>,
    rows: Arc<Rows>,
}

impl SqliteStore {
    /// Opens the store at `url`, such as `sqlite://logoutd.db`; makes the file (mode 0600, it holds
    /// personal data) and brings its schema up to date. While others do the same, it waits for them.
    pub async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        open::open(url, true).await
    }

    /// Opens the store as [`open`](Self::open) does, for a command that looks at or changes a few rows beside
    /// a service that may be running. It takes no part in who is first: a service that starts meanwhile is.
    pub async fn open_beside(url: &str) -> std::result::Result<Self, OpenError> {
        open::open(url, false).await
    }

    /// Has `count` called, with the name of the table, whenever a row is found that cannot be read.
    #[must_use]
    pub fn counting_unreadable(self, count: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { rows: Arc::new(Rows::new(count)), ..self }
    }

    /// Whether no other process had the store open when this one did.
    fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    async fn write(&self) -> Result<Write> {
        self.checkpointer.note();
        Write::begin(&self.writer).await
    }
}

#[async_trait]
impl Maintenance for SqliteStore {
    async fn ping(&self, now: Timestamp) -> Result<()> {
        // A real write: a full or read-only disk lets a transaction begin all the same.
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
            // They are stored in the order they came in.
            "DELETE FROM events WHERE received_at < ?1 AND rowid IN (SELECT rowid FROM events ORDER BY rowid LIMIT ?2)",
            // As events are; their parts before them.
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
    async fn whoever_looks_on_takes_no_part_in_who_is_first() {
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
        // Whom an end before the change did not tell is not told by what comes after it.
        assert_eq!(decided("over").await, ["blog", "shop"]);
        assert_eq!(decided("lives").await, Vec::<String>::new());
    }

    /// What SQLite is told to do on each of the store's connections. `synchronous` is 2 (FULL): with less, a commit
    /// that was acknowledged can be lost with the power (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    #[tokio::test]
    async fn every_commit_is_on_the_disk_before_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let store = SqliteStore::open(&url).await.unwrap();
        let asked = async |pool: &SqlitePool, pragma: &'static str| -> String {
            let row = sqlx::query(pragma).fetch_one(pool).await.unwrap();
            row.try_get::<i64, _>(0).map_or_else(|_| row.get(0), |number| number.to_string())
        };
        for pool in [&store.writer, &store.reader] {
            assert_eq!(asked(pool, "PRAGMA journal_mode").await, "wal");
            assert_eq!(asked(pool, "PRAGMA synchronous").await, "2");
        }
        // One that was given up after a fault is replaced by another, which must not be less careful.
        drop(store.write().await.unwrap());
        assert_eq!(asked(&store.writer, "PRAGMA synchronous").await, "2");
    }
}
