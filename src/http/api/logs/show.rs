//! `GET /api/v2/logs/{id}`: one entry.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::LogView;
use crate::domain::log::LogId;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::{ApiPath, ListPermit};
use crate::http::state::AuditSubjects;
use crate::storage::LogStore;

/// Reads an entry of the audit trail.
#[utoipa::path(
    get,
    path = "/api/v2/logs/{id}",
    tag = "logs",
    operation_id = "getLog",
    params(("id" = LogId, Path, description = "The entry.")),
    responses(
        (status = 200, description = "The entry.", body = LogView),
        (status = 404, description = "`inexistent_resource`: there is none, or it was swept.", body = Error),
    )
)]
pub(super) async fn show(
    State(logs): State<Arc<dyn LogStore>>,
    State(AuditSubjects(users)): State<AuditSubjects>,
    ApiPath(id): ApiPath<LogId>,
    _permit: ListPermit,
) -> Result<Json<LogView>, ApiError> {
    let record = logs.log(id).await?.ok_or_else(|| ApiError::inexistent("log entry"))?;
    Ok(Json(LogView::of(record, users)))
}
