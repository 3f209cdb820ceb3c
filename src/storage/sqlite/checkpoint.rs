//! Moves what was committed from the log into the file, beside the writer instead of in its commits.
//!
//! A passive checkpoint waits for nobody and makes nobody wait. Under load it never catches up with the
//! writer, whose own checkpoint, at [`WRITER_CHECKPOINT_PAGES`], then finds little left to do and lets the log
//! begin anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::task::JoinHandle;

use crate::causes::Causes;

/// How often the log is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// After how many pages of the log a commit moves the rest itself.
pub(super) const WRITER_CHECKPOINT_PAGES: u32 = 8_000;

/// The task, for as long as the store is open.
#[derive(Debug)]
pub(super) struct Checkpointer {
    written: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// `connection` must be a connection of its own: it is busy for as long as the disk is.
    pub(super) fn start(connection: SqlitePool) -> Self {
        let written = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(run(connection, Arc::clone(&written)));
        Self { written, task }
    }

    /// Something was committed.
    pub(super) fn note(&self) {
        self.written.store(true, Ordering::Relaxed);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(connection: SqlitePool, written: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if written.swap(false, Ordering::Relaxed)
            && let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await
        {
            // Nothing is lost by it, and the writer says for itself what does not work.
            tracing::debug!(error = %Causes(&error), "the log could not be moved into the file");
        }
    }
}
