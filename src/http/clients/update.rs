//! `PATCH /api/v2/clients/{id}`: changes what is given, and leaves the rest.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::super::audit::Note;
use super::super::body::parse_json;
use super::super::error::ApiError;
use super::super::state::HttpState;
use super::change::ClientChange;
use super::client_id;
use super::view::ClientView;

pub(in crate::http) async fn update(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Extension<Note>, Json<ClientView>), ApiError> {
    let client_id = client_id(&text)?;
    let body = body?;
    let change: ClientChange = parse_json(&body)?;
    if change.client_id.as_ref().is_some_and(|other| *other != client_id) {
        return Err(ApiError::invalid_body("client_id", "cannot be changed; register a new client"));
    }
    if change.is_empty() {
        return Err(ApiError::invalid_body("", "the body must have at least one member to change"));
    }
    let record = state.clients.update(&client_id, |record| change.apply(record)).await?;
    Ok((Extension(Note::of_members(&body)), Json(record.into())))
}
