//! `GET /api/v2/sessions/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::view::SessionView;
use super::{sid, view};
use crate::http::error::{ApiError, Body as Error};
use crate::http::extract::path::Id;
use crate::http::schema as doc;
use crate::http::state::HttpState;

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
pub(crate) async fn show(State(state): State<Arc<HttpState>>, Id(text): Id) -> Result<Response, ApiError> {
    let session = state.sessions.session(&sid(&text)?).await?;
    let live = session.filter(|session| session.ended.is_none()).ok_or_else(ApiError::inexistent_session)?;
    Ok(view::answer(live))
}
