//! `GET /api/v2/logs/{id}`: one entry.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::LogView;
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::list_turn::ListTurn;
use crate::http::extract::path::Id;
use crate::http::schema as doc;
use crate::http::state::HttpState;

/// Reads an entry of the audit trail.
#[utoipa::path(
    get,
    path = "/api/v2/logs/{id}",
    tag = "logs",
    operation_id = "getLog",
    params(("id" = doc::LogId, Path, description = "The entry.")),
    responses(
        (status = 200, description = "The entry.", body = LogView),
        (status = 404, description = "`inexistent_resource`: there is none, or it was swept.", body = Error),
    )
)]
pub(crate) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
    _turn: ListTurn,
) -> Result<Json<LogView>, ApiError> {
    let inexistent = || ApiError::inexistent("log entry");
    // What is no id names no entry.
    let id = text.parse().map_err(|_| inexistent())?;
    let record = state.logs.log(id).await?.ok_or_else(inexistent)?;
    Ok(Json(LogView::of(record, state.audit_subjects)))
}
