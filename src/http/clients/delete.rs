//! `DELETE /api/v2/clients/{id}`: removes a client and discards what waits for it. One that does not exist is
//! removed already, as at Auth0.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::super::error::ApiError;
use super::super::state::HttpState;

pub(in crate::http) async fn delete(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<StatusCode, ApiError> {
    if let Ok(client_id) = text.parse() {
        state.clients.delete(&client_id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
