//! `GET /livez` and `GET /readyz`: for whoever restarts the process, and whoever sends it traffic.
//!
//! Nobody needs a token for them, so that they cost little however often they are asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::ambient::Ambient;
use crate::causes::Causes;
use crate::http::state::HttpState;
use crate::storage::Maintenance;

/// For how long it is not tried again whether the store works.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the service works.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok`, `draining` or `store_unavailable`.
    status: &'static str,
}

/// Whether the store works, as was found a moment ago. To find out is a write and a sync of the disk: it is done
/// once a second at the most, and all who ask meanwhile share it.
#[derive(Clone)]
pub struct Readiness {
    store: Arc<dyn Maintenance>,
    ambient: Ambient,
    found: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Readiness {
    /// Nothing was tried yet.
    pub fn new(store: Arc<dyn Maintenance>, ambient: Ambient) -> Self {
        Self { store, ambient, found: Arc::default() }
    }

    /// Whether the store takes writes.
    async fn is_ready(&self) -> bool {
        let this = self.clone();
        // A task of its own: whoever hangs up breaks nothing off at the store.
        let tried = tokio::spawn(async move {
            let mut found = this.found.lock().await;
            if let Some((at, ready)) = *found
                && at.elapsed() < FRESH_FOR
            {
                return ready;
            }
            let ready = this.ping().await;
            *found = Some((Instant::now(), ready));
            ready
        });
        tried.await.unwrap_or(false)
    }

    async fn ping(&self) -> bool {
        match timeout(PATIENCE, self.store.ping(self.ambient.now())).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(error = %Causes(&error), "not ready: the store does not work");
                false
            }
            Err(_) => {
                tracing::error!(waited = ?PATIENCE, "not ready: the store does not answer");
                false
            }
        }
    }
}

/// The process answers.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    operation_id = "getLiveness",
    responses((status = 200, description = "It lives.", body = Status))
)]
pub(crate) async fn live() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Events can be accepted: the store took a write within the last second, and the service is not winding down.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    operation_id = "getReadiness",
    responses(
        (status = 200, description = "It is ready.", body = Status),
        (status = 503, description = "`draining` or `store_unavailable`.", body = Status),
    )
)]
pub(crate) async fn ready(State(state): State<Arc<HttpState>>) -> (StatusCode, Json<Status>) {
    if state.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "draining" }));
    }
    if state.readiness.is_ready().await {
        (StatusCode::OK, Json(Status { status: "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "store_unavailable" }))
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
