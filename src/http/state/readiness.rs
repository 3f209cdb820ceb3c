//! Whether the store takes writes, for `GET /readyz`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::storage::Maintenance;

/// How long a result is reused.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long the store may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the store takes writes, found out at most once a second: each check is a write and a sync of the disk, and
/// anybody may ask without a token. Concurrent requests share one check.
#[derive(Clone)]
pub struct Readiness {
    store: Arc<dyn Maintenance>,
    ambient: Ambient,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Readiness {
    /// Checks `store` when it is first asked.
    pub fn new(store: Arc<dyn Maintenance>, ambient: Ambient) -> Self {
        Self { store, ambient, last: Arc::default() }
    }

    /// Whether the store takes writes.
    pub(crate) async fn is_ready(&self) -> bool {
        let this = self.clone();
        // In a task of its own, so that a caller that disconnects does not cancel the write.
        let checked = tokio::spawn(async move {
            let mut last = this.last.lock().await;
            if let Some((at, ready)) = *last
                && at.elapsed() < FRESH_FOR
            {
                return ready;
            }
            let ready = this.ping().await;
            *last = Some((Instant::now(), ready));
            ready
        });
        checked.await.unwrap_or(false)
    }

    async fn ping(&self) -> bool {
        match timeout(PING_TIMEOUT, self.store.ping(self.ambient.now())).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(error = %Causes(&error), "not ready: the store does not take writes");
                false
            }
            Err(_) => {
                tracing::error!(waited = ?PING_TIMEOUT, "not ready: the store does not answer");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use jiff::Timestamp;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::storage::Result;

    /// A store that answers after `takes`.
    struct Store {
        takes: Duration,
        pings: AtomicUsize,
    }

    #[async_trait]
    impl Maintenance for Store {
        async fn ping(&self, _: Timestamp) -> Result<()> {
            self.pings.fetch_add(1, Ordering::Relaxed);
            sleep(self.takes).await;
            Ok(())
        }

        async fn sweep(&self, _: Timestamp, _: u32) -> Result<u64> {
            unreachable!("nothing is swept")
        }

        async fn close(&self) {}
    }

    fn stage(takes: Duration) -> (Arc<Store>, Readiness) {
        let store = Arc::new(Store { takes, pings: AtomicUsize::new(0) });
        (Arc::clone(&store), Readiness::new(store, Ambient::system()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_is_written_to_once_a_second_however_many_ask() {
        let (store, readiness) = stage(Duration::from_millis(10));
        for expected in 1..4 {
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..100 {
                let readiness = readiness.clone();
                asking.spawn(async move { readiness.is_ready().await });
            }
            assert!(asking.join_all().await.into_iter().all(|ready| ready));
            assert_eq!(store.pings.load(Ordering::Relaxed), expected);
            advance(FRESH_FOR).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hangs_up_breaks_nothing_off_and_a_store_that_does_not_answer_is_not_ready() {
        let (store, readiness) = stage(Duration::from_secs(1));
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(10), readiness.is_ready()).await.is_err());
        }
        assert!(readiness.is_ready().await);
        assert_eq!(store.pings.load(Ordering::Relaxed), 1);
        let (_, readiness) = stage(Duration::from_hours(1));
        assert!(!readiness.is_ready().await);
    }
}
