//! Checkpoints the write-ahead log in the background, instead of in the writer's commits.
//!
//! A passive checkpoint neither waits for other connections nor blocks them. Under load it never catches up with the
//! writer; the writer's own checkpoint, at [`WRITER_CHECKPOINT_PAGES`], then has little left to do and resets the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::task::JoinHandle;

use crate::causes::Causes;

/// How often a checkpoint is made, if there were writes.
const INTERVAL: Duration = Duration::from_millis(250);

/// From how many pages in the log on a commit makes a checkpoint itself.
pub(super) const WRITER_CHECKPOINT_PAGES: u32 = 8_000;

/// The background task. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    written: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// `connection` must be used for nothing else: it is blocked while the disk is busy.
    pub(super) fn start(connection: SqlitePool) -> Self {
        let written = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(run(connection, Arc::clone(&written)));
        Self { written, task }
    }

    /// Notes that there are writes to checkpoint.
    pub(super) fn note_write(&self) {
        self.written.store(true, Ordering::Relaxed);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(connection: SqlitePool, written: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if written.swap(false, Ordering::Relaxed)
            && let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await
        {
            // Harmless: the writer makes a checkpoint too, and reports its own errors.
            tracing::debug!(error = %Causes(&error), "the write-ahead log could not be checkpointed");
        }
    }
}
