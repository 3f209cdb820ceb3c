//! `GET /api/v2/logs/{id}`: one entry.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::view::LogView;

pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<Json<LogView>, ApiError> {
    let inexistent = || ApiError::inexistent("log entry");
    // What is no id names no entry.
    let id = text.parse().map_err(|_| inexistent())?;
    let record = state.logs.log(id).await?.ok_or_else(inexistent)?;
    Ok(Json(record.into()))
}
