//! Opening the store: its file is made, switched to the write-ahead log and brought up to date, by however many
//! processes do so at the same time.
//!
//! The schema is changed in one transaction that has the write lock from its beginning, so that others find it as it
//! was or as it is. The switch to the log takes a lock that SQLite does not wait for, so it is tried again.

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

/// How long a writer of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the store is tried to be opened while others keep it locked.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long after being locked out it is tried again: this at first, then twice that, and so on.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);
const TRY_AGAIN_AT_LEAST_EVERY: Duration = Duration::from_millis(200);

/// The page cache of the connection that writes, in KiB: the inner pages of the indexes of millions of rows.
const WRITER_CACHE_KIB: u32 = 32 * 1024;

type Opened<T> = Result<T, Cause>;

/// Opens the store at `url`, and takes the lock that tells who was first if `first` is set.
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
    let writer = while_locked_out(|| up_to_date(&writing)).await?;
    let checkpointing = while_locked_out(|| pool(&options, 1)).await?;
    let checkpointer = Arc::new(Checkpointer::start(checkpointing));
    let reading = options.read_only(true);
    let reader = while_locked_out(|| pool(&reading, READERS)).await?;
    let tokens = while_locked_out(|| pool(&reading, TOKEN_READERS)).await?;
    let lists = while_locked_out(|| async { Ok(Lists::open(reading.clone()).await?) }).await?;
    let rows = Arc::new(Rows::new(|_| ()));
    Ok(SqliteStore { writer, reader, tokens, lists, checkpointer, lock, rows })
}

async fn pool(options: &SqliteConnectOptions, connections: u32) -> Opened<SqlitePool> {
    // A connection to a file does not go stale: asking it before each use would only cost time.
    let pool = SqlitePoolOptions::new().test_before_acquire(false).max_connections(connections);
    Ok(pool.connect_with(options.clone()).await?)
}

/// The connection that writes, with the schema as it is to be.
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

/// Tries again for as long as it fails because others hold what it needs.
async fn while_locked_out<T, F: Future<Output = Opened<T>>>(attempt: impl Fn() -> F) -> Opened<T> {
    let (began, mut pause) = (Instant::now(), TRY_AGAIN_AFTER);
    loop {
        match attempt().await {
            Err(error) if sqlx_error(&*error).is_some_and(is_locked_out) && began.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(TRY_AGAIN_AT_LEAST_EVERY);
            }
            result => return result,
        }
    }
}

/// What SQLite said, however deep it is among the causes.
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
