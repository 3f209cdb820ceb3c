//! `GET /metrics`: what is counted and timed, for a collector.
//!
//! Nobody needs a token for it. Those who ask while a text is being made share the next one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::causes::Causes;
use crate::http::state::HttpState;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The last text, and when it was begun.
#[derive(Clone, Default)]
pub struct Scrapes(Arc<Mutex<Option<(Instant, String)>>>);

impl Scrapes {
    /// A text that `make` began to make no earlier than now.
    async fn text(&self, make: impl AsyncFnOnce() -> String) -> String {
        let asked_at = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, text)) = &*last
            && *begun > asked_at
        {
            return text.clone();
        }
        let begun = Instant::now();
        let text = make().await;
        *last = Some((begun, text.clone()));
        text
    }
}

/// What is counted and timed.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    operation_id = "getMetrics",
    responses((status = 200, description = "OpenMetrics text.", body = String, content_type = OPEN_METRICS))
)]
pub(crate) async fn show(State(state): State<Arc<HttpState>>) -> impl IntoResponse {
    let make = async || {
        let refreshed = state.gauges.refresh(&state.metrics, &state.deliveries, state.clock.now()).await;
        if let Err(error) = refreshed {
            // The counters are worth having even then; above all then.
            tracing::error!(error = %Causes(&error), "the queue could not be counted");
        }
        state.metrics.encode()
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], state.scrapes.text(make).await)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_while_a_text_is_made_share_the_next() {
        let (scrapes, made) = (Scrapes::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (scrapes, made) = (scrapes.clone(), Arc::clone(&made));
            async move {
                let make = async || {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    made.fetch_add(1, Ordering::Relaxed).to_string()
                };
                scrapes.text(make).await
            }
        };
        let first = tokio::spawn(ask());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..100 {
            others.spawn(ask());
        }
        assert_eq!(first.await.unwrap(), "0");
        assert!(others.join_all().await.iter().all(|text| text == "1"));
        assert_eq!(ask().await, "2", "none is older than its request");
    }
}
