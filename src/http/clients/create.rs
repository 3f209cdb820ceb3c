//! `POST /api/v2/clients`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::super::audit::Note;
use super::super::body::parse_json;
use super::super::error::ApiError;
use super::super::state::HttpState;
use super::change::ClientChange;
use super::view::ClientView;

pub(in crate::http) async fn create(
    State(state): State<Arc<HttpState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Extension<Note>, Json<ClientView>), ApiError> {
    let change: ClientChange = parse_json(&body?)?;
    let mut record = state.clients.blank(change.client_id.clone());
    change.apply(&mut record)?;
    let record = state.clients.create(record.client).await?;
    let note = Note { client_id: Some(record.client.client_id.clone()), ..Note::default() };
    Ok((StatusCode::CREATED, Extension(note), Json(record.into())))
}
