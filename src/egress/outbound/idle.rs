//! How many connections may be kept for later.
//!
//! Each takes a file descriptor, and the pool bounds them by their time and for each origin only: deliveries to
//! thousands of relying parties would take what is kept back for the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the open connections of a client, and bounds those that are kept idle. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct IdleLimit {
    open: Arc<AtomicUsize>,
    most: usize,
}

impl IdleLimit {
    /// Up to `most` are kept idle.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A connection was opened; it is open until this is dropped.
    pub(super) fn opened(&self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.open))
    }

    /// Whether so many are open that one whose request begins now is not to be kept after it. So no more than `most`
    /// ever become idle, however many are in use.
    pub(super) fn is_exceeded(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.most
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
