//! `GET /api/v2/sessions/{id}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::super::error::ApiError;
use super::super::state::HttpState;
use super::{sid, view};

pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Path(text): Path<String>,
) -> Result<Response, ApiError> {
    let session = state.sessions.session(&sid(&text)?).await?;
    let live = session.filter(|session| session.ended.is_none()).ok_or_else(ApiError::inexistent_session)?;
    Ok(view::answer(live))
}
