//! `GET /livez` and `GET /readyz`: for whoever restarts the process, and whoever sends it traffic.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::state::HttpState;
use crate::causes::Causes;

#[derive(Serialize)]
pub(super) struct Status {
    status: &'static str,
}

/// The process answers.
pub(super) async fn live() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Events can be accepted: the store takes writes, and the service is not winding down.
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
