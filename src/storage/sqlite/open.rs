//! Opens the store: creates its file, switches it to the write-ahead log and migrates its schema. Several processes may
//! do so at the same time.
//!
//! All migrations run in one transaction that has the write lock from its beginning, so that other processes see the old
//! schema or the new one. The switch to the log takes a lock that SQLite does not wait for, so it is retried.

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlSafeStr, SqlitePool};

use super::checkpoint::{Checkpointer, WRITER_CHECKPOINT_PAGES};
use super::errors::{is_locked_out, opening_hint};
use super::lists::Lists;
use super::rows::Rows;
use super::{MIGRATIONS, READERS, SqliteStore, TOKEN_READERS, files};
use crate::storage::{Cause, OpenError};

/// How long a statement waits for a writer of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening is retried while other processes have the store locked.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause before the first retry. It doubles with each further one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The page cache of the connection that writes, in KiB: the inner pages of the indexes of millions of rows.
const WRITER_CACHE_KIB: u32 = 32 * 1024;

type Opened<T> = Result<T, Cause>;

/// Opens the store at `url`. If `first` is set, takes the lock that shows which process was the first.
pub(super) async fn open(url: &str, first: bool) -> Result<SqliteStore, OpenError> {
    try_open(url, first).await.map_err(|source| {
        let hint = sqlx_error(&*source).map_or("", opening_hint);
        OpenError { url: url.to_owned(), hint, source }
    })
}

async fn try_open(url: &str, first: bool) -> Opened<SqliteStore> {
    let options = SqliteConnectOptions::from_str(url)?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .create_if_missing(false);
    let path = options.get_filename();
    files::make_private(path)?;
    let lock = if first { files::lock(path)? } else { None };

    let writing = options
        .clone()
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        .pragma("wal_autocheckpoint", WRITER_CHECKPOINT_PAGES.to_string());
    let writer = retry_while_locked(|| up_to_date(&writing)).await?;
    let checkpointing = retry_while_locked(|| pool(&options, 1)).await?;
    let checkpointer = Arc::new(Checkpointer::start(checkpointing));
    let reading = options.read_only(true);
    let reader = retry_while_locked(|| pool(&reading, READERS)).await?;
    let tokens = retry_while_locked(|| pool(&reading, TOKEN_READERS)).await?;
    let lists = retry_while_locked(|| async { Ok(Lists::open(reading.clone()).await?) }).await?;
    let rows = Arc::new(Rows::new(|_| ()));
    Ok(SqliteStore { writer, reader, tokens, lists, checkpointer, lock, rows })
}

async fn pool(options: &SqliteConnectOptions, connections: u32) -> Opened<SqlitePool> {
    // A connection to a file does not go stale, so that a test before each use would only cost time.
    let pool = SqlitePoolOptions::new().test_before_acquire(false).max_connections(connections);
    Ok(pool.connect_with(options.clone()).await?)
}

/// The connection that writes, with the schema up to date.
async fn up_to_date(options: &SqliteConnectOptions) -> Opened<SqlitePool> {
    let pool = pool(options, 1).await?;
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    Migrator::with_migrations(migrations()).run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    drop(connection);
    Ok(pool)
}

pub(super) fn migrations() -> Vec<Migration> {
    let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql, false)
    };
    MIGRATIONS.iter().map(migration).collect()
}

/// Retries while another process holds a lock.
async fn retry_while_locked<T, F: Future<Output = Opened<T>>>(attempt: impl Fn() -> F) -> Opened<T> {
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match attempt().await {
            Err(error)
                if sqlx_error(&*error).is_some_and(is_locked_out) && began.elapsed() < OPEN_TIMEOUT =>
            {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}

/// The `sqlx` error among the causes.
fn sqlx_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e sqlx::Error> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref() {
            return Some(found);
        }
        error = this.source();
    }
    None
}
