//! `GET /livez` and `GET /readyz`: for whoever restarts the process, and whoever sends it traffic.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::state::HttpState;
use crate::causes::Causes;

/// Whether the service works.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// `ok`, `draining` or `store_unavailable`.
    status: &'static str,
}

/// The process answers.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    operation_id = "getLiveness",
    responses((status = 200, description = "It lives.", body = Status))
)]
pub(super) async fn live() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Events can be accepted: the store takes writes, and the service is not winding down.
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
pub(super) async fn ready(State(state): State<Arc<HttpState>>) -> (StatusCode, Json<Status>) {
    if state.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "draining" }));
    }
    match state.store.ping(state.clock.now()).await {
        Ok(()) => (StatusCode::OK, Json(Status { status: "ok" })),
        Err(error) => {
            tracing::error!(error = %Causes(&error), "not ready: the store does not work");
            (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "store_unavailable" }))
        }
    }
}
