//! Shutdown in two steps: drain, then stop.

use tokio_util::sync::CancellationToken;

/// The signals to drain and to stop. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Shutdown {
    /// Neither is requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests that no new work begins and that work in progress is finished.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Requests that all work is cancelled. What was acknowledged is safe in the store.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// Whether draining was requested.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// The signal to drain as a token.
    pub fn drain_token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Returns when draining is requested.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Returns when a stop is requested.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}
