//! Stopping in two steps: drain, then stop.

use tokio_util::sync::CancellationToken;

/// Tells the parts of the program when to wind down and when to give up. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Shutdown {
    /// A signal that was not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for no new work to be begun and what is under way to be finished.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks for everything to be dropped where it stands. What was acknowledged is safe in the store.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// Whether draining was asked for.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// The signal to drain, for parts that take a bare token.
    pub fn drain_token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Returns when draining is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Returns when stopping at once is asked for.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}
