//! A limit on the number of pooled connections.
//!
//! Each has a file descriptor. The pool itself only limits idle connections for each origin, so that deliveries to
//! thousands of relying parties would use up the descriptors that the store needs. Therefore a connection needs a
//! permit before it is made for the pool. Without one, the request gets a connection that is not pooled.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits for pooled connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct PoolLimit(Arc<Semaphore>);

/// The permit for one pooled connection.
#[derive(Debug)]
pub(super) struct PoolPermit(
    #[expect(dead_code, reason = "it is released when it is dropped")] OwnedSemaphorePermit,
);

/// There is no permit left. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit of pooled connections is reached")]
pub(super) struct PoolFull;

impl PoolLimit {
    /// At most this many connections.
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }

    /// A permit, if there is one.
    pub(super) fn acquire(&self) -> Result<PoolPermit, PoolFull> {
        Arc::clone(&self.0).try_acquire_owned().map(PoolPermit).map_err(|_| PoolFull)
    }
}
