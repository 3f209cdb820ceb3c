//! The store on SQLite: one file, write-ahead log, `synchronous=FULL`.
//!
//! One connection writes, so that writers queue in the program instead of failing on SQLite's lock; a few
//! read. Plain SQL, a file for each aggregate. A statement costs a trip to the connection's thread, so that
//! groups of rows travel as one JSON parameter (`json_each`): ten times the rows a second of one by one. The
//! statements on them say `OR ROLLBACK`, since a transaction is given up whatever goes wrong in it: then
//! SQLite keeps no journal to undo the one statement.

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::error::opening_hint;
use super::{Maintenance, Result, StorageError};

mod attempts;
mod breakers;
mod checkpoint;
mod clients;
mod columns;
mod deliveries;
mod events;
mod intake;
mod logs;
mod queue;
mod redelivery;
mod sessions;
mod settle;
mod tokens;
mod write;

use checkpoint::{Checkpointer, WRITER_CHECKPOINT_PAGES};
use write::Write;

const READERS: u32 = 4;

/// How long a writer of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The page cache of the connection that writes, in KiB: the inner pages of the indexes of millions of rows.
const WRITER_CACHE_KIB: u32 = 32 * 1024;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("migrations/0001_initial.sql")),
    (3, "event reporters", include_str!("migrations/0003_event_reporters.sql")),
];

/// The store in an SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    checkpointer: Arc<Checkpointer>,
    /// Held for as long as the store is open, where this process was the first to open it.
    lock: Option<Arc<File>>,
}

impl SqliteStore {
    /// Opens the store at `url`, such as `sqlite://logoutd.db`; makes the file (mode 0600, it holds
    /// personal data) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self> {
        Self::connect(url, lock).await.map_err(|source| not_opened(url, source))
    }

    /// Opens the store as [`open`](Self::open) does, for a command that looks at or changes a few rows beside
    /// a service that may be running. It takes no part in who is first: a service that starts meanwhile is.
    pub async fn open_beside(url: &str) -> Result<Self> {
        Self::connect(url, |_| Ok(None)).await.map_err(|source| not_opened(url, source))
    }

    async fn connect(url: &str, lock: impl FnOnce(&Path) -> std::io::Result<Option<Arc<File>>>) -> Connected {
        let options = SqliteConnectOptions::from_str(url)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .create_if_missing(false);
        let path = options.get_filename();
        make_private_file(path)?;
        let lock = lock(path)?;

        // A connection to a file does not go stale: asking it before each use would only cost time.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false);
        let writing = options
            .clone()
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .pragma("wal_autocheckpoint", WRITER_CHECKPOINT_PAGES.to_string());
        let writer = pool().max_connections(1).connect_with(writing).await?;
        let migrator = Migrator::with_migrations(migrations());
        if migrator.run(&writer).await.is_err() {
            // Another process may have made the same changes at the same time. Then they are made now.
            migrator.run(&writer).await?;
        }
        let checkpointing = pool().max_connections(1).connect_with(options.clone()).await?;
        let checkpointer = Arc::new(Checkpointer::start(checkpointing));
        let reader = pool().max_connections(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, reader, checkpointer, lock })
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

type Connected = std::result::Result<SqliteStore, Box<dyn std::error::Error + Send + Sync>>;

fn not_opened(url: &str, source: Box<dyn std::error::Error + Send + Sync>) -> StorageError {
    let hint = source.downcast_ref().map_or("", opening_hint);
    StorageError::Open { url: url.to_owned(), hint, source }
}

fn migrations() -> Vec<Migration> {
    let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql, false)
    };
    MIGRATIONS.iter().map(migration).collect()
}

/// SQLite gives its files the process's umask; the log and shared-memory files take after the main one.
fn make_private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// Locks a file beside the database's, unless another process has. Not the database's own: SQLite loses its
/// locks when any descriptor of that is closed (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
fn lock(database: &Path) -> std::io::Result<Option<Arc<File>>> {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    let file = make_private_file(Path::new(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Arc::new(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
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
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
