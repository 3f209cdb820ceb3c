//! Opening the store. The one place that names a backend.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::config::{Config, StoreUrl};
use crate::keyring::Keyring;
use crate::shutdown::Shutdown;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{Maintenance, Storage, StorageError};

/// How often rows past the retention are deleted.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// How many rows of a table are deleted in one transaction: few enough that no event waits for long.
const SWEEP_BATCH: u32 = 500;

/// Opens the store for a command that works on it beside a service that may be running; creates it if there is none and
/// `create` is set. To be [closed](Maintenance::close).
pub async fn open_store_beside(config: &Config, create: bool) -> anyhow::Result<Arc<dyn Storage>> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    if !create && !path.exists() {
        anyhow::bail!(
            "there is no store at {} yet; `logoutd serve` makes it when it starts",
            config.store.url
        );
    }
    Ok(Arc::new(SqliteStore::open_beside(&config.store.url.to_string()).await?))
}

/// Opens the store for a service: with the configuration's clients in it, and the leases of earlier runs released.
/// Tells the keyring which algorithms its clients use.
pub(super) async fn open(
    config: &Config,
    keyring: &Keyring,
    ambient: &Ambient,
) -> anyhow::Result<Arc<dyn Storage>> {
    let url = config.store.url.to_string();
    let store = SqliteStore::open(&url).await?;
    let metrics = Arc::clone(&ambient.metrics);
    let store: Arc<dyn Storage> =
        Arc::new(store.counting_unreadable(move |table| metrics.storage.unreadable_row(table)));
    // On a disk that is full or read-only opening can succeed, and the first write fails.
    prepare(&*store, config, keyring, ambient.now())
        .await
        .with_context(|| format!("the store {url} could not be prepared"))?;
    Ok(store)
}

async fn prepare(
    store: &dyn Storage,
    config: &Config,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<(), StorageError> {
    store.replace_file_clients(&config.clients, now).await?;
    for alg in keyring.require(store.client_algorithms().await?) {
        tracing::error!(
            %alg,
            "a client uses this algorithm and no key signs it: its deliveries wait until one is there"
        );
    }
    let recovered = store.recover(now).await?;
    if recovered > 0 {
        tracing::warn!(recovered, "attempts that an earlier run did not finish are made again");
    }
    Ok(())
}

/// Deletes rows past the retention at intervals, in small batches, until draining is requested.
pub(super) async fn sweep(
    store: Arc<dyn Maintenance>,
    ambient: Ambient,
    retention: Duration,
    shutdown: Shutdown,
) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.draining() => return,
        }
        let before = ambient.now().saturating_sub(retention).expect("a std Duration has no calendar units");
        while !shutdown.is_draining() {
            match store.sweep(before, SWEEP_BATCH).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "deleted rows older than store.retention"),
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "old rows could not be deleted");
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}
