//! `GET /metrics`: what is counted and timed, for a collector.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::state::HttpState;
use crate::causes::Causes;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is counted and timed.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    operation_id = "getMetrics",
    responses((status = 200, description = "OpenMetrics text.", body = String, content_type = OPEN_METRICS))
)]
pub(super) async fn show(State(state): State<Arc<HttpState>>) -> impl IntoResponse {
    let refreshed = state.gauges.refresh(&state.metrics, &*state.deliveries, state.clock.now()).await;
    if let Err(error) = refreshed {
        // The counters are worth having even then; above all then.
        tracing::error!(error = %Causes(&error), "the queue could not be counted");
    }
    let reloads = state.keyring.reloads();
    state.metrics.keys().set_reloads(reloads.loaded, reloads.failed);
    ([(CONTENT_TYPE, OPEN_METRICS)], state.metrics.encode())
}
