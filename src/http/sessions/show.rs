//! `GET /api/v2/sessions/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::super::error::{ApiError, Body as Error};
use super::super::openapi as doc;
use super::super::path::Id;
use super::super::state::HttpState;
use super::view::SessionView;
use super::{sid, view};

/// Reads a session.
#[utoipa::path(
    get,
    path = "/api/v2/sessions/{id}",
    tag = "sessions",
    operation_id = "getSession",
    params(("id" = doc::Sid, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionView,
            headers(("ETag" = String, description = "Its revision, for `If-Match`."))),
        (status = 404, description = "`inexistent_session`: there is none, or it has ended.", body = Error),
    )
)]
pub(in crate::http) async fn show(
    State(state): State<Arc<HttpState>>,
    Id(text): Id,
) -> Result<Response, ApiError> {
    let session = state.sessions.session(&sid(&text)?).await?;
    let live = session.filter(|session| session.ended.is_none()).ok_or_else(ApiError::inexistent_session)?;
    Ok(view::answer(live))
}
