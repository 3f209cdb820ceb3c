//! `GET /api/v2/clients/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::Value;

use super::super::error::ApiError;
use super::super::query::Query;
use super::super::state::HttpState;
use super::client_id;
use super::view::Fields;

pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let client_id = client_id(&text)?;
    let mut query = Query::of(&uri)?;
    let fields = Fields::of(&mut query)?;
    query.finish()?;
    let record = state.clients.client(&client_id).await?.ok_or_else(ApiError::inexistent_client)?;
    Ok(Json(fields.of_client(record)))
}
