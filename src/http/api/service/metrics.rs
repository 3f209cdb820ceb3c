//! `GET /metrics`: Prometheus metrics. It takes no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::Gauges;
use crate::http::state::MetricsText;
use crate::storage::DeliveryReader;
use crate::telemetry::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus metrics.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    operation_id = "getMetrics",
    responses((status = 200, description = "OpenMetrics text.", body = String, content_type = OPEN_METRICS))
)]
pub(super) async fn show(
    State(gauges): State<Gauges>,
    State(metrics): State<Arc<Metrics>>,
    State(deliveries): State<Arc<dyn DeliveryReader>>,
    State(clock): State<Arc<dyn Clock>>,
    State(text): State<MetricsText>,
) -> impl IntoResponse {
    let make = async || {
        let refreshed = gauges.refresh(&metrics, &deliveries, clock.now()).await;
        if let Err(error) = refreshed {
            // The counters are still served: they matter most when the store fails.
            tracing::error!(error = %Causes(&error), "the gauges of the queue could not be refreshed");
        }
        metrics.encode()
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], text.get(make).await)
}
