//! `GET /livez` and `GET /readyz`: liveness and readiness probes. They take no token, and so must cost little however
//! often they are called.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::state::Readiness;
use crate::shutdown::Shutdown;

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

/// Events can be accepted: the store took a write within the last second, and the service is not shutting down.
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
pub(super) async fn ready(
    State(shutdown): State<Shutdown>,
    State(readiness): State<Readiness>,
) -> (StatusCode, Json<Status>) {
    if shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "draining" }));
    }
    if readiness.is_ready().await {
        (StatusCode::OK, Json(Status { status: "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "store_unavailable" }))
    }
}
