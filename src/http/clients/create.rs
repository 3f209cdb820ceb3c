//! `POST /api/v2/clients`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;

use super::super::body::parse_json;
use super::super::error::ApiError;
use super::super::state::HttpState;
use super::change::ClientChange;
use super::view::ClientView;

pub(in crate::http) async fn create(
    State(state): State<Arc<HttpState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ClientView>), ApiError> {
    let change: ClientChange = parse_json(&body?)?;
    let mut record = state.clients.blank(change.client_id.clone());
    change.apply(&mut record)?;
    let record = state.clients.create(record.client).await?;
    Ok((StatusCode::CREATED, Json(record.into())))
}
