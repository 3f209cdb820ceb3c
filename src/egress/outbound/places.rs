//! How many connections may be kept for later requests.
//!
//! Each takes a file descriptor, and the pool bounds them by their time and for each origin only: deliveries to
//! thousands of relying parties would take what is kept back for the store. So a connection of the pool takes one of a
//! number of places before it is made, whether it is used then or not. Whoever finds none has a connection that is
//! not kept.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for kept connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Semaphore>);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// All places are taken: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many connections are kept as may be")]
pub(super) struct NoPlace;

impl Places {
    /// So many.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))))
    }

    /// One of them, if one is free.
    pub(super) fn take(&self) -> Result<Place, NoPlace> {
        Arc::clone(&self.0).try_acquire_owned().map(Place).map_err(|_| NoPlace)
    }
}
